package site

// form says what follows an opcode.
type form uint16

const (
	formModRM  form = 1 << iota
	formImm8        // one byte
	formImm16       // two bytes, before an imm8 where both are set (ENTER)
	formImmZ        // two bytes with an operand-size prefix, else four
	formImmV        // as formImmZ, eight with REX.W
	formRel8        // branch distance
	formRel32       // branch distance
	formOffset      // absolute address of eight bytes
	formInvalid
)

// oneByteForms is the one-byte opcode map of 64-bit mode.
var oneByteForms = func() (t [256]form) {
	set := func(f form, from, to int) {
		for i := from; i <= to; i++ {
			t[i] = f
		}
	}
	for base := 0; base < 0x40; base += 8 {
		set(formModRM, base, base+3)
		t[base+4] = formImm8
		t[base+5] = formImmZ
		t[base+6], t[base+7] = formInvalid, formInvalid
	}
	set(formInvalid, 0x60, 0x62)
	t[0x63] = formModRM
	t[0x68], t[0x69] = formImmZ, formModRM|formImmZ
	t[0x6A], t[0x6B] = formImm8, formModRM|formImm8
	set(formRel8, 0x70, 0x7F)
	t[0x80], t[0x81], t[0x82], t[0x83] = formModRM|formImm8, formModRM|formImmZ, formInvalid, formModRM|formImm8
	set(formModRM, 0x84, 0x8F)
	t[0x9A] = formInvalid
	set(formOffset, 0xA0, 0xA3)
	t[0xA8], t[0xA9] = formImm8, formImmZ
	set(formImm8, 0xB0, 0xB7)
	set(formImmV, 0xB8, 0xBF)
	t[0xC0], t[0xC1] = formModRM|formImm8, formModRM|formImm8
	t[0xC2], t[0xCA] = formImm16, formImm16
	t[0xC6], t[0xC7] = formModRM|formImm8, formModRM|formImmZ
	t[0xC8] = formImm16 | formImm8
	t[0xCD], t[0xCE] = formImm8, formInvalid
	set(formModRM, 0xD0, 0xD3)
	set(formInvalid, 0xD4, 0xD6)
	set(formModRM, 0xD8, 0xDF)
	set(formRel8, 0xE0, 0xE3)
	set(formImm8, 0xE4, 0xE7)
	t[0xE8], t[0xE9], t[0xEA], t[0xEB] = formRel32, formRel32, formInvalid, formRel8
	t[0xF6], t[0xF7] = formModRM|formImm8, formModRM|formImmZ
	t[0xFE], t[0xFF] = formModRM, formModRM
	return t
}()

// twoByteForm is the 0F opcode map.
func twoByteForm(op byte) form {
	switch {
	case op >= 0x80 && op <= 0x8F:
		return formRel32
	case op >= 0x05 && op <= 0x09, op == 0x0B, op == 0x0E, op >= 0x30 && op <= 0x37, op == 0x77,
		op >= 0xA0 && op <= 0xA2, op >= 0xA8 && op <= 0xAA, op >= 0xC8 && op <= 0xCF:
		return 0
	case op == 0x0F, op >= 0x70 && op <= 0x73, op == 0xA4, op == 0xAC, op == 0xBA, op == 0xC2, op >= 0xC4 && op <= 0xC6:
		return formModRM | formImm8
	case op == 0x04, op == 0x0A, op == 0x0C, op >= 0x24 && op <= 0x27, op == 0x36, op == 0x39, op >= 0x3B && op <= 0x3F:
		return formInvalid
	}
	return formModRM
}
