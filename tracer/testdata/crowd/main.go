// Crowd starts goroutines that end at once, one after the other.
package main

func main() {
	done := make(chan bool)
	for range 150 {
		go visit(done)
		<-done
	}
}

func visit(done chan bool) { done <- true }
