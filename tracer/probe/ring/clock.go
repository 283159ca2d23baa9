//go:build linux && amd64

package ring

import (
	"math/bits"
	"time"
)

// Ticks reads the time stamp counter. Nothing before it is late and nothing behind it is early.
func Ticks() uint64

// Clock turns ticks into nanoseconds since a start. It learns the rate while it runs and never makes time run backwards.
// It is not safe for concurrent use.
type Clock struct {
	start     time.Time
	first     uint64 // ticks at start
	fromTicks uint64 // the line that Nanoseconds follows begins here
	fromNs    int64
	mult      uint64 // ns per tick, 32 bits of fraction
	promised  bool   // somebody may have been told a time
}

// NewClock begins at start, which must not lie long ago. ticks were read at start.
func NewClock(start time.Time, ticks uint64) *Clock {
	c := &Clock{start: start, first: ticks, fromTicks: ticks, mult: 1 << 32}
	for time.Since(start) < 2*time.Millisecond {
	}
	c.Calibrate()
	return c
}

// Calibrate measures the rate over all the time since the start. Call it now and then.
func (c *Clock) Calibrate() {
	before := Ticks()
	ns := time.Since(c.start).Nanoseconds()
	now := before + (Ticks()-before)/2
	if now <= c.first || ns <= 0 {
		return
	}
	at := c.Nanoseconds(now)
	rate := fraction(uint64(ns), now-c.first)
	if !c.promised {
		c.mult, c.promised = rate, true
		return
	}
	// Follow the true line from where the old one ends: meet it after another second, never stand still.
	ticksPerSecond := scale(uint64(time.Second), fraction(now-c.first, uint64(ns)))
	c.fromTicks, c.fromNs = now, at
	want := int64(time.Second) + ns - at
	c.mult = max(fraction(uint64(max(want, 1)), ticksPerSecond), rate/2)
}

// Nanoseconds returns the time of a tick. Ticks before the start give negative times.
func (c *Clock) Nanoseconds(ticks uint64) int64 {
	if ticks >= c.fromTicks {
		return c.fromNs + int64(scale(ticks-c.fromTicks, c.mult))
	}
	return c.fromNs - int64(scale(c.fromTicks-ticks, c.mult))
}

// fraction returns a/b with 32 bits of fraction.
func fraction(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, 1<<32)
	if hi >= b {
		return ^uint64(0)
	}
	q, _ := bits.Div64(hi, lo, b)
	return q
}

// scale returns v × f, f with 32 bits of fraction.
func scale(v, f uint64) uint64 {
	hi, lo := bits.Mul64(v, f)
	return hi<<32 | lo>>32
}

// Duration returns how long so many ticks take.
func (c *Clock) Duration(ticks uint64) time.Duration { return time.Duration(scale(ticks, c.mult)) }

// Ticks returns how many ticks a duration takes.
func (c *Clock) Ticks(d time.Duration) uint64 {
	return scale(uint64(d), fraction(1<<32, max(c.mult, 1)))
}
