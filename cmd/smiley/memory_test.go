package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestMemoryLimitFollowsWhatIsInUse: more than the limit allows can be in use, and then the limit is above it; afterwards it is what it was.
func TestMemoryLimitFollowsWhatIsInUse(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memoryLimit))
	used := make([]byte, memoryLimit)
	runtime.GC()
	fitMemoryLimit()
	if limit := debug.SetMemoryLimit(-1); limit < 2*memoryLimit {
		t.Errorf("%d MiB are in use, and the limit is %d MiB", len(used)>>20, limit>>20)
	}
	runtime.KeepAlive(used)
	used = nil
	runtime.GC()
	fitMemoryLimit()
	if limit := debug.SetMemoryLimit(-1); limit != memoryLimit {
		t.Errorf("little is in use, and the limit is %d MiB", limit>>20)
	}
}
