//go:build linux && amd64

package tracer

import (
	"encoding/binary"

	"smiley/recording"
	"smiley/tracer/probe/asm"
	"smiley/tracer/probe/routine"
)

// The probe engine has the values of a function copied by generated code, and walks the copies when it reads the
// record: a plan is compiled once to what could be needed, and the same Capturer that reads a stopped program's memory
// reads the record's copies as if they were that memory.

// intRegister and floatRegister give the numbers of pieces their registers.
var intRegister = [intRegisters]asm.Reg{asm.RAX, asm.RBX, asm.RCX, asm.RDI, asm.RSI, asm.R8, asm.R9, asm.R10, asm.R11}

const (
	maxStackWords = 256 // of what a call's values take of the stack
	recordedStack = 0x7ff0_0000_0000_0000
)

// probeCapture is the compiled form of a plan's arguments or results.
type probeCapture struct {
	routine.Capture
	entries []nodeEntry // what the words refer to, until Node says so
	refers  int         // how many these are
	stack   int         // words of the stack

	params    []recording.Param // of a function that has it; those of others differ in their names
	locations []location        // of the values; nil where roots are known

	// roots are where the values lie in a record; nil when that is not in one piece for each.
	roots   []recording.Extent
	outline *recording.Outline // of values that have roots and are not scalar, once there were any
	scalar  bool               // all values are, and have roots
	// nils are the words that are all zero when the values that are not scalar are nil; none when that is not enough to capture them.
	nils []int
}

// compile lists the words that values at locations need, and what these refer to.
func (all *captures) compile(params []recording.Param, locations []location) *probeCapture {
	c := &probeCapture{params: params, locations: locations}
	c.Words, all.placed, all.entries = all.words[:0], all.placed[:0], all.entries[:0]
	for i := range locations {
		if i >= len(params) || params[i].Unreadable != "" || locations[i].reason != "" {
			continue
		}
		if t, ok := all.shapes.types.Get(params[i].Type); ok {
			all.refer(c, t, all.place(c, &locations[i], t))
		}
	}
	if all.findRoots(c, params, locations); c.roots != nil {
		c.locations = nil
	}
	all.words = c.Words
	c.Words, c.entries = all.keptWords.keep(c.Words), all.keptEntries.keep(all.entries)
	c.refers = len(c.entries)
	return c
}

// refer adds what a value of type t refers to, whose words are among those of the record.
func (all *captures) refer(c *probeCapture, t *recording.Type, at source) {
	from := len(all.entries)
	all.entries = all.shapes.entries(all.entries, t)
	kept := all.entries[:from]
	for _, e := range all.entries[from:] {
		pointer, ok := at.word(e.At)
		if e.counted() && ok {
			e.Count, ok = at.word(e.Count)
		}
		if ok { // else a part of it has no location
			e.At = pointer
			kept = append(kept, e)
		}
	}
	all.entries = kept
}

// keeper copies what is scratch: many short lists in a few pieces of memory.
type keeper[T any] struct{ room []T }

// keptAtOnce is how many elements there is room for in one piece of memory.
const keptAtOnce = 512

// keep returns a copy of a list, nil when it is empty.
func (k *keeper[T]) keep(scratch []T) []T {
	n := len(scratch)
	if n == 0 {
		return nil
	}
	if len(k.room)+n > cap(k.room) {
		k.room = make([]T, 0, max(n, keptAtOnce))
	}
	from := len(k.room)
	k.room = append(k.room, scratch...)
	return k.room[from : from+n : from+n]
}

// captures are those that were compiled already.
type captures struct {
	shapes      shapes
	known       map[string]*probeCapture
	key         []byte // scratch, as the next five
	words       []routine.Word
	entries     []nodeEntry
	placed      []wordAt
	roots       []recording.Extent
	nils        []int
	keptWords   keeper[routine.Word]
	keptEntries keeper[nodeEntry]
	keptRoots   keeper[recording.Extent]
	keptNils    keeper[int]
}

// newCaptures is for values of types that are captured within bounds.
func newCaptures(types *recording.Types, bounds recording.Bounds) *captures {
	return &captures{shapes: newShapes(types, bounds), known: map[string]*probeCapture{}}
}

// of returns the compiled form of values.
func (c *captures) of(params []recording.Param, locations []location) *probeCapture {
	key := c.key[:0]
	for i := range locations {
		l := &locations[i]
		if i >= len(params) || params[i].Unreadable != "" || l.reason != "" {
			key = append(binary.AppendUvarint(append(key, 0), uint64(len(l.reason))), l.reason...)
			continue
		}
		key = binary.AppendUvarint(append(key, 1+byte(len(l.pieces))), uint64(params[i].Type))
		key = binary.AppendVarint(binary.AppendUvarint(key, uint64(l.size)), int64(l.stack))
		for _, p := range l.pieces {
			register := p.register << 1
			if p.float {
				register |= 1
			}
			key = append(binary.AppendUvarint(key, uint64(p.offset)), byte(p.size), register)
		}
	}
	c.key = key
	if known, ok := c.known[string(key)]; ok {
		return known
	}
	made := c.compile(params, locations)
	c.known[string(key)] = made
	return made
}

// refers reports whether values of a type can lead to memory elsewhere.
func refers(t *recording.Type) bool {
	return t.Kind >= recording.KindString && t.Kind != recording.KindUnsafePointer && t.Kind != recording.KindOpaque || t.Kind == recording.KindFunc
}
