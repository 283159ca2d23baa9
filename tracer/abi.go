package tracer

import "smiley/recording"

// Go's internal calling convention on amd64 (ABIInternal): nine integer registers, fifteen for floats; a value goes into
// registers whole or onto the stack whole.
const (
	intRegisters   = 9
	floatRegisters = 15
)

// location is where a value lies at a site: in registers, or on the stack.
type location struct {
	size   int
	pieces []piece // in registers; empty on the stack
	stack  int     // offset from SP, which points at the return address; −1: the value has no size
	reason string  // why the place is not known
	buffer []byte  // the value put together from registers, once there was any
}

// piece is a part of a value in one register.
type piece struct {
	offset, size int
	register     uint8
	float        bool
}

// assigner gives registers and stack slots to one function's values.
type assigner struct {
	types        *recording.Types
	ints, floats int
	stack        int
	spill        int     // room that the caller leaves for register values
	pieces       []piece // of the value that is being placed
	list         []piece // room for those of all values
	unknown      bool    // a value's type is not known, so nothing behind it is sure
}

// assignment is where all values of a function lie.
type assignment struct {
	args, results []location
	// width is the room that the caller makes for arguments and results on the stack, register values included. The
	// function table has this number too, so it tells whether the list of values is the right one.
	width   int
	unknown bool
}

// assign places a function's values. dictionary is the position of the hidden parameter of an instance of a generic
// function among params, −1 for others.
func assign(types *recording.Types, params, results []recording.Param, dictionary int) assignment {
	a := assigner{types: types, stack: returnAddress}
	var out assignment
	if all := make([]location, 0, len(params)+len(results)); cap(all) > 0 {
		out.args, out.results = all[:0:len(params)], all[len(params):len(params)]
	}
	a.list = make([]piece, 0, min(2*cap(out.args)+2*cap(out.results), intRegisters))
	for i, p := range params {
		if i == dictionary {
			a.hidden()
		}
		out.args = append(out.args, a.value(p, true))
	}
	if dictionary == len(params) {
		a.hidden()
	}
	a.stack = align(a.stack, 8)
	a.ints, a.floats = 0, 0
	for _, r := range results {
		out.results = append(out.results, a.value(r, false))
	}
	out.width = align(a.stack, 8) - returnAddress + align(a.spill, 8)
	out.unknown = a.unknown
	return out
}

// returnAddress is the size of what lies at SP before the first value.
const returnAddress = 8

// hidden places a parameter that is a pointer and is not shown.
func (a *assigner) hidden() {
	a.ints++
	a.spill = align(a.spill, 8) + 8
}

// value places one value.
func (a *assigner) value(p recording.Param, spilled bool) location {
	t, ok := a.types.Get(p.Type)
	if !ok || t.Kind == recording.KindOpaque {
		a.unknown = true
		return location{reason: "its type is not known"}
	}
	size := int(t.Size)
	if size != 0 {
		ints, floats := a.ints, a.floats
		a.pieces = a.list[len(a.list):]
		if a.register(t, 0, 0) {
			a.list = a.list[:min(len(a.list)+len(a.pieces), cap(a.list))]
			if spilled {
				a.spill = align(a.spill, alignment(a.types, t, 0)) + size
			}
			return location{size: size, pieces: a.pieces[:len(a.pieces):len(a.pieces)]}
		}
		a.ints, a.floats = ints, floats
	}
	a.stack = align(a.stack, alignment(a.types, t, 0))
	l := location{size: size, stack: a.stack}
	if size == 0 {
		l.stack = -1
	}
	a.stack += size
	return l
}

// register puts a value, or a part of one at offset, into registers; false when it cannot be there or none are left.
func (a *assigner) register(t *recording.Type, offset, depth int) bool {
	if depth > 64 {
		return false
	}
	switch t.Kind {
	case recording.KindFloat32, recording.KindFloat64:
		return a.float(offset, int(t.Size))
	case recording.KindComplex64, recording.KindComplex128:
		half := int(t.Size) / 2
		return a.float(offset, half) && a.float(offset+half, half)
	case recording.KindString, recording.KindInterface:
		return a.int(offset, 8) && a.int(offset+8, 8)
	case recording.KindSlice:
		return a.int(offset, 8) && a.int(offset+8, 8) && a.int(offset+16, 8)
	case recording.KindStruct:
		for _, f := range t.Fields {
			part, ok := a.types.Get(f.Type)
			if !ok || !a.register(part, offset+int(f.Offset), depth+1) {
				return false
			}
		}
		return true
	case recording.KindArray:
		if t.Len == 0 {
			return true
		}
		elem, ok := a.types.Get(t.Elem)
		return ok && t.Len == 1 && a.register(elem, offset, depth+1)
	case recording.KindOpaque, recording.KindInvalid:
		return false
	}
	return a.int(offset, int(t.Size))
}

func (a *assigner) int(offset, size int) bool {
	if a.ints == intRegisters || size > 8 {
		return false
	}
	a.pieces = append(a.pieces, piece{offset, size, uint8(a.ints), false})
	a.ints++
	return true
}

func (a *assigner) float(offset, size int) bool {
	if a.floats == floatRegisters {
		return false
	}
	a.pieces = append(a.pieces, piece{offset, size, uint8(a.floats), true})
	a.floats++
	return true
}

func align(n, to int) int { return (n + to - 1) / to * to }

// alignment returns the alignment of a type on amd64.
func alignment(types *recording.Types, t *recording.Type, depth int) int {
	if depth > 64 {
		return 1
	}
	switch t.Kind {
	case recording.KindComplex64:
		return 4
	case recording.KindComplex128:
		return 8
	case recording.KindStruct:
		n := 1
		for _, f := range t.Fields {
			if part, ok := types.Get(f.Type); ok {
				n = max(n, alignment(types, part, depth+1))
			}
		}
		return n
	case recording.KindArray:
		if elem, ok := types.Get(t.Elem); ok {
			return alignment(types, elem, depth+1)
		}
		return 1
	}
	return min(max(int(t.Size), 1), 8)
}
