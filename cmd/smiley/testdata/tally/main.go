// Command tally waits for a byte on its standard input, then calls work a fixed number of times in several goroutines, makes the file
// that its argument names when all have returned, and ends with its input.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
)

const goroutines = 4

type point struct{ x, y int }

//go:noinline
func work(n int, text string, v any) (string, error) {
	if n%1000 == 0 {
		return text, fmt.Errorf("%d is round", n)
	}
	return text[:n%len(text)], nil
}

func spin(n int) (sum int) {
	for i := range n {
		sum += i ^ n
	}
	return sum
}

func worker(calls int, gate chan struct{}, all *sync.WaitGroup) {
	<-gate
	values := []any{1, "two", 3.5, point{4, 4}, &point{5, 5}, []string{"six"}}
	for n := range calls {
		work(n, "a text of some length", values[n%len(values)])
		if n%200 == 0 {
			spin(100_000) // not a timer: the runtime writes when it sets one, which has records of its own
		}
	}
	all.Done()
	select {}
}

func main() {
	calls, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	gate := make(chan struct{})
	var all sync.WaitGroup
	all.Add(goroutines)
	for range goroutines {
		go worker(calls/goroutines, gate, &all)
	}
	fmt.Println("ready")
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		panic(err)
	}
	close(gate)
	all.Wait()
	if err := os.WriteFile(os.Args[1], nil, 0o600); err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}
