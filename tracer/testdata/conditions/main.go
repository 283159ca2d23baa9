// Conditions does one thing that is hard on whoever watches, prints what came of it, and how often its functions were called.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var nStep, nHandle, nHeld, nOwn atomic.Int64

func main() {
	switch os.Args[1] {
	case "threads":
		threads(1000)
	case "quit":
		quit()
	case "notify":
		notify(200)
	case "timers":
		timers(300)
	case "children":
		children(5)
	case "child":
		fmt.Println("child", step(20))
		return
	case "replace":
		if err := syscall.Exec(os.Args[0], []string{os.Args[0], "child"}, os.Environ()); err != nil {
			panic(err)
		}
	}
	for _, f := range []struct {
		name string
		n    *atomic.Int64
	}{{"main.step", &nStep}, {"main.handle", &nHandle}, {"main.held", &nHeld}, {"main.own", &nOwn}} {
		fmt.Fprintln(os.Stderr, f.name, f.n.Load())
	}
}

//go:noinline
func step(n int) int {
	nStep.Add(1)
	return n*n + 1
}

// threads has that many threads at once, each in a system call of its own.
func threads(n int) {
	var all, ready sync.WaitGroup
	var sum atomic.Int64
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		panic(err)
	}
	ready.Add(n)
	for i := range n {
		all.Go(func() {
			runtime.LockOSThread()
			sum.Add(int64(own(i, pipe[0], &ready)))
		})
	}
	ready.Wait()
	if _, err := syscall.Write(pipe[1], make([]byte, n)); err != nil {
		panic(err)
	}
	all.Wait()
	fmt.Println("threads", n, sum.Load())
}

//go:noinline
func own(i, fd int, ready *sync.WaitGroup) int {
	nOwn.Add(1)
	sum := step(i)
	ready.Done()
	var b [1]byte
	if n, err := syscall.Read(fd, b[:]); n != 1 || err != nil {
		panic(err)
	}
	return sum + step(i+1)
}

// quit ends with the runtime's dump of all goroutines, which wait in functions that were called.
func quit() {
	hold := make(chan int)
	for i := range 3 {
		var ready sync.WaitGroup
		ready.Add(1)
		go held(i, hold, &ready)
		ready.Wait()
	}
	for stacks := make([]byte, 1<<20); bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("[chan receive]")) < 3; {
		runtime.Gosched() // they are about to wait
	}
	fmt.Println("quit")
	if err := syscall.Kill(os.Getpid(), syscall.SIGQUIT); err != nil {
		panic(err)
	}
	time.Sleep(time.Hour) // not <-hold: all would be asleep, which the runtime reports, too
}

//go:noinline
func held(n int, hold chan int, ready *sync.WaitGroup) int {
	nHeld.Add(1)
	if n > 0 {
		return held(n-1, hold, ready) + 1
	}
	ready.Done()
	return <-hold
}

// notify handles signals that it sends itself.
func notify(n int) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGHUP)
	sum := 0
	for i := range n {
		which := syscall.SIGUSR1
		if i%3 == 0 {
			which = syscall.SIGHUP
		}
		if err := syscall.Kill(os.Getpid(), which); err != nil {
			panic(err)
		}
		sum += handle(<-signals)
	}
	fmt.Println("signals", n, sum)
}

//go:noinline
func handle(s os.Signal) int {
	nHandle.Add(1)
	return step(int(s.(syscall.Signal)))
}

// timers has timers of all kinds call functions.
func timers(n int) {
	var sum atomic.Int64
	var all sync.WaitGroup
	all.Add(n)
	for i := range n {
		time.AfterFunc(time.Duration(i%50)*100*time.Microsecond, func() {
			sum.Add(int64(step(i)))
			all.Done()
		})
	}
	ticker := time.NewTicker(200 * time.Microsecond)
	for i := range n / 10 {
		<-ticker.C
		sum.Add(int64(step(i)))
	}
	ticker.Stop()
	select {
	case <-time.After(time.Millisecond):
		sum.Add(int64(step(1)))
	}
	all.Wait()
	fmt.Println("timers", n, sum.Load())
}

// children starts itself over and over, between calls.
func children(n int) {
	for i := range n {
		out, err := exec.Command(os.Args[0], "child").CombinedOutput()
		fmt.Printf("%d %s %v\n", step(i), out, err)
	}
}
