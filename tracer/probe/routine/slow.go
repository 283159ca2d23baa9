//lint:file-ignore ST1001 instructions read as instructions

package routine

import (
	. "smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
)

const (
	sysNanosleep = 35
)

// slowPath generates what all routines share: a thread without a ring takes one, a full ring makes its thread wait, and
// the end of a ring's data leads back to its start. It is entered with the link in R15 and leaves to the head of the
// record, to try again, or to what is behind the link, to go on without a record.
//
// Its parts differ in what a signal must restore, so each part has granules of its own. The link tells the shim which
// site to show.
func (g *Generator) slowPath() {
	a := g.code
	g.slow = a.NewLabel()
	claim, full := a.NewLabel(), a.NewLabel()
	start := a.Len()
	a.Bind(g.slow)
	a.Test(R13, R13)
	a.J(Equal, claim)
	g.makeRoom(full)
	g.part(start, indexIntact)
	g.wait(full)
	g.claim(claim)
}

// part closes a part of the slow path that began at start.
func (g *Generator) part(start int, index uint32) {
	g.code.Align(granule)
	g.fill(start, index)
}

// retry goes back to the head of the record, which sets the link again.
func (g *Generator) retry() {
	g.code.Lea(R12, At(R15, -linkLen))
	g.code.JmpReg(R12)
}

// makeRoom moves the limit up to what the tracer has read, and the head from the end of the data to its start.
func (g *Generator) makeRoom(full Label) {
	a := g.code
	ahead, wrap, move := a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.Load(R12, At(R13, ring.Tail))
	a.CmpMem(R12, At(R13, ring.Head))
	a.J(Above, ahead)
	// The tracer is behind on the same lap: there is room up to the end of the data, which is not used without need.
	a.CmpMem(R12, At(R13, ring.Turn))
	a.J(AboveEqual, wrap)
	a.Load(R12, At(R13, ring.Head))
	a.CmpMem(R12, At(R13, ring.DataEnd))
	a.J(AboveEqual, wrap)
	a.AddImm(R12, ring.LimitStep)
	a.CmpMem(R12, At(R13, ring.DataEnd))
	a.J(BelowEqual, move)
	a.Load(R12, At(R13, ring.DataEnd))
	a.Bind(move)
	a.Store(At(R13, ring.Limit), R12)
	g.retry()
	// The limit first: if a signal interrupts, the head is still beyond it and the thread comes back here.
	a.Bind(wrap)
	a.Load(R12, At(R13, ring.Tail))
	a.SubImm(R12, ring.RecordMax)
	a.CmpMem(R12, At(R13, ring.Data))
	a.J(BelowEqual, full)
	a.Store(At(R13, ring.Limit), R12)
	a.Load(R12, At(R13, ring.Head))
	a.Store(At(R13, ring.WrapEnd), R12)
	a.Load(R12, At(R13, ring.Data))
	a.Store(At(R13, ring.Head), R12)
	g.retry()
	// The tracer is on the lap before: there is room up to where it reads.
	a.Bind(ahead)
	a.SubImm(R12, ring.RecordMax)
	a.CmpMem(R12, At(R13, ring.Head))
	a.J(BelowEqual, full)
	a.Store(At(R13, ring.Limit), R12)
	g.retry()
}

// wait sleeps while the tracer's heart beats. When it does not, nobody waits until it beats again.
func (g *Generator) wait(full Label) {
	a := g.code
	shared := func(off uint64) Mem { return Abs(g.cfg.Rings.Base + off) }
	drop, dead, leave, after := a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()
	start := a.Len()
	a.Bind(full)
	a.CmpMemImm(shared(ring.SharedAbandoned), 0)
	a.J(NotEqual, drop)
	for _, r := range savedRegisters {
		a.Store(At(R13, r.at), r.reg)
	}
	sleep := a.NewLabel()
	a.Jmp(sleep)
	g.part(start, indexIntact)

	start = a.Len()
	a.Bind(sleep)
	a.Rdtsc()
	a.Shl(RDX, 32)
	a.Or(RAX, RDX)
	a.Store(At(R13, ring.Asleep), RAX)
	a.SubMem(RAX, shared(ring.SharedHeartbeat))
	a.J(Below, leave) // it beat after we looked
	a.CmpMem(RAX, shared(ring.SharedPatience))
	a.J(Above, dead)
	a.Bind(leave)
	a.MovImm(RAX, sysNanosleep)
	a.Lea(RDI, shared(ring.SharedSleep))
	a.MovImm(RSI, 0)
	a.Syscall()
	a.Rdtsc()
	a.Shl(RDX, 32)
	a.Or(RAX, RDX)
	a.SubMem(RAX, At(R13, ring.Asleep))
	a.Load(RDX, At(R13, ring.Waited))
	a.Add(RAX, RDX)
	a.Store(At(R13, ring.Waited), RAX)
	a.Jmp(after)
	a.Bind(dead)
	a.StoreImm(shared(ring.SharedAbandoned), ring.AbandonedByProgram)
	a.Bind(after)
	for _, r := range savedRegisters {
		a.Load(r.reg, At(R13, r.at))
	}
	out := a.NewLabel()
	a.Jmp(out)
	g.part(start, indexSaved)

	start = a.Len()
	a.Bind(out)
	g.retry() // try again; an abandoned ring comes here once more and drops
	// The link moves first: from then on a signal leaves the thread where it is, and the count is exact.
	a.Bind(drop)
	g.drop(func() { a.Inc(At(R13, ring.Drops)) })
	g.part(start, indexIntact)
}

