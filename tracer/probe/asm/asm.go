// Package asm writes x86-64 machine code: only the instructions that probe routines are made of, each one tested against
// a disassembler.
//
// Start with [New] and the address the code will run at; end with [Code.Bytes], which reports the first mistake.
package asm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Reg is a general register, or an XMM register where an instruction asks for one.
type Reg uint8

// The general registers in the order of their encoding.
const (
	RAX Reg = iota
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
	none
)

// Cond is a condition in the order of its encoding.
type Cond uint8

// The conditions that are used.
const (
	Below      Cond = 2 // unsigned
	AboveEqual Cond = 3
	Equal      Cond = 4
	NotEqual   Cond = 5
	BelowEqual Cond = 6
	Above      Cond = 7
	Sign       Cond = 8
	Less       Cond = 12 // signed
	GreaterEq  Cond = 13
)

// Mem is an operand in memory.
type Mem struct {
	base, index Reg
	scale       uint8 // 1, 2, 4, 8
	disp        int32
	addr        uint64 // with base none: an address reached relative to the instruction pointer
}

// At is the memory at base + disp.
func At(base Reg, disp int32) Mem { return Mem{base: base, index: none, disp: disp} }

// Indexed is the memory at base + index×scale + disp. RSP cannot be an index.
func Indexed(base, index Reg, scale uint8, disp int32) Mem {
	return Mem{base: base, index: index, scale: scale, disp: disp}
}

// Abs is the memory at a fixed address, which must be within 2 GiB of the code.
func Abs(addr uint64) Mem { return Mem{base: none, index: none, addr: addr} }

// Label is a place in the code that branches can lead to before it is known.
type Label int32

// Code is machine code in the making. The zero value is not usable; see New.
type Code struct {
	buf  []byte
	addr uint64
	// labels are the offsets of labels. While a label is unbound it has unbound, or waiting(at) of the last branch that leads to it; in that
	// branch's place for the distance stands what the label had before.
	labels []int32
	open   int // branches to labels that are unbound
	err    error
}

const unbound = -1

// waiting is what a label has while the branch whose distance belongs at an offset waits for it. It is its own inverse.
func waiting(at int32) int32 { return unbound - 1 - at }

// New begins code that will run at addr.
func New(addr uint64) *Code { return &Code{addr: addr} }

// NewIn is New for code that is written to the capacity of room, as far as that goes; Bytes then returns a part of it.
func NewIn(addr uint64, room []byte) *Code {
	const branch = 96 // room for that many bytes, most of which stays free, has room for a label
	return &Code{addr: addr, buf: room[:0], labels: make([]int32, 0, cap(room)/branch)}
}

// PC returns the address of the next instruction.
func (c *Code) PC() uint64 { return c.addr + uint64(len(c.buf)) }

// Len returns the number of bytes written so far.
func (c *Code) Len() int { return len(c.buf) }

// NewLabel returns a label that is bound later.
func (c *Code) NewLabel() Label {
	c.labels = append(c.labels, unbound)
	return Label(len(c.labels) - 1)
}

// Bind places a label at the next instruction.
func (c *Code) Bind(l Label) {
	to := int32(len(c.buf))
	for next := c.labels[l]; next < unbound; c.open-- {
		at := waiting(next)
		next = int32(binary.LittleEndian.Uint32(c.buf[at:]))
		binary.LittleEndian.PutUint32(c.buf[at:], uint32(to-at-4))
	}
	c.labels[l] = to
}

// Offset returns the offset of a bound label.
func (c *Code) Offset(l Label) int { return int(c.labels[l]) }

// Bytes returns the code. The error is the first thing that went wrong.
func (c *Code) Bytes() ([]byte, error) {
	if c.open > 0 {
		l := slices.IndexFunc(c.labels, func(at int32) bool { return at < unbound })
		return nil, fmt.Errorf("label %d has no place", l)
	}
	return c.buf, c.err
}

// Raw appends bytes that are already encoded for this place.
func (c *Code) Raw(b ...byte) { c.buf = append(c.buf, b...) }

