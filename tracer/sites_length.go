package tracer

// instruction is what must be known of one amd64 instruction: where the next one begins and where it jumps to.
type instruction struct {
	length int
	opcode byte // the last opcode byte
	table  byte // 0: one-byte opcodes, 1: 0F, 2: 0F 38, 3: 0F 3A
	jumps  bool // to target, relative to the instruction's end
	target int
}

// decode measures the instruction that code begins with. It is written for code that Go's compiler makes, vector instructions
// included; false for anything else, so that a return is never guessed.
func decode(code []byte) (instruction, bool) {
	d := decoder{code: code, immediate: 4}
	ok := d.prefixes() && d.opcode() && d.operands()
	if !ok || d.at > len(code) || d.at > 15 {
		return instruction{}, false
	}
	d.ins.length = d.at
	if d.ins.jumps {
		d.ins.target = d.relative()
	}
	return d.ins, true
}

type decoder struct {
	code      []byte
	at        int
	ins       instruction
	immediate int // bytes of an operand-sized immediate: 2 with prefix 66
	wide      bool
	vector    bool // VEX or EVEX
	address32 bool
	relSize   int
}

func (d *decoder) next() (byte, bool) {
	if d.at >= len(d.code) {
		return 0, false
	}
	d.at++
	return d.code[d.at-1], true
}

func (d *decoder) prefixes() bool {
	for {
		c, ok := d.next()
		if !ok {
			return false
		}
		switch c {
		case 0x66:
			d.immediate = 2
		case 0x67:
			d.address32 = true
		case 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65:
		default:
			if c&0xf0 == 0x40 {
				d.wide = c&8 != 0
				if c, ok = d.next(); !ok {
					return false
				}
			}
			d.ins.opcode = c
			return true
		}
	}
}

// opcode finds the opcode and its table, behind vector prefixes too.
func (d *decoder) opcode() bool {
	var table byte
	ok := true
	switch d.ins.opcode {
	case 0xc5:
		_, ok = d.next()
		table = 1
	case 0xc4:
		table, ok = d.next()
		table &= 0x1f
		d.next()
	case 0x62:
		table, ok = d.next()
		table &= 7
		d.next()
		d.next()
	case 0x0f:
		d.ins.table = 1
		d.ins.opcode, ok = d.next()
		if d.ins.opcode == 0x38 || d.ins.opcode == 0x3a {
			d.ins.table = 2 + (d.ins.opcode-0x38)/2
			d.ins.opcode, ok = d.next()
		}
		return ok
	default:
		return true
	}
	if !ok || table < 1 || table > 3 {
		return false
	}
	d.vector, d.ins.table = true, table
	d.ins.opcode, ok = d.next()
	return ok
}

func (d *decoder) operands() bool {
	switch d.ins.table {
	case 0:
		return d.oneByte()
	case 1:
		return d.twoByte()
	case 2:
		return d.modRM(0)
	}
	return d.modRM(1)
}

// modRM skips a ModRM byte, what belongs to it, and an immediate.
func (d *decoder) modRM(immediate int) bool {
	m, ok := d.next()
	if !ok {
		return false
	}
	mod, rm := m>>6, m&7
	if mod != 3 && rm == 4 {
		sib, ok := d.next()
		if !ok {
			return false
		}
		if mod == 0 && sib&7 == 5 {
			d.at += 4
		}
	}
	switch {
	case mod == 0 && rm == 5, mod == 2:
		d.at += 4
	case mod == 1:
		d.at++
	}
	d.at += immediate
	return true
}

// jump notes a jump with an operand of this size.
func (d *decoder) jump(size int) bool {
	d.at += size
	d.ins.jumps, d.relSize = true, size
	return true
}

func (d *decoder) relative() int {
	raw := d.code[d.at-d.relSize : d.at]
	if d.relSize == 1 {
		return int(int8(raw[0]))
	}
	return int(int32(uint32(raw[0]) | uint32(raw[1])<<8 | uint32(raw[2])<<16 | uint32(raw[3])<<24))
}

// twoByte skips the operands of opcodes behind 0F.
func (d *decoder) twoByte() bool {
	op := d.ins.opcode
	switch {
	case d.vector && op == 0x77:
		return true
	case !d.vector && (op >= 0x05 && op <= 0x09 || op == 0x0b || op == 0x0e || op >= 0x30 && op <= 0x37 || op == 0x77 ||
		op >= 0xa0 && op <= 0xa2 || op >= 0xa8 && op <= 0xaa || op >= 0xc8 && op <= 0xcf):
		return true
	case !d.vector && op >= 0x80 && op <= 0x8f:
		return d.jump(4)
	case op >= 0x70 && op <= 0x73, op == 0xc2, op >= 0xc4 && op <= 0xc6,
		!d.vector && (op == 0xa4 || op == 0xac || op == 0xba):
		return d.modRM(1)
	}
	return d.modRM(0)
}

// oneByte skips the operands of opcodes without an escape.
func (d *decoder) oneByte() bool {
	op := d.ins.opcode
	switch {
	case op < 0x40:
		switch op & 7 {
		case 4:
			d.at++
			return true
		case 5:
			d.at += d.immediate
			return true
		case 6, 7:
			return false
		}
		return d.modRM(0)
	case op >= 0x50 && op <= 0x5f, op >= 0x90 && op <= 0x99, op >= 0x9b && op <= 0x9f,
		op >= 0xa4 && op <= 0xa7, op >= 0xaa && op <= 0xaf, op >= 0x6c && op <= 0x6f:
		return true
	case op >= 0x70 && op <= 0x7f, op >= 0xe0 && op <= 0xe3, op == 0xeb:
		return d.jump(1)
	case op == 0xe9:
		return d.jump(4)
	case op >= 0x84 && op <= 0x8f, op >= 0xd0 && op <= 0xd3, op >= 0xd8 && op <= 0xdf, op == 0x63, op >= 0xfe:
		return d.modRM(0)
	case op >= 0xb0 && op <= 0xb7, op == 0x6a, op == 0xa8, op == 0xcd, op >= 0xe4 && op <= 0xe7:
		d.at++
		return true
	case op >= 0xb8 && op <= 0xbf:
		if d.wide {
			d.at += 8
		} else {
			d.at += d.immediate
		}
		return true
	}
	return d.oneByteRest(op)
}

func (d *decoder) oneByteRest(op byte) bool {
	switch op {
	case 0x68, 0xa9:
		d.at += d.immediate
	case 0xe8:
		d.at += 4
	case 0x69, 0x81, 0xc7:
		return d.modRM(d.immediate)
	case 0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6:
		return d.modRM(1)
	case 0xa0, 0xa1, 0xa2, 0xa3:
		d.at += 8
		if d.address32 {
			d.at -= 4
		}
	case 0xc2, 0xca:
		d.at += 2
	case 0xc8:
		d.at += 3
	case 0xf6, 0xf7:
		if d.at >= len(d.code) {
			return false
		}
		immediate := 0
		if d.code[d.at]>>3&7 < 2 { // TEST
			immediate = 1
			if op == 0xf7 {
				immediate = d.immediate
			}
		}
		return d.modRM(immediate)
	case 0xc3, 0xc9, 0xcb, 0xcc, 0xcf, 0xd7, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf4, 0xf5, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd:
	default:
		return false
	}
	return true
}
