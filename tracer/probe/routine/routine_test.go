package routine

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// generated makes routines for functions of gofmt.
func generated(t *testing.T) (*Generator, *Program, Config) {
	t.Helper()
	img, err := site.Load(filepath.Join(goroot(t), "bin", "gofmt"))
	if err != nil {
		t.Fatal(err)
	}
	const code = 0x2000_0000
	cfg := Config{
		Image: img, Code: code, Size: 16 << 20,
		Rings:   ring.Layout{Base: code + 16<<20, Rings: 0x5000_0000_0000, Count: 4, DataSize: 1 << 20},
		Offsets: Offsets{GoroutineM: 48, GoroutineID: 152, StackHi: 8, ThreadSlot: 144, ThreadID: 64, ThreadExtra: 281},
	}
	g := NewGenerator(cfg)
	var functions []*site.Function
	for i := range img.Functions {
		if f := &img.Functions[i]; f.Skip == "" {
			functions = append(functions, f)
		}
	}
	capture := Capture{
		Words: []Word{{Reg: asm.RAX}, {Reg: asm.RBX}, {Kind: Float, Reg: 1}, {Kind: Stack, Offset: 16}, {Kind: Behind, Reg: asm.RBX, Offset: 152}},
		Node:  1, Tests: []uint32{0, 8},
	}
	sites := img.Plan(functions)
	text := capture
	text.Node, text.Tests, text.Text = 5, nil, &Entry{Kind: Text, At: 0, Count: 8, Max: 64}
	for i := range sites {
		if err := g.Add(&sites[i], uint32(2*i), uint32(2*i+1), capture, text); err != nil {
			t.Fatal(err)
		}
	}
	handler := img.Displace(img.Lookup("runtime.sigtramp").Addr)
	p, err := g.Finish(&handler)
	if err != nil {
		t.Fatal(err)
	}
	return g, p, cfg
}

// meta is a routine's table as the shim reads it.
type meta struct {
	site   uint64
	start  int
	ranges []span
}

func tables(p *Program) []meta {
	var all []meta
	b := p.Parts[2].Bytes
	for at := 16; at+16 <= len(b); {
		m := meta{site: word64(b[at:]), start: int(word32(b[at+8:]))}
		n := int(word32(b[at+12:]))
		at += 16
		for range n {
			m.ranges = append(m.ranges, span{int(b[at]) | int(b[at+1])<<8, class(b[at+2]), int(b[at+3])})
			at += 4
		}
		at = (at + 7) &^ 7
		all = append(all, m)
	}
	return all
}

func word32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
func word64(b []byte) uint64 { return uint64(word32(b)) | uint64(word32(b[4:]))<<32 }

// TestR4RoutinesTouchDeadRegistersOnly disassembles the heads of all routines, and the tails that write their records: they
// write R12, R13, R15, RAX, RDX and X15 and nothing else but four registers that the code that copies keeps, use no stack, and where a thread could be taken back to the site
// with registers as they are, not even RAX and RDX have been written. Publishing is the last instruction of its part.
func TestR4RoutinesTouchDeadRegistersOnly(t *testing.T) {
	_, p, _ := generated(t)
	code := p.Parts[0].Bytes
	instructions, heads, copying := 0, 0, false
	check := func(at, end int, intact bool) (last x86asm.Inst) {
		for at < end {
			if code[at] == 0xCC && !intact { // what follows is never run
				break
			}
			in, err := x86asm.Decode(code[at:], 64)
			if err != nil {
				t.Fatalf("offset %#x: %v", at, err)
			}
			if why := forbidden(in, intact, copying); why != "" {
				t.Fatalf("offset %#x: %v %s", at, in, why)
			}
			if last = in; isPublish(in) && at+in.Len != end {
				t.Fatalf("offset %#x: %d bytes behind the publishing store belong to the record", at, end-at-in.Len)
			}
			at += in.Len
			instructions++
		}
		return last
	}
	for _, m := range tables(p) {
		for i, r := range m.ranges {
			if r.class == pinned {
				continue // displaced instructions do what they always did, and records behind them are of the same code
			}
			end := m.ranges[i+1].off
			if last := check(m.start+r.off, m.start+end-8, true); last.Op != x86asm.JMP {
				t.Fatalf("site %#x: its head ends with %v", m.site, last)
			}
			heads++
		}
	}
	published, tails, copies := 0, 0, 0
	for _, part := range sharedParts(p) {
		switch part.index {
		case indexTail:
			check(part.from, part.to, true)
			tails++
		case indexHeld:
			last := check(part.from, part.to, false)
			if isCopying := last.Op == x86asm.NOP || last.Op == x86asm.MOV && last.Args[1] == x86asm.RSI; isCopying {
				continue // what leads to the code that copies
			}
			if !isPublish(last) {
				t.Fatalf("offset %#x: the record is not published by %v", part.from, last)
			}
			published++
		case indexText:
			check(part.from, part.to, false)
			copies++
		case indexCopy:
			copying = true
			check(part.from, part.to, false)
			copying = false
			copies++
		}
	}
	t.Logf("%d instructions, %d heads, %d tails", instructions, heads, tails)
	if heads < 3000 || tails != 2 || published != tails || copies != 2 {
		t.Error("too few to mean anything")
	}
}

