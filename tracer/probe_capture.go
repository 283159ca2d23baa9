//go:build linux && amd64

package tracer

import (
	"encoding/binary"
	"slices"

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
	maxStackWords  = 256     // of what a call's values take of the stack
	maxCopies      = 64      // of one record, or of what an interface holds
	maxCopied      = 7 << 10 // bytes of the same
	interfaceBytes = 128     // of what an interface holds: its type is not known when the code is generated
	errorBytes     = 256     // of a string in an error
	recordedStack  = 0x7ff0_0000_0000_0000
)

// probeCapture is the compiled form of a plan's arguments or results.
type probeCapture struct {
	routine.Capture
	types  *recording.Types
	bounds recording.Bounds
	size   int // bytes that the copies can take
	held   int // interfaces of which copies are made by type
	stack  int // words of the stack
	// What the values that follow in the same call need at least, so that a large one before them does not take all.
	reserved, reservedCopies int

	extents *recording.Extents
	placed  []wordAt // where the words of sources are, while it is compiled
	typed   bool     // it is for what an interface holds
	inner   bool     // which lies in what another one holds
	// roots are where the values lie in a record; nil when that is not in one piece for each.
	roots   []recording.Extent
	outline *recording.Outline // of values that have roots and are not scalar, once there were any
	scalar  bool               // all values are, and have roots
	// nils are the words that are all zero when the values that are not scalar are nil; none when that is not enough to capture them.
	nils []int
	// wants says what interfaces are among the copies.
	wants []want
	nearest
}

// most returns the bytes that the copies may take together.
func (c *probeCapture) most() int {
	switch {
	case c.inner:
		return routine.InnerMax - copyHead
	case c.typed:
		return routine.DynamicMax - copyHead
	}
	return maxCopied
}

// want is where a program can put values of many types: an interface, and where that lies.
type want struct {
	holder recording.TypeID // the interface; 0: any type fits
	class  routine.Class
}

// maxHeld bounds the interfaces of one record of which copies are made by type: each can be long.
const maxHeld = 8

// compileHeld lists the copies that a value of a type needs when it is in an interface of a class, whose data word is all that is
// known.
func compileHeld(types *recording.Types, bounds recording.Bounds, t *recording.Type, class routine.Class) *probeCapture {
	b := copyBudget{pointers: bounds.Follow, nesting: max(3, bounds.Follow+2), errors: 1, inError: class&routine.Errors != 0}
	if class&routine.Inner != 0 && !b.inError { // errors begin anew
		b.nesting--
	}
	if b.inError {
		bounds.StringBytes = max(bounds.StringBytes, errorBytes)
		b.pointers = max(b.pointers, 1)
	}
	if class&routine.Spent != 0 {
		b.pointers = 0
	}
	c := &probeCapture{types: types, bounds: bounds, typed: true, inner: class&routine.Inner != 0}
	c.Words = []routine.Word{{}}
	data := source{kind: sourceWords, words: []wordAt{{}}}
	c.nearestFirst(func() {
		if pointerShaped(types, t) {
			c.value(t, data, b)
			return
		}
		if t.Size == 0 {
			return
		}
		in, ok := c.whole(data, t)
		if !ok {
			return
		}
		extents := len(c.Copies)
		c.value(t, in, b.deeper())
		c.nestAll(0, extents)
	})
	return c
}

// pointerShaped reports whether an interface keeps a value in its data word itself.
func pointerShaped(types *recording.Types, t *recording.Type) bool {
	switch t.Kind {
	case recording.KindPointer, recording.KindMap, recording.KindChan, recording.KindFunc, recording.KindUnsafePointer:
		return true
	case recording.KindStruct:
		if len(t.Fields) != 1 {
			return false
		}
		field, ok := types.Get(t.Fields[0].Type)
		return ok && pointerShaped(types, field)
	case recording.KindArray:
		elem, ok := types.Get(t.Elem)
		return ok && t.Len == 1 && pointerShaped(types, elem)
	}
	return false
}

// compile lists the words and copies that values at locations need.
func (all *captures) compile(params []recording.Param, locations []location) *probeCapture {
	types, bounds := all.types, all.bounds
	if all.extents == nil {
		all.extents = recording.NewExtents(types, bounds)
	}
	c := &probeCapture{types: types, bounds: bounds, extents: all.extents}
	c.Words, c.Copies, c.placed = all.words[:0], all.copies[:0], all.placed[:0]
	used := func(i int) (*recording.Type, bool) {
		if i >= len(params) || params[i].Unreadable != "" || locations[i].reason != "" {
			return nil, false
		}
		return types.Get(params[i].Type)
	}
	c.nearestFirst(func() {
		c.Words, c.placed, c.stack = c.Words[:0], c.placed[:0], 0
		for i := range locations {
			if t, ok := used(i); ok && refers(t) {
				c.reserved += leastBytes
				c.reservedCopies++
			}
		}
		for i := range locations {
			t, ok := used(i)
			if !ok {
				continue
			}
			if refers(t) && c.reservedCopies > 0 {
				c.reserved -= leastBytes
				c.reservedCopies--
			}
			c.value(t, c.place(&locations[i], t), wholeBudget(bounds))
		}
	})
	all.findRoots(c, params, locations)
	all.words, all.copies, all.placed = c.Words, c.Copies, c.placed
	c.Words, c.Copies, c.placed = all.keptWords.keep(c.Words), all.keptCopies.keep(c.Copies), nil
	return c
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
	types      *recording.Types
	bounds     recording.Bounds
	known      map[string]*probeCapture
	extents    *recording.Extents
	key        []byte // scratch, as the next five
	words      []routine.Word
	copies     []routine.Copy
	placed     []wordAt
	roots      []recording.Extent
	nils       []int
	keptWords  keeper[routine.Word]
	keptCopies keeper[routine.Copy]
	keptRoots  keeper[recording.Extent]
	keptNils   keeper[int]
}

