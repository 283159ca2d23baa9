//go:build linux && amd64

package tracer

import (
	"testing"

	"smiley/recording"
)

// wordsAt is memory of words by their addresses.
type wordsAt map[uint64]uint64

func (m wordsAt) word(addr uint64) (uint64, error) {
	w, ok := m[addr]
	if !ok {
		return 0, recording.ErrNotCopied
	}
	return w, nil
}

// TestPanicsInACircle: memory that a program has written over makes nobody look for ever.
func TestPanicsInACircle(t *testing.T) {
	e := &engine{panicLayout: layoutOfPanic(26)}
	e.offsets.Panic = 32
	const g, first, second = 0x1000, 0x2000, 0x3000
	memory := wordsAt{g + e.offsets.Panic: first, first + e.sp: 2, first + e.frameTop: 16}
	for at, next := range map[uint64]uint64{first: second, second: first} {
		memory[at+e.startSP], memory[at+e.panicLayout.goexit], memory[at+e.link] = 1, 0, next
	}
	if frame, _, err := e.resumedFrame(memory, g, 0x100); recording.CodeOf(err) != recording.CodeDamaged {
		t.Errorf("it goes on in %#x, %v", frame, err)
	}
	memory[second+e.link] = 0
	if frame, goexit, err := e.resumedFrame(memory, g, 0x100); err != nil || goexit || frame != 0x100-8 {
		t.Errorf("it goes on in %#x, %v, %v", frame, goexit, err)
	}
}
