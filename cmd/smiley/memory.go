package main

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// memoryLimit leaves room for what does not count below the 256 MiB that smiley means to need: its own code, and rings.
const memoryLimit = 176 << 20

// limitMemory has garbage collected more often when there is much of it, as while a large program is started: without, one with
// ten thousand functions takes 400 MiB for a moment. It bounds nothing that is in use. GOMEMLIMIT comes first. stop ends it.
func limitMemory() (stop func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	debug.SetMemoryLimit(memoryLimit)
	over := make(chan struct{})
	var following sync.WaitGroup
	following.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
				fitMemoryLimit()
			}
		}
	})
	return func() {
		close(over)
		following.Wait()
	}
}

// fitMemoryLimit sets the limit to what is in use, and as much again, where that is more. Of a recursion without end every call is open and
// in use: against a limit below that, collections would follow each other, find nothing, and take half of the processors' time.
func fitMemoryLimit() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	debug.SetMemoryLimit(max(memoryLimit, 2*int64(sample[0].Value.Uint64())))
}
