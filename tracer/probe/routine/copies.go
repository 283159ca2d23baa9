//lint:file-ignore ST1001 instructions read as instructions

package routine

import (
	. "smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
)

// While what values refer to is copied, these registers are used beside those of a record; they are kept in the control page.
//
//	RDI  is the value that is being looked at, in the record
//	R11  is where the values of its copy end
//	RCX  is the entry of the list that says what to copy
//	RSI  is the next copy whose values are to be looked at
//	RAX  is the address of what is copied, RDX its length
//
// The copies of a record are the queue of what is to be looked at: first what the words refer to is copied, then copy by copy what that
// refers to. So what is near comes before what is far, and what is copied is limited by what there really is.
var copyRegisters = []struct {
	reg Reg
	at  int32
}{{RCX, ring.SavedRCX}, {R11, ring.SavedR11}, {RDI, ring.SavedRDI}, {RSI, ring.SavedRSI}}

// copies generates the copying of what the words of a record refer to. R12 is behind these.
func (g *Generator) copies(c Capture) {
	a := g.code
	some, done := a.NewLabel(), a.NewLabel()
	if c.Text != nil {
		g.copyText(c)
		return
	}
	if len(c.Tests) > 0 {
		for _, at := range c.Tests {
			a.CmpMemImm(At(R12, int32(at)-int32(8*len(c.Words))), 0)
			a.J(NotEqual, some)
		}
		a.StoreImm(At(R12, 0), 0)
		a.AddImm(R12, 8)
		a.Jmp(done)
	}
	a.Bind(some)
	a.LeaLabel(RDX, done)
	a.Lea(R15, Abs(g.nodeAt(c.Node)))
	a.Jmp(g.copying)
	a.Bind(done)
	a.Load(R15, At(R13, ring.Origin))
}

// copyText is copies for a single text, as most records have that have any.
func (g *Generator) copyText(c Capture) {
	a := g.code
	none, fits, done := a.NewLabel(), a.NewLabel(), a.NewLabel()
	word := func(at uint32) Mem { return At(R12, int32(at)-int32(8*len(c.Words))) }
	a.Load(RDX, word(c.Text.Count))
	a.Load(RAX, word(c.Text.At))
	a.Test(RAX, RAX)
	a.J(Equal, none)
	a.CmpImm(RDX, int32(c.Text.Max))
	a.J(BelowEqual, fits)
	a.MovImm(RDX, uint64(c.Text.Max))
	a.Bind(fits)
	a.Test(RDX, RDX) // not before: nothing may be wanted of any text
	a.J(Equal, none)
	a.LeaLabel(R15, done)
	a.Jmp(g.text)
	a.Bind(none)
	a.StoreImm(At(R12, 0), 0)
	a.AddImm(R12, 8)
	a.Bind(done)
	a.Load(R15, At(R13, ring.Origin))
}

// textPath generates the code that copies RDX bytes from the address in RAX, the only ones of a record, and goes on at the link in R15.
func (g *Generator) textPath() {
	a := g.code
	g.text, g.lostText = a.NewLabel(), a.NewLabel()
	done, bytes, out := a.NewLabel(), a.NewLabel(), a.NewLabel()
	const head = 8 + ring.CopyHead
	a.Align(granule)
	start := a.Len()
	a.Bind(g.text)
	a.Store(At(R13, ring.Link), R15)
	g.plausible(g.lostText)
	a.Store(At(R12, 8), RAX)
	a.Mov(R15, RDX)
	a.Shl(R15, ring.CopyLen)
	a.Store(At(R12, 16), R15)
	g.moveBytes(head, bytes, done)
	a.AddImm(RDX, 7)
	a.AndImm(RDX, -8)
	a.Lea(RAX, At(RDX, ring.CopyHead))
	a.Bind(out)
	a.Store(At(R12, 0), RAX)
	a.Lea(R12, Indexed(R12, RAX, 1, 8))
	a.ZeroX(R15)
	a.Load(R15, At(R13, ring.Link))
	a.JmpReg(R15)

	g.moveOneByOne(head, bytes, done)

	a.Bind(g.lostText)
	a.Store(At(R12, 8), RAX)
	a.StoreImm(At(R12, 16), ring.CopyFault)
	a.MovImm(RAX, ring.CopyHead)
	a.Jmp(out)
	g.part(start, indexText)
}

