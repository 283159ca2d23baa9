// Command signals calls functions while signals rain on its threads, and prints how often each was called.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var nLeaf, nFramed, nText, nSeen atomic.Int64

//go:noinline
func leaf(a int) int {
	nLeaf.Add(1)
	return a + 1
}

//go:noinline
func framed(a, b int) (int, error) {
	nFramed.Add(1)
	if a == b {
		return 0, fmt.Errorf("equal: %d", a)
	}
	return leaf(a) + leaf(b), nil
}

//go:noinline
func text(s string, t string) int {
	nText.Add(1)
	return len(s) - len(t)
}

func main() {
	rounds, _ := strconv.Atoi(os.Args[1])
	seen := make(chan os.Signal, 16)
	signal.Notify(seen, syscall.SIGUSR1)
	go func() {
		for range seen {
			nSeen.Add(1)
		}
	}()
	var tids sync.Map
	var done atomic.Bool
	var rain, work sync.WaitGroup
	rain.Go(func() {
		runtime.LockOSThread()
		for i := 0; !done.Load(); i++ {
			for tid := range tids.Range {
				sig := syscall.SIGURG
				if i%3 == 0 {
					sig = syscall.SIGUSR1
				}
				syscall.Syscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(tid.(int)), uintptr(sig))
			}
			for start := time.Now(); time.Since(start) < 20*time.Microsecond; {
			}
		}
	})
	for w := range 2 {
		work.Go(func() {
			runtime.LockOSThread()
			tids.Store(syscall.Gettid(), true)
			sum := 0
			s := "a text of some length that is copied"
			for i := range rounds {
				sum += leaf(i)
				if v, err := framed(i%100, w); err == nil {
					sum += v
				}
				sum += text(s[:i%len(s)], s)
			}
			if sum == 0 {
				panic("no sum")
			}
		})
	}
	work.Wait()
	done.Store(true)
	rain.Wait()
	fmt.Println("done")
	fmt.Fprintln(os.Stderr, "main.leaf", nLeaf.Load())
	fmt.Fprintln(os.Stderr, "main.framed", nFramed.Load())
	fmt.Fprintln(os.Stderr, "main.text", nText.Load())
}
