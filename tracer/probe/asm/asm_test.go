package asm

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"
	"pgregory.net/rapid"
)

var names = [...]string{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}

func name32(r Reg) string {
	if r >= R8 {
		return names[r] + "d"
	}
	return "e" + names[r][1:]
}

func name16(r Reg) string {
	if r >= R8 {
		return names[r] + "w"
	}
	return names[r][1:]
}

// memText is what Intel's syntax calls an operand.
func memText(size string, m Mem, next uint64) string {
	s := ""
	switch {
	case m.base == none:
		return fmt.Sprintf("%s ptr [rip%+#x]", size, int64(m.addr-next))
	case m.index != none && m.scale == 1:
		s = names[m.base] + "+" + names[m.index]
	case m.index != none:
		s = fmt.Sprintf("%s+%d*%s", names[m.base], m.scale, names[m.index])
	default:
		s = names[m.base]
	}
	if m.disp < -128 {
		s += fmt.Sprintf("+%#x", uint32(m.disp)) // as the disassembler has it
	} else if m.disp != 0 {
		s += fmt.Sprintf("%+#x", m.disp)
	}
	return fmt.Sprintf("%s ptr [%s]", size, s)
}

// TestEveryEncoding writes each instruction with drawn operands and reads it back with a disassembler.
func TestEveryEncoding(t *testing.T) {
	const at = 0x20000000
	rapid.Check(t, func(t *rapid.T) {
		reg := rapid.Map(rapid.IntRange(0, 15), func(i int) Reg { return Reg(i) })
		a, b := reg.Draw(t, "a"), reg.Draw(t, "b")
		m := drawMem(t, reg)
		v := rapid.Int32().Draw(t, "v")
		shift := rapid.ByteRange(1, 63).Draw(t, "shift")
		cond := rapid.SampledFrom([]Cond{Below, AboveEqual, Equal, NotEqual, BelowEqual, Above, Sign, Less, GreaterEq}).Draw(t, "cond")
		cc := map[Cond]string{2: "b", 3: "nb", 4: "z", 5: "nz", 6: "be", 7: "nbe", 8: "s", 12: "l", 13: "nl"}[cond]
		cases := []struct {
			emit func(*Code)
			want func(next uint64) string
		}{
			{func(c *Code) { c.Load(a, m) }, func(p uint64) string { return "mov " + names[a] + ", " + memText("qword", m, p) }},
			{func(c *Code) { c.Load32(a, m) }, func(p uint64) string { return "mov " + name32(a) + ", " + memText("dword", m, p) }},
			{func(c *Code) { c.LoadS32(a, m) }, func(p uint64) string { return "movsxd " + names[a] + ", " + memText("dword", m, p) }},
			{func(c *Code) { c.Load16(a, m) }, func(p uint64) string { return "movzx " + name32(a) + ", " + memText("word", m, p) }},
			{func(c *Code) { c.Load8(a, m) }, func(p uint64) string { return "movzx " + name32(a) + ", " + memText("byte", m, p) }},
			{func(c *Code) { c.Store(m, a) }, func(p uint64) string { return "mov " + memText("qword", m, p) + ", " + names[a] }},
			{func(c *Code) { c.Store32(m, a) }, func(p uint64) string { return "mov " + memText("dword", m, p) + ", " + name32(a) }},
			{func(c *Code) { c.Store16(m, a) }, func(p uint64) string { return "mov " + memText("word", m, p) + ", " + name16(a) }},
			{func(c *Code) { c.Store8(m, a|8) }, func(p uint64) string {
				return "mov " + memText("byte", m, p) + ", " + names[a|8] + "b"
			}},
			{func(c *Code) { c.StoreImm32(m, uint32(v)) }, func(p uint64) string { return "mov " + memText("dword", m, p) + ", " + imm(v) }},
			{func(c *Code) { c.StoreImm(m, v) }, func(p uint64) string { return fmt.Sprintf("mov %s, %s", memText("qword", m, p), imm(v)) }},
			{func(c *Code) { c.Lea(a, m) }, func(p uint64) string { return "lea " + names[a] + ", " + memText("", m, p) }},
			{func(c *Code) { c.Mov(a, b) }, func(uint64) string { return "mov " + names[a] + ", " + names[b] }},
			{func(c *Code) { c.Add(a, b) }, func(uint64) string { return "add " + names[a] + ", " + names[b] }},
			{func(c *Code) { c.Sub(a, b) }, func(uint64) string { return "sub " + names[a] + ", " + names[b] }},
			{func(c *Code) { c.Or(a, b) }, func(uint64) string { return "or " + names[a] + ", " + names[b] }},
			{func(c *Code) { c.And(a, b) }, func(uint64) string { return "and " + names[a] + ", " + names[b] }},
			{func(c *Code) { c.Cmp(a, b) }, func(uint64) string { return "cmp " + names[a] + ", " + names[b] }},
			{func(c *Code) { c.Test(a, b) }, func(uint64) string { return "test " + names[a] + ", " + names[b] }},
			{func(c *Code) { c.Xor32(a, b) }, func(uint64) string { return "xor " + name32(a) + ", " + name32(b) }},
			{func(c *Code) { c.AddImm(a, v) }, func(uint64) string { return "add " + names[a] + ", " + imm(v) }},
			{func(c *Code) { c.SubImm(a, v) }, func(uint64) string { return "sub " + names[a] + ", " + imm(v) }},
			{func(c *Code) { c.AndImm(a, v) }, func(uint64) string { return "and " + names[a] + ", " + imm(v) }},
			{func(c *Code) { c.CmpImm(a, v) }, func(uint64) string { return "cmp " + names[a] + ", " + imm(v) }},
			{func(c *Code) { c.Imul(a, b, v) }, func(uint64) string { return "imul " + names[a] + ", " + names[b] + ", " + imm(v) }},
			{func(c *Code) { c.SubMem(a, m) }, func(p uint64) string { return "sub " + names[a] + ", " + memText("qword", m, p) }},
			{func(c *Code) { c.AddMem(a, m) }, func(p uint64) string { return "add " + names[a] + ", " + memText("qword", m, p) }},
			{func(c *Code) { c.Mul(a, b) }, func(uint64) string { return "imul " + names[a] + ", " + names[b] }},
			{func(c *Code) { c.CmpMem(a, m) }, func(p uint64) string { return "cmp " + names[a] + ", " + memText("qword", m, p) }},
			{func(c *Code) { c.CmpMemImm(m, v) }, func(p uint64) string { return "cmp " + memText("qword", m, p) + ", " + imm(v) }},
			{func(c *Code) { c.CmpMem32Imm(m, v) }, func(p uint64) string {
				return "cmp " + memText("dword", m, p) + ", " + imm(v)
			}},
			{func(c *Code) { c.CmpMem8Imm(m, byte(v)) }, func(p uint64) string {
				return "cmp " + memText("byte", m, p) + ", " + imm(int32(byte(v)))
			}},
			{func(c *Code) { c.Inc(m) }, func(p uint64) string { return "inc " + memText("qword", m, p) }},
			{func(c *Code) { c.LockInc(m) }, func(p uint64) string { return "lock inc " + memText("qword", m, p) }},
			{func(c *Code) { c.LockInc16(m) }, func(p uint64) string { return "lock inc " + memText("word", m, p) }},
			{func(c *Code) { c.LockCmpxchg(m, a) }, func(p uint64) string {
				return "lock cmpxchg " + memText("qword", m, p) + ", " + names[a]
			}},
			{func(c *Code) { c.Shl(a, shift) }, func(uint64) string { return fmt.Sprintf("shl %s, %#x", names[a], shift) }},
			{func(c *Code) { c.Shr(a, shift) }, func(uint64) string { return fmt.Sprintf("shr %s, %#x", names[a], shift) }},
			{func(c *Code) { c.Cmov(cond, a, b) }, func(uint64) string { return "cmov" + cc + " " + names[a] + ", " + names[b] }},
			{func(c *Code) { c.JTo(cond, at+0x1000) }, func(p uint64) string { return fmt.Sprintf("j%s .%+#x", cc, at+0x1000-p) }},
			{func(c *Code) { c.JmpTo(at + 0x1000) }, func(p uint64) string { return fmt.Sprintf("jmp .%+#x", at+0x1000-p) }},
			{func(c *Code) { c.JmpReg(a) }, func(uint64) string { return "jmp " + names[a] }},
			{func(c *Code) { c.Push(a) }, func(uint64) string { return "push " + names[a] }},
			{func(c *Code) { c.Pop(a) }, func(uint64) string { return "pop " + names[a] }},
			{func(c *Code) { c.Ret() }, func(uint64) string { return "ret" }},
			{func(c *Code) { c.Int3() }, func(uint64) string { return "int3" }},
			{func(c *Code) { c.Syscall() }, func(uint64) string { return "syscall" }},
			{func(c *Code) { c.Lfence() }, func(uint64) string { return "lfence" }},
			{func(c *Code) { c.Rdtsc() }, func(uint64) string { return "rdtsc" }},
			{func(c *Code) { c.Pause() }, func(uint64) string { return "pause" }},
			{func(c *Code) { c.StoreX(m, a) }, func(p uint64) string { return fmt.Sprintf("movsd %s, xmm%d", memText("qword", m, p), a) }},
			{func(c *Code) { c.LoadX16(a, m) }, func(p uint64) string { return fmt.Sprintf("movups xmm%d, %s", a, memText("xmmword", m, p)) }},
			{func(c *Code) { c.StoreX16(m, a) }, func(p uint64) string { return fmt.Sprintf("movups %s, xmm%d", memText("xmmword", m, p), a) }},
			{func(c *Code) { c.ZeroX(a) }, func(uint64) string { return fmt.Sprintf("xorps xmm%d, xmm%d", a, a) }},
		}
		for i, k := range cases {
			c := New(at)
			k.emit(c)
			code, err := c.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			in, err := x86asm.Decode(code, 64)
			if err != nil || in.Len != len(code) {
				t.Fatalf("case %d: % x: %v, %d bytes of %d", i, code, err, in.Len, len(code))
			}
			want := normal(k.want(at + uint64(len(code))))
			if got := normal(x86asm.IntelSyntax(in, 0, nil)); got != want {
				t.Errorf("case %d: % x reads %q, want %q", i, code, got, want)
			}
		}
	})
}

