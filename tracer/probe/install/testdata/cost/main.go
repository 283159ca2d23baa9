// Command cost measures what one call of functions of several shapes takes, with nobody else to measure it.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

//go:noinline
func nothing() {}

//go:noinline
func pair(a, b int) (int, error) {
	if a == b {
		return 0, os.ErrInvalid
	}
	return a + b, nil
}

//go:noinline
func text(s string) int { return len(s) }

var sink [64]int

func spin(n int, f func(i int) int) time.Duration {
	start := time.Now()
	sum := 0
	for i := range n {
		sum += f(i)
	}
	sink[n&63] = sum
	return time.Since(start)
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	workers, _ := strconv.Atoi(os.Args[2])
	shapes := []struct {
		name string
		loop func(n int)
	}{
		{"nothing", func(n int) {
			for range n {
				nothing()
			}
		}},
		{"pair", func(n int) {
			for i := range n {
				v, _ := pair(i, -1)
				sink[0] += v & 1
			}
		}},
		{"text", func(n int) {
			s := "sixteen bytes ab"
			for range n {
				sink[8] += text(s) & 1
			}
		}},
	}
	for _, s := range shapes {
		s.loop(1000)
		start := time.Now()
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() { s.loop(n) })
		}
		wg.Wait()
		fmt.Printf("%s %.2f\n", s.name, float64(time.Since(start).Nanoseconds())/float64(n*workers))
	}
}
