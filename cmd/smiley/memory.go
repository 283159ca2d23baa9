package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// memoryLimit leaves room for what does not count below the 256 MiB that smiley means to need: its own code, rings, and what of the
// program's file was looked at a moment ago.
const memoryLimit = 160 << 20

// limitMemory has garbage collected more often when there is much of it, as while a large program is started: without, one with
// ten thousand functions takes 400 MiB for a moment. It bounds nothing that is in use. GOMEMLIMIT comes first.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
		followCollections()
	}
}

// unused is what nobody refers to, so that the next collection finds it. A pointer keeps it from sharing its place with what lives on.
type unused struct{ _ *unused }

// followCollections fits the limit after each collection from now on, and costs nothing while there is none.
func followCollections() {
	runtime.AddCleanup(new(unused), func(struct{}) {
		fitMemoryLimit()
		followCollections()
	}, struct{}{})
}

// fitMemoryLimit sets the limit to what is in use, and half as much again, where that is more. Of a recursion without end every call is open and
// in use: against a limit below that, collections would follow each other, find nothing, and take half of the processors' time.
func fitMemoryLimit() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	debug.SetMemoryLimit(max(memoryLimit, 3*int64(sample[0].Value.Uint64())/2))
}
