// Command target is the program that bench/probes records. Its first argument says what it does; it measures itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/trace"
	"strconv"
	"sync"
	"time"
)

//go:noinline
func nothing() {}

//go:noinline
func pair(a, b int) (int, error) {
	if a == b {
		return 0, errSame
	}
	return a + b, nil
}

var errSame = errors.New("the same")

//go:noinline
func text(s string) int { return len(s) }

var sink [64]int

func main() {
	n, _ := strconv.Atoi(os.Args[2])
	switch os.Args[1] {
	case "cost":
		workers, _ := strconv.Atoi(os.Args[3])
		cost(n, workers)
	case "sustain":
		sustain(time.Duration(n) * time.Second)
	case "region":
		region(n)
	case "gaps":
		gaps(time.Duration(n) * time.Millisecond)
	case "server":
		serve(time.Duration(n))
	case "load":
		connections, _ := strconv.Atoi(os.Args[4])
		load(os.Args[3], connections, time.Duration(n)*time.Second)
	}
}

// burst is how many calls are made in one go: what they write fits into a ring.
const burst = 10_000

// shapes are the functions that are measured, each behind a loop of n calls.
var shapes = []struct {
	name string
	loop func(n, worker int)
}{
	{"nothing", func(n, _ int) {
		for range n {
			nothing()
		}
	}},
	{"pair", func(n, worker int) {
		sum := 0
		for i := range n {
			v, _ := pair(i, -1)
			sum += v
		}
		sink[8*worker] = sum
	}},
	{"text", func(n, worker int) {
		s := "sixteen bytes ab"
		sum := 0
		for range n {
			sum += text(s)
		}
		sink[8*worker] = sum
	}},
}

// cost prints the nanoseconds a call of each shape takes, wall time over workers. Between bursts whoever reads has time.
func cost(n, workers int) {
	for _, s := range shapes {
		s.loop(burst, 0)
		var total time.Duration
		made := 0
		for size := min(burst, n); made < n; made += size {
			time.Sleep(10 * time.Millisecond)
			start := time.Now()
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() { s.loop(size, w) })
			}
			wg.Wait()
			total += time.Since(start)
		}
		fmt.Printf("%s %.3f\n", s.name, float64(total.Nanoseconds())/float64(made*workers))
	}
}

// sustain calls for as long as it is told, and prints how many calls it made.
func sustain(d time.Duration) {
	calls := uint64(0)
	for start := time.Now(); time.Since(start) < d; {
		for i := range 1000 {
			v, _ := pair(i, -1)
			sink[0] += v
		}
		calls += 1000
	}
	fmt.Println("calls", calls)
}

// region does what cost does for pair, with a region of runtime/trace in place of probes.
func region(n int) {
	file, err := os.CreateTemp("", "region")
	if err != nil {
		panic(err)
	}
	defer os.Remove(file.Name()) //nolint:errcheck // temporary
	plain := time.Now()
	shapes[1].loop(n, 0)
	base := time.Since(plain)
	if err := trace.Start(file); err != nil {
		panic(err)
	}
	ctx := context.Background()
	start := time.Now()
	for i := range n {
		r := trace.StartRegion(ctx, "pair")
		v, _ := pair(i, -1)
		r.End()
		sink[0] += v
	}
	took := time.Since(start)
	trace.Stop()
	size, _ := file.Seek(0, 2)
	fmt.Printf("added %.3f\nbytes %.3f\n", float64((took-base).Nanoseconds())/float64(n), float64(size)/float64(n))
}

// gaps prints the longest time, in microseconds, for which nothing ran.
func gaps(d time.Duration) {
	fmt.Println("ready")
	longest := time.Duration(0)
	last := time.Now()
	for start := last; last.Sub(start) < d; {
		nothing()
		now := time.Now()
		longest = max(longest, now.Sub(last))
		last = now
	}
	fmt.Printf("longest %.1f\n", float64(longest.Nanoseconds())/1e3)
}
