package routine

import "smiley/tracer/probe/asm"

// Capture says what a record holds beyond its head.
type Capture struct {
	Words  []Word
	Copies []Copy
	// Only, where it is not empty, leaves out the record unless RAX holds one of these values.
	Only []int32
}

// Word is one word of a record: a register, or eight bytes of the stack at SP + Offset with SP pointing at the return
// address.
type Word struct {
	Kind   WordKind
	Reg    asm.Reg
	Offset int32
}

// WordKind says where a word comes from.
type WordKind uint8

const (
	Integer WordKind = iota // a general register: one of RAX, RBX, RCX, RDX, RDI, RSI, R8 … R11
	Float                   // the lower eight bytes of an XMM register, X0 … X14
	Stack                   // memory at SP + Offset
)

// Copy copies bytes behind a pointer into the record: Scale × n bytes, n being the word at Count, at most Max.
type Copy struct {
	Pointer Source
	Count   Source // where the number of elements is; Constant: Scale bytes
	Count32 bool   // the number of elements has four bytes
	Nested  int    // how many of the copies that follow are left out when this one is empty or unreadable
	// Dynamic copies what an interface holds, whose data word Pointer is and whose type is described at Count: as the routine of
	// that type says, see [Types]. When there is none the copies that are Nested follow instead.
	Dynamic bool
	Scale   uint32 // bytes an element
	Max     uint32 // bytes, at most CopyMax
}

// CopyMax bounds one copy in bytes, DynamicMax those of what an interface holds together.
const (
	CopyMax    = 64 << 10
	DynamicMax = 8 << 10
)

// Source is a word that the record already holds: word Index of Words, or the word at Offset in the bytes of copy
// Item, which must come earlier.
type Source struct {
	Constant bool
	InCopy   bool
	Index    int // of the word, or of the copy
	Offset   int32
}
