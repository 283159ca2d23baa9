//go:build linux && amd64

package install

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// codeSize bounds the bytes of routines and their tables from above.
func (p *plan) codeSize() uint64 {
	var size routine.Sizer
	for i := range p.sites {
		size.Add(p.sites[i], *p.probes[i].Args, *p.probes[i].Results)
	}
	p.kinds = size.Kinds()
	return (size.Bytes() + pageSize - 1) &^ (pageSize - 1)
}

const (
	nearStep  = 1 << 16 // granularity of addresses for code
	nearSpare = 1 << 26 // to look for free ones at the far end
	reach     = 1<<31 - 1<<24
	farStart  = 0x5000_0000_0000 // for rings: no allocator and no sanitizer begins here
	farStep   = 1 << 30
)

// placeCode finds free addresses that are within 2 GiB of all of the program's text: as far behind it as they can be, since the heap of C code
// grows there, and some programs map memory at addresses of their own choice, which begin at round ones.
func placeCode(pid int, img *site.Image, bias, size uint64) (at uint64, err error) {
	from, to := img.Bounds()
	first := (to + bias + nearStep) &^ (nearStep - 1)
	limit := from + bias + reach
	for _, at := range []uint64{(limit - nearSpare - size) &^ (nearStep - 1), first + 1<<30, first} {
		if at < first || at+size > limit {
			continue // a program of gigabytes
		}
		if at, err = freeAddress(pid, at, limit, size, nearStep); err == nil {
			return at, nil
		}
	}
	return freeAddress(pid, first, limit, size, nearStep)
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

// sharedParts is how many parts there are.
const sharedParts = 3

// mappings are the three parts: code, the shared page behind it, rings elsewhere.
func mappings(code, codeSize uint64, l ring.Layout) []mapping {
	return []mapping{
		{code, codeSize, unix.PROT_READ | unix.PROT_EXEC, 0},
		{l.Base, ring.SharedLen, unix.PROT_READ | unix.PROT_WRITE, codeSize},
		{l.Ring(0), l.RingsSize(), unix.PROT_READ | unix.PROT_WRITE, codeSize + ring.SharedLen},
	}
}

func total(parts []mapping) int64 {
	last := parts[len(parts)-1]
	return int64(last.offset + last.size)
}

// share maps shared memory through call, which runs system calls in the program, and returns its file.
func share(call func(number uint64, args ...uint64) (uint64, error), pid int, parts []mapping, name uint64) (shared *os.File, err error) {
	fd, err := call(unix.SYS_MEMFD_CREATE, name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if shared, err = os.OpenFile(fmt.Sprintf("/proc/%d/fd/%d", pid, fd), os.O_RDWR, 0); err != nil {
		return nil, recording.Errorf(recording.CodePermission, "opening the shared memory: %w", err)
	}
	defer func() {
		if err != nil {
			_ = shared.Close()
		}
	}()
	if err := resize(shared, total(parts)); err != nil {
		return nil, err
	}
	for _, m := range parts {
		if _, err := call(unix.SYS_MMAP, m.at, m.size, m.mode, mapFlags, fd, m.offset); err != nil {
			return nil, err
		}
	}
	_, err = call(unix.SYS_CLOSE, fd)
	return shared, err
}

// resize gives shared memory its size.
func resize(shared *os.File, size int64) error {
	switch err := shared.Truncate(size); {
	case errors.Is(err, unix.EFBIG):
		return recording.Errorf(recording.CodeFull, "files are limited to less than the memory that smiley shares with the program: %w", err).
			WithHint("ulimit -f unlimited, in the shell that starts smiley")
	case err != nil:
		return recording.Errorf(recording.CodeInternal, "sizing the shared memory: %w", err)
	}
	return nil
}

func mapHere(shared *os.File, parts []mapping) ([]byte, error) {
	region, err := unix.Mmap(int(shared.Fd()), 0, int(total(parts)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, recording.Errorf(recording.CodeFull, "mapping the shared memory: %w", err).
			WithHint("is smiley's memory limited? ulimit -v unlimited, in the shell that starts it")
	}
	return region, nil
}

// pageSize is the size in which the kernel copies text that is written to.
const pageSize = 4096

// write applies patches after making sure that each finds the bytes it was made for. It reads and writes runs of whole
// pages, so no other thread of the program may run. Many patches are written on two processors: the kernel copies each page.
func write(memory *os.File, patches []routine.Patch) error {
	const many = 1000
	sorted := byAddress(patches)
	half := len(sorted) / 2
	if len(sorted) < many {
		half = 0
	}
	for half > 0 && half < len(sorted) && pageStart(sorted[half]) < pageEnd(sorted[half-1]) { // no page in both halves
		half++
	}
	first := make(chan error, 1)
	go func() { first <- writeSorted(memory, sorted[:half]) }()
	err := writeSorted(memory, sorted[half:])
	return errors.Join(<-first, err)
}

// writtenAtOnce is how many bytes are read and written at once, at the most unless patches lie in each other's pages.
const writtenAtOnce = 256 << 10

func writeSorted(memory *os.File, sorted []*routine.Patch) error {
	var text []byte
	for len(sorted) > 0 {
		n := 1
		from, to := pageStart(sorted[0]), pageEnd(sorted[0])
		for n < len(sorted) && sorted[n].Addr < to+pageSize && (to-from < writtenAtOnce || pageStart(sorted[n]) < to) {
			to = pageEnd(sorted[n])
			n++
		}
		if uint64(cap(text)) < to-from {
			text = make([]byte, to-from, max(to-from, min(writtenAtOnce, uint64(len(sorted))*pageSize)))
		}
		if err := writeRun(memory, sorted[:n], from, text[:to-from]); err != nil {
			return err
		}
		sorted = sorted[n:]
	}
	return nil
}

// byAddress lists patches in the order of their addresses. They are large and many, so that it is not they that are moved around.
func byAddress(patches []routine.Patch) []*routine.Patch {
	if len(patches) == 0 {
		return nil
	}
	// A number tells the distance from the lowest address, all of them being within 2 GiB, and the position: numbers are sorted fastest.
	const positions = 1 << 32
	lowest := patches[0].Addr
	for i := range patches {
		lowest = min(lowest, patches[i].Addr)
	}
	places := make([]uint64, len(patches))
	for i := range patches {
		places[i] = (patches[i].Addr-lowest)*positions + uint64(i)
	}
	slices.Sort(places)
	sorted := make([]*routine.Patch, len(patches))
	for i, place := range places {
		sorted[i] = &patches[place%positions]
	}
	return sorted
}

func pageStart(p *routine.Patch) uint64 { return p.Addr &^ (pageSize - 1) }

func pageEnd(p *routine.Patch) uint64 {
	return (p.Addr + uint64(len(p.New())) + pageSize - 1) &^ (pageSize - 1)
}

func writeRun(memory *os.File, patches []*routine.Patch, from uint64, text []byte) error {
	if _, err := memory.ReadAt(text, int64(from)); err != nil {
		return recording.Errorf(recording.CodeInternal, "reading the program's code: %w", err)
	}
	for _, p := range patches {
		at := text[p.Addr-from:]
		if !bytes.HasPrefix(at, p.Old()) && !(p.Replaces && at[0] == 0xE9) {
			return recording.Errorf(recording.CodeUnsupported, "the program's code at %#x is not what its file says", p.Addr).
				WithHint("is another tracer attached, or was the file replaced?")
		}
		copy(at, p.New())
	}
	if _, err := memory.WriteAt(text, int64(from)); err != nil {
		return recording.Errorf(recording.CodePermission, "writing the program's code: %w", err)
	}
	return nil
}
