package recording

// The rules of an image: docs/reference/capture.md states them, this file holds them. They depend on nothing but the
// type table and the bounds, so that capture and decoding agree without a word between them.
const (
	maxImage  = 1024 // weight of an image at most
	maxChunk  = 16 << 10
	maxHeight = 32 // types nested in each other by value
	maxGap    = 256
)

// A layout is how values of one type are copied into an image.
type layout struct {
	typ    *Type
	size   int // bytes of the image
	weight int // like size, but a part without a size counts 1: bounds the number of parts
	height int
	parts  int // struct: fields, array: elements that the image holds
	fields []*layout
	elem   *layout // array
	cut    int     // values in the image that the static rules cut short
	opaque int     // values in the image that cannot be read
	ops    []op
	spans  []span // memory that the image needs, ascending
	raw    int    // total length of spans
	direct bool   // an interface keeps such a value in its data word

	// What finish makes of ops: the parts of the image that are as they are in memory, those that are not, and those that refer to
	// memory elsewhere.
	moves     []move
	composed  []reference
	referring []reference
}

// span is a piece of memory, relative to the value's address.
type span struct{ offset, length int }

type opcode uint8

const (
	opCopy opcode = iota // n bytes as they are
	opString
	opSlice
	opInterface
	opPointer // the remaining ones are 8 bytes as they are, and refer to memory elsewhere
	opMap
	opChan
	opFunc
)

// move copies n bytes from the concatenated spans to the image.
type move struct{ image, raw, n int32 }

// reference is an op as the walk needs it: small, for a walk looks at many that turn out to be nil.
type reference struct {
	typ        *Type
	to         *layout // of what a pointer leads to, of the elements of a slice; nil: not looked up yet
	image, raw int32
	code       opcode
}

// op moves one part of a value into its image.
type op struct {
	code  opcode
	image int // offset in the image
	mem   int // offset in the value
	raw   int // offset in the concatenated spans
	n     int // bytes in memory
	typ   *Type
}

// layouts computes and keeps layouts for one set of bounds.
type layouts struct {
	types  *Types
	bounds Bounds
	byID   []*layout // by type; nil: not computed yet
	any    *layout
}

var (
	opaqueType = &Type{Name: "unknown", Kind: KindOpaque}
	anyType    = &Type{Name: "any", Kind: KindInterface, Size: 16}
)

// clamped returns b without values that mean nothing.
func (b Bounds) clamped() Bounds {
	return Bounds{
		StringBytes: min(max(b.StringBytes, 0), 1<<24),
		Elements:    min(max(b.Elements, 0), 1<<20),
		Follow:      min(max(b.Follow, 0), 64),
	}
}

// reset makes l ready for a table and bounds; what it knows is kept when they are the same.
func (l *layouts) reset(types *Types, bounds Bounds) {
	if l.any != nil && l.types == types && l.bounds == bounds.clamped() {
		return
	}
	*l = layouts{types: types, bounds: bounds.clamped()}
	l.any = l.compute(anyType)
	l.any.finish()
}

// of returns the layout of a type; that of an opaque one when the id means nothing.
func (l *layouts) of(id TypeID) *layout {
	if uint64(id) < uint64(len(l.byID)) && l.byID[id] != nil {
		return l.byID[id]
	}
	typ, ok := l.types.Get(id)
	if !ok {
		return l.compute(opaqueType) // not kept: the type may be defined later
	}
	if grown := l.types.Len() + 1; len(l.byID) < grown {
		l.byID = append(l.byID, make([]*layout, grown-len(l.byID))...)
	}
	l.byID[id] = opaqueLayout() // for a type that contains itself by value: no Go type does
	lay := l.compute(typ)
	if lay.height > maxHeight {
		lay = opaqueLayout()
	}
	lay.finish()
	lay.direct = lay.size <= 8 && l.types.PointerShaped(typ)
	l.byID[id] = lay
	return lay
}

func opaqueLayout() *layout { return &layout{typ: opaqueType, weight: 1, height: 1, opaque: 1} }

