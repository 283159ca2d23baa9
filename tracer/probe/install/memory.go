//go:build linux && amd64

package install

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/pkg/proc/linutil"
	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// codeSize bounds the bytes of routines and their tables from above.
func codeSize(plan plan) uint64 {
	var size routine.Sizer
	for i := range plan.sites {
		size.Add(&plan.sites[i], plan.probes[i].Args, plan.probes[i].Results)
	}
	return (size.Bytes() + pageSize - 1) &^ (pageSize - 1)
}

const (
	nearStep = 1 << 16 // granularity of addresses for code
	reach    = 1<<31 - 1<<24
	farStart = 0x5000_0000_0000 // for rings: no allocator and no sanitizer begins here
	farStep  = 1 << 30
)

// placeCode finds free addresses that are within 2 GiB of all of the program's text.
func placeCode(pid int, img *site.Image, bias, size uint64) (uint64, error) {
	from, to := img.Bounds()
	at := (to + bias + nearStep) &^ (nearStep - 1)
	limit := from + bias + reach
	// The heap of C code grows behind the program; leave it a gigabyte when there is room.
	if at+1<<30+size < limit {
		at += 1 << 30
	}
	return freeAddress(pid, at, limit, size, nearStep)
}

// placeRings finds free addresses anywhere.
func placeRings(pid int, size uint64) (uint64, error) {
	return freeAddress(pid, farStart, farStart+1<<44, size, farStep)
}

// freeAddress returns the first address from at on, in steps, at which the program has nothing mapped.
func freeAddress(pid int, at, limit, size, step uint64) (uint64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, recording.Errorf(recording.CodePermission, "reading the program's mappings: %w", err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() { // they are sorted
		var lo, hi uint64
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x", &lo, &hi); err != nil {
			continue
		}
		if lo < at+size && hi > at {
			at = (hi + step - 1) &^ (step - 1)
		}
	}
	if at+size > limit {
		return 0, recording.Errorf(recording.CodeUnsupported, "no free addresses near the program's code")
	}
	return at, nil
}

// placed finds addresses for everything.
func placed(pid int, img *site.Image, bias, codeSize uint64, l *ring.Layout) (code uint64, err error) {
	if code, err = placeCode(pid, img, bias, codeSize+ring.SharedLen); err != nil {
		return 0, err
	}
	l.Base = code + codeSize
	l.Rings, err = placeRings(pid, l.RingsSize())
	return code, err
}

// zeroByte returns the address of a byte that is zero: an empty string for the kernel.
func zeroByte(img *site.Image) uint64 {
	from, to := img.Bounds()
	return from + uint64(bytes.IndexByte(img.Text(from, to), 0))
}

// A mapping is a part of the shared memory in the program.
type mapping struct{ at, size, mode, offset uint64 }

// mappings are the three parts: code, the shared page behind it, rings elsewhere.
func mappings(code, codeSize uint64, l ring.Layout) []mapping {
	return []mapping{
		{code, codeSize, unix.PROT_READ | unix.PROT_EXEC, 0},
		{l.Base, ring.SharedLen, unix.PROT_READ | unix.PROT_WRITE, codeSize},
		{l.Ring(0), l.RingsSize(), unix.PROT_READ | unix.PROT_WRITE, codeSize + ring.SharedLen},
	}
}

// mapRegion makes the program map shared memory, and maps all of it here. The program keeps no descriptor.
func mapRegion(t *proc.Target, g *proc.TargetGroup, pid int, parts []mapping, name uint64) ([]byte, error) {
	c, err := newCaller(t, g)
	if err != nil {
		return nil, err
	}
	region, err := share(c.call, pid, parts, name)
	return region, errors.Join(err, c.restore())
}

func total(parts []mapping) int64 {
	last := parts[len(parts)-1]
	return int64(last.offset + last.size)
}

// share maps shared memory through call, which runs system calls in the program.
func share(call func(number uint64, args ...uint64) (uint64, error), pid int, parts []mapping, name uint64) ([]byte, error) {
	fd, err := call(unix.SYS_MEMFD_CREATE, name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	shared, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%d", pid, fd), os.O_RDWR, 0)
	if err != nil {
		return nil, recording.Errorf(recording.CodePermission, "opening the shared memory: %w", err)
	}
	defer func() { _ = shared.Close() }()
	if err := shared.Truncate(total(parts)); err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "sizing the shared memory: %w", err)
	}
	for _, m := range parts {
		if _, err := call(unix.SYS_MMAP, m.at, m.size, m.mode, mapFlags, fd, m.offset); err != nil {
			return nil, err
		}
	}
	if _, err := call(unix.SYS_CLOSE, fd); err != nil {
		return nil, err
	}
	return mapHere(shared, parts)
}

func mapHere(shared *os.File, parts []mapping) ([]byte, error) {
	region, err := unix.Mmap(int(shared.Fd()), 0, int(total(parts)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "mapping the shared memory: %w", err)
	}
	return region, nil
}

