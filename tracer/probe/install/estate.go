//go:build linux && amd64

package install

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/ring"
)

// Estate is what a tracer that died left of its work in the memory that it shared with a program: the records that it had not read, and an
// account of those that it had. Close frees it.
type Estate struct {
	Note     []byte // what Options.Note was
	Captured uint64 // events that the tracer made, in all, but those that the program told it were dropped
	Dropped  uint64 // records that the program dropped, in all
	Reader   *ring.Reader

	pid    int
	events []bool // by site: whether its records are events
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
//	held     where the shapes of types that are added begin, from the estate's start
//	         shapes: varint twice how many words, and one when the record is an event, varint copies, and for each copy a varint: twice how many are nested, and one when it is dynamic
//	         note
//	         held shapes, in the order of their numbers
const (
	estateMagic = 0x31657461747365 // "estate1"
	estateHead  = 8 * 8
	heldRoom    = 64 << 10
	noteMax     = 1 << 20
)

// estate writes down what a successor must know to read the rings. Its length does not depend on the addresses in layout, which
// fit puts in.
func estate(plan plan, note []byte) []byte {
	b := make([]byte, estateHead)
	for i := range plan.probes {
		p := &plan.probes[i]
		b = appendShape(b, shape(p.Args), p.Entries)
		b = appendShape(b, shape(p.Results), p.Returns)
	}
	b = append(b, note...)
	b = append(b, make([]byte, -len(b)&7)...)
	for i, v := range []uint64{
		estateMagic, 0, 0, 0, 0, uint64(2 * len(plan.probes)), uint64(len(note)), uint64(len(b)),
	} {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	return b
}

func fitEstate(b []byte, l ring.Layout) {
	for i, v := range []uint64{l.Base, l.Rings, uint64(l.Count), l.DataSize} {
		binary.LittleEndian.PutUint64(b[8*(1+i):], v)
	}
}

// estateSize is the room that an estate takes, with what is added to it.
func estateSize(b []byte) uint64 {
	if b == nil {
		return 0
	}
	return (uint64(len(b)) + heldRoom + pageSize - 1) &^ (pageSize - 1)
}

func appendShape(b []byte, s ring.Shape, event bool) []byte {
	words := uint64(s.Words) << 1
	if event {
		words |= 1
	}
	b = binary.AppendUvarint(b, words)
	b = binary.AppendUvarint(b, uint64(len(s.Copies)))
	for _, c := range s.Copies {
		v := uint64(c.Nested) << 1
		if c.Dynamic {
			v |= 1
		}
		b = binary.AppendUvarint(b, v)
	}
	return b
}

// readShape reads a shape from the front of b, and returns the rest; nil when there is none.
func readShape(b []byte) (s ring.Shape, event bool, rest []byte) {
	next := func(limit uint64) int {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > limit {
			b = nil
			return 0
		}
		b = b[n:]
		return int(v)
	}
	words := next(1 << 16)
	s.Words, event = words>>1, words&1 != 0
	for range next(1 << 16) {
		if b == nil {
			break
		}
		v := next(1 << 20)
		s.Copies = append(s.Copies, ring.CopyShape{Nested: v >> 1, Dynamic: v&1 != 0})
	}
	return s, event, b
}

// holdEstate notes the shape of a type that is about to be added. It is false when there is no room.
func (p *Process) holdEstate(s ring.Shape) bool {
	if p.estate == nil {
		return true
	}
	b := appendShape(p.estate.held, s, false)
	if len(b) > cap(p.estate.held) {
		p.estate.held = p.estate.held[:len(p.estate.held):len(p.estate.held)] // shapes are found by their number: none may be left out
		return false
	}
	p.estate.held = b
	p.Reader.Held(uint64(len(b)))
	return true
}

// placedEstate is the estate of a living tracer in the shared memory.
type placedEstate struct {
	addr, size uint64
	held       []byte // what was added; its capacity is the room
}

// placeEstate copies the estate to where it belongs: behind the code.
func (p *Process) placeEstate(b, region []byte, addr uint64, l ring.Layout) {
	if b == nil {
		return
	}
	fitEstate(b, l)
	copy(region, b)
	p.estate = &placedEstate{addr: addr, size: uint64(len(b)), held: region[len(b):len(b):len(region)]}
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
			e.pid = pid
			list = append(list, e)
		}
	}
	return list, err
}

// readEstate reads what belongs to code, nil when there is nothing.
func readEstate(memory *os.File, code sharedMapping, all []sharedMapping) (*Estate, error) {
	word := func(addr uint64) uint64 {
		var b [8]byte
		if _, err := memory.ReadAt(b[:], int64(addr)); err != nil {
			return 0
		}
		return binary.LittleEndian.Uint64(b[:])
	}
	at, size := word(code.to+ring.SharedEstate), word(code.to+ring.SharedEstateLen)
	held := word(code.to + ring.SharedHeldLen)
	if at == 0 || word(code.to+ring.SharedSettled) != 0 {
		return nil, nil
	}
	if at < code.from || at >= code.to || size < estateHead || size > code.to-at || held > code.to-at-size {
		return nil, unreadable("it is not where it should be")
	}
	b := make([]byte, size+held)
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
	shapes, types, ok := e.parse(b, size)
	if !ok {
		return nil, unreadable("it contradicts itself")
	}
	if err := e.read(memory, shapes, types); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

func unreadable(why string) error {
	return recording.Errorf(recording.CodeDamaged, "what a tracer that died left in the program cannot be read: %s", why)
}

// parse reads the note and all shapes.
func (e *Estate) parse(b []byte, size uint64) (shapes, types []ring.Shape, ok bool) {
	head := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	count, note, held := head(5), head(6), head(7)
	if held != size || note > noteMax || count > size {
		return nil, nil, false
	}
	rest := b[estateHead:size]
	shapes, e.events = make([]ring.Shape, count), make([]bool, count)
	for i := range shapes {
		if shapes[i], e.events[i], rest = readShape(rest); rest == nil {
			return nil, nil, false
		}
	}
	if note > uint64(len(rest)) {
		return nil, nil, false
	}
	e.Note = slices.Clone(rest[:note])
	for rest = b[size:]; len(rest) > 0; {
		var s ring.Shape
		if s, _, rest = readShape(rest); rest == nil {
			return nil, nil, false
		}
		types = append(types, s)
	}
	return shapes, types, true
}

// read copies what waits in the rings.
func (e *Estate) read(memory *os.File, shapes, types []ring.Shape) error {
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
	used := ring.NewReader(e.memory, l, nil, nil)
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
	e.Dropped = used.Dropped()
	of := func(list []ring.Shape, n uint64) (ring.Shape, bool) {
		if n >= uint64(len(list)) {
			return ring.Shape{}, false
		}
		return list[n], true
	}
	e.Reader, e.Captured, err = ring.Resume(e.memory, l,
		func(site uint32) (ring.Shape, bool) { return of(shapes, uint64(site)) },
		func(number uint64) (ring.Shape, bool) { return of(types, number-1) })
	return err
}

// Count reads all records, and returns how many of them are events.
func (e *Estate) Count() (n uint64, err error) {
	_, err = e.Reader.Drain(func(r *ring.Record) error {
		if e.events[r.Site] {
			n++
		}
		return nil
	})
	return n, err
}

// Settle notes in the program that everything is accounted for.
func (e *Estate) Settle() error {
	return poke(e.pid, e.layout.Base+ring.SharedSettled, 1)
}

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
		err = errors.Join(err, poke(pid, m.to+ring.SharedAbandoned, 1))
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
