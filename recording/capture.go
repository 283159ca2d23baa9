package recording

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// Memory reads the program's memory. An error means not one byte is valid; one that wraps ErrNotCopied, that nobody tried.
type Memory interface {
	ReadMemory(dst []byte, addr uint64) error
}

// Lender is a Memory that shows its bytes to who would copy them: they stay as they are until the end of the capture.
type Lender interface {
	Memory
	Lend(addr uint64, n int) ([]byte, error)
}

// ErrNotCopied is the error of a Memory that holds copies of some of the program's memory only, for all that lies beyond.
var ErrNotCopied = Errorf(CodeNotFound, "this memory was not copied")

// Resolver knows what the program's pointers to code and types mean. It may add to the run's tables while the program runs.
type Resolver interface {
	DynamicType(typeWord uint64) TypeID // address of a runtime type; 0: unknown
	ItabType(itab uint64) TypeID        // address of an itab; 0: unknown
	FunctionAt(pc uint64) FunctionID    // function that begins at pc; 0: unknown
}

// Root is where a parameter or result lies when it is captured: its bytes as they are in the program's memory (Bytes), or
// their address. Both empty: zero size.
type Root struct {
	Bytes      []byte
	Addr       uint64
	Unreadable string // why there is nothing to read here this time; "" normally
}

// Counts are the losses of one capture, static ones (Param.Unreadable) included.
type Counts struct{ Truncated, Unreadable uint16 }

// The bits of a record's status byte.
const (
	statusNoValues   = 1 << iota // a reason follows, nothing else
	statusUnreadable             // behind the images comes a list of roots that could not be read
	statusMarked                 // every chunk is preceded by a mark
	statusPartial                // and a mark may be markPartial
	statusAll        = statusNoValues | statusUnreadable | statusMarked | statusPartial
)

// Marks of a chunk. All but markPresent and markPartial say why there is none.
const (
	markPresent = iota
	markFault
	markTooLarge
	markImplausible
	markNotCopied
	markPartial // how many elements of a slice there are follows, and the chunk with these
)

// unknownTypeWord stands for a dynamic type that the type table does not have.
const unknownTypeWord = math.MaxUint64

// maxRecord bounds the chunks of a record.
const maxRecord = 16 << 10

// implausible is the least length that no string or slice in a 47-bit address space can have.
const implausible = 1 << 47

// AppendNoValues appends the capture record of an event whose values were not captured.
func AppendNoValues(dst []byte, reason string) []byte {
	return append(append(dst, statusNoValues), reason...)
}

// AppendScalars begins the capture record of values that are all scalar, see Type.Scalar: their bytes follow.
func AppendScalars(dst []byte) []byte { return append(dst, 0) }

// Capturer copies values into capture records. Its fields must not change after the first capture. It is not safe for
// concurrent use.
type Capturer struct {
	Types    *Types
	Bounds   Bounds
	Memory   Memory
	Resolver Resolver

	layouts layouts
	walk    walk
}

// Append appends the capture record of params, whose values lie at roots (one for each of params, also for those that are
// never readable), to dst.
func (c *Capturer) Append(dst []byte, params []Param, roots []Root) ([]byte, Counts) {
	c.layouts.reset(c.Types, c.Bounds)
	static := 0
	lays := c.walk.own[:0]
	for i := range params {
		if params[i].Unreadable != "" {
			lays = append(lays, nil)
			static++
			continue
		}
		lays = append(lays, c.layouts.of(params[i].Type))
	}
	c.walk.own, c.walk.lays, c.walk.roots = lays, lays, roots
	dst, counts := c.append(dst)
	counts.Unreadable = add16(counts.Unreadable, static)
	return dst, counts
}

// AppendAny appends the capture record of one value of type any, as panic has it, to dst. ValueDecoder.Any decodes it.
func (c *Capturer) AppendAny(dst []byte, root Root) ([]byte, Counts) {
	c.layouts.reset(c.Types, c.Bounds)
	c.walk.own, c.walk.one[0] = append(c.walk.own[:0], c.layouts.any), root
	c.walk.lays, c.walk.roots = c.walk.own, c.walk.one[:]
	return c.append(dst)
}

// Outline is all that must be known to capture values that lie in the same places each time.
type Outline struct {
	lays   []*layout
	places []Extent
}

// Outline returns the outline of params that lie at places, of which there is one for each, of the words that AppendOutlined is given. It is
// false when that cannot be told in advance: a type is not defined yet, or a parameter is never readable. The outline is for this Capturer.
func (c *Capturer) Outline(params []Param, places []Extent) (*Outline, bool) {
	c.layouts.reset(c.Types, c.Bounds)
	o := &Outline{lays: make([]*layout, len(params)), places: places}
	for i := range params {
		if _, ok := c.Types.Get(params[i].Type); !ok || params[i].Unreadable != "" || len(places) != len(params) {
			return nil, false
		}
		o.lays[i] = c.layouts.of(params[i].Type)
	}
	return o, true
}

