//go:build linux && amd64

package install

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
)

// Estate is what a tracer that died left of its work in the memory that it shared with a program: the records that it had not read, and an
// account of those that it had. Close frees it.
type Estate struct {
	Note     []byte // what Options.Note was
	Captured uint64 // events that the tracer made, in all, but those that the program told it were dropped
	Dropped  uint64 // records that the program dropped, in all
	Reported uint64 // of these, those that the tracer had told of
	Reader   *ring.Reader

	Functions []uint64     // addresses in the file of the functions that had probes, in the order of their sites
	shapes    []ring.Shape // by site
	events    []bool       // by function: whether its records are events

	settle func() error // notes in the program that everything is accounted for
	layout ring.Layout
	memory []byte
}

// The estate is written down behind the code: who looks for it finds it by what is mapped. Numbers are little-endian words, or
// varints where said so.
//
//	magic    version, so that nobody reads what another smiley wrote
//	layout   base, rings, count, data size
//	sites    how many
//	note     its length
//	         behind the head, for each function, varint twice its address in the file, and one when its records are events, and two shapes
//	         shapes: varint twice the number of words, and one when copies follow them
//	         note
const (
	estateMagic = 0x38657461747365 // "estate8"
	estateHead  = 7 * 8
	noteMax     = 1 << 20
)

// estate writes down what a successor must know to read the rings. Its length does not depend on the addresses in layout, which
// fit puts in.
func estate(plan *plan, note []byte) []byte {
	shapes := plan.shapes()
	b := make([]byte, estateHead, estateHead+usualEntry*len(plan.probes)+len(note))
	for i := range plan.probes {
		p := &plan.probes[i]
		address := p.Function.Addr << 1
		if p.Events {
			address |= 1
		}
		b = binary.AppendUvarint(b, address)
		b = appendShape(b, shapes[2*i])
		b = appendShape(b, shapes[2*i+1])
	}
	b = append(b, note...)
	b = append(b, make([]byte, -len(b)&7)...)
	for i, v := range []uint64{
		estateMagic, 0, 0, 0, 0, uint64(2 * len(plan.probes)), uint64(len(note)),
	} {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	return b
}

// usualEntry is more bytes than most functions take in an estate.
const usualEntry = 12

func fitEstate(b []byte, l ring.Layout) {
	for i, v := range []uint64{l.Base, l.Rings, uint64(l.Count), l.DataSize} {
		binary.LittleEndian.PutUint64(b[8*(1+i):], v)
	}
}

// estateSize is the room that an estate takes.
func estateSize(b []byte) uint64 { return (uint64(len(b)) + pageSize - 1) &^ (pageSize - 1) }

func appendShape(b []byte, s ring.Shape) []byte {
	v := uint64(s.Words) << 1
	if s.Copies {
		v |= 1
	}
	return binary.AppendUvarint(b, v)
}

// readShape reads a shape from the front of b, and returns the rest; nil when there is none.
func readShape(b []byte) (s ring.Shape, rest []byte) {
	const wordsMax = 1 << 15
	v, n := binary.Uvarint(b)
	if n <= 0 || v>>1 > wordsMax {
		return s, nil
	}
	return ring.Shape{Words: int(v >> 1), Copies: v&1 != 0}, b[n:]
}

// placedEstate is the estate of a living tracer in the shared memory.
type placedEstate struct{ addr, size uint64 }

// placeEstate copies the estate to where it belongs: behind the code.
func (p *Process) placeEstate(b, region []byte, addr uint64, l ring.Layout) {
	if b == nil {
		return
	}
	fitEstate(b, l)
	copy(region, b)
	p.estate = &placedEstate{addr: addr, size: uint64(len(b))}
}

// Estates returns what tracers that died left in a program and nobody has settled yet. No tracer may be at work in it. What cannot be
// read, because another version of smiley wrote it or the program destroyed it, is left out, and said in the error.
func Estates(pid int) (list []*Estate, err error) {
	all, err := sharedMappings(pid)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, recording.Errorf(recording.CodePermission, "opening the program's memory: %w", err)
	}
	defer func() { _ = memory.Close() }()
	for _, code := range all {
		if !code.executable {
			continue
		}
		e, failed := readEstate(memory, code, all)
		if failed != nil {
			err = errors.Join(err, failed)
		}
		if e != nil {
			settled := e.layout.Base + ring.SharedSettled
			e.settle = func() error { return poke(pid, settled, 1) }
			list = append(list, e)
		}
	}
	return list, err
}

