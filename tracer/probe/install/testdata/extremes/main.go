// Command extremes goes to the limits of depth and number, and counts its calls.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
)

var nDeep, nOne, nNest atomic.Int64

//go:noinline
func deep(n int) int {
	nDeep.Add(1)
	if n == 0 {
		return 0
	}
	return deep(n-1) + 1
}

//go:noinline
func one(i int, hold *sync.WaitGroup) int {
	nOne.Add(1)
	hold.Done()
	hold.Wait() // all of them are open at once
	return i
}

//go:noinline
func nest(n int) (out int) {
	nNest.Add(1)
	defer func() {
		if r := recover(); r != nil {
			out = r.(int) + 1
			if n%2 == 0 && n > 0 {
				panic(out)
			}
		}
	}()
	if n == 0 {
		panic(0)
	}
	return nest(n-1) + 1
}

func main() {
	debug.SetMaxStack(1 << 30)
	switch os.Args[1] {
	case "deep":
		depth := 1_000_000
		if len(os.Args) > 2 {
			depth, _ = strconv.Atoi(os.Args[2])
		}
		fmt.Println(deep(depth))
	case "goroutines":
		var all, hold sync.WaitGroup
		var sum atomic.Int64
		hold.Add(10_000)
		for i := range 10_000 {
			all.Go(func() { sum.Add(int64(one(i, &hold))) })
		}
		all.Wait()
		fmt.Println(sum.Load())
	case "panics":
		for i := range 2000 {
			func() {
				defer func() { recover() }()
				nest(i % 9)
			}()
		}
		fmt.Println("done")
	}
	fmt.Fprintln(os.Stderr, "main.deep", nDeep.Load())
	fmt.Fprintln(os.Stderr, "main.one", nOne.Load())
	fmt.Fprintln(os.Stderr, "main.nest", nNest.Load())
}