// moveBytes generates the copying of RDX bytes from the address in RAX to behind the head of a copy, which is so many bytes behind R12. It goes
// on at done, which is next, with RAX and RDX as they were.
//
// Sixteen bytes move at a time through X15, which the Go ABI keeps at zero and which is to be zeroed again in the end; that may
// read beyond the last byte, so what ends near the end of a page moves one by one, at the label.
func (g *Generator) moveBytes(head int32, oneByOne, done Label) {
	a := g.code
	again := a.NewLabel()
	a.Lea(R15, Indexed(RAX, RDX, 1, 15))
	a.AndImm(R15, 4095)
	a.CmpImm(R15, 16)
	a.J(Below, oneByOne)
	a.Xor32(R15, R15)
	a.Bind(again)
	a.LoadX16(R15, Indexed(RAX, R15, 1, 0))
	a.StoreX16(Indexed(R12, R15, 1, head), R15)
	a.AddImm(R15, 16)
	a.Cmp(R15, RDX)
	a.J(Below, again)
	a.Bind(done)
}

// moveOneByOne generates that way, from the last byte to the first, also when there are none. The last word of the head says how many there
// are.
func (g *Generator) moveOneByOne(head int32, oneByOne, done Label) {
	a := g.code
	moved := a.NewLabel()
	a.Bind(oneByOne)
	a.SubImm(RDX, 1)
	a.J(Below, moved)
	a.Load8(R15, Indexed(RAX, RDX, 1, 0))
	a.Store8(Indexed(R12, RDX, 1, head), R15)
	a.Jmp(oneByOne)
	a.Bind(moved)
	a.Load(RDX, At(R12, head-8))
	a.Shr(RDX, ring.CopyLen)
	a.AndImm(RDX, 1<<ring.CopyLenBits-1)
	a.Jmp(done)
}

// nodeAt returns the address of a list.
func (g *Generator) nodeAt(list uint32) uint64 {
	return g.cfg.Code + g.cfg.Size + uint64(list)*entryLen
}

// walk are the places of the code that copies.
type walk struct {
	entry Label // looks at the entry in RCX
	next  Label // looks at the one behind it
	sized Label // copies RDX bytes from RAX
	copy  Label // the same, when the word of the copy is in R15
	held  Label // copies what an interface of the kind in RDX holds, whose type is RAX
	back  Label // is what comes behind that
}

// copyPath generates the code that copies what the words of a record refer to, as the root at R15 says. It goes on at the address in
// RDX. Nothing but this code touches memory behind pointers.
func (g *Generator) copyPath() {
	a := g.code
	g.copying, g.lost = a.NewLabel(), a.NewLabel()
	w := walk{a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()}
	a.Align(granule)
	start := a.Len()
	a.Bind(g.copying)
	a.Store(At(R13, ring.Link), RDX)
	for _, r := range copyRegisters {
		a.Store(At(R13, r.at), r.reg)
	}
	g.boundary(0)
	g.part(start, indexHeld)

	start = a.Len()
	a.Store(At(R13, ring.Copies), R12)
	a.AddImm(R12, 8)
	a.Mov(RSI, R12)
	a.Load(RDI, At(R13, ring.Head))
	a.AddImm(RDI, ring.RecordWords)
	a.Lea(R11, At(RDI, 1))
	a.Mov(RCX, R15)
	a.Load32(RAX, At(R15, -rootMost))
	a.Add(RAX, R12)
	a.Store(At(R13, ring.Full), RAX)
	a.Load32(RAX, At(R15, -rootDepth))
	a.Store(At(R13, ring.Depth), RAX)
	g.look(w)
	g.move(w)
	g.dynamic(w)
	g.part(start, indexCopy)
}

