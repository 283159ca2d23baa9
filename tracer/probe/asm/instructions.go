package asm

import "encoding/binary"

// Load reads eight bytes.
func (c *Code) Load(dst Reg, m Mem) { c.mem(w(0x8B), dst, m, 0) }

// Load32 reads four bytes and clears the upper half.
func (c *Code) Load32(dst Reg, m Mem) { c.mem(n(0x8B), dst, m, 0) }

// LoadS32 loads four bytes and extends their sign.
func (c *Code) LoadS32(dst Reg, m Mem) { c.mem(w(0x63), dst, m, 0) }

// Load16 reads two bytes and clears the rest.
func (c *Code) Load16(dst Reg, m Mem) { c.mem(n2(0xB7), dst, m, 0) }

// Load8 reads a byte and clears the rest.
func (c *Code) Load8(dst Reg, m Mem) { c.mem(n2(0xB6), dst, m, 0) }

// Store writes eight bytes.
func (c *Code) Store(m Mem, src Reg) { c.mem(w(0x89), src, m, 0) }

// Store32 writes the lower four bytes.
func (c *Code) Store32(m Mem, src Reg) { c.mem(n(0x89), src, m, 0) }

// Store16 writes the lowest two bytes.
func (c *Code) Store16(m Mem, src Reg) { c.mem(op{prefix: 0x66, code: 0x89}, src, m, 0) }

// Store8 writes the lowest byte.
func (c *Code) Store8(m Mem, src Reg) {
	if src < R8 { // the lower ones need a prefix that is not written here
		c.fail("Store8 is written for R8 to R15")
	}
	c.mem(n(0x88), src, m, 0)
}

// StoreImm32 writes four bytes.
func (c *Code) StoreImm32(m Mem, v uint32) {
	c.mem(n(0xC7), 0, m, 4)
	c.imm32(int32(v))
}

// StoreImm writes v, sign-extended to eight bytes.
func (c *Code) StoreImm(m Mem, v int32) {
	c.mem(w(0xC7), 0, m, 4)
	c.imm32(v)
}

// Lea computes an address.
func (c *Code) Lea(dst Reg, m Mem) { c.mem(w(0x8D), dst, m, 0) }

// LeaLabel computes the address of a label.
func (c *Code) LeaLabel(dst Reg, l Label) {
	c.head(w(0x8D), 8|byte(dst)>>3<<2)
	c.Raw(byte(dst)&7<<3 | 5)
	c.toLabel(l)
}

// Mov copies a register.
func (c *Code) Mov(dst, src Reg) { c.reg(w(0x89), src, dst) }

// MovImm sets a register to v, in the shortest of three encodings.
func (c *Code) MovImm(dst Reg, v uint64) {
	switch {
	case v>>32 == 0:
		c.head(n(0xB8|byte(dst)&7), byte(dst)>>3)
		c.imm32(int32(v))
	case int64(v) == int64(int32(v)):
		c.reg(w(0xC7), 0, dst)
		c.imm32(int32(v))
	default:
		c.head(n(0xB8|byte(dst)&7), 8|byte(dst)>>3)
		c.buf = binary.LittleEndian.AppendUint64(c.buf, v)
	}
}

// Add, Sub, Or, And, Xor, Cmp and Test take two registers; dst is the first operand.
func (c *Code) Add(dst, src Reg)   { c.reg(w(0x01), src, dst) }
func (c *Code) Sub(dst, src Reg)   { c.reg(w(0x29), src, dst) }
func (c *Code) Or(dst, src Reg)    { c.reg(w(0x09), src, dst) }
func (c *Code) And(dst, src Reg)   { c.reg(w(0x21), src, dst) }
func (c *Code) Cmp(a, b Reg)       { c.reg(w(0x39), b, a) }
func (c *Code) Test(a, b Reg)      { c.reg(w(0x85), b, a) }
func (c *Code) Xor32(dst, src Reg) { c.reg(n(0x31), src, dst) }

// AddImm, SubImm, AndImm and CmpImm take a sign-extended constant.
func (c *Code) AddImm(dst Reg, v int32) { c.imm(0, dst, v) }
func (c *Code) SubImm(dst Reg, v int32) { c.imm(5, dst, v) }
func (c *Code) AndImm(dst Reg, v int32) { c.imm(4, dst, v) }
func (c *Code) CmpImm(dst Reg, v int32) { c.imm(7, dst, v) }

func (c *Code) imm(ext, dst Reg, v int32) {
	if v == int32(int8(v)) {
		c.reg(w(0x83), ext, dst)
		c.Raw(byte(v))
		return
	}
	c.reg(w(0x81), ext, dst)
	c.imm32(v)
}

// Imul multiplies a register by a constant.
func (c *Code) Imul(dst, src Reg, v int32) {
	c.reg(w(0x69), dst, src)
	c.imm32(v)
}

// Mul multiplies two registers.
func (c *Code) Mul(dst, src Reg) { c.reg(w2(0xAF), dst, src) }

