//go:build linux && amd64

package install

import (
	"testing"

	"smiley/tracer/probe/routine"
)

// TestStackInUse: of a stack only what its goroutine comes back to can hold a place that it goes on at; where that begins is not known
// of one whose thread is elsewhere.
func TestStackInUse(t *testing.T) {
	const lo, hi, large = 0x10000, 0x20000, 0x10000 + 4*wholeStack
	for _, test := range []struct {
		name      string
		hi, saved uint64
		parked    bool
		running   []uint64
		want      uint64
	}{
		{"parked", hi, 0x1f004, true, []uint64{0x30000, 0x5000}, 0x1f000},
		{"parked, and never ran", hi, 0, true, nil, lo},
		{"running", hi, 0x1f000, false, []uint64{0x5000, 0x1e00c}, 0x1e008},
		{"its thread is in a signal handler", hi, 0x1f000, false, []uint64{0x5000}, lo},
		{"the same, on a large stack", large, 0x1f000, false, []uint64{0x5000}, 0x1f000},
		{"what is saved belongs to another stack", hi, 0x5000, true, nil, lo},
	} {
		if got := inUse(lo, test.hi, test.saved, test.parked, test.running); got != test.want {
			t.Errorf("%s: from %#x, want %#x", test.name, got, test.want)
		}
	}
}

// TestInstructionBehindTheJumpStays: only where bytes change can nobody go on.
func TestInstructionBehindTheJumpStays(t *testing.T) {
	p := routine.NewPatch(0x1000, make([]byte, 5), make([]byte, 5)) // add rsp, 0x48; pop rbp; ret
	pop, ret := routine.Move{From: 0x1004}, routine.Move{From: 0x1005}
	if !overwrites(&p, pop) || overwrites(&p, ret) {
		t.Errorf("the last byte of the jump: %t, the first behind it: %t", overwrites(&p, pop), overwrites(&p, ret))
	}
	p.Stays = true
	if !overwrites(&p, ret) {
		t.Error("a host's island begins behind its jump")
	}
}
