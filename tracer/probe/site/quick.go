package site

// What follows the opcodes of the two maps that nearly all instructions are from, and what they do to the flow of control.
var (
	twoByteForms = func() (t [256]form) {
		for op := range t {
			t[op] = twoByteForm(byte(op))
		}
		return t
	}()
	oneByteFlows, twoByteFlows = func() (one, two [256]Flow) {
		for op := range one {
			one[op] = (&Inst{Opcode: byte(op)}).flow()
			two[op] = (&Inst{Opcode: byte(op), Map: 1}).flow()
		}
		return one, two
	}()
	// slowForms are the opcodes of the first map that are prefixes, or begin what Decode alone knows.
	slowForms = func() (t [256]bool) {
		for _, op := range []byte{0x26, 0x2E, 0x36, 0x3E, 0x62, 0x64, 0x65, 0x66, 0x67, 0xC4, 0xC5, 0xF0, 0xF2, 0xF3} {
			t[op] = true
		}
		for op := 0x40; op < 0x50; op++ {
			t[op] = true
		}
		return t
	}()
)

// step is what a walk over code has to know of an instruction.
type step struct {
	length   int // 0: ask Decode
	flow     Flow
	opcode   byte
	first    bool  // the opcode is of the first map
	distance int64 // of a branch
}

// quickStep measures a usual instruction at the start of code, some five times as fast as Decode, with which it agrees.
func quickStep(code []byte) (s step) {
	const longest = 15
	if len(code) < longest {
		return s
	}
	code = code[:longest]
	i := 0
	op := code[0]
	narrow, wide := op == 0x66, false
	if narrow || op == 0xF2 || op == 0xF3 {
		i, op = 1, code[1]
	}
	if op&0xF0 == 0x40 {
		wide = op&8 != 0
		i++
		op = code[i]
	}
	var f form
	if op == 0x0F {
		i++
		op = code[i]
		if op == 0x38 || op == 0x3A {
			return s
		}
		f, s.flow = twoByteForms[op], twoByteFlows[op]
	} else {
		if slowForms[op] {
			return s
		}
		f, s.flow, s.first = oneByteForms[op], oneByteFlows[op], true
	}
	if f&formInvalid != 0 {
		return step{}
	}
	s.opcode = op
	i++
	if f&formModRM != 0 {
		m := code[i]
		i++
		mod, rm := m>>6, m&7
		if mod != 3 {
			if rm == 4 {
				if mod == 0 && code[i]&7 == 5 {
					i += 4
				}
				i++
			}
			switch {
			case mod == 1:
				i++
			case mod == 2, mod == 0 && rm == 5:
				i += 4
			}
		}
		if s.first {
			switch reg := m >> 3 & 7; {
			case op == 0xFF:
				s.flow = (&Inst{Opcode: op, ModRM: m}).flow()
			case (op == 0xF6 || op == 0xF7) && reg > 1:
				f &^= formImm8 | formImmZ // only TEST has an immediate
			}
		}
	}
	switch {
	case f&formRel8 != 0:
		s.distance = int64(int8(code[i]))
		i++
	case f&formRel32 != 0:
		s.distance = int64(little32(code[i:]))
		i += 4
	case f&formImmV != 0 && wide, f&formOffset != 0:
		i += 8
	case f&(formImmZ|formImmV) != 0 && narrow:
		i += 2
	case f&(formImmZ|formImmV) != 0:
		i += 4
	}
	if f&formImm8 != 0 {
		i++
	}
	if f&formImm16 != 0 {
		i += 2
	}
	if i > longest {
		return step{}
	}
	s.length = i
	return s
}

// stepAt measures the instruction at the start of code; false where there is none.
func stepAt(code []byte) (step, bool) {
	if s := quickStep(code); s.length > 0 {
		return s, true
	}
	in, err := Decode(code, 0)
	if err != nil {
		return step{}, false
	}
	s := step{length: int(in.Len), flow: in.Flow, opcode: in.Opcode, first: in.Map == 0 && !in.Wide}
	if in.RelLen > 0 {
		s.distance = int64(in.Distance)
	}
	return s, true
}

// hopForm is how long a usual instruction is behind its opcode, and what it does to the flow of control.
type hopForm struct {
	length uint8 // of the immediate, or of the distance of a branch; hopSlow: ask stepAt
	modRM  bool
	wider  bool // with REX.W the immediate has eight bytes
	flow   Flow
}

const hopSlow = 0xFF

// hopForms holds the forms of the opcodes of the two maps; hopModRM how many bytes follow a ModRM, as far as it says that alone.
var (
	hopForms = func() (t [2][256]hopForm) {
		for op := range 256 {
			t[0][op] = hopFormOf(oneByteForms[op], oneByteFlows[op])
			t[1][op] = hopFormOf(twoByteForms[op], twoByteFlows[op])
			if slowForms[op] || op == 0x0F || op == 0xF6 || op == 0xF7 || op == 0xFF {
				t[0][op] = hopForm{length: hopSlow}
			}
		}
		t[0][0xCC] = hopForm{flow: FlowTrap}
		t[1][0x38], t[1][0x3A] = hopForm{length: hopSlow}, hopForm{length: hopSlow}
		return t
	}()
	hopModRM = func() (t [256]uint8) {
		for m := range t {
			mod, rm := m>>6, m&7
			switch {
			case mod == 3:
				continue
			case mod == 1:
				t[m] = 1
			case mod == 2, mod == 0 && rm == 5:
				t[m] = 4
			}
			if rm == 4 {
				t[m]++
			}
		}
		return t
	}()
)

func hopFormOf(f form, flow Flow) hopForm {
	h := hopForm{modRM: f&formModRM != 0, wider: f&formImmV != 0, flow: flow}
	switch flow {
	case FlowNext, FlowJump, FlowCond, FlowCall, FlowRet:
	default:
		return hopForm{length: hopSlow}
	}
	switch {
	case f&(formInvalid|formImm16|formOffset) != 0:
		return hopForm{length: hopSlow}
	case f&formRel8 != 0:
		h.length = 1
	case f&(formRel32|formImmZ|formImmV) != 0:
		h.length = 4
	}
	if f&formImm8 != 0 {
		h.length++
	}
	return h
}

// hop is quickStep for the instructions that nearly all are, at a position of code: it returns the position behind one, 0 for those that it
// does not know, and the distance of a branch. It takes a quarter of the time. The only FlowTrap that it knows is int3.
func hop(code []byte, at int) (end int, flow Flow, distance int64) {
	const longest = 15
	if at+longest > len(code) {
		return 0, 0, 0
	}
	b := (*[longest]byte)(code[at:])
	i, op := 0, b[0]
	rex := byte(0)
	if op&0xF0 == 0x40 {
		rex = op
		i, op = 1, b[1]
	}
	forms := &hopForms[0]
	if op == 0x0F {
		i++
		op = b[i]
		forms = &hopForms[1]
	}
	f := &forms[op]
	if f.length == hopSlow {
		return 0, 0, 0
	}
	i++
	if f.modRM {
		m := b[i]
		i++
		if m&0xC7 == 4 && b[i]&7 == 5 { // a base of none
			i += 4
		}
		i += int(hopModRM[m])
	}
	if f.wider && rex&8 != 0 {
		i += 4
	}
	i += int(f.length)
	if f.flow == FlowNext {
		return at + i, FlowNext, 0
	}
	switch f.length {
	case 1:
		distance = int64(int8(b[i-1]))
	case 4:
		distance = int64(little32(b[i-4 : i]))
	}
	return at + i, f.flow, distance
}
