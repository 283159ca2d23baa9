// Command rings has nearly as many threads as there are rings make a call each, and stay. Then goroutines that go from thread to thread
// make calls, so that most of what they do finds no ring, and some does, and stay, too. Some more threads make a call and end. Main, which
// starts all goroutines, stays on one thread.
package main

import (
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
)

const (
	stay    = 1018
	workers = 40
	rounds  = 100
	end     = 50
)

func main() {
	runtime.LockOSThread()
	debug.SetGCPercent(-1) // its goroutines could begin on a thread that has no ring
	var all sync.WaitGroup
	for i := range stay {
		all.Add(1)
		go func() {
			runtime.LockOSThread()
			pass(i)
			all.Done()
			select {}
		}()
	}
	all.Wait()
	for i := range workers {
		all.Add(1)
		go func() {
			for k := range rounds {
				move(1000*i + k)
				guard(1000*i + k)
			}
			all.Done()
			select {}
		}()
	}
	all.Wait()
	for i := range end {
		go func() {
			runtime.LockOSThread()
			pass(i)
		}()
	}
	for runtime.NumGoroutine() > 1+stay+workers {
		runtime.Gosched()
	}
}

func pass(i int) int { return -i }

func move(i int) int {
	sleep()
	return -i
}

func guard(i int) (r int) {
	defer func() { r = recover().(int) }()
	fail(i)
	return 0
}

func fail(i int) {
	sleep()
	panic(-i)
}

// sleep blocks the thread, so that the goroutine may go on on another one.
func sleep() {
	t := syscall.Timespec{Nsec: 20_000}
	_ = syscall.Nanosleep(&t, nil)
}
