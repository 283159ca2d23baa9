package routine

import (
	. "smiley/tracer/probe/asm" //nolint:revive // instructions read as instructions
	"smiley/tracer/probe/ring"
)

// copies generates the copying of bytes behind pointers. Sixteen bytes move at a time through X15, which the Go ABI keeps
// at zero and which is zeroed again at the end; that may read beyond the last byte, so near the end of a page bytes
// move one by one. A pointer that leads nowhere faults; the shim sends the thread to the recovery label, and the copy is
// marked unreadable.
func (g *Generator) copies(c Capture, held, copying class, origin uint64) {
	// behind[i] is where to go on when the copies that depend on another one end before copy i.
	behind := make([]Label, len(c.Copies)+1)
	for i := range behind {
		behind[i] = g.code.NewLabel()
	}
	for i := range c.Copies {
		g.code.Bind(behind[i])
		g.copy(c, i, behind[i+1+c.Copies[i].Nested], held, copying, origin)
	}
	g.code.Bind(behind[len(c.Copies)])
	g.code.ZeroX(R15)
}

// copy generates one copy. none is where to go on without a copy and without those that depend on it.
func (g *Generator) copy(c Capture, i int, none Label, held, copying class, origin uint64) {
	a := g.code
	k := c.Copies[i]
	empty, lost, done, slow, next := a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.Store(At(R13, int32(ring.Items+8*i)), R12)
	g.operands(c, k, empty, lost)
	g.crossing(k, slow)
	if k.Max > unrolled {
		a.Xor32(R15, R15)
	}
	g.mark(copying, origin)
	if k.Max > unrolled {
		g.loop()
	} else {
		g.straight(k, done)
	}
	g.mark(held, origin)
	a.Bind(done)
	a.Store(At(R12, 0), RDX)
	a.AddImm(RDX, 7)
	a.AndImm(RDX, -8)
	a.Lea(R12, Indexed(R12, RDX, 1, 8))
	a.Jmp(next)

	a.Bind(slow)
	a.Store(At(R12, 0), RDX)
	g.mark(copying, origin)
	again := a.NewLabel()
	a.Bind(again)
	a.Load8(R15, Indexed(RAX, RDX, 1, -1))
	a.Store8(Indexed(R12, RDX, 1, 7), R15)
	a.SubImm(RDX, 1)
	a.J(NotEqual, again)
	g.mark(held, origin)
	a.Load(RDX, At(R12, 0))
	a.Jmp(done)

	for _, without := range []struct {
		label  Label
		length int32
	}{{lost, -1}, {empty, 0}} {
		a.Bind(without.label)
		a.StoreImm(At(R12, 0), without.length)
		a.AddImm(R12, 8)
		a.Jmp(none)
	}
	a.Bind(next)
}

// operands loads the pointer into RAX and the number of bytes into RDX, and notes where a fault goes on.
func (g *Generator) operands(c Capture, k Copy, empty, lost Label) {
	a := g.code
	g.load(RAX, c, k.Pointer, lost)
	if k.Count.Constant {
		a.MovImm(RDX, uint64(min(k.Scale, k.Max)))
	} else {
		g.load(RDX, c, k.Count, lost)
		if k.Count32 {
			a.Shl(RDX, 32)
			a.Shr(RDX, 32)
		}
		g.bound(k)
		a.Test(RDX, RDX)
		a.J(Equal, empty)
	}
	a.Test(RAX, RAX)
	a.J(Equal, empty)
	// What cannot be a pointer of a program is not tried: a fault costs as much as a system call.
	a.CmpImm(RAX, 4096)
	a.J(Below, lost)
	a.Mov(R15, RAX)
	a.Shr(R15, 47)
	a.J(NotEqual, lost)
	a.LeaLabel(R15, lost)
	a.Store(At(R13, ring.Recovery), R15)
}

// crossing leads copies that could read beyond the page in which their last byte lies to the slow way.
func (g *Generator) crossing(k Copy, slow Label) {
	a := g.code
	if k.Max <= unrolled { // for short copies a page that is near is near enough
		a.Mov(R15, RAX)
		a.AndImm(R15, 4095)
		a.CmpImm(R15, int32(4096-(k.Max+15)&^15))
		a.J(Above, slow)
		return
	}
	fine := a.NewLabel()
	a.Lea(R15, Indexed(RAX, RDX, 1, 15))
	a.AndImm(R15, 4095)
	a.CmpImm(R15, 16) // the last sixteen bytes may begin before the end and reach behind the page's
	a.J(AboveEqual, fine)
	a.Jmp(slow)
	a.Bind(fine)
}

// unrolled is the length up to which a copy is straight code.
const unrolled = 256

// straight moves up to k.Max bytes without a counter.
func (g *Generator) straight(k Copy, done Label) {
	a := g.code
	for off := int32(0); off < int32(k.Max); off += 16 {
		a.LoadX16(R15, At(RAX, off))
		a.StoreX16(At(R12, 8+off), R15)
		if off+16 < int32(k.Max) {
			a.CmpImm(RDX, off+16)
			a.J(BelowEqual, done)
		}
	}
}

// loop moves RDX bytes, counting in R15 from zero.
func (g *Generator) loop() {
	a := g.code
	again := a.NewLabel()
	a.Bind(again)
	a.LoadX16(R15, Indexed(RAX, R15, 1, 0))
	a.StoreX16(Indexed(R12, R15, 1, 8), R15)
	a.AddImm(R15, 16)
	a.Cmp(R15, RDX)
	a.J(Below, again)
}

// bound turns the number of elements in RDX into bytes, at most Max. A number that cannot be one becomes none.
func (g *Generator) bound(k Copy) {
	a := g.code
	fits, negative := a.NewLabel(), a.NewLabel()
	scale := max(k.Scale, 1)
	a.Test(RDX, RDX)
	a.J(Sign, negative)
	a.CmpImm(RDX, int32(k.Max/scale))
	a.J(BelowEqual, fits)
	a.MovImm(RDX, uint64(k.Max/scale))
	a.Jmp(fits)
	a.Bind(negative)
	a.MovImm(RDX, 0)
	a.Bind(fits)
	if scale > 1 {
		a.Imul(RDX, RDX, int32(scale))
	}
}

// load reads a word of the record that is being written. lost is where to go when the copy that should hold it does not.
func (g *Generator) load(dst Reg, c Capture, s Source, lost Label) {
	a := g.code
	if !s.InCopy {
		a.Load(dst, At(R13, ring.Head))
		a.Load(dst, At(dst, int32(ring.RecordWords+8*s.Index)))
		return
	}
	a.Load(R15, At(R13, int32(ring.Items+8*s.Index)))
	a.CmpMemImm(At(R15, 0), s.Offset+8)
	a.J(Less, lost)
	a.Load(dst, At(R15, 8+s.Offset))
}