// Align appends int3 up to a multiple of n, a power of two.
func (c *Code) Align(n int) {
	for c.PC()&uint64(n-1) != 0 {
		c.Raw(0xCC)
	}
}

func (c *Code) imm32(v int32) { c.buf = binary.LittleEndian.AppendUint32(c.buf, uint32(v)) }

// relative appends the distance to addr, with trailing more bytes of the instruction to come.
func (c *Code) relative(addr uint64, trailing int) {
	d := int64(addr - (c.PC() + 4 + uint64(trailing)))
	if d < math.MinInt32 || d > math.MaxInt32 {
		c.fail(fmt.Sprintf("%#x is more than 2 GiB from %#x", addr, c.PC()))
	}
	c.imm32(int32(d))
}

func (c *Code) fail(why string) {
	if c.err == nil {
		c.err = errors.New(why)
	}
}

func (c *Code) toLabel(l Label) {
	at := int32(len(c.buf))
	to := c.labels[l]
	if to >= 0 { // backwards
		c.imm32(to - at - 4)
		return
	}
	c.imm32(to)
	c.labels[l] = waiting(at)
	c.open++
}

// op is an opcode with its prefixes: one mandatory prefix or 0, whether REX.W is set, and one or two bytes of opcode.
type op struct {
	prefix byte
	wide   bool
	escape bool // 0F comes first
	code   byte
}

// mem encodes an instruction with a register, or an opcode extension, and an operand in memory. trailing is the number of
// immediate bytes that follow.
func (c *Code) mem(o op, reg Reg, m Mem, trailing int) {
	rex := byte(0)
	if o.wide {
		rex |= 8
	}
	rex |= byte(reg) >> 3 << 2
	if m.index != none {
		rex |= byte(m.index) >> 3 << 1
	}
	if m.base != none {
		rex |= byte(m.base) >> 3
	}
	b := o.append(c.buf, rex)
	r := byte(reg) & 7 << 3
	switch {
	case m.base == none:
		c.buf = append(b, r|5)
		c.relative(m.addr, trailing)
		return
	case m.index != none:
		scale := byte(bits.TrailingZeros8(m.scale))
		b = m.appendDisplaced(b, r|4, scale<<6|byte(m.index)&7<<3|byte(m.base)&7)
	case m.base&7 == RSP:
		b = m.appendDisplaced(b, r|4, 0x24)
	default:
		b = m.appendDisplaced(b, r|byte(m.base)&7, 0)
	}
	c.buf = b
}

// appendDisplaced appends ModRM, SIB when ModRM asks for one, and the shortest displacement.
func (m *Mem) appendDisplaced(b []byte, modrm, sib byte) []byte {
	short := m.disp == int32(int8(m.disp))
	none := m.disp == 0 && m.base&7 != RBP
	switch {
	case none:
	case short:
		modrm |= 0x40
	default:
		modrm |= 0x80
	}
	if b = append(b, modrm); modrm&7 == 4 {
		b = append(b, sib)
	}
	switch {
	case none:
		return b
	case short:
		return append(b, byte(m.disp))
	}
	return binary.LittleEndian.AppendUint32(b, uint32(m.disp))
}

// append appends prefixes and opcode.
func (o op) append(b []byte, rex byte) []byte {
	if o.prefix != 0 {
		b = append(b, o.prefix)
	}
	if rex != 0 {
		b = append(b, 0x40|rex)
	}
	if o.escape {
		b = append(b, 0x0F)
	}
	return append(b, o.code)
}

func (c *Code) head(o op, rex byte) { c.buf = o.append(c.buf, rex) }

// reg encodes an instruction with two registers, rm being the one in the ModRM field of that name.
func (c *Code) reg(o op, reg, rm Reg) {
	rex := byte(reg)>>3<<2 | byte(rm)>>3
	if o.wide {
		rex |= 8
	}
	c.buf = append(o.append(c.buf, rex), 0xC0|byte(reg)&7<<3|byte(rm)&7)
}

func w(code byte) op  { return op{wide: true, code: code} }
func n(code byte) op  { return op{code: code} }
func w2(code byte) op { return op{wide: true, escape: true, code: code} }
func n2(code byte) op { return op{escape: true, code: code} }