// caller runs system calls in a stopped program, at the place where it stopped.
type caller struct {
	group  *proc.TargetGroup
	thread proc.Thread
	regs   linutil.AMD64PtraceRegs
	all    proc.Registers
	old    []byte
	done   bool
}

func newCaller(t *proc.Target, g *proc.TargetGroup) (*caller, error) {
	c := &caller{group: g, thread: t.CurrentThread(), old: make([]byte, 2)}
	regs, err := c.thread.Registers()
	if err == nil {
		regs, err = regs.Copy()
	}
	if err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "reading registers: %w", err)
	}
	amd64, ok := regs.(*linutil.AMD64Registers)
	if !ok {
		return nil, recording.Errorf(recording.CodeUnsupported, "these are not the registers of linux/amd64")
	}
	c.all, c.regs = regs, *amd64.Regs
	if _, err := c.thread.ProcessMemory().ReadMemory(c.old, c.regs.Rip); err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "reading code: %w", err)
	}
	if _, err := c.thread.ProcessMemory().WriteMemory(c.regs.Rip, []byte{0x0F, 0x05}); err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "writing code: %w", err)
	}
	return c, nil
}

func (c *caller) call(number uint64, args ...uint64) (uint64, error) {
	regs, err := c.all.Copy()
	if err != nil {
		return 0, recording.Errorf(recording.CodeInternal, "copying registers: %w", err)
	}
	r := regs.(*linutil.AMD64Registers).Regs
	r.Rax, r.Orig_rax = number, ^uint64(0)
	for i, a := range args {
		*[]*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9}[i] = a
	}
	if err := c.thread.RestoreRegisters(regs); err != nil {
		return 0, recording.Errorf(recording.CodeInternal, "setting registers: %w", err)
	}
	if err := c.group.StepInstruction(false); err != nil {
		return 0, recording.Errorf(recording.CodeInternal, "running system call %d in the program: %w", number, err)
	}
	after, err := c.thread.Registers()
	if err != nil {
		return 0, recording.Errorf(recording.CodeInternal, "reading registers: %w", err)
	}
	v := after.(*linutil.AMD64Registers).Regs.Rax
	if int64(v) < 0 && int64(v) > -4096 {
		return 0, recording.Errorf(recording.CodePermission, "system call %d in the program: %w", number, unix.Errno(-int64(v)))
	}
	return v, nil
}

// restore puts code and registers back; it may be called again.
func (c *caller) restore() error {
	if c.done {
		return nil
	}
	c.done = true
	if _, err := c.thread.ProcessMemory().WriteMemory(c.regs.Rip, c.old); err != nil {
		return recording.Errorf(recording.CodeInternal, "restoring code: %w", err)
	}
	if err := c.thread.RestoreRegisters(c.all); err != nil {
		return recording.Errorf(recording.CodeInternal, "restoring registers: %w", err)
	}
	return nil
}

// pageSize is the size in which the kernel copies text that is written to.
const pageSize = 4096

// write applies patches after making sure that each finds the bytes it was made for. It reads and writes runs of whole
// pages, so no other thread of the program may run.
func write(memory *os.File, patches []routine.Patch) error {
	sorted := slices.SortedFunc(slices.Values(patches), func(a, b routine.Patch) int { return cmp.Compare(a.Addr, b.Addr) })
	for len(sorted) > 0 {
		n := 1
		from, to := sorted[0].Addr&^(pageSize-1), pageEnd(sorted[0])
		for n < len(sorted) && sorted[n].Addr < to+pageSize {
			to = pageEnd(sorted[n])
			n++
		}
		if err := writeRun(memory, sorted[:n], from, to); err != nil {
			return err
		}
		sorted = sorted[n:]
	}
	return nil
}

func pageEnd(p routine.Patch) uint64 {
	return (p.Addr + uint64(len(p.New)) + pageSize - 1) &^ (pageSize - 1)
}

func writeRun(memory *os.File, patches []routine.Patch, from, to uint64) error {
	text := make([]byte, to-from)
	if _, err := memory.ReadAt(text, int64(from)); err != nil {
		return recording.Errorf(recording.CodeInternal, "reading the program's code: %w", err)
	}
	for _, p := range patches {
		at := text[p.Addr-from:]
		if !bytes.Equal(at[:len(p.Old)], p.Old) && !(p.Replaces && at[0] == 0xE9) {
			return recording.Errorf(recording.CodeUnsupported, "the program's code at %#x is not what its file says", p.Addr).
				WithHint("is another tracer attached, or was the file replaced?")
		}
		copy(at, p.New)
	}
	if _, err := memory.WriteAt(text, int64(from)); err != nil {
		return recording.Errorf(recording.CodePermission, "writing the program's code: %w", err)
	}
	return nil
}