// look generates what is done for each entry: nothing where the pointer is nil, else what its kind asks for.
func (g *Generator) look(w walk) {
	a := g.code
	last, text, pointer, slice, nested := a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()
	number, bounded, bytes := a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.Jmp(w.entry)
	a.Bind(w.next)
	a.AddImm(RCX, entryLen)
	a.Bind(w.entry)
	a.Load32(RDX, At(RCX, entryKind))
	a.CmpImm(RDX, int32(entryReturn))
	a.J(BelowEqual, last)
	a.Load32(RAX, At(RCX, entryAt))
	a.Load(RAX, Indexed(RDI, RAX, 1, 0))
	a.Test(RAX, RAX)
	a.J(Equal, w.next)
	a.CmpImm(RDX, int32(Pointer))
	a.J(Below, text)
	a.J(Equal, pointer)
	a.CmpImm(RDX, int32(Slice))
	a.J(Equal, slice)
	a.J(Below, bytes)
	a.CmpImm(RDX, int32(Nested))
	a.J(Equal, nested)
	a.Jmp(w.held)

	a.Bind(text)
	a.Load(R15, At(R13, ring.Depth))
	a.AndImm(R15, depthInError)
	a.Load32(R15, At(RCX, entryMax))
	message := a.NewLabel()
	a.J(Equal, message) // loads leave the flags as they are
	a.Load32(R15, At(RCX, entryError))
	a.Bind(message)
	a.CmpImm(RDX, int32(Text))
	a.Load32(RDX, At(RCX, entryCount))
	a.J(Equal, number)
	a.Load32(RDX, Indexed(RDI, RDX, 1, 0))
	a.Jmp(bounded)
	a.Bind(number)
	a.Load(RDX, Indexed(RDI, RDX, 1, 0))
	a.Bind(bounded)
	a.Cmp(RDX, R15)
	a.Cmov(Above, RDX, R15)
	a.Test(RDX, RDX)
	a.J(Equal, w.next)
	a.Mov(R15, RDX)
	a.Shl(R15, ring.CopyLen)
	a.AddMem(R15, At(R13, ring.Depth)) // nothing is referred to from here
	a.Jmp(w.copy)

	a.Bind(pointer)
	a.Load(R15, At(R13, ring.Depth))
	a.AndImm(R15, depthNesting-1)
	a.J(Equal, w.next)
	a.Bind(nested)
	a.Load(R15, At(R13, ring.Depth))
	a.AndImm(R15, depthError-depthNesting)
	a.J(Equal, w.next)
	a.Bind(bytes)
	a.Load32(RDX, At(RCX, entryMax))
	a.Load32(R15, At(RCX, entrySkip))
	a.Add(RAX, R15)
	a.Bind(w.sized)
	a.Mov(R15, RDX)
	a.Shl(R15, ring.CopyLen)
	a.AddMem(R15, At(R13, ring.Depth))
	a.AddMem(R15, At(RCX, entryHead))
	a.Jmp(w.copy)

	a.Bind(slice)
	a.Load(R15, At(R13, ring.Depth))
	a.AndImm(R15, depthError-depthNesting)
	a.J(Equal, w.next)
	a.Load32(RDX, At(RCX, entryCount))
	a.Load(RDX, Indexed(RDI, RDX, 1, 0))
	a.Load32(R15, At(RCX, entryMax))
	a.Cmp(RDX, R15)
	a.Cmov(Above, RDX, R15)
	a.Load32(R15, At(RCX, entryScale))
	a.Mul(RDX, R15)
	a.Test(RDX, RDX)
	a.J(NotEqual, w.sized)
	a.Jmp(w.next)

	a.Bind(last)
	a.J(Equal, w.back)
	a.Load32(RAX, At(RCX, entryMax))
	a.Add(RDI, RAX)
	a.Cmp(RDI, R11)
	end := a.NewLabel()
	a.J(AboveEqual, end)
	a.Load32(RAX, At(RCX, entryScale))
	a.Sub(RCX, RAX)
	a.Jmp(w.entry)
	a.Bind(end)
	g.following(w)
}

