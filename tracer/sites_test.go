//go:build linux && amd64

package tracer

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// TestInstructionLengths compares the measured instructions of a whole program with what a disassembler reads, and jumps and
// returns with what it calls so.
func TestInstructionLengths(t *testing.T) {
	p := openProgram(t, fixture(t, "values"))
	instructions, unknown := 0, 0
	for _, f := range p.list {
		if f.Assembly || !strings.HasSuffix(f.File, ".go") {
			continue
		}
		code := make([]byte, f.End-f.Entry)
		if err := p.image.read(code, f.Entry); err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(code); {
			ins, ok := decode(code[at:])
			if !ok {
				t.Fatalf("%s+%#x: not decoded: % x", f.Name, at, code[at:min(at+16, len(code))])
			}
			instructions++
			is, err := x86asm.Decode(code[at:], 64)
			if err != nil {
				unknown++
			} else {
				compareInstruction(t, f.Name, at, ins, is)
			}
			at += ins.length
		}
	}
	if instructions < 50_000 || unknown > instructions/100 {
		t.Errorf("%d instructions, %d of them unknown to the disassembler", instructions, unknown)
	}
}

func compareInstruction(t *testing.T, function string, at int, ins instruction, is x86asm.Inst) {
	t.Helper()
	if ins.length != is.Len {
		t.Errorf("%s+%#x: %d bytes, the disassembler says %d: %s", function, at, ins.length, is.Len, is)
	}
	target, relative := is.Args[0].(x86asm.Rel)
	if jumps := relative && is.Op != x86asm.CALL; ins.jumps != jumps || jumps && ins.target != int(target) {
		t.Errorf("%s+%#x: jumps %v to %d, the disassembler says %s", function, at, ins.jumps, ins.target, is)
	}
	if isReturn := ins.table == 0 && ins.opcode == 0xc3; isReturn != (is.Op == x86asm.RET) {
		t.Errorf("%s+%#x: return %v, the disassembler says %s", function, at, isReturn, is)
	}
}

// TestVectorInstructions covers what the disassembler does not know; lengths by the assembler.
func TestVectorInstructions(t *testing.T) {
	for _, c := range []string{
		"c5f877",                      // vzeroupper
		"c5fd6f06",                    // vmovdqa (rsi), ymm0
		"c5f970c04e",                  // vpshufd $0x4e, xmm0, xmm0
		"c4e2f9b8d1",                  // vfmadd231sd xmm1, xmm0, xmm2
		"c4e3fd00c0d8",                // vpermq $0xd8, ymm0, ymm0
		"c4e2fbf7c3",                  // shrx rax, rbx, rax
		"c4e37d39c101",                // vextracti128 $1, ymm0, xmm1
		"62f1fd486f8640000000",        // vmovdqa64 0x40(rsi), zmm0, 32-bit displacement
		"62f3fd4825c0ff",              // vpternlogq $0xff, zmm0, zmm0, zmm0
		"48b88877665544332211",        // movabs
		"66c705000000003412",          // movw with an immediate of two bytes
		"f6c101",                      // test with an immediate
		"f7d8",                        // neg without one
		"66f7c13412",                  // test with two bytes
		"660f3a0bc104",                // roundsd
		"f20f38f0c1",                  // crc32
		"67488d80ffffff7f",            // lea with an address-size prefix
		"48a1887766554433221100"[:20], // mov from an absolute address
	} {
		code, err := hex.DecodeString(c)
		if err != nil {
			t.Fatal(err)
		}
		ins, ok := decode(append(bytes.Clone(code), 0xc3, 0xc3, 0xc3))
		if !ok || ins.length != len(code) {
			t.Errorf("%s: %d bytes, %v", c, ins.length, ok)
		}
		for i := range code {
			if ins, ok := decode(code[:i]); ok && ins.length > i {
				t.Errorf("%s: %d bytes of %d were enough", c, i, ins.length)
			}
		}
	}
}

// TestEntrySites covers the forms of the stack check.
func TestEntrySites(t *testing.T) {
	for _, c := range []struct {
		name, code string
		want       sites
	}{
		{"small frame", "493b6610 7606 55 5d c3 e800000000 ebf0", sites{entry: 6, returns: []int{8}}},
		{"small frame, long jump", "493b6610 0f8603000000 55 5d c3 e800000000", sites{entry: 10, returns: []int{12}}},
		{"large frame", "4c8d6424e0 4d3b6610 7602 5d c3 c3", sites{entry: 11, returns: []int{12, 13}}},
		{"huge frame", "4989e4 4981ec00001000 7207 4d3b6610 7601 c3 c3", sites{entry: 18, returns: []int{18, 19}}},
		{"no check", "4801d8 c3", sites{returns: []int{3}}},
		{"empty", "c3", sites{returns: []int{0}}},
		{"loop to the start", "48ffc8 75fb c3", sites{repeats: true, returns: []int{5}}},
		{"c3 in an immediate", "b8c3c3c3c3 c3", sites{returns: []int{5}}},
	} {
		code, err := hex.DecodeString(strings.ReplaceAll(c.code, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		got, err := findSites(code)
		if err != nil || got.entry != c.want.entry || got.repeats != c.want.repeats || !equalInts(got.returns, c.want.returns) {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
	if _, err := findSites([]byte{0x06, 0xc3}); err == nil {
		t.Error("an instruction that does not exist was accepted")
	}
}

func equalInts(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// FuzzInstruction: no bytes make the decoder read beyond them.
func FuzzInstruction(f *testing.F) {
	f.Add([]byte{0x62, 0xf1, 0xfd, 0x48, 0x6f, 0x86})
	f.Add([]byte{0xe9, 1, 2})
	f.Fuzz(func(t *testing.T, code []byte) {
		if ins, ok := decode(code); ok && (ins.length < 1 || ins.length > min(len(code), 15)) {
			t.Errorf("%d bytes of %d", ins.length, len(code))
		}
		if s, err := findSites(code); err == nil && s.entry > len(code) {
			t.Errorf("entry at %d of %d", s.entry, len(code))
		}
	})
}
