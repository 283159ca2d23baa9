//lint:file-ignore ST1001 instructions read as instructions

package routine

import (
	. "smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
)

// copies generates the copying of bytes behind pointers: for each copy what it needs to know, and a jump to the code that
// all share. Nothing but that code touches the memory behind a pointer.
func (g *Generator) copies(c Capture) {
	// behind[i] is where to go on when the copies that depend on another one end before copy i.
	behind := g.behind[:0]
	for range len(c.Copies) + 1 {
		behind = append(behind, g.code.NewLabel())
	}
	g.behind = behind
	for i := range c.Copies {
		g.code.Bind(behind[i])
		g.copy(c, i, behind[i+1+int(c.Copies[i].Nested)])
	}
	g.code.Bind(behind[len(c.Copies)])
	g.code.ZeroX(R15)
}

// copy generates one copy. none is where to go on without a copy and without those that depend on it.
func (g *Generator) copy(c Capture, i int, none Label) {
	a := g.code
	k := c.Copies[i]
	ready, lost, back := a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.Store(At(R13, g.item(i)), R12)
	g.load(RAX, c, k.Pointer, lost)
	if k.Skip > 0 {
		whole := a.NewLabel()
		a.Test(RAX, RAX)
		a.J(Equal, whole)
		a.AddImm(RAX, int32(k.Skip))
		a.Bind(whole)
	}
	if k.Dynamic {
		g.load(RDX, c, k.Count, lost)
	} else if k.Count.Constant {
		a.MovImm(RDX, uint64(min(k.Scale, k.Max)))
	} else {
		g.load(RDX, c, k.Count, lost)
		if k.Count32 {
			a.Shl(RDX, 32)
			a.Shr(RDX, 32)
		}
		g.bound(k)
	}
	if k.Pointer.InCopy || k.Count.InCopy {
		a.Jmp(ready)
		a.Bind(lost) // what should hold the pointer was not copied: no address is here
		a.MovImm(RAX, noAddress)
		a.MovImm(RDX, 1)
		a.Bind(ready)
	}
	if k.Dynamic && k.Class != 0 {
		a.AddImm(RDX, int32(k.Class)*classStep)
	}
	a.LeaLabel(R15, back)
	switch {
	case k.Dynamic && g.types != nil:
		a.JmpTo(g.types.inner)
	case k.Dynamic:
		a.Jmp(g.dynamic)
	case g.types != nil:
		a.JmpTo(g.types.copying)
	default:
		a.Jmp(g.copying)
	}
	a.Bind(back)
	if k.Nested > 0 {
		if k.Dynamic { // a type was known
			a.J(NotEqual, none)
		} else {
			a.J(Equal, none)
		}
	}
}

// item is where the control page keeps the address of a copy's bytes.
func (g *Generator) item(i int) int32 {
	if g.types != nil {
		i += g.level.items
	}
	return int32(ring.Items + 8*i)
}

// noAddress is one that nothing can lie at.
const noAddress = 1

// bound turns the number of elements in RDX into bytes, at most Max. One that cannot be is as good as too many: readers see
// that the length is none.
func (g *Generator) bound(k Copy) {
	a := g.code
	fits := a.NewLabel()
	scale := max(k.Scale, 1)
	a.CmpImm(RDX, int32(k.Max/scale))
	a.J(BelowEqual, fits)
	a.MovImm(RDX, uint64(k.Max/scale))
	a.Bind(fits)
	if scale > 1 {
		a.Imul(RDX, RDX, int32(scale))
	}
}

// load reads a word of the record that is being written. lost is where to go when the copy that should hold it does not.
func (g *Generator) load(dst Reg, c Capture, s Source, lost Label) {
	a := g.code
	if !s.InCopy && g.types != nil {
		a.Load(dst, At(R13, g.level.data))
		return
	}
	if !s.InCopy {
		a.Load(dst, At(R13, ring.Head))
		a.Load(dst, At(dst, ring.RecordWords+8*s.Index))
		return
	}
	a.Load(R15, At(R13, g.item(int(s.Index))))
	a.CmpMemImm(At(R15, 0), s.Offset+8)
	a.J(Less, lost)
	a.Load(dst, At(R15, 8+s.Offset))
}

// copyPath generates the code that copies RDX bytes from the address in RAX to the record at R12, behind their number, and
// goes on at the link in R15, which it keeps in the control page; the routine's own link lies there, too. Flags say Equal when nothing was copied: the number
// is then zero, or −1 when the address leads nowhere.
//
// Sixteen bytes move at a time through X15, which the Go ABI keeps at zero and which is zeroed again at the end; that may
// read beyond the last byte, so near the end of a page bytes move one by one. A pointer that leads nowhere faults; the
// shim sends the thread to the label lost.
func (g *Generator) copyPath() {
	a := g.code
	g.copying, g.lost = a.NewLabel(), a.NewLabel()
	empty, again, done, slow, bytes := a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.Align(granule)
	start := a.Len()
	a.Bind(g.copying)
	a.Store(At(R13, ring.Link), R15)
	a.Test(RDX, RDX)
	a.J(Equal, empty)
	a.Test(RAX, RAX)
	a.J(Equal, empty)
	// What cannot be a pointer of a program is not tried: a fault costs as much as a system call.
	a.CmpImm(RAX, 4096)
	a.J(Below, g.lost)
	a.Mov(R15, RAX)
	a.Shr(R15, 47)
	a.J(NotEqual, g.lost)
	a.Store(At(R12, 0), RDX)
	a.Lea(R15, Indexed(RAX, RDX, 1, 15))
	a.AndImm(R15, 4095)
	a.CmpImm(R15, 16) // the last sixteen bytes may begin before the end and reach behind the page's
	a.J(Below, slow)
	a.Xor32(R15, R15)
	a.Bind(again)
	a.LoadX16(R15, Indexed(RAX, R15, 1, 0))
	a.StoreX16(Indexed(R12, R15, 1, 8), R15)
	a.AddImm(R15, 16)
	a.Cmp(R15, RDX)
	a.J(Below, again)
	a.Bind(done)
	a.AddImm(RDX, 7)
	a.AndImm(RDX, -8)
	a.Lea(R12, Indexed(R12, RDX, 1, 8))
	a.Load(R15, At(R13, ring.Link))
	a.Test(R12, R12) // never zero
	a.JmpReg(R15)

	a.Bind(slow)
	a.Bind(bytes)
	a.Load8(R15, Indexed(RAX, RDX, 1, -1))
	a.Store8(Indexed(R12, RDX, 1, 7), R15)
	a.SubImm(RDX, 1)
	a.J(NotEqual, bytes)
	a.Load(RDX, At(R12, 0))
	a.Jmp(done)

	for _, without := range []struct {
		label  Label
		length int32
	}{{g.lost, -1}, {empty, 0}} {
		a.Bind(without.label)
		a.StoreImm(At(R12, 0), without.length)
		a.AddImm(R12, 8)
		a.Load(R15, At(R13, ring.Link))
		a.Cmp(R12, R12)
		a.JmpReg(R15)
	}
	g.part(start, indexCopy)
}