func drawMem(t *rapid.T, reg *rapid.Generator[Reg]) Mem {
	disp := rapid.Int32Range(-300, 300).Draw(t, "disp")
	base := reg.Draw(t, "base")
	switch rapid.IntRange(0, 2).Draw(t, "mode") {
	case 0:
		return At(base, disp)
	case 1:
		index := reg.Filter(func(r Reg) bool { return r != RSP }).Draw(t, "index")
		return Indexed(base, index, rapid.SampledFrom([]uint8{1, 2, 4, 8}).Draw(t, "scale"), disp)
	}
	return Abs(uint64(int64(0x20000000) + 100000 + int64(disp)))
}

func imm(v int32) string {
	if v < 0 {
		return fmt.Sprintf("-%#x", -int64(v))
	}
	return fmt.Sprintf("%#x", v)
}

// normal evens out how the two sides write the same thing.
func normal(s string) string {
	for _, word := range []string{"xmmword", "qword", "dword", "word", "byte", "ptr ", "1*"} {
		s = strings.ReplaceAll(s, word, "")
	}
	s = strings.ReplaceAll(s, ",", ", ")
	return strings.Join(strings.Fields(s), " ")
}

// TestMovImm checks the three lengths of a constant.
func TestMovImm(t *testing.T) {
	for _, v := range []uint64{0, 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, ^uint64(0), ^uint64(0) - 1<<31, 0x123456789ABCDEF0} {
		for r := RAX; r <= R15; r++ {
			c := New(0)
			c.MovImm(r, v)
			code, _ := c.Bytes()
			in, err := x86asm.Decode(code, 64)
			if err != nil || in.Len != len(code) {
				t.Fatalf("% x: %v", code, err)
			}
			got := uint64(in.Args[1].(x86asm.Imm))
			if len(code) <= 6 {
				got &= 1<<32 - 1
			}
			if got != v {
				t.Errorf("%#x in %s: % x reads %#x", v, names[r], code, got)
			}
		}
	}
}

