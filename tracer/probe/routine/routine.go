//lint:file-ignore ST1001 instructions read as instructions

package routine

import (
	"encoding/binary"

	. "smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// routine generates the code for one site and its patch.
func (g *Generator) routine(s *site.Site, p parts) error {
	g.begin(s.Addr)
	switch {
	case s.Kind == site.Return && s.Early:
		g.record(p.ret, p.results, int32(s.Adjust), site.Return, nil)
	case s.Kind == site.Entry && s.Form != site.FormOverCheck:
		g.record(p.entry, p.args, 0, site.Entry, nil)
	}
	g.displaces = g.cfg.Image.Displaced(g.displaces[:0], s)
	for i := range g.displaces {
		in := &g.displaces[i]
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
		g.record(p.entry, p.args, 0, site.Entry, &site.Inst{Addr: s.Resume()})
	}
	g.mark(pinned, s.Resume()+g.cfg.Bias)
	g.code.JmpTo(s.Resume() + g.cfg.Bias)
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

// linkLen is how far the place at which a record's tail comes back lies behind the instruction that sets the link: that
// instruction, a jump to the tail, and two words of four bytes that the tail reads at adjustAt and numberAt of the link.
const (
	linkLen  = 20
	adjustAt = -8
	numberAt = -4
)

// silentLink, clc, is the link's own byte where a record that is dropped does not count. It does nothing there but to be found.
const silentLink = 0xF8

// record generates the writing of one record, which a tail does for all routines that record the same: it comes with the way
// back in R15. pin is nil when the record comes before the displaced instructions; otherwise it is the instruction of the
// original code that is next when the record is done. adjust is how much lower the stack pointer is than at the moment
// that is recorded.
func (g *Generator) record(number uint32, c Capture, adjust int32, kind site.Kind, pin *site.Inst) {
	if c.None {
		return
	}
	a := g.code
	origin, class := g.now.site, restart
	if pin != nil {
		origin, class = pin.Addr+g.cfg.Bias, pinned
	}
	g.mark(class, origin)
	done, skip := a.NewLabel(), a.NewLabel()
	g.only(c, adjust, skip)
	a.LeaLabel(R15, done)
	a.Jmp(g.tailOf(c, kind))
	var words [8]byte
	binary.LittleEndian.PutUint32(words[:], uint32(adjust))
	binary.LittleEndian.PutUint32(words[4:], number)
	a.Raw(words[:]...)
	a.Bind(done)
	// The tail is through: the link's own byte tells this place from those that are taken back.
	g.mark(pinned, origin)
	if c.Silent {
		a.Raw(silentLink)
	} else {
		a.Nop(1)
	}
	if c.Awaits { // not before: what is taken back would count twice
		a.LockInc(Abs(g.cfg.Rings.Base + ring.SharedAwaited))
	}
	a.Bind(skip)
}

// only leads past the record unless something awaits it, and unless RAX, or a word of the stack, holds one of the values.
func (g *Generator) only(c Capture, adjust int32, skip Label) {
	a := g.code
	if c.Awaited {
		a.CmpMemImm(Abs(g.cfg.Rings.Base+ring.SharedAwaited), 0)
		a.J(Equal, skip)
	}
	if len(c.Only) == 0 {
		return
	}
	wanted := a.NewLabel()
	for _, v := range c.Only {
		if c.OnlyAt != 0 {
			a.CmpMemImm(At(RSP, c.OnlyAt+adjust), v)
		} else {
			a.CmpImm(RAX, v)
		}
		a.J(Equal, wanted)
	}
	a.Jmp(skip)
	a.Bind(wanted)
}

// patch notes the jump to the routine that was just generated.
func (g *Generator) patch(s *site.Site) {
	to := g.cfg.Code + uint64(g.now.start)
	addr := s.Addr
	if s.Form == site.FormIsland {
		addr = s.Island
	}
	p := Jump(g.cfg.Image, addr, g.cfg.Bias, to)
	p.Owner = int32(g.added)
	if g.cfg.Moves {
		p.move, p.moveCount = uint32(len(g.out.moves)), uint8(len(g.now.moves))
		g.out.moves = append(g.out.moves, g.now.moves...)
	}
	p.AtEntry = s.Kind == site.Entry
	p.Stays = s.Kind == site.Host || s.Form == site.FormIsland
	if s.Form == site.FormIsland {
		p.For = s.Addr + g.cfg.Bias
	}
	g.out.Patches = append(g.out.Patches, p)
	if s.Form == site.FormIsland {
		d := int64(s.Island) - int64(s.Addr) - site.ShortLen
		old := g.cfg.Image.Text(s.Addr, s.Addr+site.ShortLen)
		short := NewPatch(s.Addr+g.cfg.Bias, old, []byte{0xEB, byte(int8(d))})
		short.Owner, short.move, short.moveCount, short.AtEntry = p.Owner, p.move, p.moveCount, p.AtEntry
		g.out.Patches = append(g.out.Patches, short)
	}
}

// Jump is the patch that makes a jump of five bytes at an address of the file lead to an address of the running program.
func Jump(img *site.Image, addr, bias, to uint64) Patch {
	code := [site.JumpLen]byte{0xE9}
	binary.LittleEndian.PutUint32(code[1:], uint32(int32(int64(to)-int64(addr+bias+site.JumpLen))))
	return NewPatch(addr+bias, img.Text(addr, addr+site.JumpLen), code[:])
}
