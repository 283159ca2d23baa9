// Command pauses collects garbage while tight loops call a leaf function, and prints how long the world stood still.
package main

import (
	"fmt"
	"math"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
)

//go:noinline
func leaf(a, b int) int { return a*3 + b }

func main() {
	var stop atomic.Bool
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			sum := 0
			for !stop.Load() {
				for i := range 100_000 {
					sum = leaf(sum, i)
				}
			}
		})
	}
	for range 100 {
		runtime.GC()
	}
	stop.Store(true)
	all.Wait()
	s := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(s)
	h := s[0].Value.Float64Histogram()
	total := uint64(0)
	for _, n := range h.Counts {
		total += n
	}
	at := func(q float64) float64 {
		seen := uint64(0)
		for i, n := range h.Counts {
			if seen += n; n > 0 && float64(seen) >= q*float64(total) {
				return math.Max(h.Buckets[i], 0) * 1e6
			}
		}
		return 0
	}
	fmt.Printf("p50 %g\np95 %g\nmax %g\n", at(0.5), at(0.95), at(1))
}
