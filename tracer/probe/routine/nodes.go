package routine

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"sync/atomic"
	"unsafe"

	"smiley/tracer/probe/ring"
)

// Nodes are what the code that copies goes by: for each kind of value a list of what is to be copied of the memory that it refers to. A list
// is a number of entries, one behind the other, of entryLen bytes each, and its number is that of its first entry. They are data, read by
// the program while they are added to: what is referred to is written first. The zero value has none.
type Nodes struct {
	b     []byte
	room  int               // bytes that b may grow to; 0 before Reserve or Move
	roots map[uint64]uint32 // by the hash of what b holds of them up to their end
	seed  maphash.Seed
	root  []byte // scratch of AddRoot
}

// EntryKind says what one entry of a list copies.
type EntryKind uint8

const (
	entryEnd    EntryKind = iota // there are no more
	entryReturn                  // the same, of what an interface holds
	Text                         // as many bytes as the word at Count says, at most Max
	Text32                       // the same, of a number of four bytes
	Pointer                      // Max bytes, where pointers are followed
	Fixed                        // Max bytes, in any case
	Slice                        // as many values of Scale bytes as the word at Count says, at most Max, where values are nested
	Nested                       // Max bytes, where values are nested
	Methods                      // what an interface with methods holds
	Error                        // what an error holds
	Any                          // what an interface without methods holds
)

// Entry is one thing to be copied, which the value refers to.
type Entry struct {
	Kind  EntryKind
	At    uint32 // offset in the value of the pointer; of an interface, of its type
	Count uint32 // offset of the number; of an interface, of its data word
	Max   uint32
	Error uint32 // Text: bytes in an error instead of Max
	Scale uint32
	Skip  uint32 // bytes behind the pointer that are left out, where it is not nil
	Node  uint32 // list for what is copied; of an interface, for its data word when the type is not known
}

// Where the parts of an entry lie. The word at entryHead is added to how far is followed, and makes the head of the copy. Of the last entry of
// a list entryMax is how far one value lies behind the other, entryScale how far the entry is behind the first.
const (
	entryKind  = 0
	entryAt    = 4
	entryCount = 8
	entryMax   = 12
	entryError = 16
	entryHead  = 16
	entryScale = 24
	entrySkip  = 28
	entryLen   = 32
	entryShift = 5
)

// Depth is how far values are followed: through so many pointers, so many values in each other, and so many errors.
type Depth struct{ Pointers, Nesting, Errors int }

// A word that says how far: pointers, values in each other, errors, and whether it is in one.
const (
	depthPointer = 1
	depthNesting = 1 << 8
	depthError   = 1 << 16
	depthInError = 1 << 19
	depthMask    = 1<<ring.CopyLen - 1

	maxDepth = 255
	maxError = 7
)

func (d Depth) word() uint32 {
	return uint32(min(d.Pointers, maxDepth))*depthPointer + uint32(min(d.Nesting, maxDepth))*depthNesting + uint32(min(d.Errors, maxError))*depthError
}

// cost is what an entry takes off how far is followed.
func (k EntryKind) cost() uint64 {
	switch k {
	case Pointer:
		return depthPointer + depthNesting
	case Slice, Nested:
		return depthNesting
	}
	return 0
}

// nodeRoom is how many bytes are kept for what is added while the program runs; nodesMax bounds all.
const (
	nodeRoom = 1 << 20
	nodesMax = entryLen << (64 - ring.CopyNode)
)

// Add adds a list for values that lie stride bytes behind each other. It is 0 when there is no room.
func (n *Nodes) Add(list []Entry, stride uint32) uint32 { return n.add(list, entryEnd, stride, nil) }

// AddHeld adds a list for the data word of interfaces that hold values of one type.
func (n *Nodes) AddHeld(list []Entry) uint32 { return n.add(list, entryReturn, 0, nil) }

