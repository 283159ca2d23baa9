// Command count calls functions of many shapes and prints how often each was called.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

var counts sync.Map

func counter(name string) *atomic.Int64 {
	c, _ := counts.LoadOrStore(name, new(atomic.Int64))
	return c.(*atomic.Int64)
}

var (
	nLeaf, nFib, nPair, nPanics, nGuard, nDeferred, nClosure, nGeneric = counter("main.leaf"), counter("main.fib"), counter("main.pair"),
		counter("main.panics"), counter("main.guard"), counter("main.deferred"), counter("main.work.func1"), counter("main.generic[...]")
	nMethod, nDeep, nExit, nMany, nWork, nText, nFloat, nBig = counter("main.(*tree).add"), counter("main.deep"), counter("main.exits"),
		counter("main.many"), counter("main.work"), counter("main.text"), counter("main.float"), counter("main.big")
)

//go:noinline
func leaf(a, b int) int {
	nLeaf.Add(1)
	return a + b
}

//go:noinline
func fib(n int) int {
	nFib.Add(1)
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

//go:noinline
func pair(a int, s string) (int, error) {
	nPair.Add(1)
	if a%7 == 0 {
		return 0, errors.New("seven: " + s)
	}
	return a, nil
}

//go:noinline
func panics(p *int) (n int) {
	nPanics.Add(1)
	return *p
}

//go:noinline
func guard(p *int) (n int, err error) {
	nGuard.Add(1)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("recovered: %v", r)
		}
	}()
	return panics(p), nil
}

//go:noinline
func deferred(n int) (sum int) {
	nDeferred.Add(1)
	for i := range n % 3 {
		defer func() { sum += i }()
	}
	return n
}

//go:noinline
func generic[T int | string](v T) string {
	nGeneric.Add(1)
	return fmt.Sprint(v)
}

type tree struct {
	left, right *tree
	key         int
}

//go:noinline
func (t *tree) add(key int) *tree {
	nMethod.Add(1)
	if t == nil {
		return &tree{key: key}
	}
	if key < t.key {
		t.left = t.left.add(key)
	} else {
		t.right = t.right.add(key)
	}
	return t
}

//go:noinline
func deep(n int) (sum int) {
	nDeep.Add(1)
	var pad [16]int
	pad[n%16] = n
	if n == 0 {
		return 0
	}
	return deep(n-1) + pad[n%16]
}

//go:noinline
func exits(wg *sync.WaitGroup) {
	nExit.Add(1)
	defer wg.Done()
	runtime.Goexit()
}

//go:noinline
func many(a, b, c, d, e, f, g, h, i, j, k, l, m int, s []string) int {
	nMany.Add(1)
	return a + b + c + d + e + f + g + h + i + j + k + l + m + len(s)
}

//go:noinline
func text(s string) string {
	nText.Add(1)
	return s + "!"
}

//go:noinline
func float(a, b float64) (float64, bool) {
	nFloat.Add(1)
	return a * b, a > b
}

type bigValue struct{ a, b, c, d, e, f, g, h, i, j, k, l int }

//go:noinline
func big(v bigValue) bigValue {
	nBig.Add(1)
	v.a++
	return v
}

//go:noinline
func call(f func()) { f() }

//go:noinline
func work(id, rounds int, out chan<- string) {
	nWork.Add(1)
	sum := 0
	var root *tree
	for i := range rounds {
		sum += leaf(i, id) + fib(i%12)
		if v, err := pair(i, "x"); err == nil {
			sum += v
		}
		if i%50 == 0 {
			x := i
			if i%100 == 0 {
				guard(nil)
			} else {
				guard(&x)
			}
			sum += deep(i % 3000)
			sum += len(generic(i)) + len(generic("s"))
			var wg sync.WaitGroup
			wg.Add(1)
			go exits(&wg)
			wg.Wait()
			runtime.Gosched()
		}
		sum += deferred(i)
		root = root.add(i * 7919 % 1009)
		sum += many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, i, nil)
		sum += len(text(strconv.Itoa(i)))
		if f, ok := float(float64(i), 2); ok {
			sum += int(f)
		}
		sum += big(bigValue{a: i}).a
		call(func() { nClosure.Add(1); sum++ })
	}
	out <- fmt.Sprintf("worker %d: %d", id, sum)
}

func main() {
	rounds, _ := strconv.Atoi(os.Args[1])
	workers, _ := strconv.Atoi(os.Args[2])
	if len(os.Args) > 3 { // garbage collections without end
		go func() {
			for {
				debug.FreeOSMemory()
				time.Sleep(time.Millisecond)
			}
		}()
	}
	out := make(chan string)
	for i := range workers {
		go work(i, rounds, out)
	}
	var lines []string
	for range workers {
		lines = append(lines, <-out)
	}
	// A worker that has sent its line has yet to return, and its return is to be recorded in every run or in none.
	others := 0
	if len(os.Args) > 3 {
		others = 1
	}
	for runtime.NumGoroutine() > 1+others {
		runtime.Gosched()
	}
	sort.Strings(lines)
	for _, l := range lines {
		fmt.Println(l)
	}
	for name, c := range counts.Range {
		fmt.Fprintln(os.Stderr, name, c.(*atomic.Int64).Load())
	}
}
