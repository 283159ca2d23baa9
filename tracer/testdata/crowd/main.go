// Crowd starts goroutines that end at once, one after the other.
package main

import "runtime"

func main() {
	done := make(chan bool)
	for range 150 {
		go visit(done)
		<-done
	}
	for runtime.NumGoroutine() > 1 { // what they have yet to do is to be recorded in every run
		runtime.Gosched()
	}
}

func visit(done chan bool) { done <- true }