// AppendOutlined is Append for values that lie in words, where o says.
func (c *Capturer) AppendOutlined(dst []byte, o *Outline, words []byte) ([]byte, Counts) {
	c.walk.lays, c.walk.places, c.walk.words = o.lays, o.places, words
	dst, counts := c.append(dst)
	c.walk.places = nil
	return dst, counts
}

// append walks the values; a second time with marks when something was in the way.
func (c *Capturer) append(dst []byte) ([]byte, Counts) {
	w := &c.walk
	if w.c != c { // the first time, or it is a copy
		w.c = c
		w.lender, _ = c.Memory.(Lender)
	}
	w.dst, w.marked = dst, false
	w.limit = max(maxRecord, 4*c.layouts.bounds.StringBytes)
	w.record()
	if w.failed {
		w.dst, w.marked = w.dst[:len(dst)], true
		w.record()
	}
	dst, w.dst = w.dst, nil
	return dst, w.counts
}

// walk is the state of one capture. Its buffers are used again.
type walk struct {
	c      *Capturer
	lender Lender // the Memory, if it is one
	model  *model // what is noted for a Template; nil: nobody wants to know
	dst    []byte // what is captured, behind what was there before
	lays   []*layout
	own    []*layout // memory for lays
	roots  []Root
	one    [1]Root
	places []Extent // of the values in words; nil: they are at roots
	words  []byte
	raw    []byte   // what was read of the values that are being walked, where it is not lent
	values [][]byte // the memory of each value: its spans, one behind the other
	bad    []badRoot
	stack  []followed
	start  int // where the record begins in dst
	base   int // where its chunks begin
	limit  int // bytes of chunks
	marked bool
	failed bool // a chunk is missing, but the record has no marks
	counts Counts
}

type badRoot struct {
	index  int
	reason string
}

// followed is a pointer whose target is being shown.
type followed struct {
	addr uint64
	typ  TypeID
}

func (w *walk) record() {
	w.failed, w.counts = false, Counts{}
	w.raw, w.values, w.bad, w.stack = w.raw[:0], w.values[:0], w.bad[:0], w.stack[:0]
	status := byte(0)
	if w.marked {
		status |= statusMarked
	}
	w.start = len(w.dst)
	w.dst = append(w.dst, status)
	referring := false
	for i, lay := range w.lays {
		if lay == nil {
			w.values = append(w.values, nil)
			continue
		}
		img := w.extend(lay.size)
		value, reason := w.load(lay, i)
		w.values = append(w.values, value)
		if reason != "" {
			clear(img)
			w.bad = append(w.bad, badRoot{i, reason})
			w.counts.Unreadable++
			continue
		}
		w.image(lay, img, value)
		referring = referring || len(lay.referring) > 0
	}
	if len(w.bad) > 0 {
		w.badRoots()
	}
	w.base = len(w.dst)
	if !referring {
		return
	}
	bad, image := w.bad, w.start+1
	for i, lay := range w.lays {
		if lay == nil {
			continue
		}
		if len(bad) > 0 && bad[0].index == i {
			bad = bad[1:]
		} else if len(lay.referring) > 0 && !w.failed {
			w.references(lay, image, w.values[i], w.c.layouts.budget())
		}
		image += lay.size
	}
}

// badRoots appends why values could not be read.
func (w *walk) badRoots() {
	w.dst[w.start] |= statusUnreadable
	dst := binary.AppendUvarint(w.dst, uint64(len(w.bad)))
	for _, b := range w.bad {
		dst = binary.AppendUvarint(dst, uint64(b.index))
		dst = binary.AppendUvarint(dst, uint64(len(b.reason)))
		dst = append(dst, b.reason...)
	}
	w.dst = dst
}

// load returns the memory that lay needs of value i, or why there is none.
func (w *walk) load(lay *layout, i int) (value []byte, reason string) {
	if w.places != nil {
		at := w.places[i]
		return w.within(lay, w.words[at.Offset:at.Offset+at.Length])
	}
	root := &w.roots[i]
	switch {
	case root.Unreadable != "":
		return nil, root.Unreadable
	case lay.raw == 0:
		return nil, ""
	case root.Bytes != nil:
		return w.within(lay, root.Bytes)
	case root.Addr == 0:
		return nil, "it has no location"
	}
	value, mark := w.read(lay, root.Addr)
	if mark != markPresent {
		return nil, markReason(mark)
	}
	return value, ""
}

