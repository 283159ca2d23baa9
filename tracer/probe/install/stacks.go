//go:build linux && amd64

package install

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"smiley/recording"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// avoid leaves out functions in whose patched bytes a goroutine will go on some day (rule R12): a preempted goroutine's
// place lies somewhere on its stack, and so does that of a thread in a signal handler. Any word that could be such an
// address counts.
func (a *attachment) avoid(s *stopped) error {
	p := a.process
	a.leaveChanged()
	free, blocked, err := a.divide(s, p.program.Patches)
	if err != nil || len(blocked) == 0 {
		return err
	}
	p.program.Patches, p.late, p.attachment = free, blocked, a
	for owner := range owners(blocked) {
		p.Skipped = append(p.Skipped, Skipped{
			Function: a.plan.sites[owner].Function, Reason: "a goroutine was stopped in the bytes of a jump", Numbered: true, Later: true,
		})
	}
	slices.SortFunc(p.Skipped, func(x, y Skipped) int { return cmp.Compare(x.Function.Addr, y.Function.Addr) })
	return nil
}

func owners(patches []routine.Patch) map[int]bool {
	set := map[int]bool{}
	for i := range patches {
		set[int(patches[i].Owner)] = true
	}
	return set
}

// Late reports whether functions are still without probes because a goroutine was in their bytes.
func (p *Process) Late() bool { return len(p.late) > 0 }

// TryAgain puts probes into functions that were left out because a goroutine was in their bytes, if it has left them, and returns
// these functions. Functions that are not wanted any longer are given up, and so are those that something else has changed meanwhile, which it
// returns with the reason. The program stands still as when it was attached to. Records of the functions may come at once.
func (p *Process) TryAgain(wanted func(*site.Function) bool) (placed []*site.Function, refused []Skipped, err error) {
	a := p.attachment
	p.late = slices.DeleteFunc(p.late, func(patch routine.Patch) bool { return !wanted(a.plan.sites[patch.Owner].Function) })
	if len(p.late) == 0 {
		return nil, nil, nil
	}
	err = whileStopped(p.Pid, func(s *stopped) error {
		free, blocked, err := a.divide(s, p.late)
		if err != nil {
			return err
		}
		free, changed, err := unchanged(p.memory, free)
		if err != nil {
			return err
		}
		for _, owner := range slices.Sorted(maps.Keys(changed)) {
			refused = append(refused, Skipped{Function: a.plan.sites[owner].Function, Reason: ChangedByOthers, Numbered: true})
		}
		if len(free) == 0 {
			p.late = blocked
			return nil
		}
		if err := a.moveThreads(s, free); err != nil {
			return err
		}
		if err := write(p.memory, free); err != nil {
			return err
		}
		p.program.Patches, p.late = append(p.program.Patches, free...), blocked
		for _, owner := range slices.Sorted(maps.Keys(owners(free))) {
			placed = append(placed, a.plan.sites[owner].Function)
		}
		return nil
	})
	return placed, refused, err
}

// divide tells patches of functions that can be patched now from those that cannot.
func (a *attachment) divide(s *stopped, patches []routine.Patch) (free, blocked []routine.Patch, err error) {
	in, err := a.blocked(s, patches)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range patches {
		if in[int(p.Owner)] {
			blocked = append(blocked, p)
		} else {
			free = append(free, p)
		}
	}
	return free, blocked, nil
}

// blocked returns the owners of patches in whose bytes a goroutine will go on.
func (a *attachment) blocked(s *stopped, patches []routine.Patch) (map[int]bool, error) {
	covered := map[uint64]int{} // addresses that are no instructions any more, to owners
	for i := range patches {
		p := &patches[i]
		for _, m := range a.process.program.Moves(p) {
			if overwrites(p, m) {
				covered[m.From] = int(p.Owner)
			}
		}
	}
	from, to := a.img.Bounds()
	from, to = from+a.bias, to+a.bias
	blocked := map[int]bool{}
	look := func(stack []byte) {
		for i := 0; i+8 <= len(stack); i += 8 {
			word := binary.LittleEndian.Uint64(stack[i:])
			if word < from || word >= to {
				continue
			}
			if owner, ok := covered[word]; ok {
				blocked[owner] = true
			}
		}
	}
	return blocked, a.stacks(s, look)
}

// overwrites reports whether a displaced instruction is no more where it was: a RET behind a jump of five bytes is, and a loop is
// preempted there more often than anywhere else. Of islands and their hosts, which overwrite each other's, all are taken to be gone.
func overwrites(p *routine.Patch, m routine.Move) bool {
	return p.Stays || m.From-p.Addr < uint64(len(p.New()))
}

