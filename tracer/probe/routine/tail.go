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
//	R15  is the way back to the routine, and scratch once that lies in the control page
//
// and until the record is published everything can be undone by restoring RAX and RDX: that is what makes a routine
// restartable. Publishing is one store, and all that follows it is the way back.

// tail is the code that writes one kind of record, shared by all routines that need it.
type tail struct {
	label   Label
	capture Capture
	kind    site.Kind
}

// Kinds numbers kinds of records: captures that are written in the same way at the same kind of site have one. The zero value has seen
// none. What a Sizer has seen a Generator need not look at again.
type Kinds struct {
	known map[string]int
	seen  map[captureID]int
	key   []byte // scratch
}

// captureID tells captures apart that are not the same in memory. It saves writing down the key of those that are: functions with
// values of the same types in the same places share one.
type captureID struct {
	words     *Word
	wordCount int
	node      uint32
	kind      site.Kind
}

// idOf returns the identity of a capture; false when it has none.
func idOf(c Capture, kind site.Kind) (id captureID, ok bool) {
	id = captureID{wordCount: len(c.Words), node: c.Node, kind: kind}
	if id.wordCount > 0 {
		id.words = &c.Words[0]
	}
	return id, len(c.Only) == 0
}

// of returns the number of a kind of record, from 0, and whether it is new.
func (k *Kinds) of(c Capture, kind site.Kind) (number int, added bool) {
	id, ok := idOf(c, kind)
	if ok {
		if number, seen := k.seen[id]; seen {
			return number, false
		}
	}
	k.key = appendKey(append(k.key[:0], byte(kind)), c)
	number, known := k.known[string(k.key)]
	if !known {
		if k.known == nil {
			k.known, k.seen = map[string]int{}, map[captureID]int{}
		}
		number = len(k.known)
		k.known[string(k.key)] = number
	}
	if ok {
		k.seen[id] = number
	}
	return number, !known
}

// tailOf returns where the tail of a kind of record is, or will be.
func (g *Generator) tailOf(c Capture, kind site.Kind) Label {
	number, _ := g.kinds.of(c, kind)
	for len(g.tailAt) <= number {
		g.tailAt = append(g.tailAt, noTail)
	}
	if g.tailAt[number] == noTail {
		g.tailAt[number] = len(g.tails)
		g.tails = append(g.tails, tail{g.code.NewLabel(), c, kind})
	}
	return g.tails[g.tailAt[number]].label
}

// noTail is in the place of the position of a tail that nothing leads to yet.
const noTail = -1

// appendKey appends what tells the record of a capture from those of others.
func appendKey(key []byte, c Capture) []byte {
	key = binary.AppendUvarint(key, uint64(len(c.Words)))
	for _, w := range c.Words {
		key = binary.AppendVarint(append(key, byte(w.Kind), byte(w.Reg)), int64(w.Offset))
	}
	key = binary.AppendUvarint(key, uint64(c.Node))
	return key
}

// write generates a tail. What a signal has to do in it is told by its parts, see the shim.
func (g *Generator) write(t *tail) {
	a, o := g.code, g.cfg.Offsets
	a.Align(granule)
	start := a.Len()
	a.Bind(t.label)
	a.Load(R13, At(R14, o.GoroutineM))
	a.Load(R13, At(R13, o.ThreadSlot))
	a.Test(R13, R13)
	a.J(Equal, g.slow)
	a.Load(R12, At(R13, ring.Head))
	a.CmpMem(R12, At(R13, ring.Limit))
	a.J(AboveEqual, g.slow)
	a.Store(At(R13, ring.SavedRAX), RAX)
	a.Store(At(R13, ring.SavedRDX), RDX)
	a.Store(At(R13, ring.Origin), R15)
	g.boundary(0)
	g.part(start, indexTail)

	start = a.Len()
	g.head(t)
	a.AddImm(R12, int32(ring.RecordWords+8*len(t.capture.Words)))
	if t.capture.Node != 0 {
		g.copies(t.capture)
	}
	a.Load(RAX, At(R13, ring.SavedRAX))
	a.Load(RDX, At(R13, ring.SavedRDX))
	g.boundary(publishLen)
	a.Store(At(R13, ring.Head), R12) // publishes
	g.part(start, indexHeld)

	start = a.Len()
	a.JmpReg(R15)
	g.part(start, indexDone)
}

// publishLen is the length of the store that publishes.
const publishLen = 4

// boundary makes the code that many bytes from here the start of a granule.
func (g *Generator) boundary(n int) {
	if over := (g.code.Len() + n) % granule; over != 0 {
		g.code.Nop(granule - over)
	}
}

