//lint:file-ignore ST1001 instructions read as instructions

package routine

import (
	. "smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// Offsets in the ucontext that a signal handler is given, and signals.
const (
	ctxR12, ctxR13, ctxR15  = 72, 80, 96
	ctxRDI, ctxRSI          = 104, 112
	ctxRDX, ctxRAX, ctxRCX  = 136, 144, 152
	ctxR11                  = 64
	ctxRIP                  = 168
	ctxFP                   = 224
	fpX15                   = 400
	infoCode                = 8
	sigILL, sigBUS, sigFPE  = 4, 7, 8
	sigSEGV, sigURG         = 11, 23
	metaSite, metaStart     = 0, 8
	metaCount, metaRanges   = 12, 16
	rangeClass, rangeOrigin = 2, 3
	jumpOpcode              = 0xE9
)

// shim generates the code that runs before the Go runtime's signal handler and its patch. If the signal found the thread in
// a routine, the handler is shown a place of the program instead:
//
//   - in a record that is not published yet: the site itself, registers restored. The thread runs the jump again, so what
//     Go's preemption, profiler and tracebacks see is an ordinary place, and the event is recorded once;
//   - in displaced instructions, when one of them faulted: the instruction it was, for good. Tracebacks, deferred calls and
//     recover find what they would have found;
//   - in displaced instructions otherwise: the instruction it was while the handler runs, and then back. Preemption alone
//     (SIGURG) is shown the routine, which Go knows nothing of, and refuses until the next time;
//   - in a copy behind a pointer that leads nowhere: nothing, the handler is not called; the thread goes on where the copy
//     is marked unreadable.
//
// At entry RDI is the signal, RSI its information, RDX the context; RAX, RCX and R8 to R11 are free.
func (g *Generator) shim(handler *site.Site) error {
	native, err := g.native(handler)
	if err != nil {
		return err
	}
	a := g.code
	a.Align(granule)
	start := a.Len()
	own, linked, held, search, found, async := a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.Load(RAX, At(RDX, ctxRIP))
	a.MovImm(RCX, g.cfg.Code)
	a.Sub(RAX, RCX)
	a.CmpImm(RAX, int32(g.codeMax()))
	outside := a.NewLabel()
	a.J(AboveEqual, outside)
	a.MovImm(R9, g.cfg.Code+uint64(g.indexAt()))
	g.lookup(native)
	a.Xor32(R10, R10) // R10: the part of what is shared, 0 for a routine
	a.Mov(R11, R8)
	a.AndImm(R11, 1)
	a.J(Equal, own)
	a.Mov(R10, R8)
	a.Load(RAX, At(RDX, ctxR15))
	for _, part := range []int32{indexCopy, indexText, indexHeld} {
		a.CmpImm(R10, part)
		a.J(Equal, held)
	}
	a.Jmp(linked)
	a.Bind(held)
	a.Load(RAX, At(RDX, ctxR13))
	a.Load(RAX, At(RAX, ring.Origin))
	a.Bind(linked)
	a.SubImm(RAX, 1) // what is before the link is not done yet
	a.Sub(RAX, RCX)
	a.CmpImm(RAX, int32(g.codeMax()))
	a.JTo(AboveEqual, native)
	g.lookup(native)

	a.Bind(own)
	a.MovImm(R9, g.cfg.Code+uint64(g.tables()))
	a.Add(R8, R9)
	a.Load32(R11, At(R8, metaStart))
	a.Sub(RAX, R11)
	a.Load32(RCX, At(R8, metaCount))
	a.Bind(search)
	a.SubImm(RCX, 1)
	a.JTo(Sign, native)
	a.Load16(R11, Indexed(R8, RCX, 4, metaRanges))
	a.Cmp(R11, RAX)
	a.J(Above, search)
	a.Bind(found)
	a.Load8(R11, Indexed(R8, RCX, 4, metaRanges+rangeClass))
	a.Load8(RCX, Indexed(R8, RCX, 4, metaRanges+rangeOrigin))
	a.Load(RAX, At(R8, metaSite))
	a.Add(RCX, RAX) // RCX: the place to show; R11: the class
	published := a.NewLabel()
	a.CmpImm(R10, indexDone)
	a.J(NotEqual, published)
	a.MovImm(R11, uint64(pinned))
	a.Bind(published)

	g.faults(native, async)
	a.Bind(async)
	g.interrupted(native)
	a.Bind(outside)
	g.atIsland(native)
	g.part(start, indexNone)
	g.out.Shim = Jump(g.cfg.Image, handler.Addr, g.cfg.Bias, g.cfg.Code+uint64(start))
	g.out.Shim.Replaces = true
	return nil
}

// lookup reads the index for the offset in RAX into R8. R9 is the index.
func (g *Generator) lookup(native uint64) {
	a := g.code
	a.Mov(R8, RAX)
	a.Shr(R8, 4)
	a.Load32(R8, Indexed(R9, R8, 4, 0))
	a.Test(R8, R8)
	a.JTo(Equal, native)
}

// atIsland handles signals that found no routine. A thread at an island is on its way into one: it is shown the site, and taken
// back there.
func (g *Generator) atIsland(native uint64) {
	a := g.code
	if g.islands > 0 {
		next := a.NewLabel()
		a.Load(RAX, At(RDX, ctxRIP))
		a.MovImm(R9, g.cfg.Code+uint64(g.islandsAt()))
		a.MovImm(RCX, uint64(g.islands))
		a.Bind(next)
		a.SubImm(RCX, 1)
		a.JTo(Sign, native)
		a.CmpMem(RAX, Indexed(R9, RCX, 8, 0))
		a.J(NotEqual, next)
		// When the probes were taken out, or not put in yet, the program's own code is here, and no jump.
		a.Load8(R8, At(RAX, 0))
		a.CmpImm(R8, jumpOpcode)
		a.JTo(NotEqual, native)
		a.Load(RCX, Indexed(R9, RCX, 8, int32(8*g.islands)))
		g.count(ring.SharedRolledBack)
		a.Store(At(RDX, ctxRIP), RCX)
	}
	a.JmpTo(native)
}

// faults handles signals that the interrupted instruction caused: SIGSEGV, SIGBUS, SIGFPE and SIGILL with a positive code.
// SI_KERNEL is positive too: that is what an address that cannot exist gives.
func (g *Generator) faults(native uint64, async Label) {
	a := g.code
	sync, recovery, text, recovered := a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.CmpMem32Imm(At(RSI, infoCode), 0)
	a.J(BelowEqual, async)
	notNegative := a.NewLabel()
	a.CmpMem32Imm(At(RSI, infoCode), 0)
	a.J(GreaterEq, notNegative)
	a.Jmp(async)
	a.Bind(notNegative)
	for _, s := range []int32{sigSEGV, sigBUS, sigFPE, sigILL} {
		a.CmpImm(RDI, s)
		a.J(Equal, sync)
	}
	a.Jmp(async)
	a.Bind(sync)
	a.CmpImm(R10, indexCopy)
	a.J(Equal, recovery)
	a.CmpImm(R10, indexText)
	a.J(Equal, text)
	a.CmpImm(R11, int32(pinned))
	a.J(NotEqual, async)
	g.count(ring.SharedFaults)
	a.Store(At(RDX, ctxRIP), RCX)
	a.JmpTo(native)
	a.Bind(recovery)
	a.LeaLabel(R8, g.lost)
	a.Jmp(recovered)
	a.Bind(text)
	a.LeaLabel(R8, g.lostText)
	a.Bind(recovered)
	g.count(ring.SharedRecovered)
	a.Store(At(RDX, ctxRIP), R8)
	a.Ret()
}

// interrupted handles signals that came from elsewhere.
func (g *Generator) interrupted(native uint64) {
	a := g.code
	stay, restore, restoreTwo, show := a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.CmpImm(R11, int32(pinned))
	a.J(Equal, stay)
	a.Load(R8, At(RDX, ctxR13))
	for _, part := range []int32{indexCopy, indexSaved} {
		a.CmpImm(R10, part)
		a.J(Equal, restore)
	}
	a.CmpImm(R10, indexRAX)
	rax := a.NewLabel()
	a.J(Equal, rax)
	for _, part := range []int32{indexText, indexHeld} {
		a.CmpImm(R10, part)
		a.J(Equal, restoreTwo)
	}
	a.Jmp(show) // nothing to restore

	a.Bind(rax)
	a.Load(R9, At(RDX, ctxR12))
	a.Store(At(RDX, ctxRAX), R9)
	a.Jmp(show)
	a.Bind(restore)
	g.put(ring.SavedRCX, ctxRCX)
	g.put(ring.SavedR11, ctxR11)
	g.put(ring.SavedRDI, ctxRDI)
	g.put(ring.SavedRSI, ctxRSI)
	a.Bind(restoreTwo)
	g.put(ring.SavedRAX, ctxRAX)
	g.put(ring.SavedRDX, ctxRDX)
	a.Load(R9, At(RDX, ctxFP)) // X15 is zero at every site
	a.Test(R9, R9)
	a.J(Equal, show)
	a.StoreImm(At(R9, fpX15), 0)
	a.StoreImm(At(R9, fpX15+8), 0)
	a.Bind(show)
	g.count(ring.SharedRolledBack)
	a.Store(At(RDX, ctxRIP), RCX)
	a.JmpTo(native)

	a.Bind(stay)
	g.shown(native)
}

// shown calls the handler with the original place in RCX and puts the routine's back, if nobody changed it.
func (g *Generator) shown(native uint64) {
	a := g.code
	call, out, other := a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.CmpImm(RDI, sigURG)
	a.J(NotEqual, other)
	g.count(ring.SharedRefused)
	a.JmpTo(native)
	a.Bind(other)
	g.count(ring.SharedShown)
	a.Push(RDX)
	a.Push(RCX)
	a.Load(R8, At(RDX, ctxRIP))
	a.Push(R8)
	a.Store(At(RDX, ctxRIP), RCX)
	a.Call(call)
	a.Pop(R8)
	a.Pop(RCX)
	a.Pop(RDX)
	a.CmpMem(RCX, At(RDX, ctxRIP))
	a.J(NotEqual, out)
	a.Store(At(RDX, ctxRIP), R8)
	a.Bind(out)
	a.Ret()
	a.Bind(call)
	a.JmpTo(native)
}

// count adds one to a word of the shared page.
func (g *Generator) count(off uint64) { g.code.LockInc(Abs(g.cfg.Rings.Base + off)) }

// put moves a saved word from the control page in R8 to the context in RDX.
func (g *Generator) put(from, to int32) {
	g.code.Load(R9, At(R8, from))
	g.code.Store(At(RDX, to), R9)
}

// native generates the displaced head of the handler and returns where it begins.
func (g *Generator) native(handler *site.Site) (uint64, error) {
	g.code.Align(granule)
	start := g.code.Len()
	at := g.code.PC()
	if err := Displaced(g.code, g.cfg.Image, g.cfg.Bias, handler); err != nil {
		return 0, err
	}
	g.part(start, indexNone)
	return at, nil
}

// Displaceable says why there is no room for a jump at a site; nil when there is.
func Displaceable(s *site.Site) error {
	if s.Form == site.FormNone {
		return unpatchable(s.Addr, s.Reason.String())
	}
	return nil
}

// Displaced appends the instructions that a jump at a site displaces, and a jump to what follows them.
func Displaced(c *Code, img *site.Image, bias uint64, s *site.Site) error {
	if err := Displaceable(s); err != nil {
		return err
	}
	code := img.Displaced(nil, s)
	for i := range code {
		if err := move(c, img, bias, &code[i]); err != nil {
			return err
		}
	}
	c.JmpTo(s.Resume() + bias)
	return nil
}
