//go:build linux && amd64

package ring

import (
	"runtime"
	"testing"
)

// TestManyWaitLonger has threads of a program wait for room: one naps shortly, many nap for longer, and when they wait no more, the nap is
// short again.
func TestManyWaitLonger(t *testing.T) {
	many := 20 * runtime.NumCPU()
	l := Layout{Base: 0x7000_0000, Count: many, DataSize: 4096}
	memory := region(l.Size())
	Init(memory, l, 1)
	p := producer{l, memory}
	p.set(l.Base+SharedNext, uint64(many))
	r := NewReader(memory, l, func(uint32) (Shape, bool) { return Shape{}, false })
	after := func(asleep int) uint64 {
		now := Ticks()
		for i := range asleep {
			p.set(l.Ring(i)+Asleep, now)
		}
		if _, err := r.Drain(func(*Record) error { return nil }); err != nil {
			t.Fatal(err)
		}
		return r.word(l.Base + SharedSleep + 8).Load()
	}
	if got := r.word(l.Base + SharedSleep + 8).Load(); got != shortestNap {
		t.Errorf("at first a nap takes %d ns", got)
	}
	for _, asleep := range []int{0, 1, 1} {
		if got := after(asleep); got != shortestNap {
			t.Errorf("with %d waiting a nap takes %d ns", asleep, got)
		}
	}
	if got := after(many); got != 20*shortestNap {
		t.Errorf("with %d waiting a nap takes %d ns", many, got)
	}
	got := after(0)
	if got >= 20*shortestNap || got <= shortestNap {
		t.Errorf("just when none waits any more a nap takes %d ns", got)
	}
	for range 200 {
		got = after(0)
	}
	if got != shortestNap {
		t.Errorf("long after a nap takes %d ns", got)
	}
	if got := nap(1<<20, 1); got != longestNap {
		t.Errorf("the longest nap takes %d ns", got)
	}
}