// head writes all of a record but its copies. A return's time comes first, an entry's last: what is recorded is not what
// recording costs.
func (g *Generator) head(t *tail) {
	a, o := g.code, g.cfg.Offsets
	if t.kind == site.Return {
		g.time()
		a.Load(RAX, At(R13, ring.SavedRAX))
		a.Load(RDX, At(R13, ring.SavedRDX))
	}
	g.words(t)
	a.Load(RAX, At(R14, o.StackHi))
	a.Sub(RAX, RSP)
	if t.kind == site.Return {
		a.LoadS32(RDX, At(R15, adjustAt))
		a.Sub(RAX, RDX)
	}
	a.Store32(At(R12, ring.RecordFrame), RAX)
	a.Load32(RAX, At(R15, numberAt))
	a.Store32(At(R12, ring.RecordSite), RAX)
	a.Load(RAX, At(R14, o.GoroutineID))
	a.Store(At(R12, ring.RecordGo), RAX)
	g.losses(t.kind)
	if t.kind == site.Entry {
		g.time()
	}
}

// losses writes how many entries of the function were dropped on the goroutine in RAX, which is the upper end of its id, zero, while none
// was dropped at all.
func (g *Generator) losses(kind site.Kind) {
	a := g.code
	none := a.NewLabel()
	a.CmpMemImm(Abs(g.cfg.Rings.Base+ring.SharedLosing), 0)
	a.J(Equal, none)
	a.Load32(RDX, At(R15, numberAt))
	if kind == site.Return {
		a.AndImm(RDX, -2) // that of the entry
	}
	a.Imul(RDX, RDX, ring.LossFactor)
	a.Add(RDX, RAX)
	a.AndImm(RDX, ring.LossPlaces-1)
	a.Lea(RAX, Abs(g.cfg.Rings.Base+ring.SharedLosses))
	a.Load16(RDX, Indexed(RAX, RDX, 2, 0))
	a.Store16(At(R12, ring.RecordLoss), RDX)
	a.Bind(none)
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

// words stores registers first, while they are what they were, then what they lead to, then words of the stack, which at a return may lie higher than
// they will.
func (g *Generator) words(t *tail) {
	a := g.code
	at := func(i int) Mem { return At(R12, int32(ring.RecordWords+8*i)) }
	for i, w := range t.capture.Words {
		switch w.Kind {
		case Integer:
			a.Store(at(i), w.Reg)
		case Float:
			a.StoreX(at(i), w.Reg)
		}
	}
	for i, w := range t.capture.Words {
		if w.Kind == Behind {
			a.Load(RDX, At(w.Reg, w.Offset)) // all registers lie in the record that are to be there
			a.Store(at(i), RDX)
		}
	}
	adjusted := false
	for i, w := range t.capture.Words {
		if w.Kind != Stack {
			continue
		}
		from := At(RSP, w.Offset)
		if t.kind == site.Return {
			if !adjusted {
				a.LoadS32(RDX, At(R15, adjustAt))
				adjusted = true
			}
			from = Indexed(RSP, RDX, 1, w.Offset)
		}
		a.Load(RAX, from)
		a.Store(at(i), RAX)
	}
}

// Sizer bounds the bytes that a program of routines takes.
type Sizer struct {
	bytes uint64
	kinds Kinds
}

// Add adds what Generator.Add would generate.
func (z *Sizer) Add(s *site.Sites, args, results Capture) {
	if z.bytes == 0 {
		z.bytes = 32 << 10
	}
	z.tail(args, site.Entry)
	z.tail(results, site.Return)
	z.routine(&s.Entry)
	for i := range s.Returns {
		z.routine(&s.Returns[i])
	}
	for i := range s.Hosts {
		z.routine(&s.Hosts[i])
	}
}

func (z *Sizer) routine(s *site.Site) {
	const record, instruction = 2 * linkLen, 20 // a table's line included
	z.bytes += 64 + 16                          // it may need an island
	z.bytes += instruction*uint64(s.Instructions) + record*(1+uint64(s.Rets))
}

func (z *Sizer) tail(c Capture, kind site.Kind) {
	if c.None {
		return
	}
	z.bytes += uint64(32 * len(c.Only))
	if c.Awaits || c.Awaited {
		z.bytes += 32
	}
	if _, added := z.kinds.of(c, kind); added {
		z.bytes += uint64(448 + 24*len(c.Words) + 20*len(c.Tests))
	}
}

// Bytes returns the bound: for code, the index and the tables, of which the code may take half.
func (z *Sizer) Bytes() uint64 { return 2 * z.bytes }

// Kinds returns the kinds of records among what was added, for Config.Kinds.
func (z *Sizer) Kinds() *Kinds { return &z.kinds }
