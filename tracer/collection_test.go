package tracer

import (
	"math"
	"runtime/debug"
	"testing"
)

// TestPauseOfCollection: pauses nest, end once each, and leave GOGC as it was; without a memory limit there is none.
func TestPauseOfCollection(t *testing.T) {
	before := debug.SetGCPercent(73)
	defer debug.SetGCPercent(before)
	percent := func() int {
		p := debug.SetGCPercent(73)
		debug.SetGCPercent(p)
		return p
	}
	limit := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(limit)
	resume := pauseCollection()
	if percent() != 73 {
		t.Error("collection pauses although nothing bounds the memory")
	}
	resume()
	debug.SetMemoryLimit(1 << 40)
	first, second := pauseCollection(), pauseCollection()
	if percent() != -1 {
		t.Error("collection does not pause")
	}
	first()
	first()
	if percent() != -1 {
		t.Error("the end of one pause has ended the other")
	}
	second()
	if percent() != 73 {
		t.Errorf("GOGC is %d after all pauses", percent())
	}
}
