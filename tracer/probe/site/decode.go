package site

import "errors"

// Flow is what an instruction does to the flow of control.
type Flow uint8

const (
	FlowNext         Flow = iota // goes on behind it
	FlowJump                     // jmp with a constant distance
	FlowCond                     // jcc with a constant distance
	FlowLoop                     // loop, jrcxz: a constant distance of one byte that cannot be widened
	FlowCall                     // call with a constant distance
	FlowIndirectJump             // jmp through a register or memory
	FlowIndirectCall             // call through a register or memory
	FlowRet                      // near return without operand
	FlowTrap                     // int3, ud2, hlt
	FlowOther                    // far returns, syscall, interrupts
)

// Inst is the shape of one instruction: as much as is needed to find its end and to move it.
type Inst struct {
	Addr     uint64
	Distance int32 // branch distance, or RIP-relative displacement

	Len    uint8
	Flow   Flow
	Opcode byte // last opcode byte
	Map    byte // 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A; VEX and EVEX use the same numbers
	Rex    byte // REX prefix, 0 when there is none
	ModRM  byte // valid with HasModRM
	Wide   bool // VEX or EVEX encoded

	HasModRM bool
	Prefixed bool  // an operand-size, repeat, lock or segment prefix is present
	RIP      uint8 // offset of a RIP-relative displacement of four bytes, 0 when there is none
	Rel      uint8 // offset of a branch distance, 0 when there is none
	RelLen   uint8 // 1 or 4
}

// Target returns the address a branch, or a RIP-relative operand, refers to.
func (i *Inst) Target() uint64 { return i.Addr + uint64(i.Len) + uint64(int64(i.Distance)) }

// End returns the address behind the instruction.
func (i *Inst) End() uint64 { return i.Addr + uint64(i.Len) }

var (
	errShort   = errors.New("instruction goes beyond its bytes")
	errInvalid = errors.New("no instruction of 64-bit mode")
)

// Decode measures the instruction at the start of code, which lies at addr. It knows every encoding of 64-bit mode up to
// AVX-512, VEX and EVEX included; it does not check that the processor has the instruction.
func Decode(code []byte, addr uint64) (Inst, error) {
	d := decoder{code: code, inst: Inst{Addr: addr}}
	if err := d.run(); err != nil {
		return Inst{}, err
	}
	return d.inst, nil
}

type decoder struct {
	code   []byte
	pos    int
	inst   Inst
	opSize bool // 66
	adSize bool // 67
}

func (d *decoder) byte() (byte, error) {
	if d.pos >= len(d.code) || d.pos >= 15 {
		return 0, errShort
	}
	b := d.code[d.pos]
	d.pos++
	return b, nil
}

func (d *decoder) run() error {
	op, err := d.prefixes()
	if err != nil {
		return err
	}
	var form form
	switch {
	case op == 0xC5 || op == 0xC4 || op == 0x62:
		form, err = d.vector(op)
	case op == 0x0F:
		form, err = d.twoByte()
	default:
		d.inst.Opcode = op
		form = oneByteForms[op]
	}
	if err != nil {
		return err
	}
	if form&formInvalid != 0 {
		return errInvalid
	}
	if form&formModRM != 0 {
		if err := d.modRM(); err != nil {
			return err
		}
	}
	return d.finish(form)
}

func (d *decoder) prefixes() (byte, error) {
	for {
		b, err := d.byte()
		if err != nil {
			return 0, err
		}
		switch b {
		case 0x66:
			d.opSize, d.inst.Prefixed, d.inst.Rex = true, true, 0
		case 0x67:
			d.adSize, d.inst.Prefixed, d.inst.Rex = true, true, 0
		case 0xF0, 0xF2, 0xF3, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65:
			d.inst.Prefixed, d.inst.Rex = true, 0
		default:
			if b&0xF0 == 0x40 {
				d.inst.Rex = b
				continue
			}
			return b, nil
		}
	}
}

func (d *decoder) twoByte() (form, error) {
	op, err := d.byte()
	if err != nil {
		return 0, err
	}
	d.inst.Map = 1
	switch op {
	case 0x38:
		d.inst.Map = 2
		d.inst.Opcode, err = d.byte()
		return formModRM, err
	case 0x3A:
		d.inst.Map = 3
		d.inst.Opcode, err = d.byte()
		return formModRM | formImm8, err
	}
	d.inst.Opcode = op
	return twoByteForm(op), nil
}