func (l *layouts) compute(t *Type) *layout {
	lay := &layout{typ: t, height: 1}
	switch t.Kind {
	case KindString:
		lay.leaf(opString, 16, 8)
	case KindSlice:
		lay.leaf(opSlice, 24, 16)
	case KindInterface:
		lay.leaf(opInterface, 16, 16)
	case KindPointer:
		lay.leaf(opPointer, 8, 8)
	case KindMap:
		lay.leaf(opMap, 8, 8)
	case KindChan:
		lay.leaf(opChan, 8, 8)
	case KindFunc:
		lay.leaf(opFunc, 8, 8)
	case KindStruct:
		l.structLayout(lay)
	case KindArray:
		l.arrayLayout(lay)
	default:
		if t.Kind == KindInvalid || int(t.Kind) >= len(scalarSizes) || scalarSizes[t.Kind] == 0 {
			lay.opaque, lay.weight = 1, 1
			break
		}
		lay.leaf(opCopy, int(scalarSizes[t.Kind]), int(scalarSizes[t.Kind]))
	}
	return lay
}

func (lay *layout) leaf(code opcode, mem, image int) {
	lay.size, lay.weight = image, image
	lay.ops = []op{{code: code, n: mem, typ: lay.typ}}
}

func (l *layouts) structLayout(lay *layout) {
	for _, f := range lay.typ.Fields {
		part := l.of(f.Type)
		if lay.weight+part.weight > maxImage {
			lay.cut++
			break
		}
		lay.include(part, int(f.Offset))
		lay.fields = append(lay.fields, part)
		lay.parts++
	}
	lay.weight = max(lay.weight, 1)
}

func (l *layouts) arrayLayout(lay *layout) {
	t := lay.typ
	part := l.of(t.Elem)
	bound := l.bounds.Elements
	if l.types.isBytes(t) {
		bound = l.bounds.StringBytes
	}
	n := int(min(t.Len, uint64(bound), uint64(maxImage/max(part.weight, 1))))
	stride := 0
	if part.typ != opaqueType {
		stride = int(part.typ.Size)
	}
	for i := range n {
		lay.include(part, i*stride)
	}
	lay.parts, lay.elem = n, part
	if uint64(n) < t.Len {
		lay.cut++
	}
	lay.height = max(lay.height, part.height+1)
	lay.weight = max(lay.weight, 1)
}

// include adds part, which lies at offset of the value, behind what the image holds.
func (lay *layout) include(part *layout, offset int) {
	for _, o := range part.ops {
		o.image += lay.size
		o.mem += offset
		if last := len(lay.ops) - 1; last >= 0 && o.code == opCopy && lay.ops[last].code == opCopy &&
			lay.ops[last].mem+lay.ops[last].n == o.mem {
			lay.ops[last].n += o.n
			continue
		}
		lay.ops = append(lay.ops, o)
	}
	lay.size += part.size
	lay.weight += part.weight
	lay.cut += part.cut
	lay.opaque += part.opaque
	lay.height = max(lay.height, part.height+1)
}

// finish computes the spans, parts that lie close to each other are read as one, and sorts the ops by what is to be done.
func (lay *layout) finish() {
	lay.spans, lay.raw = nil, 0
	lay.moves, lay.composed, lay.referring = nil, nil, nil
	for i := range lay.ops {
		o := &lay.ops[i]
		if len(lay.spans) > 0 {
			s := &lay.spans[len(lay.spans)-1]
			if gap := o.mem - (s.offset + s.length); gap >= 0 && gap <= maxGap {
				o.raw = lay.raw + gap
				s.length += gap + o.n
				lay.raw += gap + o.n
				continue
			}
		}
		o.raw = lay.raw
		lay.spans = append(lay.spans, span{o.mem, o.n})
		lay.raw += o.n
	}
	for i := range lay.ops {
		o := &lay.ops[i]
		r := reference{typ: o.typ, image: int32(o.image), raw: int32(o.raw), code: o.code}
		if o.code != opCopy {
			lay.referring = append(lay.referring, r)
		}
		switch o.code {
		case opSlice, opInterface:
			lay.composed = append(lay.composed, r)
		case opString: // of its two words the length
			lay.move(o.image, o.raw+8, 8)
		default:
			lay.move(o.image, o.raw, o.n)
		}
	}
}