// AddRoot adds a list for the words of records: how far is followed, and how many bytes all copies may take with their heads. Equal roots
// are one.
func (n *Nodes) AddRoot(list []Entry, d Depth, most uint32) uint32 {
	n.root = append(n.root[:0], make([]byte, entryLen)...)
	binary.LittleEndian.PutUint32(n.root[entryLen-rootMost:], most)
	binary.LittleEndian.PutUint32(n.root[entryLen-rootDepth:], d.word())
	for i := range list {
		n.root = list[i].append(n.root)
	}
	if n.roots == nil {
		n.roots, n.seed = map[uint64]uint32{}, maphash.MakeSeed()
	}
	hash := maphash.Bytes(n.seed, n.root)
	if known := n.roots[hash]; known != 0 && n.isRoot(known, n.root) {
		return known
	}
	node := n.add(list, entryEnd, 1<<30, n.root[:entryLen])
	n.roots[hash] = node
	return node
}

// isRoot reports whether a root is the one that b describes, its head first, as far as to the end of its list.
func (n *Nodes) isRoot(node uint32, b []byte) bool {
	held := n.b[(int(node)-1)*entryLen:]
	return len(held) > len(b) && bytes.Equal(held[:len(b)], b) && EntryKind(held[len(b)+entryKind]) == entryEnd
}

// Where these lie before a root.
const (
	rootMost  = 8
	rootDepth = 4
)

func (n *Nodes) add(list []Entry, end EntryKind, stride uint32, head []byte) uint32 {
	if len(n.b) == 0 {
		n.b = append(n.b, make([]byte, entryLen)...) // number 0 is none
	}
	limit := nodesMax
	if n.room > 0 {
		limit = n.room
	}
	if len(n.b)+len(head)+entryLen*(len(list)+1) > limit {
		return 0
	}
	n.b = append(n.b, head...)
	node := uint32(len(n.b) / entryLen)
	for i := range list {
		n.b = list[i].append(n.b)
	}
	last := Entry{Kind: end, Max: stride, Scale: uint32(entryLen * len(list))}
	n.b = last.append(n.b)
	return node
}

func (e *Entry) append(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, entryLen)...)
	put := func(off int, v uint32) { binary.LittleEndian.PutUint32(b[at+off:], v) }
	put(entryKind, uint32(e.Kind))
	put(entryAt, e.At)
	put(entryCount, e.Count)
	put(entryMax, e.Max)
	put(entryScale, e.Scale)
	put(entrySkip, e.Skip)
	if e.Kind == Text || e.Kind == Text32 {
		put(entryError, e.Error)
	} else {
		binary.LittleEndian.PutUint64(b[at+entryHead:], e.Kind.head(e.Node))
	}
	return b
}

func (k EntryKind) head(node uint32) uint64 { return uint64(node)<<ring.CopyNode - k.cost() }

// SetNode says by which list the i-th entry of another one goes on, which had none: it takes effect at once.
func (n *Nodes) SetNode(list uint32, i int, kind EntryKind, node uint32) {
	at := &n.b[(int(list)+i)*entryLen+entryHead]
	(*atomic.Uint64)(unsafe.Pointer(at)).Store(kind.head(node))
}

// Offset returns where a list lies.
func (n *Nodes) Offset(list uint32) uint64 { return uint64(list) * entryLen }

// Reserve ends the lists that captures refer to: what is added from now on takes the room that is kept for it.
func (n *Nodes) Reserve() { n.room = int(n.Size()) }

// Size is the room that the program has to have for n.
func (n *Nodes) Size() uint64 {
	switch {
	case n == nil:
		return 0
	case n.room > 0:
		return uint64(n.room)
	}
	const page = 4096
	return uint64(len(n.b)+nodeRoom+page-1) &^ (page - 1)
}

// Move copies what there is to where the program reads it; what is added later is written there at once.
func (n *Nodes) Move(to []byte) {
	if n != nil {
		n.room = len(to)
		n.b = append(to[:0:len(to)], n.b...)
		n.roots = nil
	}
}

// HasRoom reports whether more than half of the room that is kept for what is added is left.
func (n *Nodes) HasRoom() bool { return n.room-len(n.b) > nodeRoom/2 }