// sharedPart is a run of granules with one meaning.
type sharedPart struct {
	index    uint32
	from, to int
}

func sharedParts(p *Program) []sharedPart {
	var list []sharedPart
	index := p.Parts[1].Bytes
	for i := 0; 4*i < len(index); i++ {
		v := word32(index[4*i:])
		if v&1 == 0 {
			continue
		}
		if n := len(list) - 1; n >= 0 && list[n].index == v && list[n].to == i*granule {
			list[n].to += granule
			continue
		}
		list = append(list, sharedPart{v, i * granule, (i + 1) * granule})
	}
	return list
}

// isPublish recognises mov [r13+Head], r12.
func isPublish(in x86asm.Inst) bool {
	m, ok := in.Args[0].(x86asm.Mem)
	return ok && in.Op == x86asm.MOV && m.Base == x86asm.R13 && m.Disp == ring.Head && m.Index == 0 && in.Args[1] == x86asm.R12
}

// forbidden says what a record's instruction must not do; intact: while registers are as at the site; copying: while some more of them are
// kept in the control page.
func forbidden(in x86asm.Inst, intact, copying bool) string {
	switch in.Op {
	case x86asm.PUSH, x86asm.POP, x86asm.CALL, x86asm.RET, x86asm.SYSCALL:
		return "uses the stack or leaves"
	case x86asm.NOP, x86asm.XCHG, x86asm.CMP, x86asm.TEST, x86asm.LFENCE, x86asm.JMP, x86asm.JE, x86asm.JNE, x86asm.JAE, x86asm.JB, x86asm.JBE, x86asm.JA, x86asm.JS, x86asm.JL:
		return ""
	case x86asm.RDTSC:
		if intact {
			return "writes RAX and RDX before they are saved"
		}
		return ""
	}
	switch dst := in.Args[0].(type) {
	case x86asm.Mem:
		if dst.Base == x86asm.RSP || dst.Base == x86asm.R14 {
			return "writes memory that is not its own"
		}
	case x86asm.Reg:
		switch dst {
		case x86asm.R12, x86asm.R13, x86asm.R15, x86asm.X15, x86asm.R15L, x86asm.R15B:
		case x86asm.RAX, x86asm.RDX, x86asm.EAX, x86asm.EDX:
			if intact {
				return "writes a register before it is saved"
			}
		case x86asm.RCX, x86asm.RSI, x86asm.RDI, x86asm.R11:
			if !copying {
				return "writes a register that is not kept"
			}
		default:
			return "writes a live register"
		}
	}
	return ""
}

// TestTablesCoverRoutines: every byte of every routine has a class, and the index leads from each granule to the routine
// that it belongs to.
func TestTablesCoverRoutines(t *testing.T) {
	_, p, _ := generated(t)
	index := p.Parts[1].Bytes
	metas := tables(p)
	for i, m := range metas {
		if len(m.ranges) == 0 || m.ranges[0].off != 0 {
			t.Fatalf("site %#x: its first byte has no class", m.site)
		}
		for k := 1; k < len(m.ranges); k++ {
			if m.ranges[k].off < m.ranges[k-1].off {
				t.Fatalf("site %#x: ranges are not in order", m.site)
			}
		}
		if m.start%granule != 0 {
			t.Fatalf("site %#x: not aligned", m.site)
		}
		end := len(p.Parts[0].Bytes)
		if i+1 < len(metas) {
			end = metas[i+1].start
		}
		for at := m.start; at < end && i+1 < len(metas); at += granule { // tails come behind the last one
			off := word32(index[at/granule*4:])
			if got := word64(p.Parts[2].Bytes[off:]); got != m.site {
				t.Fatalf("offset %#x: the index says %#x, it belongs to %#x", at, got, m.site)
			}
		}
	}
}

// goroot is where the go command that builds the tests lies.
func goroot(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