// vector reads a VEX (C4, C5) or EVEX (62) prefix and the opcode behind it.
func (d *decoder) vector(op byte) (form, error) {
	d.inst.Wide = true
	d.inst.Map = 1
	n := map[byte]int{0xC5: 1, 0xC4: 2, 0x62: 3}[op]
	for i := range n {
		b, err := d.byte()
		if err != nil {
			return 0, err
		}
		if i == 0 && op == 0xC4 {
			d.inst.Map = b & 0x1F
		}
		if i == 0 && op == 0x62 {
			d.inst.Map = b & 7
		}
	}
	o, err := d.byte()
	if err != nil {
		return 0, err
	}
	d.inst.Opcode = o
	switch d.inst.Map {
	case 1:
		if o == 0x77 {
			return 0, nil
		}
		return formModRM | twoByteForm(o)&formImm8, nil
	case 2, 5, 6:
		return formModRM, nil
	case 3:
		return formModRM | formImm8, nil
	}
	return formInvalid, nil
}

func (d *decoder) modRM() error {
	m, err := d.byte()
	if err != nil {
		return err
	}
	d.inst.ModRM, d.inst.HasModRM = m, true
	mod, rm := m>>6, m&7
	if mod == 3 {
		return nil
	}
	disp := 0
	if rm == 4 {
		sib, err := d.byte()
		if err != nil {
			return err
		}
		if mod == 0 && sib&7 == 5 {
			disp = 4
		}
	}
	switch {
	case mod == 0 && rm == 5:
		disp = 4
		d.inst.RIP = uint8(d.pos)
	case mod == 1:
		disp = 1
	case mod == 2:
		disp = 4
	}
	return d.skip(disp)
}

func (d *decoder) skip(n int) error {
	if d.pos+n > len(d.code) || d.pos+n > 15 {
		return errShort
	}
	d.pos += n
	return nil
}

// finish reads immediates and classifies the instruction.
func (d *decoder) finish(f form) error {
	in := &d.inst
	reg := in.ModRM >> 3 & 7
	if in.Map == 0 && !in.Wide && (in.Opcode == 0xF6 || in.Opcode == 0xF7) && reg > 1 {
		f &^= formImm8 | formImmZ // only TEST has an immediate
	}
	imm := 0
	switch {
	case f&formRel8 != 0:
		in.Rel, in.RelLen, imm = uint8(d.pos), 1, 1
	case f&formRel32 != 0:
		in.Rel, in.RelLen, imm = uint8(d.pos), 4, 4
	case f&formImmV != 0 && in.Rex&8 != 0:
		imm = 8
	case f&(formImmZ|formImmV) != 0:
		imm = 4
		if d.opSize {
			imm = 2
		}
	case f&formOffset != 0:
		imm = 8
		if d.adSize {
			imm = 4
		}
	}
	if f&formImm8 != 0 {
		imm++
	}
	if f&formImm16 != 0 {
		imm += 2
	}
	if err := d.skip(imm); err != nil {
		return err
	}
	in.Len = uint8(d.pos)
	switch {
	case in.RelLen == 1:
		in.Distance = int32(int8(d.code[in.Rel]))
	case in.RelLen == 4:
		in.Distance = little32(d.code[in.Rel:])
	case in.RIP != 0:
		in.Distance = little32(d.code[in.RIP:])
	}
	in.Flow = in.flow()
	return nil
}

func little32(b []byte) int32 {
	return int32(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24)
}

func (i *Inst) flow() Flow {
	if i.Wide {
		return FlowNext
	}
	if i.Map == 1 {
		switch {
		case i.Opcode&0xF0 == 0x80:
			return FlowCond
		case i.Opcode == 0x0B, i.Opcode == 0xB9, i.Opcode == 0xFF:
			return FlowTrap
		case i.Opcode == 0x05, i.Opcode == 0x07, i.Opcode == 0x34, i.Opcode == 0x35:
			return FlowOther
		}
		return FlowNext
	}
	if i.Map != 0 {
		return FlowNext
	}
	switch op := i.Opcode; {
	case op&0xF0 == 0x70:
		return FlowCond
	case op >= 0xE0 && op <= 0xE3:
		return FlowLoop
	case op == 0xE8:
		return FlowCall
	case op == 0xE9, op == 0xEB:
		return FlowJump
	case op == 0xC3:
		return FlowRet
	case op == 0xCC, op == 0xF4, op == 0xF1:
		return FlowTrap
	case op == 0xC2, op == 0xCA, op == 0xCB, op == 0xCD, op == 0xCF, op == 0xC8:
		return FlowOther
	case op == 0xFF:
		switch i.ModRM >> 3 & 7 {
		case 2:
			return FlowIndirectCall
		case 4:
			return FlowIndirectJump
		case 3, 5:
			return FlowOther
		}
	}
	return FlowNext
}
