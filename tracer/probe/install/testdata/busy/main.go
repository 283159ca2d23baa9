// Command busy calls functions in many goroutines until its input ends, and checks its own arithmetic. With the argument "exec" it
// then becomes itself again at once, while they go on, or the program that further arguments name.
package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var stop atomic.Bool

//go:noinline
func leaf(a, b int) int { return a + b }

//go:noinline
func spin(n int) (sum int) {
	for i := range n {
		sum += leaf(i, 1)
	}
	return sum
}

//go:noinline
func deep(n int) int {
	if n == 0 {
		return 0
	}
	return deep(n-1) + 1
}

//go:noinline
func nap(d time.Duration) error {
	time.Sleep(d)
	return nil
}

//go:noinline
func guarded(i int) (n int) {
	defer func() {
		if r := recover(); r != nil {
			n = r.(int)
		}
	}()
	panic(i)
}

//go:noinline
func allocate(n int) []byte { return make([]byte, n) }

// divisor begins with a jump of two bytes, behind which the loop is.
//
//go:noinline
func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// sunk goes down deep, naps there, and comes back over all these returns.
//
//go:noinline
func sunk(n int) int {
	if n == 0 {
		_ = nap(3 * time.Millisecond)
		return 0
	}
	return sunk(n-1) + 1
}

func diver(bad *atomic.Int64) {
	for !stop.Load() {
		if sunk(5000) != 5000 {
			bad.Add(1)
		}
	}
}

// held is blocked as long as the program runs.
//
//go:noinline
func held(end <-chan struct{}, n int) int {
	<-end
	return n
}

func worker(id int, bad *atomic.Int64) {
	for i := 0; !stop.Load(); i++ {
		if spin(100) != 100*99/2+100 || deep(50) != 50 || guarded(i) != i || len(allocate(i%5000)) != i%5000 || divisor(12*i, 12) != 12 {
			bad.Add(1)
		}
		if i%100 == id {
			if nap(time.Millisecond) != nil {
				bad.Add(1)
			}
		}
	}
}

func main() {
	var bad atomic.Int64
	var all sync.WaitGroup
	for id := range 8 {
		all.Go(func() { worker(id, &bad) })
	}
	all.Go(func() { diver(&bad) })
	end := make(chan struct{})
	all.Go(func() {
		if held(end, 7) != 7 {
			bad.Add(1)
		}
	})
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	if len(os.Args) > 1 && os.Args[1] == "exec" {
		args := []string{"/proc/self/exe"}
		if len(os.Args) > 2 {
			args = os.Args[2:]
		}
		fmt.Println(syscall.Exec(args[0], args, os.Environ()))
	}
	stop.Store(true)
	close(end)
	all.Wait()
	fmt.Println("wrong results:", bad.Load())
}
