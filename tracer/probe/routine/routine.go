//lint:file-ignore ST1001 instructions read as instructions

package routine

import (
	"encoding/binary"

	. "smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// Registers: at a function's entry and at its RET the Go ABI lets R12, R13, R15 and the flags hold anything, so routines
// need no stack and save nothing but RAX and RDX, which rdtsc destroys. While a record is written
//
//	R12  is where the next byte of the record goes
//	R13  is the control page of the thread's ring
//	R15  is scratch, and the link register on the way to the slow path
//
// and until the record is published everything can be undone by restoring RAX and RDX: that is what makes a routine
// restartable. The publishing store is the last instruction before the displaced ones.

// routine generates the code for one site and its patch.
func (g *Generator) routine(s *site.Site, p parts) error {
	g.begin(s.Addr)
	switch {
	case s.Kind == site.Return && s.Early:
		g.record(p.ret, p.results, int32(s.Adjust), site.Return, nil)
	case s.Kind == site.Entry && s.Form != site.FormOverCheck:
		g.record(p.entry, p.args, 0, site.Entry, nil)
	}
	for i := range s.Code {
		in := &s.Code[i]
		if i > 0 {
			g.now.moves = append(g.now.moves, Move{in.Addr + g.cfg.Bias, g.code.PC()})
		}
		if in.Flow == site.FlowRet && !s.Early {
			g.record(p.ret, p.results, 0, site.Return, in)
		}
		g.mark(pinned, in.Addr+g.cfg.Bias)
		if err := g.displaced(in); err != nil {
			return err
		}
	}
	if s.Form == site.FormOverCheck {
		last := s.Code[len(s.Code)-1]
		g.record(p.entry, p.args, 0, site.Entry, &site.Inst{Addr: last.End()})
	}
	g.mark(pinned, s.Resume()+g.cfg.Bias)
	g.code.JmpTo(s.Resume() + g.cfg.Bias)
	g.slowExits()
	if err := g.end(); err != nil {
		return err
	}
	g.patch(s)
	return nil
}

// displaced moves one instruction into the routine.
func (g *Generator) displaced(in *site.Inst) error { return move(g.code, g.cfg.Image, g.cfg.Bias, in) }

func move(c *Code, img *site.Image, bias uint64, in *site.Inst) error {
	moved := *in
	moved.Addr += bias
	code, err := site.Move(nil, &moved, img.Text(in.Addr, in.End()), c.PC())
	if err != nil {
		return err
	}
	c.Raw(code...)
	return nil
}

// exit is a way from a record to the slow path and back.
type exit struct {
	slow, start, skip Label
	pin               *site.Inst
}

// record generates the writing of one record. pin is nil when the record comes before the displaced instructions;
// otherwise it is the instruction of the original code that is next when the record is done. adjust is how much lower the
// stack pointer is than at the moment that is recorded.
func (g *Generator) record(number uint32, c Capture, adjust int32, kind site.Kind, pin *site.Inst) {
	a := g.code
	x := exit{slow: a.NewLabel(), start: a.NewLabel(), skip: a.NewLabel(), pin: pin}
	origin := g.now.site
	plain, held := restart, saved
	if pin != nil {
		origin = pin.Addr + g.cfg.Bias
		plain, held = pinned, pinnedSaved
	}
	g.mark(plain, origin)
	a.Bind(x.start)
	g.only(c.Only, x.skip)
	o := g.cfg.Offsets
	a.Load(R13, At(R14, o.GoroutineM))
	a.Load(R13, At(R13, o.ThreadSlot))
	a.Test(R13, R13)
	a.J(Equal, x.slow)
	a.Load(R12, At(R13, ring.Head))
	a.CmpMem(R12, At(R13, ring.Limit))
	a.J(AboveEqual, x.slow)
	a.Store(At(R13, ring.SavedRAX), RAX)
	a.Store(At(R13, ring.SavedRDX), RDX)
	g.mark(held, origin)
	if kind == site.Return {
		g.time() // a return's time comes first, an entry's last: what is recorded is not what recording costs
		a.Load(RAX, At(R13, ring.SavedRAX))
		a.Load(RDX, At(R13, ring.SavedRDX))
	}
	g.words(c.Words, adjust)
	a.Load(RAX, At(R14, o.StackHi))
	a.Sub(RAX, RSP)
	if adjust != 0 {
		a.SubImm(RAX, adjust)
	}
	a.Store32(At(R12, ring.RecordFrame), RAX)
	a.StoreImm32(At(R12, ring.RecordSite), number)
	a.Load(RAX, At(R14, o.GoroutineID))
	a.Store(At(R12, ring.RecordGo), RAX)
	if kind == site.Entry {
		g.time()
	}
	a.AddImm(R12, int32(ring.RecordWords+8*len(c.Words)))
	if len(c.Copies) > 0 {
		g.copies(c)
	}
	a.Load(RAX, At(R13, ring.SavedRAX))
	a.Load(RDX, At(R13, ring.SavedRDX))
	a.Store(At(R13, ring.Head), R12) // publishes
	a.Bind(x.skip)
	g.exits = append(g.exits, x)
}

// only leads past the record unless RAX holds one of the values.
func (g *Generator) only(values []int32, skip Label) {
	if len(values) == 0 {
		return
	}
	a := g.code
	wanted := a.NewLabel()
	for _, v := range values {
		a.CmpImm(RAX, v)
		a.J(Equal, wanted)
	}
	a.Jmp(skip)
	a.Bind(wanted)
}

// time writes the time stamp counter into the record. Without the fence the counter could be read before an
// acquire that the program just did, and effects would come before their causes.
func (g *Generator) time() {
	a := g.code
	a.Lfence()
	a.Rdtsc()
	a.Shl(RDX, 32)
	a.Or(RAX, RDX)
	a.Store(At(R12, ring.RecordTime), RAX)
}

// words stores registers first, while they are what they were, then words of the stack.
func (g *Generator) words(words []Word, adjust int32) {
	a := g.code
	at := func(i int) Mem { return At(R12, int32(ring.RecordWords+8*i)) }
	for i, w := range words {
		switch w.Kind {
		case Integer:
			a.Store(at(i), w.Reg)
		case Float:
			a.StoreX(at(i), w.Reg)
		}
	}
	for i, w := range words {
		if w.Kind == Stack {
			a.Load(RAX, At(RSP, w.Offset+adjust))
			a.Store(at(i), RAX)
		}
	}
}

// slowExits generates, out of line, the ways to the slow path. It comes back to one of two jumps of five bytes: to try
// again, or to go on without a record.
func (g *Generator) slowExits() {
	a := g.code
	for _, x := range g.exits {
		origin, c := g.now.site, restart
		if x.pin != nil {
			origin, c = x.pin.Addr+g.cfg.Bias, pinned
		}
		back := a.NewLabel()
		g.mark(c, origin)
		a.Bind(x.slow)
		a.LeaLabel(R15, back)
		a.Jmp(g.slow)
		a.Bind(back)
		a.Jmp(x.start)
		g.mark(pinned, origin)
		a.Jmp(x.skip)
	}
	g.exits = g.exits[:0]
}

// patch notes the jump to the routine that was just generated.
func (g *Generator) patch(s *site.Site) {
	to := g.cfg.Code + uint64(g.now.start)
	addr := s.Addr
	if s.Form == site.FormIsland {
		addr = s.Island
	}
	p := g.jump(addr, to)
	p.Owner, p.Moves = g.added, g.now.moves
	g.out.Patches = append(g.out.Patches, p)
	if s.Form == site.FormIsland {
		d := int64(s.Island) - int64(s.Addr) - site.ShortLen
		old := g.cfg.Image.Text(s.Addr, s.Addr+site.ShortLen)
		g.out.Patches = append(g.out.Patches, Patch{
			Addr: s.Addr + g.cfg.Bias, Old: old, New: []byte{0xEB, byte(int8(d))}, Owner: g.added, Moves: g.now.moves,
		})
	}
}

func (g *Generator) jump(addr, to uint64) Patch { return Jump(g.cfg.Image, addr, g.cfg.Bias, to) }

// Jump is the patch that makes a jump of five bytes at an address of the file lead to an address of the running program.
func Jump(img *site.Image, addr, bias, to uint64) Patch {
	code := []byte{0xE9, 0, 0, 0, 0}
	binary.LittleEndian.PutUint32(code[1:], uint32(int32(int64(to)-int64(addr+bias+site.JumpLen))))
	return Patch{Addr: addr + bias, Old: img.Text(addr, addr+site.JumpLen), New: code, Owner: -1}
}
