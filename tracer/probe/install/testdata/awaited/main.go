// Command awaited calls a function with small numbers, at first with three only, then with zero to three in many goroutines at a time.
package main

import (
	"fmt"
	"runtime"
	"sync"
)

const (
	alone      = 10_000
	goroutines = 8
	each       = 10_000
)

//go:noinline
func numbered(n int) int {
	if n%2 == 0 {
		runtime.Gosched()
	}
	return n + 100
}

func main() {
	sum := 0
	for range alone {
		sum += numbered(3)
	}
	sums := make([]int, goroutines)
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for k := range each {
				sums[i] += numbered((i + k) % 4)
			}
		})
	}
	wg.Wait()
	for _, s := range sums {
		sum += s
	}
	fmt.Println(sum)
}