// following generates the way to the values of the next copy, and when there is none, out.
func (g *Generator) following(w walk) {
	a := g.code
	next, done := a.NewLabel(), a.NewLabel()
	a.Bind(next)
	a.Cmp(RSI, R12)
	a.J(AboveEqual, done)
	a.Load(RDX, At(RSI, 8))
	a.Lea(RDI, At(RSI, ring.CopyHead))
	a.Mov(R15, RDX)
	a.Shr(R15, ring.CopyLen)
	a.AndImm(R15, 1<<ring.CopyLenBits-1)
	a.Lea(R11, Indexed(RDI, R15, 1, 0))
	a.Lea(RSI, At(R11, 7))
	a.AndImm(RSI, -8)
	a.Mov(R15, RDX)
	a.Shr(R15, ring.CopyNode)
	a.J(Equal, next)
	a.AndImm(RDX, depthMask)
	a.Store(At(R13, ring.Depth), RDX)
	a.Shl(R15, entryShift)
	a.Lea(RCX, Abs(g.nodeAt(0)))
	a.Add(RCX, R15)
	a.Jmp(w.entry)

	a.Bind(done)
	a.Load(R15, At(R13, ring.Copies))
	a.Mov(RDX, R12)
	a.Sub(RDX, R15)
	a.SubImm(RDX, 8)
	a.Store(At(R15, 0), RDX)
	a.ZeroX(R15)
	for _, r := range copyRegisters {
		a.Load(r.reg, At(R13, r.at))
	}
	a.Load(R15, At(R13, ring.Link))
	a.JmpReg(R15)
}

// move generates the copying of RDX bytes from the address in RAX, behind that and the word in R15. A pointer that leads nowhere faults; the
// shim sends the thread to the label lost.
func (g *Generator) move(w walk) {
	a := g.code
	done, bytes, less, fewer := a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.Bind(w.copy)
	a.Store(At(R12, 0), RAX) // there is room for a head
	a.Store(At(R12, 8), R15)
	g.plausible(g.lost)
	a.Lea(R15, Indexed(R12, RDX, 1, ring.CopyHead+8))
	a.CmpMem(R15, At(R13, ring.Full))
	a.J(Above, less)
	g.moveBytes(ring.CopyHead, bytes, done)
	a.AddImm(RDX, 7)
	a.AndImm(RDX, -8)
	a.Lea(R12, Indexed(R12, RDX, 1, ring.CopyHead))
	a.Jmp(w.next)

	g.moveOneByOne(ring.CopyHead, bytes, done)

	// Of a slice there are the elements that leave some room for what lies beside it.
	a.Bind(less)
	a.CmpMem32Imm(At(RCX, entryKind), int32(Slice))
	a.J(NotEqual, w.next)
	a.Bind(fewer)
	a.Load32(R15, At(RCX, entryScale))
	a.Sub(RDX, R15)
	a.J(BelowEqual, w.next)
	a.Lea(R15, Indexed(R12, RDX, 1, ring.CopyHead+8+leftRoom))
	a.CmpMem(R15, At(R13, ring.Full))
	a.J(Above, fewer)
	a.Jmp(w.sized)

	a.Bind(g.lost)
	g.room(0, w.next)
	a.Store(At(R12, 0), RAX)
	a.StoreImm(At(R12, 8), ring.CopyFault)
	a.AddImm(R12, ring.CopyHead)
	a.Jmp(w.next)
}

// leftRoom is how many bytes the elements of a slice leave that do not all fit.
const leftRoom = 2 << 10

// plausible generates the way out for an address in RAX that cannot be a pointer of a program: it is not tried, for a fault costs as much
// as a system call.
func (g *Generator) plausible(lost Label) {
	a := g.code
	a.CmpImm(RAX, 4096)
	a.J(Below, lost)
	a.Mov(R15, RAX)
	a.Shr(R15, 47)
	a.J(NotEqual, lost)
}

// room generates the way out when there is no room for a copy of n bytes.
func (g *Generator) room(n int32, full Label) {
	a := g.code
	a.Lea(R15, At(R12, ring.CopyHead+n))
	a.CmpMem(R15, At(R13, ring.Full))
	a.J(Above, full)
}

