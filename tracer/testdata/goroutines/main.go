// Goroutines starts goroutines from known calls.
package main

import (
	"runtime"
	"sync"
)

func main() {
	var all sync.WaitGroup
	start(&all, 2)
	all.Wait()
	for runtime.NumGoroutine() > 1 { // what they have yet to do is to be recorded in every run
		runtime.Gosched()
	}
}

func start(all *sync.WaitGroup, depth int) {
	all.Add(2)
	go worker(all, depth)
	go func() {
		defer all.Done()
		leaf(depth)
	}()
}

func worker(all *sync.WaitGroup, depth int) {
	defer all.Done()
	if depth > 0 {
		start(all, depth-1)
	}
}

func leaf(n int) int { return n + 1 }
