package routine

import (
	"encoding/binary"
	"slices"

	"smiley/recording"
	"smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// Offsets are places in the Go runtime's structures, taken from the program's debug information.
type Offsets struct {
	GoroutineM  int32 // runtime.g.m
	GoroutineID int32 // runtime.g.goid
	StackHi     int32 // runtime.g.stack.hi
	ThreadSlot  int32 // runtime.m.tls[2]: the Go runtime does not use it on linux/amd64
	ThreadID    int32 // runtime.m.procid
	ThreadExtra int32 // runtime.m.isextra
}

// Config is where the generated code will run.
type Config struct {
	Image   *site.Image
	Bias    uint64 // address of the running program's text minus that of its file
	Code    uint64 // address of the code region, within 2 GiB of the text
	Size    uint64 // bytes reserved for code and tables together
	Rings   ring.Layout
	Offsets Offsets
	Moves   bool // threads may stand in displaced instructions: patches say where these lie now
	// Room is where the code and its tables are written: Size bytes, nil for memory of this process. What is generated then is a part of
	// it, which lies where it belongs.
	Room []byte
	// Kinds are those that a Sizer has seen in what will be added; nil: there are none yet.
	Kinds *Kinds
}

// Patch is one change of the program's text, of no more bytes than a jump has: see NewPatch.
type Patch struct {
	Addr     uint64 // in the running program
	For      uint64 // of an island: the address of the site that leads here; else 0
	Owner    int32  // position of the function among those added; −1: none
	AtEntry  bool   // it is the site at which a call begins
	Replaces bool   // another jump may stand there: that of a tracer before us
	Stays    bool   // an island, or the host of one: to be taken out only with all others, since a thread may stand there

	// There are hundreds of thousands of patches in a large program, so that they hold what they need themselves, and nothing more.
	moveCount uint8
	move      uint32 // position of the first in Program.moves
	length    uint8
	old, new  [site.JumpLen]byte
}

// NewPatch returns the patch that makes old bytes new ones, which are as many. It has no owner.
func NewPatch(addr uint64, old, new []byte) Patch {
	p := Patch{Addr: addr, Owner: -1, length: uint8(len(new))}
	copy(p.old[:], old)
	copy(p.new[:], new)
	return p
}

// Old returns the bytes that the patch finds.
func (p *Patch) Old() []byte { return p.old[:p.length] }

// New returns the bytes that the patch leaves.
func (p *Patch) New() []byte { return p.new[:p.length] }

// Undo returns the patch that takes this one back.
func (p *Patch) Undo() Patch { return NewPatch(p.Addr, p.New(), p.Old()) }

// Move says where a displaced instruction lies now.
type Move struct{ From, To uint64 }

// Program is the generated code.
type Program struct {
	Parts   []Part // of the code region; what lies between is not used
	Patches []Patch
	Shim    Patch // to be written before all others, and to be left in place

	moves []Move // with Config.Moves: of all patches
}

// Moves returns those of the instructions that a patch covers, but the first, with Config.Moves.
func (p *Program) Moves(patch *Patch) []Move {
	return p.moves[patch.move:][:patch.moveCount]
}

// Part is a piece of the code region.
type Part struct {
	Offset int
	Bytes  []byte
}

// Generator collects routines.
type Generator struct {
	cfg   Config
	code  *asm.Code
	meta  []byte // the shim's table of routines; offset 0 stays empty
	index []byte // for each 16 bytes of code four that say what the shim has to know
	out   Program
	slow  asm.Label // the slow path
	// copying is where bytes behind pointers are copied, text where those of a single one are; lost, and lostText, are where that goes on when a
	// pointer leads nowhere.
	copying, lost  asm.Label
	text, lostText asm.Label
	now            routine
	displaces      []site.Inst // scratch: the instructions of now
	added          int
	tails          []tail
	kinds          *Kinds
	tailAt         []int // positions in tails, by the number of the kind of record; noTail: there is none yet
	islands        int   // how many there are
}

// Expect makes room for the patches of n sites.
func (g *Generator) Expect(n int) {
	g.out.Patches = slices.Grow(g.out.Patches, n)
	if g.cfg.Moves {
		g.out.moves = make([]Move, 0, n)
	}
}

// granule is the alignment of routines, and the resolution of the shim's index.
const granule = 16

// NewGenerator begins a program of routines.
func NewGenerator(cfg Config) *Generator {
	g := &Generator{cfg: cfg, kinds: cfg.Kinds}
	if g.kinds == nil {
		g.kinds = &Kinds{}
	}
	part := func(from, to int) []byte {
		if cfg.Room == nil {
			return make([]byte, 0, (to-from)/3) // the rest is for the worst
		}
		return cfg.Room[from:from:to]
	}
	g.code = asm.NewIn(cfg.Code, part(0, g.codeMax()))
	g.index = part(g.indexAt(), g.tables())
	g.meta = append(part(g.tables(), int(cfg.Size)), make([]byte, 16)...)
	g.slowPath()
	g.copyPath()
	g.textPath()
	return g
}

// class says what the shim does when a signal finds the program counter in a range of a routine.
type class uint8

const (
	restart class = iota // nothing has been done yet: go back to the site
	pinned               // displaced instructions, and records behind some: show the original place, go on here
)

// What the index holds in place of the offset of a routine's table, for the parts of tails, of copying and of the slow path.
// They run for the routine that the link leads to.
const (
	indexNone   = 0  // the shim itself, or nothing
	indexIntact = 1  // slow path: registers as at the site
	indexRAX    = 3  // slow path: RAX lies in R12
	indexSaved  = 5  // slow path: registers lie in the control page
	indexCopy   = 7  // copying: as indexSaved, and the link lies in the control page, too
	indexTail   = 9  // a tail: registers as at the site
	indexHeld   = 11 // a tail: RAX and RDX lie in the control page, and so does the link
	indexDone   = 13 // a tail: the record is published
	indexText   = 15 // copying a single text: as indexHeld
)

// routine is one routine in the making.
type routine struct {
	site   uint64 // in the running program
	start  int
	ranges []span
	moves  []Move
}

type span struct {
	off    int
	class  class
	origin int // distance of the original place from site
}

// mark begins a range at the next instruction.
func (g *Generator) mark(c class, origin uint64) {
	g.now.ranges = append(g.now.ranges, span{g.code.Len() - g.now.start, c, int(origin - g.now.site)})
}

// Add generates what the sites of a function need and notes the patches. entry and ret are the numbers of the two kinds of
// records, an even one and the next; sites without room are left out.
func (g *Generator) Add(s *site.Sites, entry, ret uint32, args, results Capture) error {
	if err := check(args, results); err != nil {
		return err
	}
	p := parts{entry: entry, ret: ret, args: args, results: results}
	if s.Entry.Form != site.FormNone {
		if err := g.routine(&s.Entry, p); err != nil {
			return err
		}
	}
	for i := range s.Returns {
		r := &s.Returns[i]
		if r.Form == site.FormNone || r.Form == site.FormInside {
			continue
		}
		if err := g.routine(r, p); err != nil {
			return err
		}
	}
	for i := range s.Hosts {
		if err := g.routine(&s.Hosts[i], p); err != nil {
			return err
		}
	}
	g.added++
	return nil
}

type parts struct {
	entry, ret    uint32
	args, results Capture
}

// check refuses records that could reach beyond the room behind a ring.
func check(captures ...Capture) error {
	for _, c := range captures {
		if len(c.Words) > WordsMax {
			return recording.Errorf(recording.CodeInternal, "a record of %d words is too long", len(c.Words))
		}
	}
	return nil
}

// Finish returns the generated program. handler is the site at the head of runtime.sigtramp, at which every Go signal handler begins.
func (g *Generator) Finish(handler *site.Site) (*Program, error) {
	for i := range g.tails {
		g.write(&g.tails[i])
	}
	if g.code.Len() > g.codeMax() {
		return nil, recording.Errorf(recording.CodeInternal, "the routines do not fit into %d bytes", g.codeMax())
	}
	islands := g.listIslands()
	if err := g.shim(handler); err != nil {
		return nil, err
	}
	code, err := g.code.Bytes()
	if err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "generating probes: %w", err)
	}
	if need := g.islandsAt() + len(islands); uint64(need) > g.cfg.Size {
		return nil, recording.Errorf(recording.CodeInternal, "the routines need %d bytes and have %d", need, g.cfg.Size)
	}
	// The index has one word for each granule of the reserved size, so that the shim can be generated before the end
	// of the code is known.
	g.out.Parts = []Part{{0, code}, {g.indexAt(), g.index}, {g.tables(), g.meta}, {g.islandsAt(), islands}}
	out := g.out // without what made it
	return &out, nil
}