// dynamic generates the copying of what an interface holds. Of one with methods it notes which type its table is for: the program may be
// gone when the record is read. The type leads to a list for the interface's data word; when it is not known, that is noted, and the
// entry's list is used, which is for any type.
func (g *Generator) dynamic(w walk) {
	a := g.code
	plain, found, search, listed, unknown := a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.Bind(w.held)
	a.CmpImm(RDX, int32(Any))
	a.J(Equal, plain)
	g.plausible(g.lost)
	a.Load(RDX, At(RAX, itabType))
	g.room(8, w.next)
	a.AddImm(RAX, itabType)
	a.Store(At(R12, 0), RAX)
	a.StoreImm(At(R12, 8), 8<<ring.CopyLen)
	a.Store(At(R12, ring.CopyHead), RDX)
	a.AddImm(R12, ring.CopyHead+8)
	a.Test(RDX, RDX)
	a.J(Equal, w.next)
	a.Jmp(found)
	a.Bind(plain)
	a.Mov(RDX, RAX)

	a.Bind(found)
	a.Store(At(R13, ring.HeldEntry), RCX)
	a.Store(At(R13, ring.HeldBase), RDI)
	a.Load32(RAX, At(RCX, entryCount))
	a.Add(RDI, RAX)
	a.Load(R15, At(R13, ring.Depth))
	a.Store(At(R13, ring.HeldDepth), R15)
	a.CmpMem32Imm(At(RCX, entryKind), int32(Error))
	a.J(NotEqual, search)
	g.intoError()

	a.Bind(search)
	a.Mov(R15, RDX)
	a.Shr(R15, ring.TypeShift)
	a.AndImm(R15, (ring.TypeEntries-1)*ring.TypeEntryLen)
	a.Lea(RAX, Abs(g.cfg.Rings.Base+ring.SharedTypes))
	a.Add(R15, RAX)
	for range ring.TypePlaces {
		a.CmpMem(RDX, At(R15, 0))
		a.J(Equal, listed)
		a.AddImm(R15, ring.TypeEntryLen)
	}
	a.Jmp(unknown)
	a.Bind(listed)
	a.Load(RCX, At(R15, 8))
	a.Jmp(w.entry)

	a.Bind(unknown)
	g.room(0, w.back)
	a.Store(At(R12, 0), RDX)
	a.StoreImm(At(R12, 8), ring.CopyUnknown)
	a.AddImm(R12, ring.CopyHead)
	a.Load(R15, At(RCX, entryHead))
	a.Shr(R15, ring.CopyNode)
	a.J(Equal, w.back)
	a.Shl(R15, entryShift)
	a.Lea(RCX, Abs(g.nodeAt(0)))
	a.Add(RCX, R15)
	a.Jmp(w.entry)

	a.Bind(w.back)
	a.Load(RCX, At(R13, ring.HeldEntry))
	a.Load(RDI, At(R13, ring.HeldBase))
	a.Load(R15, At(R13, ring.HeldDepth))
	a.Store(At(R13, ring.Depth), R15)
	a.Jmp(w.next)
}

// itabType is the offset of the type in the table of an interface's methods.
const itabType = 8

// What is followed at least in an error, as long as any more errors are.
const (
	leastNesting = 3
	leastPointer = 1
)

// intoError generates the change of how far is followed, which is in R15, when an error is.
func (g *Generator) intoError() {
	a := g.code
	spent, nests, points, done := a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.Mov(RAX, R15)
	a.AndImm(RAX, maxError*depthError)
	a.J(Equal, spent)
	a.SubImm(R15, depthError)
	a.Mov(RAX, R15)
	a.AndImm(RAX, depthNesting-1)
	a.J(NotEqual, points)
	a.AddImm(R15, leastPointer*depthPointer)
	a.Bind(points)
	a.Mov(RAX, R15)
	a.AndImm(RAX, depthError-depthNesting)
	a.CmpImm(RAX, leastNesting*depthNesting)
	a.J(AboveEqual, nests)
	a.Sub(R15, RAX)
	a.AddImm(R15, leastNesting*depthNesting)
	a.Bind(nests)
	a.MovImm(RAX, depthInError)
	a.Or(R15, RAX)
	a.Jmp(done)
	a.Bind(spent)
	a.MovImm(R15, depthInError)
	a.Bind(done)
	a.Store(At(R13, ring.Depth), R15)
}
