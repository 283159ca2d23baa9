package routine

import "smiley/tracer/probe/asm"

// Capture says what a record holds beyond its head.
type Capture struct {
	Words  []Word
	Copies []Copy
	// Only, where it is not empty, leaves out the record unless RAX holds one of these values, or where OnlyAt is not 0, the word of
	// the stack at SP + OnlyAt with SP pointing at the return address.
	Only   []int32
	OnlyAt int32
	// None says that there is no record at all: the function has probes for its other kind of record.
	None bool
}

// Word is one word of a record: a register, eight bytes of the stack at SP + Offset with SP pointing at the return address, or eight
// bytes of a structure.
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
	Behind                  // memory at Reg + Offset, which is there for sure: Reg is one of RAX, RBX, RCX, RDI, RSI, R8 … R11
)

// Copy copies bytes behind a pointer into the record: Scale × n bytes, n being the word at Count, at most Max.
type Copy struct {
	Pointer Source
	Skip    uint32 // bytes behind the pointer that are left out, where it is not nil; none with Dynamic
	Count   Source // where the number of elements is; Constant: Scale bytes
	Scale   uint32 // bytes an element
	Max     uint32 // bytes, at most CopyMax
	Nested  int32  // how many of the copies that follow are left out when this one is empty or unreadable
	Count32 bool   // the number of elements has four bytes
	// Dynamic copies what an interface holds, whose data word Pointer is and whose type is described at Count: as the routine of
	// that type says, see [Types]. When there is none the copies that are Nested follow instead.
	Dynamic bool
	Class   Class // of that interface
}

// CopyMax bounds one copy in bytes, DynamicMax those of what an interface holds together, of which InnerMax are counted for each of
// the interfaces in it. InnersMax bounds their number.
const (
	CopyMax    = 64 << 10
	DynamicMax = 11 << 10
	InnerMax   = 1016
	InnersMax  = 8
)

// Class says where an interface lies, as far as what is to be copied depends on it. A type has a routine for each.
type Class uint8

const (
	Inner     Class = 1 << iota // it lies in what another interface holds
	Spent                       // no pointers are followed any more
	Errors                      // it is, or belongs to, an error
	classBits = Inner | Spent | Errors
)

// classStep is the distance between the keys of the same type for two classes. Descriptions of types begin at multiples of eight.
const classStep = 16*341 + 1

// Key returns the key of a type that is described at an address, for interfaces of a class. It is no key when the address is none.
func (c Class) Key(word uint64) (key uint64, ok bool) {
	return word + uint64(c)*classStep, word != 0 && word&uint64(classBits) == 0
}

// TypeOf returns what a key was made of.
func TypeOf(key uint64) (word uint64, c Class) {
	c = Class(key) & classBits
	return key - uint64(c)*classStep, c
}

// Source is a word that the record already holds: word Index of Words, or the word at Offset in the bytes of copy
// Item, which must come earlier.
type Source struct {
	Constant bool
	InCopy   bool
	Index    int32 // of the word, or of the copy
	Offset   int32
}