// drop moves the link, counts a record that is given up unless it is silent, notes of which goroutine and function it would have been, see
// ring.SharedLosses, and goes on behind the link.
func (g *Generator) drop(record func()) {
	a := g.code
	silent, told, out := a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.AddImm(R15, 1)
	a.CmpMem8Imm(At(R15, -1), silentLink)
	a.J(Equal, silent)
	record()
	a.Bind(silent)
	a.CmpMemImm(Abs(g.cfg.Rings.Base+ring.SharedLosing), 0)
	a.J(NotEqual, told) // whoever writes records reads it
	a.StoreImm(Abs(g.cfg.Rings.Base+ring.SharedLosing), 1)
	a.Bind(told)
	count := func() {
		a.AddMem(R12, At(R14, g.cfg.Offsets.GoroutineID))
		a.AndImm(R12, ring.LossPlaces-1)
		a.Lea(R13, Abs(g.cfg.Rings.Base+ring.SharedLosses))
		a.LockInc16(Indexed(R13, R12, 2, 0))
	}
	a.MovImm(R12, ring.LossFactor)
	count()
	a.Load32(R12, At(R15, numberAt-1))
	a.Mov(R13, R12)
	a.AndImm(R13, 1)
	a.J(NotEqual, out) // a return
	a.Imul(R12, R12, ring.LossFactor)
	count()
	a.Bind(out)
	a.JmpReg(R15)
}

var savedRegisters = []struct {
	reg Reg
	at  int32
}{
	{RAX, ring.SavedRAX},
	{RDX, ring.SavedRDX},
	{RCX, ring.SavedRCX},
	{R11, ring.SavedR11},
	{RDI, ring.SavedRDI},
	{RSI, ring.SavedRSI},
}

// claim takes a ring for a thread that has none. A signal between the taking and the noting loses the ring, not a record.
func (g *Generator) claim(claim Label) {
	a := g.code
	o := g.cfg.Offsets
	next, limit := Abs(g.cfg.Rings.Base+ring.SharedNext), Abs(g.cfg.Rings.Base+ring.SharedLimit)
	take, found, none, noted, lost := a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()
	start := a.Len()
	a.Bind(claim)
	// The instruction that moves RAX to R12 must be the last of its part.
	for (a.Len()+3)%granule != 0 {
		a.Raw(0x90)
	}
	a.Mov(R12, RAX)
	g.part(start, indexIntact)

	start = a.Len()
	a.Bind(take)
	a.Load(RAX, next)
	a.CmpMem(RAX, limit)
	a.J(AboveEqual, none)
	a.Lea(R13, At(RAX, 1))
	a.LockCmpxchg(next, R13)
	a.J(NotEqual, take)
	a.Bind(found)
	a.Mov(R13, RAX)
	a.AndImm(R13, ring.OfferedMax-1)
	a.Lea(RAX, Abs(g.cfg.Rings.Base+ring.SharedOffers))
	a.Load32(R13, Indexed(RAX, R13, 4, 0))
	a.Imul(R13, R13, int32(g.cfg.Rings.Stride()))
	a.MovImm(RAX, g.cfg.Rings.Ring(0))
	a.Add(R13, RAX)
	a.Mov(RAX, R12)
	a.Jmp(noted)
	a.Bind(none)
	a.Mov(RAX, R12)
	a.Jmp(lost)
	g.part(start, indexRAX)

	start = a.Len()
	a.Bind(noted)
	a.Load(R12, At(R14, o.GoroutineM))
	a.Load8(R12, At(R12, o.ThreadExtra))
	a.Store(At(R13, ring.Shares), R12)
	a.Load(R12, At(R14, o.GoroutineM))
	a.Load(R12, At(R12, o.ThreadID))
	a.Store(At(R13, ring.Owner), R12)
	a.Load(R12, At(R14, o.GoroutineM))
	a.Store(At(R12, o.ThreadSlot), R13)
	g.retry()
	a.Bind(lost)
	g.drop(func() { a.LockInc(Abs(g.cfg.Rings.Base + ring.SharedUnplaced)) })
	g.part(start, indexIntact)
}
