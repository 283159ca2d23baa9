//go:build linux && amd64

package ring

import (
	"testing"
	"time"
)

// TestClockNeverRunsBackwards calibrates again and again between readings.
func TestClockNeverRunsBackwards(t *testing.T) {
	c := NewClock(time.Now(), Ticks())
	last := c.Nanoseconds(Ticks())
	for i := range 20_000 {
		if i%100 == 0 {
			c.Calibrate()
		}
		now := c.Nanoseconds(Ticks())
		if now < last {
			t.Fatalf("step %d: %d ns after %d", i, now, last)
		}
		last = now
	}
}