// of returns the compiled form of values.
func (c *captures) of(params []recording.Param, locations []location) *probeCapture {
	key := c.key[:0]
	for i := range locations {
		l := &locations[i]
		if i >= len(params) || params[i].Unreadable != "" || l.reason != "" {
			key = append(key, 0)
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

// copyBudget bounds how far copies go behind a value, as the Capturer's own budget does.
type copyBudget struct {
	pointers, nesting, errors int
	inError                   bool
}

// wholeBudget is that of a value of which nothing was followed yet.
func wholeBudget(b recording.Bounds) copyBudget {
	return copyBudget{pointers: b.Follow, nesting: max(3, b.Follow+2), errors: 1}
}

// class is that of an interface of type t that is met with what is left of b.
func (b copyBudget) class(t *recording.Type) (c routine.Class) {
	switch {
	case t.Name == "error":
		return routine.Errors
	case b.inError:
		c = routine.Errors
	}
	if b.pointers <= 0 {
		c |= routine.Spent
	}
	return c
}

func (b copyBudget) deeper() copyBudget { b.nesting--; return b }

// value adds the copies that the Capturer may ask for when it meets a value of type t.
func (c *probeCapture) value(t *recording.Type, at source, b copyBudget) {
	if c.beyond() {
		return
	}
	switch t.Kind {
	case recording.KindString:
		c.text(at)
	case recording.KindSlice:
		c.slice(t, at, b)
	case recording.KindInterface:
		if b.nesting > 0 {
			c.dynamic(t, at, b)
		}
	case recording.KindPointer:
		elem, ok := c.types.Get(t.Elem)
		if !ok || b.pointers <= 0 || b.nesting <= 0 || elem.Name == "time.Location" {
			return
		}
		first := len(c.Copies)
		if in, ok := c.whole(at, elem); ok {
			behind := len(c.Copies)
			b = b.deeper()
			b.pointers--
			c.farther(1, func() { c.value(elem, in, b) })
			c.nestAll(first, behind)
		}
	case recording.KindMap, recording.KindFunc:
		c.copy(at, 0, constant, 8, 8)
	case recording.KindChan:
		c.copy(at, 0, constant, 16, 16)
	case recording.KindStruct:
		for _, f := range t.Fields {
			if part, ok := c.types.Get(f.Type); ok && part.Size > 0 {
				c.value(part, at.shifted(f.Offset), b)
			}
		}
	case recording.KindArray:
		elem, ok := c.types.Get(t.Elem)
		for i := range min(t.Len, uint64(c.bounds.Elements)) {
			if ok && refers(elem) {
				c.value(elem, at.shifted(uint32(i)*elem.Size), b)
			}
		}
	}
}

// text copies a string's bytes. When not all fit that may be shown, strings that have no more than fit are readable all the same.
func (c *probeCapture) text(at source) {
	if !c.beyond() {
		c.copy(at, 0, 8, 1, c.atMost(c.bounds.StringBytes, 1))
	}
}

func (c *probeCapture) slice(t *recording.Type, at source, b copyBudget) {
	elem, ok := c.types.Get(t.Elem)
	if !ok || elem.Size == 0 {
		return
	}
	if elem.Kind == recording.KindUint8 {
		c.text(at)
		return
	}
	if b.nesting <= 0 || c.beyond() {
		return
	}
	// When not all elements fit that may be shown, those are that do.
	n := c.atMost(c.bounds.Elements, int(elem.Size))
	if n <= 0 {
		return
	}
	in, ok := c.copy(at, 0, 8, int(elem.Size), n*int(elem.Size))
	if !ok || !refers(elem) {
		return
	}
	defer c.nest(len(c.Copies) - 1)
	for i := range n {
		c.farther(min(1+i*int(elem.Size)/levelBytes, elementLevels), func() { c.value(elem, in.shifted(uint32(i)*elem.Size), b.deeper()) })
	}
}

// dynamic copies what an interface may hold: its first bytes, what these point to if they are a pointer, and strings and
// errors where errors have theirs.
func (c *probeCapture) dynamic(t *recording.Type, at source, b copyBudget) {
	described, ok := at.at(0)
	if t.Methods { // the itab says which type it is; the program may be gone when the record is read
		itab, copied := c.copy(at, 0, constant, itabType+8, itabType+8)
		if !copied {
			return
		}
		defer c.nest(len(c.Copies) - 1)
		described, ok = itab.at(itabType)
	}
	limit, class, size := maxHeld, b.class(t), 0
	if c.typed {
		limit = routine.InnersMax
		class |= routine.Inner
		size = 8 + routine.InnerMax
	}
	if data, there := at.at(8); ok && there && !c.inner && c.fits(1, size, 1, limit) {
		c.add(routine.Copy{Dynamic: true, Class: class, Pointer: data, Count: described}, size, 1)
		c.want(t, class)
		defer c.nest(len(c.Copies) - 1)
	}
	c.level += unknownLevels // what follows is for types of which there is no routine
	defer func() { c.level -= unknownLevels }()
	if c.typed { // seldom of use: most types have a routine
		if in, ok := c.copy(at, 8, constant, interfaceBytes/2, interfaceBytes/2); ok {
			defer c.nest(len(c.Copies) - 1)
			c.copy(in, 0, 8, 1, c.bounds.StringBytes)
		}
		return
	}
	in, ok := c.copy(at, 8, constant, interfaceBytes, interfaceBytes)
	if !ok {
		return
	}
	defer c.nest(len(c.Copies) - 1)
	c.copy(in, 0, constant, interfaceBytes, interfaceBytes)
	if t.Name != "error" {
		c.copy(in, 0, 8, 1, c.bounds.StringBytes)
		return
	}
	c.copy(in, 0, 8, 1, errorBytes)
	if b.errors > 0 {
		b.errors--
		c.copy(in, 16, 24, 1, errorBytes) // *fs.PathError and its like: two strings, an error
		c.dynamic(t, in.shifted(32), b)
	}
}

func (c *probeCapture) want(t *recording.Type, class routine.Class) {
	w := want{class: class}
	if t.Methods {
		w.holder = t.ID
	}
	if !slices.Contains(c.wants, w) {
		c.wants = append(c.wants, w)
	}
}

// nest says that all copies added since depend on copy i.
func (c *probeCapture) nest(i int) { c.Copies[i].Nested = int32(len(c.Copies) - 1 - i) }

// nestAll says it of the copies from first to before end, the pieces of one value.
func (c *probeCapture) nestAll(first, end int) {
	for i := first; i < end; i++ {
		c.nest(i)
	}
}

// copyHead is what a copy takes beyond its bytes, at most: their number, and what is added to end at a multiple of sixteen.
const copyHead = 8 + 15

// constant says that a copy's length does not depend on the value.
const constant = ^uint32(0)

// maxWhole bounds the bytes of a value that are copied in one piece, whatever of them is shown.
const maxWhole = 1024

// fewStackBytes is the same for a value on the stack.
const fewStackBytes = 64

// leastBytes is what is kept free for each value of a call that is yet to come.
const leastBytes = 64 + copyHead

// whole copies the value of type t that the pointer at the start of a value leads to: all of it, or when it is large the pieces
// that are shown.
func (c *probeCapture) whole(at source, t *recording.Type) (source, bool) {
	if t.Size <= maxWhole {
		return c.copy(at, 0, constant, int(t.Size), int(t.Size))
	}
	if c.extents == nil {
		c.extents = recording.NewExtents(c.types, c.bounds)
	}
	extents := c.extents.Of(t.ID)
	need := 0
	for _, e := range extents {
		need += e.Length + copyHead
	}
	if len(extents) == 0 || !c.fits(len(extents), need, 0, 0) { // not shown without one of them
		return source{}, false
	}
	first := len(c.Copies)
	for _, e := range extents {
		if _, ok := c.copy(at, 0, constant, e.Length, e.Length); !ok {
			return source{}, false // the pointer is not there
		}
		c.Copies[len(c.Copies)-1].Skip = uint32(e.Offset)
	}
	return source{kind: sourcePieces, item: int32(first), extents: extents}, true
}

// copy adds one copy from the pointer at an offset of a value, count being the offset of the number of elements.
func (c *probeCapture) copy(at source, pointer, count uint32, scale, limit int) (source, bool) {
	if limit <= 0 || scale <= 0 {
		return source{}, false
	}
	p, ok := at.at(pointer)
	if !ok || !c.fits(1, limit, 0, 0) {
		return source{}, false
	}
	k := routine.Copy{Pointer: p, Count: routine.Source{Constant: true}, Scale: uint32(scale), Max: uint32(limit)}
	if count != constant {
		if k.Count, ok = at.at(count); !ok {
			return source{}, false
		}
	}
	item := len(c.Copies)
	c.add(k, limit+copyHead, 0)
	return source{kind: sourceCopy, item: int32(item), length: limit}, true
}

// refers reports whether values of a type can lead to memory elsewhere.
func refers(t *recording.Type) bool {
	return t.Kind >= recording.KindString && t.Kind != recording.KindUnsafePointer && t.Kind != recording.KindOpaque || t.Kind == recording.KindFunc
}
