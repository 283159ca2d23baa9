// Command extremes goes to the limits of depth and number, and counts its calls.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
)

var nDeep, nOne, nNest, nLeave, nAway, nSwallow atomic.Int64

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

// leave ends its goroutine n calls further down.
//
//go:noinline
func leave(n int) {
	nLeave.Add(1)
	defer away(n)
	if n == 0 {
		runtime.Goexit()
	}
	leave(n - 1)
}

// away is called while the goroutine ends: it panics and recovers, or ends it once more.
//
//go:noinline
func away(n int) {
	nAway.Add(1)
	defer func() { recover() }()
	if n%3 == 1 {
		panic(n)
	}
	if n%5 == 4 {
		runtime.Goexit()
	}
}

// swallow ends its goroutine while it panics, which ends the panic, too.
//
//go:noinline
func swallow(n int) {
	nSwallow.Add(1)
	defer runtime.Goexit()
	panic(n)
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
	case "goexit":
		for i := range 2000 {
			ended := make(chan bool)
			go func() {
				defer close(ended)
				if i%4 == 3 {
					swallow(i)
				}
				leave(i % 9)
				fmt.Println("not ended")
			}()
			<-ended
		}
		fmt.Println("done")
	}
	fmt.Fprintln(os.Stderr, "main.deep", nDeep.Load())
	fmt.Fprintln(os.Stderr, "main.one", nOne.Load())
	fmt.Fprintln(os.Stderr, "main.nest", nNest.Load())
	fmt.Fprintln(os.Stderr, "main.leave", nLeave.Load())
	fmt.Fprintln(os.Stderr, "main.away", nAway.Load())
	fmt.Fprintln(os.Stderr, "main.swallow", nSwallow.Load())
}
