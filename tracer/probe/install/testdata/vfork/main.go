// Vfork has a thread that waits for a child in a way that nothing interrupts, as every program has that starts another one for as long as
// the system needs for it. The child ends when standard input does.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
)

var calls atomic.Int64

//go:noinline
func work() { calls.Add(1) }

func main() {
	runtime.GOMAXPROCS(4)
	debug.SetGCPercent(-1) // no collection could stop the thread
	over := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		var b [1]byte
		child, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, syscall.CLONE_VFORK|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		if child == 0 {
			for {
				if n, _, _ := syscall.RawSyscall(syscall.SYS_READ, 0, uintptr(addr(&b)), 1); n == 0 {
					syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
				}
			}
		}
		if errno != 0 {
			fmt.Println(errno)
			os.Exit(1)
		}
		var status syscall.WaitStatus
		_, _ = syscall.Wait4(int(child), &status, 0, nil)
		close(over)
	}()
	fmt.Println("ready")
	for {
		select {
		case <-over:
			before := calls.Load()
			for calls.Load() < before+1000 {
				work()
			}
			fmt.Println("over")
			return
		default:
			work()
			time.Sleep(time.Millisecond)
		}
	}
}
