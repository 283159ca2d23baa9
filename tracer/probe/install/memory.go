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
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// codeSize estimates the bytes to reserve for routines and their tables: address space only, until it is written.
func codeSize(sites []site.Sites) uint64 {
	n := uint64(64 << 10)
	for i := range sites {
		n += uint64(1+len(sites[i].Returns)) * 4096
	}
	return (n + 4095) &^ 4095
}

// placeNear finds free addresses for the region such that the code in it and the text are within 2 GiB.
func placeNear(pid int, img *site.Image, bias, size uint64) (uint64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, recording.Errorf(recording.CodePermission, "reading the program's mappings: %w", err)
	}
	defer f.Close()
	from, to := img.Bounds()
	const reach, step = 1<<31 - 1<<24, 1 << 24
	at := (to + bias + step) &^ (step - 1)
	limit := from + bias + reach
	// The heap of C code grows behind the program; leave it a gigabyte when there is room.
	if at+1<<30+size < limit {
		at += 1 << 30
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var lo, hi uint64
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x", &lo, &hi); err != nil {
			continue
		}
		if lo < at+size && hi > at {
			at = (hi + step) &^ (step - 1)
		}
	}
	if at+size > limit {
		return 0, recording.Errorf(recording.CodeUnsupported, "no free addresses near the program's code")
	}
	return at, nil
}

// zeroByte returns the address of a byte that is zero: an empty string for the kernel.
func zeroByte(img *site.Image) uint64 {
	from, to := img.Bounds()
	return from + uint64(bytes.IndexByte(img.Text(from, to), 0))
}

// mapRegion makes the program map a piece of shared memory twice, executable and writable, and maps it here. The program
// keeps no descriptor. The slice covers both parts.
func mapRegion(t *proc.Target, g *proc.TargetGroup, pid int, code, codeSize, dataSize, name uint64) ([]byte, error) {
	c, err := newCaller(t, g)
	if err != nil {
		return nil, err
	}
	region, err := share(c.call, pid, code, codeSize, dataSize, name)
	return region, errors.Join(err, c.restore())
}

// share maps shared memory at code and behind it through call, which runs system calls in the program.
func share(call func(number uint64, args ...uint64) (uint64, error), pid int, code, codeSize, dataSize, name uint64) ([]byte, error) {
	fd, err := call(unix.SYS_MEMFD_CREATE, name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	shared, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%d", pid, fd), os.O_RDWR, 0)
	if err != nil {
		return nil, recording.Errorf(recording.CodePermission, "opening the shared memory: %w", err)
	}
	defer shared.Close()
	if err := shared.Truncate(int64(codeSize + dataSize)); err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "sizing the shared memory: %w", err)
	}
	const flags = unix.MAP_SHARED | unix.MAP_FIXED_NOREPLACE
	if _, err := call(unix.SYS_MMAP, code, codeSize, unix.PROT_READ|unix.PROT_EXEC, flags, fd, 0); err != nil {
		return nil, err
	}
	if _, err := call(unix.SYS_MMAP, code+codeSize, dataSize, unix.PROT_READ|unix.PROT_WRITE, flags, fd, codeSize); err != nil {
		return nil, err
	}
	if _, err := call(unix.SYS_CLOSE, fd); err != nil {
		return nil, err
	}
	region, err := unix.Mmap(int(shared.Fd()), 0, int(codeSize+dataSize), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
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
