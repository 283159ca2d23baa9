package tracer

import (
	"encoding/binary"
	"strings"

	"smiley/recording"
	"smiley/tracer/pclntab"
)

// Registers are a thread's registers at an entry or return site.
type Registers struct {
	Int [9]uint64    // RAX RBX RCX RDI RSI R8 R9 R10 R11
	X   [15][16]byte // X0–X14, little endian
	SP  uint64       // points at the return address at every site of a plan
	PC  uint64
	G   uint64 // R14: the goroutine
	DX  uint64 // RDX: the closure context at entry
}

// Plan says where to stop in a function and where its values lie there.
type Plan struct {
	// Function describes it; ID and Trace are for the caller to set, see Program.AddFunction.
	Function recording.Function
	// Entry is the first instruction after the stack check: no call is seen twice there, and SP still points at the
	// return address.
	Entry uint64
	// EntryRepeats says that a loop of the function jumps to Entry: a hit in a frame that is open in this function is
	// not a new call.
	EntryRepeats bool
	// Returns are the addresses of the RET instructions, ascending. One may equal Entry. Empty for a function that
	// never returns.
	Returns []uint64

	args, results []location
}

// Plan says how to trace a function. A function whose values cannot be placed still gets a plan: its params carry the
// reason. An error means that it cannot be traced at all.
func (p *Program) Plan(sym Symbol) (*Plan, error) {
	if sym.Reason != "" || sym.Entry == 0 {
		return nil, cannotTrace(sym.Name, sym.Reason)
	}
	v, err := p.valuesOf(&sym)
	if err != nil {
		return nil, err
	}
	pl := &Plan{Function: p.function(&sym), args: v.args, results: v.returned}
	pl.Function.Params, pl.Function.Results = v.params, v.results
	f := &p.list[sym.index]
	code := make([]byte, f.End-f.Entry)
	if err := p.image.read(code, f.Entry); err != nil {
		return nil, cannotTrace(sym.Name, "its code cannot be read")
	}
	s, err := findSites(code)
	if err != nil {
		return nil, cannotTrace(sym.Name, err.Error())
	}
	pl.Entry, pl.EntryRepeats = sym.Entry+uint64(s.entry), s.repeats
	for _, r := range s.returns {
		pl.Returns = append(pl.Returns, sym.Entry+uint64(r))
	}
	return pl, nil
}

// values are the values of a function, and where they lie.
type values struct {
	params, results []recording.Param
	args, returned  []location
}

// valuesOf finds a function's values.
func (p *Program) valuesOf(sym *Symbol) (values, error) {
	i := sym.index
	if i < 0 || i >= len(p.list) || p.list[i].Entry+p.bias != sym.Entry {
		return values{}, cannotTrace(sym.Name, "no function begins at its address")
	}
	return p.placed(&p.list[i]), nil
}

func cannotTrace(name, reason string) error {
	return recording.Errorf(recording.CodeUnsupported, "%s cannot be traced: %s", name, reason)
}

// placed returns the values that a function declares, and where they lie.
func (p *Program) placed(f *pclntab.Function) (v values) {
	if p.debug == nil {
		return v
	}
	declared, complete := p.debug.signature(f.Entry)
	v.params, v.results = p.params(declared.params), p.params(declared.results)
	where, ok := p.assign(&v, f, declared.dictionary)
	if !ok || !complete {
		const reason = "the binary does not say where its function's values lie"
		for _, list := range [][]recording.Param{v.params, v.results} {
			for i := range list {
				list[i].Unreadable = reason
			}
		}
	}
	v.args, v.returned = where.args, where.results
	return v
}

func (p *Program) params(declared []variable) []recording.Param {
	if len(declared) == 0 {
		return nil
	}
	list := make([]recording.Param, 0, len(declared))
	for _, v := range declared {
		list = append(list, recording.Param{Name: v.name, Type: p.types.id(v.typ)})
	}
	return list
}

// assign places a function's values. It is false when the declared values are not those that the function table was made
// for, such as when DWARF left some out.
func (p *Program) assign(v *values, f *pclntab.Function, dictionary int) (assignment, bool) {
	fits := func(a assignment) bool { return !a.unknown && (f.Args < 0 || a.width == f.Args) }
	if dictionary < 0 && strings.Contains(f.Name, "[go.shape.") { // closures in instances have none
		guess := 0
		if isMethod(plainName(f.Name)) {
			guess = 1
		}
		if guess <= len(v.params) {
			if a := assign(p.types.all, v.params, v.results, guess); fits(a) {
				return a, true
			}
		}
	}
	a := assign(p.types.all, v.params, v.results, dictionary)
	return a, fits(a)
}

// isMethod reports whether a function's full name is that of a method or of something in one.
func isMethod(name string) bool {
	depth, last := 0, 0
	for i := range len(name) { // the package ends at the first dot behind the last slash outside type arguments
		switch name[i] {
		case '[':
			depth++
		case ']':
			depth--
		case '/':
			if depth == 0 {
				last = i
			}
		}
	}
	_, local, _ := strings.Cut(name[last:], ".")
	receiver, _, _ := strings.Cut(strings.ReplaceAll(local, "[...]", ""), ".")
	return len(receiver) < len(strings.ReplaceAll(local, "[...]", ""))
}

// ArgRoots appends where each of Function.Params lies to dst. regs are those at Entry. The roots share memory with
// the Plan until the next call of ArgRoots or ResultRoots.
func (pl *Plan) ArgRoots(dst []recording.Root, regs *Registers) []recording.Root {
	return appendRoots(dst, pl.args, regs)
}

// ResultRoots does for Function.Results at one of Returns what ArgRoots does for the arguments.
func (pl *Plan) ResultRoots(dst []recording.Root, regs *Registers) []recording.Root {
	return appendRoots(dst, pl.results, regs)
}

func appendRoots(dst []recording.Root, locations []location, regs *Registers) []recording.Root {
	for i := range locations {
		dst = append(dst, locations[i].root(regs))
	}
	return dst
}

// root reads a value's registers, or says where it lies on the stack.
func (l *location) root(regs *Registers) recording.Root {
	switch {
	case l.reason != "":
		return recording.Root{Unreadable: l.reason}
	case len(l.pieces) == 0 && l.stack < 0:
		return recording.Root{}
	case len(l.pieces) == 0:
		return recording.Root{Addr: regs.SP + uint64(l.stack)}
	}
	if l.buffer == nil {
		l.buffer = make([]byte, l.size)
	}
	for _, p := range l.pieces {
		var word [8]byte
		if p.float {
			copy(word[:], regs.X[p.register][:8])
		} else {
			binary.LittleEndian.PutUint64(word[:], regs.Int[p.register])
		}
		copy(l.buffer[p.offset:p.offset+p.size], word[:])
	}
	return recording.Root{Bytes: l.buffer}
}
