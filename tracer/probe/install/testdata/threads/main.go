// Command threads runs functions on threads that end, one after the other.
package main

import (
	"fmt"
	"runtime"
	"time"
)

//go:noinline
func call(i int) int { return i }

func main() {
	sum := 0
	for range 400 {
		done := make(chan int)
		go func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			n := 0
			for i := range 50 {
				n += call(i)
			}
			done <- n
		}()
		sum += <-done
		time.Sleep(time.Millisecond)
	}
	fmt.Println(sum)
}
