// Command handoff hands numbers from one thread to another through memory alone.
package main

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

//go:noinline
func before(i int) int { return i }

//go:noinline
func after(i int) int { return i }

func main() {
	const rounds = 200_000
	var cell atomic.Int64
	var all sync.WaitGroup
	all.Go(func() {
		runtime.LockOSThread()
		for i := 1; i <= rounds; i += 2 {
			before(i)
			cell.Store(int64(i))
			for n := 0; cell.Load() != int64(i+1); n++ {
				if n > 1000 {
					runtime.Gosched()
				}
			}
			after(i + 1)
		}
	})
	all.Go(func() {
		runtime.LockOSThread()
		for i := 2; i <= rounds; i += 2 {
			for n := 0; cell.Load() != int64(i-1); n++ {
				if n > 1000 {
					runtime.Gosched()
				}
			}
			after(i - 1)
			before(i)
			cell.Store(int64(i))
		}
	})
	all.Wait()
	fmt.Println("done")
}