// TestLabels: branches lead where the labels are bound, forwards and backwards.
func TestLabels(t *testing.T) {
	c := New(0x1000)
	back, ahead := c.NewLabel(), c.NewLabel()
	c.Bind(back)
	c.Jmp(ahead)
	c.J(Equal, back)
	c.LeaLabel(R15, ahead)
	c.Call(back)
	c.Bind(ahead)
	code, err := c.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	want := []int{c.Offset(ahead), 0, c.Offset(ahead), 0}
	for pos, i := 0, 0; pos < len(code); i++ {
		in, err := x86asm.Decode(code[pos:], 64)
		if err != nil {
			t.Fatal(err)
		}
		pos += in.Len
		var d int
		switch a := in.Args[0].(type) {
		case x86asm.Rel:
			d = int(a)
		default:
			d = int(in.Args[1].(x86asm.Mem).Disp)
		}
		if pos+d != want[i] {
			t.Errorf("instruction %d leads to %d, want %d", i, pos+d, want[i])
		}
	}
}

// TestUnboundLabelAndFarAddress: mistakes are reported, not encoded.
func TestUnboundLabelAndFarAddress(t *testing.T) {
	c := New(0)
	c.Jmp(c.NewLabel())
	if _, err := c.Bytes(); err == nil {
		t.Error("a branch to nowhere was encoded")
	}
	c = New(0)
	c.JmpTo(1 << 40)
	if _, err := c.Bytes(); err == nil {
		t.Error("a branch over 1 TiB was encoded")
	}
}

// TestNop reads what does nothing back: it is as long as asked for, and is nothing else.
func TestNop(t *testing.T) {
	for n := range 40 {
		c := New(0x1000)
		c.Nop(n)
		code, err := c.Bytes()
		if err != nil || len(code) != n {
			t.Fatalf("%d bytes: %d, %v", n, len(code), err)
		}
		for len(code) > 0 {
			in, err := x86asm.Decode(code, 64)
			if err != nil || in.Op != x86asm.NOP && in.Op != x86asm.XCHG {
				t.Fatalf("%d bytes: %v, %v", n, in, err)
			}
			code = code[in.Len:]
		}
	}
}
