package routine

import "smiley/tracer/probe/asm"

// Capture says what a record holds beyond its head.
type Capture struct {
	Words []Word
	// Node is the root, see [Nodes.AddRoot], of what is copied of the memory that the words refer to; 0: nothing.
	Node uint32
	// Tests are the offsets, among the words, of some that are all zero when there is nothing to copy; none when that is not worth looking at.
	Tests []uint32
	// Text is all that Node has, where that is a single text, so that no list has to be gone through; nil: it is not.
	Text *Entry
	// Only, where it is not empty, leaves out the record unless RAX holds one of these values, or where OnlyAt is not 0, the word of
	// the stack at SP + OnlyAt with SP pointing at the return address.
	Only   []int32
	OnlyAt int32
	// Awaits says that another record is to follow this one, see ring.Reader.Came; Awaited leaves out the record while none is to follow any.
	Awaits, Awaited bool
	// Silent says that no event is missing when this record is: it only goes with another one.
	Silent bool
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

// WordsMax bounds the number of words, CopiesMax the bytes of all copies of a record with their heads.
const (
	WordsMax  = 512
	CopiesMax = 96 << 10
)