// within returns the memory that lay needs of a value that is given.
func (w *walk) within(lay *layout, all []byte) (value []byte, reason string) {
	switch len(lay.spans) {
	case 0:
		return nil, ""
	case 1:
		if s := lay.spans[0]; s.offset+s.length <= len(all) {
			return all[s.offset : s.offset+s.length], ""
		}
		return nil, "its location is smaller than its type"
	}
	if last := lay.spans[len(lay.spans)-1]; last.offset+last.length > len(all) {
		return nil, "its location is smaller than its type"
	}
	at := len(w.raw)
	for _, s := range lay.spans {
		w.raw = append(w.raw, all[s.offset:s.offset+s.length]...)
	}
	return w.raw[at:], ""
}

// read returns the memory that lay needs of the value at addr; mark is markPresent, or why there is none.
func (w *walk) read(lay *layout, addr uint64) (value []byte, mark byte) {
	if len(lay.spans) == 1 {
		return w.memory(addr+uint64(lay.spans[0].offset), lay.raw)
	}
	at := len(w.raw)
	for _, s := range lay.spans {
		to := len(w.raw)
		w.raw = extend(w.raw, s.length)
		if err := w.c.Memory.ReadMemory(w.raw[to:], addr+uint64(s.offset)); err != nil {
			return nil, missingMark(err)
		}
	}
	return w.raw[at:], markPresent
}

// memory returns n bytes at addr, which are valid until the value that is being walked is done.
func (w *walk) memory(addr uint64, n int) (bytes []byte, mark byte) {
	if w.lender != nil {
		lent, err := w.lender.Lend(addr, n)
		if err != nil {
			return nil, missingMark(err)
		}
		if w.model != nil {
			w.model.lent(lent)
		}
		return lent, markPresent
	}
	at := len(w.raw)
	w.raw = extend(w.raw, n)
	if err := w.c.Memory.ReadMemory(w.raw[at:], addr); err != nil {
		return nil, missingMark(err)
	}
	return w.raw[at:], markPresent
}

// missingMark says of memory that could not be read whether somebody tried.
func missingMark(err error) byte {
	if errors.Is(err, ErrNotCopied) {
		return markNotCopied
	}
	return markFault
}

// image fills all of img from the memory of a value.
func (w *walk) image(lay *layout, img, value []byte) {
	for i := range lay.moves {
		m := &lay.moves[i]
		if m.n == 8 {
			binary.LittleEndian.PutUint64(img[m.image:], binary.LittleEndian.Uint64(value[m.raw:]))
			continue
		}
		copy(img[m.image:], value[m.raw:m.raw+m.n])
	}
	for i := range lay.composed {
		o := &lay.composed[i]
		from, to := value[o.raw:], img[o.image:]
		if o.code == opInterface {
			w.interfaceImage(o.typ, to, from)
			continue
		}
		capacity := binary.LittleEndian.Uint64(from[16:])
		if binary.LittleEndian.Uint64(from) == 0 { // a slice that is nil
			capacity = math.MaxUint64
		}
		binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(from[8:]))
		binary.LittleEndian.PutUint64(to[8:], capacity)
	}
	if w.model != nil {
		w.model.image(w, lay, cap(w.dst)-cap(img)-w.start, value)
	}
	w.counts.Truncated = add16(w.counts.Truncated, lay.cut)
	w.counts.Unreadable = add16(w.counts.Unreadable, lay.opaque)
}

// interfaceImage writes the id of the dynamic type, and the data word where it is the value or all that is known.
func (w *walk) interfaceImage(t *Type, to, from []byte) {
	word := binary.LittleEndian.Uint64(from)
	if word == 0 {
		clear(to[:16])
		return
	}
	var id TypeID
	if t.Methods {
		id = w.c.Resolver.ItabType(word)
	} else {
		id = w.c.Resolver.DynamicType(word)
	}
	dynamic, ok := w.c.Types.Get(id)
	if !ok {
		binary.LittleEndian.PutUint64(to, unknownTypeWord)
		copy(to[8:16], from[8:16])
		return
	}
	binary.LittleEndian.PutUint64(to, uint64(id))
	if w.c.layouts.of(dynamic.ID).direct {
		copy(to[8:16], from[8:16])
	} else {
		clear(to[8:16])
	}
}

// extend appends n bytes to dst that are about to be written.
func (w *walk) extend(n int) []byte {
	at := len(w.dst)
	if cap(w.dst)-at < n {
		w.dst = slices.Grow(w.dst, n)
	}
	w.dst = w.dst[:at+n]
	return w.dst[at:]
}

// extend appends n bytes that are about to be written.
func extend(b []byte, n int) []byte {
	if at := len(b); cap(b)-at >= n {
		return b[:at+n]
	}
	return append(b, make([]byte, n)...)
}

func add16(c uint16, n int) uint16 { return uint16(min(int(c)+n, math.MaxUint16)) }

// markReason puts a mark into words.
func markReason(mark byte) string {
	switch mark {
	case markFault:
		return "memory fault"
	case markTooLarge:
		return "the record is full"
	case markImplausible:
		return "implausible length"
	case markNotCopied:
		return "not copied: beyond the bounds"
	}
	return "unknown reason"
}