// readEstate reads what belongs to code, nil when there is nothing.
func readEstate(memory io.ReaderAt, code sharedMapping, all []sharedMapping) (*Estate, error) {
	word := func(addr uint64) uint64 {
		var b [8]byte
		if _, err := memory.ReadAt(b[:], int64(addr)); err != nil {
			return 0
		}
		return binary.LittleEndian.Uint64(b[:])
	}
	at, size := word(code.to+ring.SharedEstate), word(code.to+ring.SharedEstateLen)
	if at == 0 || word(code.to+ring.SharedSettled) != 0 {
		return nil, nil
	}
	if at < code.from || at >= code.to || size < estateHead || size > code.to-at {
		return nil, unreadable("it is not where it should be")
	}
	b := make([]byte, size)
	if _, err := memory.ReadAt(b, int64(at)); err != nil {
		return nil, unreadable(err.Error())
	}
	head := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	if head(0) != estateMagic {
		return nil, unreadable("another version of smiley wrote it")
	}
	l := ring.Layout{Base: head(1), Rings: head(2), Count: int(head(3)), DataSize: head(4)}
	rings := slices.IndexFunc(all, func(m sharedMapping) bool { return m.file == code.file && m.from == l.Rings })
	if l.Base != code.to || l.Count < 1 || l.Count > ring.OfferedMax || l.DataSize%pageSize != 0 || rings < 0 ||
		all[rings].to-all[rings].from != l.RingsSize() {
		return nil, unreadable("it does not fit what is mapped")
	}
	e := &Estate{layout: l}
	if !e.parse(b) {
		return nil, unreadable("it contradicts itself")
	}
	if err := e.read(memory); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

func unreadable(why string) error {
	return recording.Errorf(recording.CodeDamaged, "what a tracer that died left in the program cannot be read: %s", why)
}

// parse reads the note and all shapes.
func (e *Estate) parse(b []byte) (ok bool) {
	head := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	count, note := head(5), head(6)
	if note > noteMax || count > uint64(len(b)) {
		return false
	}
	rest := b[estateHead:]
	number := func() uint64 {
		v, n := binary.Uvarint(rest)
		rest = rest[max(n, 0):]
		return v
	}
	e.shapes = make([]ring.Shape, count)
	for i := range e.shapes {
		if i%2 == 0 {
			address := number()
			e.Functions, e.events = append(e.Functions, address>>1), append(e.events, address&1 != 0)
		}
		if e.shapes[i], rest = readShape(rest); rest == nil {
			return false
		}
	}
	if note > uint64(len(rest)) {
		return false
	}
	e.Note = slices.Clone(rest[:note])
	return true
}

// Fits reports whether the records of a function, a position in Functions, are those of these captures.
func (e *Estate) Fits(i int, args, results *routine.Capture) bool {
	return 2*i+1 < len(e.shapes) && e.shapes[2*i] == shape(args) && e.shapes[2*i+1] == shape(results)
}

// Events says whether the records of a function, a position in Functions, are events. Those of functions that are recorded are.
func (e *Estate) Events(i int) bool { return e.events[i] }

// Waits reports whether any record was not read.
func (e *Estate) Waits() bool {
	for i := range e.Reader.Used() {
		if spans, err := e.Reader.Waiting(i); err != nil || len(spans) > 1 || spans[0][0] != spans[0][1] {
			return true
		}
	}
	return false
}

// read copies what waits in the rings.
func (e *Estate) read(memory io.ReaderAt) error {
	l := e.layout
	var err error
	e.memory, err = unix.Mmap(-1, 0, int(l.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return recording.Errorf(recording.CodeInternal, "no memory for what a tracer that died left: %w", err)
	}
	load := func(from, to uint64) {
		at := l.Offset(from)
		if at > uint64(len(e.memory)) || to-from > uint64(len(e.memory))-at {
			err = cmp.Or(err, unreadable("it is not where it should be"))
			return
		}
		if _, failed := memory.ReadAt(e.memory[at:at+to-from], int64(from)); failed != nil {
			err = cmp.Or(err, unreadable(failed.Error()))
		}
	}
	load(l.Base, l.Base+ring.SharedLen)
	used := ring.NewReader(e.memory, l, nil)
	for i := range used.Used() {
		load(l.Ring(i), l.Ring(i)+ring.ControlLen)
		spans, failed := used.Waiting(i)
		err = cmp.Or(err, failed)
		for _, s := range spans {
			load(s[0], s[1])
		}
	}
	if err != nil {
		return err
	}
	e.Dropped, e.Reported = used.Dropped(), used.Reported()
	e.Reader, e.Captured, err = ring.Resume(e.memory, l, func(site uint32) (ring.Shape, bool) {
		if int(site) >= len(e.shapes) {
			return ring.Shape{}, false
		}
		return e.shapes[site], true
	})
	return err
}

// Read reads all records, and returns how many are events of which nothing was made. see is shown those behind the first skip events, and
// says whether it made something of one.
func (e *Estate) Read(skip uint64, see func(*ring.Record) bool) (missed uint64, err error) {
	n := uint64(0)
	_, err = e.Reader.Drain(func(r *ring.Record) error {
		event := e.events[r.Site/2]
		if n >= skip && !see(r) && event {
			missed++
		}
		if event {
			n++
		}
		return nil
	})
	return missed, err
}

// Settle notes in the program that everything is accounted for.
func (e *Estate) Settle() error { return e.settle() }

// Close frees the copy of what was left.
func (e *Estate) Close() {
	if e.memory != nil {
		_ = unix.Munmap(e.memory)
		e.memory, e.Reader = nil, nil
	}
}

// Abandon tells the threads of a program that nobody makes room in the rings of tracers that died.
func Abandon(pid int) error {
	code, err := sharedRegions(pid)
	for _, m := range code {
		failed := poke(pid, m.to+ring.SharedAbandoned, ring.AbandonedByTracer)
		if errors.Is(failed, unix.EIO) {
			continue // the tracer died before it gave the memory its size, so that no jump leads there
		}
		err = errors.Join(err, failed)
	}
	return err
}

func poke(pid int, addr, v uint64) error {
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return recording.Errorf(recording.CodePermission, "opening the program's memory: %w", err)
	}
	defer func() { _ = memory.Close() }()
	if _, err := memory.WriteAt(binary.LittleEndian.AppendUint64(nil, v), int64(addr)); err != nil {
		return recording.Errorf(recording.CodePermission, "writing to the program's memory: %w", err)
	}
	return nil
}

// Settle notes in the program that all of its records are accounted for. Nothing may have been closed yet.
func (p *Process) Settle() {
	if p.Reader != nil {
		p.Reader.Settle()
	}
}