// move adds a move; neighbours are moved together.
func (lay *layout) move(image, raw, n int) {
	if last := len(lay.moves) - 1; last >= 0 {
		if m := &lay.moves[last]; int(m.image+m.n) == image && int(m.raw+m.n) == raw {
			m.n += int32(n)
			return
		}
	}
	lay.moves = append(lay.moves, move{int32(image), int32(raw), int32(n)})
}

// Extent is a piece of memory, relative to the address of a value.
type Extent struct{ Offset, Length int }

// Extents tells of which memory the images of values are made. It is not safe for concurrent use.
type Extents struct{ layouts layouts }

// NewExtents is for values of types that are captured within bounds.
func NewExtents(types *Types, bounds Bounds) *Extents {
	e := &Extents{}
	e.layouts.reset(types, bounds)
	return e
}

// Of returns the pieces of memory that a Capturer reads of a value of a type, ascending. What lies between them is left out: it is
// beyond the bounds.
func (e *Extents) Of(id TypeID) []Extent {
	lay := e.layouts.of(id)
	extents := make([]Extent, len(lay.spans))
	for i, s := range lay.spans {
		extents[i] = Extent{s.offset, s.length}
	}
	return extents
}

// elements returns how many elements of a slice of t with this length a chunk holds.
func (l *layouts) elements(t *Type, length uint64) int {
	if l.types.isBytes(t) {
		return int(min(length, uint64(l.bounds.StringBytes)))
	}
	weight := max(l.of(t.Elem).weight, 1)
	return int(min(length, uint64(l.bounds.Elements), uint64(max(maxChunk/weight, 1))))
}

// ImageSize returns the bytes of the fixed part of a capture record of params: status byte and images. It is the same for
// every event of a function and kind, but for records whose status says that no values were captured.
func ImageSize(types *Types, bounds Bounds, params []Param) int {
	var l layouts
	l.reset(types, bounds)
	return l.imageSize(params)
}

func (l *layouts) imageSize(params []Param) int {
	size := 1
	for i := range params {
		if params[i].Unreadable == "" {
			size += l.of(params[i].Type).size
		}
	}
	return size
}

// ErrorWord returns the offset in the fixed part of the 8-byte word that is zero when the last result of type error is
// nil, −1 when no result is an error. It means nothing in a record whose status says that no values were captured.
func ErrorWord(types *Types, bounds Bounds, results []Param) int {
	var l layouts
	l.reset(types, bounds)
	return l.errorWord(results)
}

func (l *layouts) errorWord(results []Param) int {
	word, size := -1, 1
	for i := range results {
		if results[i].Unreadable != "" {
			continue
		}
		lay := l.of(results[i].Type)
		if lay.typ.isError() {
			word = size
		}
		size += lay.size
	}
	return word
}

// A budget says how far a walk goes behind a value.
type budget struct {
	pointers int8 // pointers still followed
	nesting  int8 // chunks of values still put into each other
	errors   int8 // error interfaces still followed
	inError  bool
}

func (l *layouts) budget() budget {
	follow := int8(l.bounds.Follow) // clamped
	return budget{pointers: follow, nesting: max(3, follow+2), errors: 4}
}

// follows reports whether pointers are followed.
func (b budget) follows() bool { return b.pointers > 0 && b.nesting > 0 }

// deeper returns the budget of a value one chunk further in.
func (b budget) deeper() budget { b.nesting--; return b }

// forError returns the budget of what an error interface holds: enough for its message, however little is left for
// other values, up to a number of errors in each other.
func (b budget) forError() budget {
	if b.errors == 0 {
		return budget{inError: true}
	}
	return budget{pointers: max(b.pointers, 1), nesting: max(b.nesting, 3), errors: b.errors - 1, inError: true}
}

// stringBytes bounds a string: messages are longer than other strings, and worth it.
func (l *layouts) stringBytes(b budget) uint64 {
	if b.inError {
		return uint64(l.bounds.StringBytes) * 4
	}
	return uint64(l.bounds.StringBytes)
}

// target returns the layout of what a pointer of type t leads to, nil where no pointer is followed.
func (l *layouts) target(t *Type) *layout {
	elem, ok := l.types.Get(t.Elem)
	// A location is a table of transitions, large and the same in every time.Time.
	if !ok || elem.Kind == KindOpaque || elem.Kind == KindInvalid || elem.Name == "time.Location" {
		return nil
	}
	return l.of(t.Elem)
}
