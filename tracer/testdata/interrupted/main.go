// Interrupted calls a function without a frame again and again while its thread gets signals that the runtime handles, checks each
// result, and prints how often it called it.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
)

// pick returns what its last but one instruction has computed, so that a probe runs that itself before it records the return.
//
//go:noinline
func pick(list []int, i, b int) int { return list[i] + b }

//go:noinline
func check(times int) (wrong int) {
	list := []int{10, 20, 30, 40}
	for i := range times {
		if pick(list, i&3, i) != 10+10*(i&3)+i {
			wrong++
		}
	}
	return wrong
}

func main() {
	times, _ := strconv.Atoi(os.Args[1])
	signal.Ignore(syscall.SIGUSR1) // the program has package signal; the runtime's own handler stays for SIGURG
	thread := make(chan int)
	var sent atomic.Int64
	var done atomic.Bool
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		runtime.LockOSThread()
		tid := <-thread
		for !done.Load() {
			_, _, _ = syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(tid), uintptr(syscall.SIGURG))
			sent.Add(1)
		}
	}()
	runtime.LockOSThread()
	thread <- syscall.Gettid()
	for sent.Load() < 100 {
		runtime.Gosched()
	}
	wrong := check(times)
	done.Store(true)
	<-stopped
	fmt.Println(wrong, "wrong")

	fmt.Fprintln(os.Stderr, "main.pick", times)
}
