package tracer

import "fmt"

// sites are the places of a function where its calls and returns are seen, as offsets from its start.
type sites struct {
	entry   int
	repeats bool // the function jumps to entry
	returns []int
}

// prologue is how many instructions a stack check has at most.
const prologue = 6

// findSites reads a function's code. An instruction that it cannot read is an error: returns behind it would be missed.
func findSites(code []byte) (sites, error) {
	var s sites
	targets := map[int]bool{}
	checked := -1 // the instruction that compares SP with the stack's end
	for at, n := 0, 0; at < len(code); n++ {
		ins, ok := decode(code[at:])
		if !ok {
			return s, fmt.Errorf("an instruction that smiley does not know at offset %#x", at)
		}
		switch {
		case ins.table == 0 && ins.opcode == 0xc3:
			s.returns = append(s.returns, at)
		case ins.table == 0 && ins.opcode == 0xc2:
			return s, fmt.Errorf("a return that removes its arguments at offset %#x", at)
		case n < prologue && isStackCheck(code[at:]):
			checked = n
		case checked >= 0 && n == checked+1 && ins.jumps:
			s.entry = at + ins.length // no call is counted twice when the stack grows and the check runs again
		}
		if ins.jumps {
			targets[at+ins.length+ins.target] = true
		}
		at += ins.length
	}
	s.repeats = targets[s.entry]
	return s, nil
}

// isStackCheck reports whether code begins with CMPQ SP, 16(R14) or CMPQ R12, 16(R14): R14 is g, 16 its stackguard0.
func isStackCheck(code []byte) bool {
	return len(code) >= 4 && (code[0] == 0x49 || code[0] == 0x4d) && code[1] == 0x3b && code[2] == 0x66 && code[3] == 0x10
}
