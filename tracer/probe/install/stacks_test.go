//go:build linux && amd64

package install

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"smiley/recording"
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

// TestListOfGoroutines: all goroutines are looked at, also when they are many; a list that cannot be right is named, and is not read.
func TestListOfGoroutines(t *testing.T) {
	memory, err := os.Create(filepath.Join(t.TempDir(), "memory"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = memory.Close() }()
	const allgs, list, first, many = 0x100, 0x1000, 0x10_000_000, 200_000
	goroutines := make([]byte, 0, 8*many)
	for i := range uint64(many) {
		goroutines = binary.LittleEndian.AppendUint64(goroutines, first+64*(i%2))
	}
	stacks := binary.LittleEndian.AppendUint64(nil, first+0x1000) // stack.lo, stack.hi, m, sched.sp
	stacks = binary.LittleEndian.AppendUint64(stacks, first+0x1010)
	stacks = append(stacks, make([]byte, 64-16)...)
	for at, bytes := range map[int64][]byte{list: goroutines, first: append(stacks, stacks...), first + 0x1000: make([]byte, 16)} {
		if _, err := memory.WriteAt(bytes, at); err != nil {
			t.Fatal(err)
		}
	}
	a := &attachment{process: &Process{memory: memory}, allgs: allgs, options: Options{Runtime: &Runtime{
		Offsets: routine.Offsets{StackHi: 8, GoroutineM: 16}, SchedSP: 24,
	}}}
	for _, test := range []struct {
		name   string
		at, n  uint64
		code   recording.Code
		stacks int
	}{
		{"none", 0, 0, "", 0},
		{"many", list, many, "", many},
		{"more than any machine has", list, 1 << 60, recording.CodeUnsupported, 0},
		{"more than fits into an integer, in bytes", list, 1<<61 + 1, recording.CodeUnsupported, 0},
		{"where there is no memory", first + 0x1000, 1000, recording.CodeUnsupported, 0},
	} {
		header := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, test.at), test.n)
		if _, err := memory.WriteAt(header, allgs); err != nil {
			t.Fatal(err)
		}
		seen := 0
		err := a.stacks(&stopped{}, func(stack []byte) { seen += len(stack) / 16 })
		if recording.CodeOf(err) != test.code || seen != test.stacks {
			t.Errorf("%s: %d stacks, %v", test.name, seen, err)
		}
	}
}

// TestThreadsInACircle: a list of threads that a program has written over keeps it from going on no longer than another.
func TestThreadsInACircle(t *testing.T) {
	memory, err := os.Create(filepath.Join(t.TempDir(), "memory"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = memory.Close() }()
	const allm, first, second = 0x100, 0x1000, 0x2000
	a := &attachment{process: &Process{memory: memory}, allm: allm, options: Options{Runtime: &Runtime{AllLink: 8}}}
	for _, test := range []struct {
		last uint64
		code recording.Code
	}{{0, ""}, {first, recording.CodeUnsupported}} {
		for at, m := range map[int64]uint64{allm: first, first + 8: second, second + 8: test.last} {
			if _, err := memory.WriteAt(binary.LittleEndian.AppendUint64(nil, m), at); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.forgetRings(); recording.CodeOf(err) != test.code {
			t.Errorf("the last leads to %#x: %v", test.last, err)
		}
	}
}

// TestStackOfAThreadWithoutWork: of the stack on which a thread looks for work only that is looked at, not what lies behind it; of any other as much as
// one of the system's can have.
func TestStackOfAThreadWithoutWork(t *testing.T) {
	memory, err := os.Create(filepath.Join(t.TempDir(), "memory"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = memory.Close() }()
	const allm, m, g, lo, hi, end = 0x100, 0x1000, 0x2000, 0x10_000, 0x14_000, 0x100_000
	for at, word := range map[int64]uint64{allm: m, m: g, g: lo, g + 8: hi, end: 0} {
		if _, err := memory.WriteAt(binary.LittleEndian.AppendUint64(nil, word), at); err != nil {
			t.Fatal(err)
		}
	}
	a := &attachment{process: &Process{memory: memory}, allgs: 0x200, allm: allm, options: Options{Runtime: &Runtime{
		Offsets: routine.Offsets{StackHi: 8, GoroutineM: 16}, SchedSP: 24, AllLink: 8,
	}}}
	for sp, want := range map[uint64]int{hi - 0x104: 0x108, hi: threadStack, lo - 8: threadStack} {
		s, seen := &stopped{threads: map[int]*thread{1: {id: 1}}}, 0
		s.threads[1].regs.Rsp = sp
		if err := a.stacks(s, func(stack []byte) { seen += len(stack) }); err != nil || seen != want {
			t.Errorf("%#x: %d bytes, want %d, %v", sp, seen, want, err)
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
