// Morestack grows stacks in the prologues of traced functions again and again.
package main

import (
	"fmt"
	"runtime"
	"sync"
)

func main() {
	var all sync.WaitGroup
	sums := make([]int, 6)
	for i := range sums {
		all.Add(1)
		go func() {
			defer all.Done()
			sums[i] = deep(40, i)
		}()
	}
	all.Wait()
	for runtime.NumGoroutine() > 1 { // what they have yet to do is to be recorded in every run
		runtime.Gosched()
	}
	fmt.Println(sums)
}

// deep has a frame of 2 KiB.
func deep(n, seed int) int {
	var room [256]int
	room[n] = seed
	if n == 0 {
		return small(room[seed%256])
	}
	return deep(n-1, seed+room[n]) + small(n)
}

func small(n int) int { return n & 1 }
