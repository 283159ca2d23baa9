package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestMemoryLimitFollowsWhatIsInUse: more than the limit allows can be in use, and then the limit is above it; afterwards it is lower again.
func TestMemoryLimitFollowsWhatIsInUse(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memoryLimit))
	used := make([]byte, memoryLimit)
	runtime.GC()
	fitMemoryLimit()
	above := debug.SetMemoryLimit(-1)
	if above < 3*memoryLimit/2 {
		t.Errorf("%d MiB are in use, and the limit is %d MiB", len(used)>>20, above>>20)
	}
	runtime.KeepAlive(used)
	used = nil
	runtime.GC()
	fitMemoryLimit()
	if limit := debug.SetMemoryLimit(-1); limit < memoryLimit || limit > above-memoryLimit/2 {
		t.Errorf("%d MiB less are in use, and the limit is %d MiB, after %d", memoryLimit>>20, limit>>20, above>>20)
	}
}
