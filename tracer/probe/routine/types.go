//lint:file-ignore ST1001 instructions read as instructions

package routine

import (
	"encoding/binary"

	"smiley/recording"
	. "smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
)

// typeRoom is how many bytes of code are kept for the types that interfaces turn out to hold.
const typeRoom = 512 << 10

// level is where the control page keeps what belongs to an interface while what it holds is copied.
type level struct {
	link, data int32
	items      int
}

var (
	outermost = level{ring.TypeLink, ring.TypeData, ring.TypeItems}
	within    = level{ring.InnerLink, ring.InnerData, ring.InnerItems}
)

// dynamicPath generates the code that looks for the routine that copies what an interface holds: its data word comes in RAX, the
// key of its type in RDX, and the way back in R15. The record at R12 gets the number of the type first, and
// zero when there is no routine; flags then say Equal.
func (g *Generator) dynamicPath(l level) Label {
	a := g.code
	begin, unknown, own := a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.Align(granule)
	start := a.Len()
	a.Bind(begin)
	a.Store(At(R13, l.link), R15)
	a.Store(At(R13, l.data), RAX)
	a.Mov(R15, RDX)
	a.AndImm(R15, (ring.TypeEntries-1)*ring.TypeEntryLen)
	a.Lea(RAX, Abs(g.cfg.Rings.Base+ring.SharedTypes))
	a.Add(R15, RAX)
	a.Test(RDX, RDX) // an empty place has no key
	a.J(Equal, unknown)
	a.CmpMem(RDX, At(R15, 0))
	a.J(Equal, own)
	a.CmpMem(RDX, At(R15, ring.TypeEntryLen))
	a.J(NotEqual, unknown)
	a.AddImm(R15, ring.TypeEntryLen)
	a.Bind(own)
	a.Load(R15, At(R15, 8))
	a.JmpReg(R15)
	a.Bind(unknown)
	a.StoreImm(At(R12, 0), 0)
	a.AddImm(R12, 8)
	a.Load(R15, At(R13, l.link))
	a.Cmp(R12, R12)
	a.JmpReg(R15)
	g.part(start, indexType)
	return begin
}

// Types adds routines to a program that was generated before, while it runs: each copies what an interface holds when that is
// of one type. To signals they are parts of the records that they are reached from.
type Types struct {
	cfg       Config
	copying   uint64 // address of the code that copies
	inner     uint64 // and of that which looks for what an interface in what another holds is of
	at, limit int    // of the code: what is used, and what is reserved
	index     int    // offset of the index
	added     uint32
}

// Types returns what adds to the program. It is to be called once, after Finish.
func (g *Generator) Types() *Types {
	at := (g.code.Len() + granule - 1) &^ (granule - 1)
	cfg := g.cfg
	cfg.Kinds = nil // they are not needed any more
	return &Types{
		cfg: cfg, copying: g.cfg.Code + uint64(g.code.Offset(g.copying)), inner: g.cfg.Code + uint64(g.code.Offset(g.inner)),
		at: at, limit: g.codeMax(), index: g.indexAt(),
	}
}

// Add generates the routine of a type for interfaces of a class and returns its number, from 1, its address, and what is to be
// written before anybody may be led there. c's only word is the interface's data word. Errors: CodeUnsupported when the room is
// used up.
func (t *Types) Add(class Class, c Capture) (number uint32, addr uint64, parts []Part, err error) {
	if len(c.Words) != 1 || len(c.Copies) > ring.ItemsMax-ring.InnerItems {
		return 0, 0, nil, recording.Errorf(recording.CodeInternal, "a type of %d words and %d copies", len(c.Words), len(c.Copies))
	}
	n, most := 8, DynamicMax
	if class&Inner != 0 {
		most = InnerMax
	}
	for _, k := range c.Copies {
		switch {
		case !k.Dynamic:
			n += 8 + int(k.Max+15)&^15
		case class&Inner != 0 || k.Class&Inner == 0:
			return 0, 0, nil, recording.Errorf(recording.CodeInternal, "a type whose values hold values of types too deep")
		default:
			n += 8 + InnerMax
		}
	}
	if n > most {
		return 0, 0, nil, recording.Errorf(recording.CodeUnsupported, "a type whose copies take %d bytes", n)
	}
	addr = t.cfg.Code + uint64(t.at)
	g := &Generator{cfg: t.cfg, code: New(addr), types: t, level: outermost}
	if class&Inner != 0 {
		g.level = within
	}
	a := g.code
	a.StoreImm(At(R12, 0), int32(t.added+1))
	a.AddImm(R12, 8)
	if len(c.Copies) > 0 {
		g.copies(c)
	}
	a.Load(R15, At(R13, g.level.link))
	a.Test(R12, R12) // never zero
	a.JmpReg(R15)
	a.Align(granule)
	code, err := a.Bytes()
	if err != nil {
		return 0, 0, nil, recording.Errorf(recording.CodeInternal, "generating a type: %w", err)
	}
	if t.at+len(code) > t.limit {
		return 0, 0, nil, recording.Errorf(recording.CodeUnsupported, "there is no room for the routines of further types")
	}
	index := make([]byte, 0, 4*len(code)/granule)
	for range len(code) / granule {
		index = binary.LittleEndian.AppendUint32(index, indexType)
	}
	parts = []Part{{t.index + t.at/granule*4, index}, {t.at, code}}
	t.at += len(code)
	t.added++
	return t.added, addr, parts, nil
}

// HasRoom reports whether more than half of the room that is kept for types is left.
func (t *Types) HasRoom() bool { return t.limit-t.at > typeRoom/2 }
