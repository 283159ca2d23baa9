package tracer

import (
	"math"
	"runtime/debug"
	"sync"
)

// Starting to record a large program makes some hundred megabytes, nearly all of which are in use until it is let go: collecting
// garbage meanwhile finds none, again and again, and takes the processors from what the program waits for.
var collection struct {
	mu      sync.Mutex
	pauses  int // that have not ended
	percent int // GOGC before the first of them
}

// pauseCollection has no garbage collected until the memory limit of this process is reached; one without a limit it leaves
// alone. The returned function ends that; a second call of it does nothing.
func pauseCollection() (resume func()) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		return func() {}
	}
	c := &collection
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pauses == 0 {
		c.percent = debug.SetGCPercent(-1)
	}
	c.pauses++
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.pauses--; c.pauses == 0 {
			debug.SetGCPercent(c.percent)
		}
	})
}
