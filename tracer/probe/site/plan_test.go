package site

import (
	"debug/elf"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// candidates returns the functions of a program that R1 leaves.
func candidates(img *Image) []*Function {
	var out []*Function
	for i := range img.Functions {
		if img.Functions[i].Skip == "" {
			out = append(out, &img.Functions[i])
		}
	}
	return out
}

func load(t testing.TB, path string) *Image {
	t.Helper()
	img, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestSharesOfRealPrograms is the table of what can be patched: nearly every function of programs nobody here wrote.
func TestSharesOfRealPrograms(t *testing.T) {
	for _, name := range []string{"gofmt", "go"} {
		img := load(t, goBinary(t, name))
		functions := candidates(img)
		sites := img.Plan(functions)
		entries, returns, reasons := map[Form]int{}, map[Form]int{}, map[string]int{}
		rets, early, incomplete := 0, 0, 0
		for i := range sites {
			s := &sites[i]
			entries[s.Entry.Form]++
			for j := range s.Returns {
				rets++
				returns[s.Returns[j].Form]++
				if s.Returns[j].Early {
					early++
				}
			}
			if why, ok := s.Complete(); !ok {
				incomplete++
				reasons[why]++
			}
		}
		n := len(functions)
		t.Logf("%s: %d functions, %d returns", name, n, rets)
		for form := FormNone; form <= FormInside; form++ {
			t.Logf("  %-18s entry %6.2f%%  return %6.2f%%", form, percent(entries[form], n), percent(returns[form], rets))
		}
		t.Logf("  early returns %.2f%%, functions without all their sites %.2f%%", percent(early, rets), percent(incomplete, n))
		var lines []string
		for why, k := range reasons {
			lines = append(lines, fmt.Sprintf("%6d %s", k, why))
		}
		sort.Strings(lines)
		t.Logf("  reasons:\n%s", strings.Join(lines, "\n"))
		if n < 1000 || percent(entries[FormJump], n) < 99 || percent(incomplete, n) > 0.3 {
			t.Errorf("%s: the shares are worse than they were measured to be", name)
		}
	}
}

func percent(a, b int) float64 { return 100 * float64(a) / float64(b) }

// TestIsInstruction: what begins with an instruction is known, also when nobody looks for sites any more.
func TestIsInstruction(t *testing.T) {
	img := load(t, goBinary(t, "gofmt"))
	f := img.Lookup("main.main")
	starts := map[uint64]bool{}
	for in := range img.Instructions(f.Addr, f.End) {
		starts[in.Addr] = true
	}
	walked := img.starts
	img.Planned()
	for addr := f.Addr; addr < f.End; addr++ {
		if is := img.IsInstruction(addr); is != starts[addr] || is != walked.get(int(addr-img.addr)) {
			t.Fatalf("at %#x it says %v", addr, is)
		}
	}
	if from, to := img.Bounds(); img.IsInstruction(from-1) || img.IsInstruction(to) {
		t.Error("it finds instructions outside of the code")
	}
}

// TestPaddingThatIsCheckedIsNotFree: the FIPS module compares all bytes between two symbols with what the linker wrote, the padding
// between its functions, too. An island there, for a function beside it, would end the program before it began.
func TestPaddingThatIsCheckedIsNotFree(t *testing.T) {
	path := goBinary(t, "go")
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	var start, end uint64
	for _, s := range symbols {
		switch s.Name {
		case "go:textfipsstart":
			start = s.Value
		case "go:textfipsend":
			end = s.Value
		}
	}
	img := load(t, path)
	p := planner{img: img, used: map[uint64]bool{}}
	from, to := img.Bounds()
	if start < from || start >= end || end > to {
		t.Fatalf("the code that is checked lies from %#x to %#x", start, end)
	}
	checked, free := 0, 0
	for at := from; at+JumpLen <= to; at++ {
		switch {
		case img.Text(at, at+1)[0] != 0xCC || !p.free(at, JumpLen):
		case at+JumpLen <= start || at >= end:
			free++
		default:
			if checked++; checked == 1 {
				t.Errorf("%#x behind %s is taken for free", at, img.FunctionAt(at).Name)
			}
		}
	}
	if checked > 0 || free == 0 {
		t.Errorf("of the padding that is checked, %d places are taken for free; elsewhere %d", checked, free)
	}
}

// TestR3NothingLeadsIntoAJump checks rule R3 by another way than the planner's: every instruction of every function is
// asked where it leads, and no answer lies inside of a patched range; and no two patches overlap.
func TestR3NothingLeadsIntoAJump(t *testing.T) {
	for name, path := range map[string]string{"gofmt": goBinary(t, "gofmt"), "compile": goTool(t, "compile")} {
		t.Run(name, func(t *testing.T) { nothingLeadsIntoAJump(t, load(t, path)) })
	}
}

func nothingLeadsIntoAJump(t *testing.T, img *Image) {
	inside := map[uint64]*Site{} // bytes that are no longer what they were, but the first of each patch
	first := map[uint64]bool{}
	sites := img.Plan(candidates(img))
	claim := func(s *Site, from uint64, n int) {
		for k := range uint64(n) {
			if inside[from+k] != nil || first[from+k] {
				t.Fatalf("byte %#x of %#x is patched twice", from+k, s.Addr)
			}
			if k == 0 {
				first[from] = true
			} else {
				inside[from+k] = s
			}
		}
	}
	for i := range sites {
		all := slices.Concat([]Site{sites[i].Entry}, sites[i].Returns, sites[i].Hosts)
		hosted := map[uint64]bool{}
		for _, h := range sites[i].Hosts {
			hosted[h.Addr+JumpLen] = true
			if h.Resume()-h.Addr < 2*JumpLen {
				t.Errorf("the host at %#x has %d bytes", h.Addr, h.Resume()-h.Addr)
			}
			for _, in := range img.Displaced(nil, &h) {
				if in.Flow != FlowNext {
					t.Errorf("the host at %#x holds a branch", h.Addr)
				}
			}
		}
		for j := range all {
			s := &all[j]
			if s.Form == FormNone || s.Form == FormInside {
				continue
			}
			claim(s, s.Addr, int(s.Patch))
			if s.Form == FormIsland {
				claim(s, s.Island, JumpLen)
				if b := img.Text(s.Island, s.Island+JumpLen); !hosted[s.Island] && string(b) != "\xcc\xcc\xcc\xcc\xcc" {
					t.Errorf("island at %#x lies on % x", s.Island, b)
				}
				if s.Kind == Entry && !inPage(s, s.Island) {
					t.Errorf("the entry at %#x has its island at %#x, in another page", s.Addr, s.Island)
				}
				if f := img.FunctionAt(s.Island); !hosted[s.Island] && s.Island-f.Addr < replacedLen {
					t.Errorf("island at %#x lies at the beginning of %s, which a program may write over", s.Island, f.Name)
				}
			}
		}
	}
	for i := range img.Functions {
		f := &img.Functions[i]
		for in := range img.Instructions(f.Addr, f.End) {
			switch in.Flow {
			case FlowJump, FlowCond, FlowLoop, FlowCall:
				if s := inside[in.Target()]; s != nil {
					t.Errorf("%#x in %s leads into the jump at %#x", in.Addr, f.Name, s.Addr)
				}
			}
			if (in.Flow == FlowCall || in.Flow == FlowIndirectCall) && inside[in.End()] != nil {
				t.Errorf("the call at %#x in %s returns into a jump", in.Addr, f.Name)
			}
		}
	}
	t.Logf("%d patches", len(first))
}

// TestR3MovedInstructionsMeanTheSame decodes displaced instructions at both places with another decoder and compares
// what they say once every relative operand is made absolute.
func TestR3MovedInstructionsMeanTheSame(t *testing.T) {
	img := load(t, goBinary(t, "go"))
	compared, relative := 0, 0
	for _, s := range img.Plan(candidates(img)) {
		for _, site := range slices.Concat([]Site{s.Entry}, s.Returns, s.Hosts) {
			code := img.Displaced(nil, &site)
			if int(site.Instructions) != len(code) {
				t.Errorf("%d instructions are displaced at %#x, and %d were counted", len(code), site.Addr, site.Instructions)
			}
			for i := range code {
				in := &code[i]
				if in.Wide {
					continue // the other decoder does not know them; TestMoveWide does
				}
				bytes := img.Text(in.Addr, in.End())
				to := 0x10000000 + rand.Uint64N(1<<28)
				moved, err := Move(nil, in, bytes, to)
				if err != nil {
					t.Fatal(err)
				}
				was, is := absolute(t, bytes, in.Addr), absolute(t, moved, to)
				if was != is {
					t.Fatalf("%#x % x: %q became %q (% x)", in.Addr, bytes, was, is, moved)
				}
				compared++
				if in.RIP != 0 || in.Rel != 0 {
					relative++
				}
			}
		}
	}
	t.Logf("%d instructions, %d with relative operands", compared, relative)
	if compared < 10_000 || relative < 100 {
		t.Error("too few to mean anything")
	}
}

// absolute renders an instruction with its relative operands resolved.
func absolute(t *testing.T, code []byte, addr uint64) string {
	in, err := x86asm.Decode(code, 64)
	if err != nil || int(in.Len) != len(code) {
		t.Fatalf("% x: %v", code, err)
	}
	next := addr + uint64(in.Len)
	args := []string{in.Op.String()}
	for _, a := range in.Args {
		switch v := a.(type) {
		case nil:
		case x86asm.Rel:
			args = append(args, fmt.Sprintf("%#x", next+uint64(int64(v))))
		case x86asm.Mem:
			if v.Base == x86asm.RIP {
				args = append(args, fmt.Sprintf("[%#x]%d", next+uint64(int64(int32(v.Disp))), in.MemBytes))
				continue
			}
			args = append(args, v.String(), fmt.Sprint(in.MemBytes))
		default:
			args = append(args, v.String())
		}
	}
	return strings.Join(args, " ")
}

// TestMoveWide moves VEX and EVEX instructions with operands relative to the instruction pointer.
func TestMoveWide(t *testing.T) {
	for _, code := range [][]byte{
		{0xC5, 0xFD, 0x6F, 0x05, 0x10, 0, 0, 0},                // vmovdqa ymm0, [rip+16]
		{0xC4, 0xE3, 0x7D, 0x38, 0x05, 0x10, 0, 0, 0, 1},       // vinserti128 ymm0, ymm0, [rip+16], 1
		{0x62, 0xF1, 0xFE, 0x48, 0x6F, 0x05, 0x10, 0, 0, 0},    // vmovdqu64 zmm0, [rip+16]
		{0x62, 0xF3, 0x7D, 0x48, 0x25, 0x05, 0x10, 0, 0, 0, 7}, // vpternlogd zmm0, zmm0, [rip+16], 7
	} {
		in, err := Decode(code, 0x401000)
		if err != nil || int(in.Len) != len(code) || in.RIP == 0 {
			t.Fatalf("% x: %+v %v", code, in, err)
		}
		moved, err := Move(nil, &in, code, 0x501000)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(moved, 0x501000)
		if err != nil || again.Target() != in.Target() {
			t.Errorf("% x refers to %#x, moved to %#x", code, in.Target(), again.Target())
		}
	}
}

// TestMoveTooFar: what lies beyond 2 GiB is an error, not a wrapped distance.
func TestMoveTooFar(t *testing.T) {
	code := []byte{0x48, 0x8B, 0x05, 0, 0, 0, 0}
	in, err := Decode(code, 0x401000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Move(nil, &in, code, 0x401000+3<<30); err == nil {
		t.Error("moved 3 GiB away without an error")
	}
}