// inUse returns where the part of a goroutine's stack begins that it will come back to: behind it lie places where it was
// preempted long ago, and those of a loop that is preempted again and again would never be free. A goroutine without a thread goes on at
// its saved stack pointer. One with a thread is where that is, unless the thread is on another stack, such as a signal handler's.
func inUse(lo, hi, saved uint64, parked bool, running []uint64) uint64 {
	within := func(sp uint64) bool { return sp > lo && sp < hi }
	if i := slices.IndexFunc(running, within); i >= 0 {
		return running[i] &^ 7
	}
	if within(saved) && (parked || hi-lo > wholeStack) {
		return saved &^ 7
	}
	return lo
}

// wholeStack is the size up to which the stack of a goroutine whose thread is on another stack is searched from end to end.
const wholeStack = 256 << 10

// stacks shows the stacks of all goroutines and of all threads.
func (a *attachment) stacks(s *stopped, look func([]byte)) error {
	read := func(addr, n uint64) []byte {
		b := make([]byte, n)
		k, _ := a.process.memory.ReadAt(b, int64(addr))
		return b[:k]
	}
	running := make([]uint64, 0, len(s.threads))
	for _, t := range s.threads {
		running = append(running, t.regs.Rsp)
	}
	size := max(a.options.Runtime.SchedSP, uint64(a.options.Runtime.GoroutineM)) + 8
	err := a.goroutines(read, func(addr uint64) {
		g := read(addr, size)
		if uint64(len(g)) < size {
			return
		}
		lo, hi := binary.LittleEndian.Uint64(g), binary.LittleEndian.Uint64(g[a.options.Runtime.StackHi:])
		if hi <= lo {
			return
		}
		parked := binary.LittleEndian.Uint64(g[a.options.Runtime.GoroutineM:]) == 0
		own := slices.IndexFunc(running, func(sp uint64) bool { return sp > lo && sp < hi })
		lo = inUse(lo, hi, binary.LittleEndian.Uint64(g[a.options.Runtime.SchedSP:]), parked, running)
		look(read(lo, min(hi-lo, 64<<20)))
		if own >= 0 {
			running = slices.Delete(running, own, own+1)
		}
	})
	if err != nil {
		return err
	}
	if len(running) == 0 {
		return nil
	}
	schedulers := a.schedulerStacks(read)
	for _, sp := range running { // what is left is on stacks of the system's
		n := uint64(threadStack)
		if i := slices.IndexFunc(schedulers, func(b bounds) bool { return sp > b.lo && sp < b.hi }); i >= 0 {
			n = min(n, schedulers[i].hi-sp&^7)
		}
		look(read(sp&^7, n))
	}
	return nil
}

type bounds struct{ lo, hi uint64 }

// schedulerStacks returns where the stacks lie on which threads look for work. Behind one lies another thread's or a signal handler's, which tells of
// places where a signal came long ago: a thread that has nothing to do would keep functions without probes for as long. Those of damaged lists
// are not known.
func (a *attachment) schedulerStacks(read func(addr, n uint64) []byte) (known []bounds) {
	_ = a.machines(func(m uint64) error {
		if g := read(m, 8); len(g) == 8 { // m.g0 is the first field
			lo := read(binary.LittleEndian.Uint64(g), 8)
			hi := read(binary.LittleEndian.Uint64(g)+uint64(a.options.Runtime.StackHi), 8)
			if len(lo) == 8 && len(hi) == 8 {
				known = append(known, bounds{binary.LittleEndian.Uint64(lo), binary.LittleEndian.Uint64(hi)})
			}
		}
		return nil
	})
	return known
}

// maxGoroutines is more than the memory of any machine has room for. A list of more is none: the program has written over it.
const maxGoroutines = 1 << 28

// goroutines shows where the descriptions of all goroutines are. One that it left out could have its place in bytes that change.
func (a *attachment) goroutines(read func(addr, n uint64) []byte, look func(addr uint64)) error {
	const atOnce = 64 << 10
	header := read(a.allgs, 16)
	if len(header) < 16 {
		return recording.Errorf(recording.CodeInternal, "the program's goroutines cannot be read")
	}
	at, left := binary.LittleEndian.Uint64(header), binary.LittleEndian.Uint64(header[8:])
	if left > maxGoroutines {
		return recording.Errorf(recording.CodeUnsupported, "the program's list of goroutines is damaged: it says that there are %d", left)
	}
	for left > 0 {
		n := min(left, atOnce)
		list := read(at, 8*n)
		if uint64(len(list)) < 8*n {
			return recording.Errorf(recording.CodeUnsupported, "the program's list of goroutines is damaged: it lies where there is no memory")
		}
		for ; len(list) > 0; list = list[8:] {
			look(binary.LittleEndian.Uint64(list))
		}
		at, left = at+8*n, left-n
	}
	return nil
}

// threadStack is what is looked at of a thread's stack, more than Go's for signals.
const threadStack = 64 << 10