// AddMem adds eight bytes in memory, SubMem subtracts them; CmpMem compares a register with them.
func (c *Code) AddMem(dst Reg, m Mem) { c.mem(w(0x03), dst, m, 0) }
func (c *Code) SubMem(dst Reg, m Mem) { c.mem(w(0x2B), dst, m, 0) }
func (c *Code) CmpMem(a Reg, m Mem)   { c.mem(w(0x3B), a, m, 0) }

// CmpMemImm compares eight bytes in memory with a sign-extended constant, CmpMem32Imm four, CmpMem8Imm one.
func (c *Code) CmpMemImm(m Mem, v int32) {
	c.mem(w(0x81), 7, m, 4)
	c.imm32(v)
}

func (c *Code) CmpMem32Imm(m Mem, v int32) {
	c.mem(n(0x81), 7, m, 4)
	c.imm32(v)
}

func (c *Code) CmpMem8Imm(m Mem, v byte) {
	c.mem(n(0x80), 7, m, 1)
	c.Raw(v)
}

// Inc adds one to eight bytes in memory; LockInc does it for all processors at once, LockInc16 with two bytes.
func (c *Code) Inc(m Mem) { c.mem(w(0xFF), 0, m, 0) }

func (c *Code) LockInc(m Mem) {
	c.Raw(0xF0)
	c.mem(w(0xFF), 0, m, 0)
}

func (c *Code) LockInc16(m Mem) {
	c.Raw(0xF0)
	c.mem(op{prefix: 0x66, code: 0xFF}, 0, m, 0)
}

// LockCmpxchg replaces the memory by src if it equals RAX, else loads it into RAX.
func (c *Code) LockCmpxchg(m Mem, src Reg) {
	c.Raw(0xF0)
	c.mem(w2(0xB1), src, m, 0)
}

// Shl and Shr shift by a constant.
func (c *Code) Shl(dst Reg, v byte) { c.reg(w(0xC1), 4, dst); c.Raw(v) }
func (c *Code) Shr(dst Reg, v byte) { c.reg(w(0xC1), 5, dst); c.Raw(v) }

// Cmov copies src to dst when the condition holds.
func (c *Code) Cmov(cond Cond, dst, src Reg) { c.reg(w2(0x40|byte(cond)), dst, src) }

// J branches to a label on a condition, JTo to an address.
func (c *Code) J(cond Cond, l Label) {
	c.Raw(0x0F, 0x80|byte(cond))
	c.toLabel(l)
}

func (c *Code) JTo(cond Cond, addr uint64) {
	c.Raw(0x0F, 0x80|byte(cond))
	c.relative(addr, 0)
}

// Jmp branches to a label, JmpTo to an address, JmpReg to where a register points.
func (c *Code) Jmp(l Label) {
	c.Raw(0xE9)
	c.toLabel(l)
}

func (c *Code) JmpTo(addr uint64) {
	c.Raw(0xE9)
	c.relative(addr, 0)
}

func (c *Code) JmpReg(r Reg) {
	c.head(n(0xFF), byte(r)>>3)
	c.Raw(0xE0 | byte(r)&7)
}

// Call calls a label.
func (c *Code) Call(l Label) {
	c.Raw(0xE8)
	c.toLabel(l)
}

// Push and Pop move eight bytes.
func (c *Code) Push(r Reg) { c.head(n(0x50|byte(r)&7), byte(r)>>3) }
func (c *Code) Pop(r Reg)  { c.head(n(0x58|byte(r)&7), byte(r)>>3) }

// Instructions without operands.
func (c *Code) Ret()     { c.Raw(0xC3) }
func (c *Code) Int3()    { c.Raw(0xCC) }
func (c *Code) Syscall() { c.Raw(0x0F, 0x05) }
func (c *Code) Lfence()  { c.Raw(0x0F, 0xAE, 0xE8) }
func (c *Code) Rdtsc()   { c.Raw(0x0F, 0x31) }
func (c *Code) Pause()   { c.Raw(0xF3, 0x90) }

// StoreX writes the lower eight bytes of an XMM register. LoadX16 and StoreX16 move all sixteen, aligned or not. ZeroX
// clears one.
func (c *Code) StoreX(m Mem, x Reg)   { c.mem(op{prefix: 0xF2, escape: true, code: 0x11}, x, m, 0) }
func (c *Code) LoadX16(x Reg, m Mem)  { c.mem(n2(0x10), x, m, 0) }
func (c *Code) StoreX16(m Mem, x Reg) { c.mem(n2(0x11), x, m, 0) }
func (c *Code) ZeroX(x Reg)           { c.reg(n2(0x57), x, x) }

// Nop appends n bytes that do nothing, in as few instructions as it takes.
func (c *Code) Nop(n int) {
	for n > 0 {
		k := min(n, len(nops))
		c.Raw(nops[k-1]...)
		n -= k
	}
}

// nops are the instructions that the processor's manuals recommend, by their length.
var nops = [][]byte{
	{0x90},
	{0x66, 0x90},
	{0x0F, 0x1F, 0x00},
	{0x0F, 0x1F, 0x40, 0x00},
	{0x0F, 0x1F, 0x44, 0x00, 0x00},
	{0x66, 0x0F, 0x1F, 0x44, 0x00, 0x00},
	{0x0F, 0x1F, 0x80, 0x00, 0x00, 0x00, 0x00},
	{0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
	{0x66, 0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
}