// listIslands lists, behind the tables, where the islands lie, and then which sites they are for: a thread can stand at an island,
// which Go takes for something else.
func (g *Generator) listIslands() []byte {
	var islands, sites []byte
	for _, p := range g.out.Patches {
		if p.For != 0 {
			g.islands++
			islands = binary.LittleEndian.AppendUint64(islands, p.Addr)
			sites = binary.LittleEndian.AppendUint64(sites, p.For)
		}
	}
	return append(islands, sites...)
}

// The reserved region holds code in its first half, the index in the next eighth, and routines' tables behind it.
func (g *Generator) codeMax() int { return int(g.cfg.Size / 2) }
func (g *Generator) indexAt() int { return g.codeMax() }
func (g *Generator) tables() int  { return g.codeMax() + g.codeMax()/granule*4 }

// islandsAt is where the list of islands lies, once the tables are complete.
func (g *Generator) islandsAt() int { return g.tables() + len(g.meta) }

// begin aligns the code for a routine of a site.
func (g *Generator) begin(at uint64) {
	g.code.Align(granule)
	g.now.site, g.now.start, g.now.ranges, g.now.moves = at+g.cfg.Bias, g.code.Len(), g.now.ranges[:0], g.now.moves[:0]
}

// end writes the routine's table and its part of the index.
func (g *Generator) end() error {
	r := &g.now
	off := uint32(len(g.meta))
	g.meta = binary.LittleEndian.AppendUint64(g.meta, r.site)
	g.meta = binary.LittleEndian.AppendUint32(g.meta, uint32(r.start))
	g.meta = binary.LittleEndian.AppendUint32(g.meta, uint32(len(r.ranges)))
	for _, s := range r.ranges {
		if s.off > 0xFFFF || s.origin > 0xFF || s.origin < 0 {
			return recording.Errorf(recording.CodeInternal, "the routine for %#x is too long", r.site)
		}
		g.meta = append(g.meta, byte(s.off), byte(s.off>>8), byte(s.class), byte(s.origin))
	}
	for len(g.meta)%8 != 0 {
		g.meta = append(g.meta, 0)
	}
	g.code.Align(granule)
	if g.code.Len() > g.codeMax() {
		return recording.Errorf(recording.CodeInternal, "the routines do not fit into %d bytes", g.codeMax())
	}
	g.fill(r.start, off)
	return nil
}

// fill sets the index from code offset start to the end of the code.
func (g *Generator) fill(start int, v uint32) {
	for len(g.index) < start/granule*4 {
		g.index = binary.LittleEndian.AppendUint32(g.index, indexNone)
	}
	for len(g.index) < (g.code.Len()+granule-1)/granule*4 {
		g.index = binary.LittleEndian.AppendUint32(g.index, v)
	}
}
