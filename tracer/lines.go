//go:build linux && amd64

package tracer

import (
	"debug/dwarf"

	"github.com/go-delve/delve/pkg/dwarf/op"
	"github.com/go-delve/delve/pkg/proc"

	"smiley/recording"
)

// lines are the lines of one function that are recorded, each with the variables that can be seen there.
type lines struct {
	function  *traced
	id        recording.FunctionID // an entry of the function whose params are the variables
	params    []recording.Param
	variables []scoped
	size      []uint64              // of the variables
	last      map[int64]lineReached // by goroutine
}

// lineReached is the last line event of a goroutine.
type lineReached struct {
	frame, addr uint64
	line        int
}

// lastLines bounds what is remembered of goroutines, most of which have ended when there are so many.
const lastLines = 10_000

// optimizedAway is why a variable has no value at some places of optimized code. It is no loss: there is none.
const optimizedAway = "optimized away"

// lineSite is where a line begins.
type lineSite struct {
	lines *lines
	line  int
}

func noLines(function string) *recording.Error {
	return recording.Errorf(recording.CodeUnsupported, "the lines of %s cannot be recorded: the binary does not say where they begin", function).
		WithHint("build it without -ldflags=-w or -s; a function of one line has none but its own")
}

// traceLines adds a site for each line of a function that is traced with breakpoints.
func (e *engine) traceLines(sym Symbol, f *traced) *recording.Error {
	bias := e.program.bias
	inside, ok := e.program.scopeAt(sym.Entry-bias, sym.End-bias, sym.File, sym.Line)
	if !ok || len(inside.lines) == 0 {
		return noLines(sym.Name)
	}
	l := &lines{function: f, last: map[int64]lineReached{}}
	for _, v := range inside.variables {
		id := e.program.types.id(v.typ)
		t, known := e.capturer.Types.Get(id)
		if known && v.escaped {
			id = t.Elem
			t, known = e.capturer.Types.Get(id)
		}
		if !known {
			continue
		}
		l.variables = append(l.variables, v)
		l.size = append(l.size, uint64(t.Size))
		l.params = append(l.params, recording.Param{Name: v.name, Type: id})
	}
	described := f.plan.Function
	described.Params, described.Results, described.Trace, described.Reason = l.params, nil, recording.TraceReferenced, ""
	l.id = e.program.AddFunction(0, described)
	for _, start := range inside.lines {
		if addr := start.addr + bias; addr >= f.plan.Entry {
			e.at(addr).line = &lineSite{l, start.line}
		}
	}
	return nil
}

// reach records that a line is about to run. A line whose code is in several places is one event, unless it runs again.
func (e *engine) reach(h *hit, s *lineSite) error {
	g, err := e.goroutineOf(h.regs.G, h.now)
	if g == nil || err != nil {
		return err
	}
	frames, err := proc.ThreadStacktrace(e.process.tgt, h.thread, 0)
	if err != nil || len(frames) == 0 {
		return recording.Errorf(recording.CodeInternal, "cannot find the frame of a line: %w", err)
	}
	regs := frames[0].Regs
	frame := g.hi - uint64(regs.CFA) + 8 // the return address lies below the CFA
	l := s.lines
	if !g.innermost(frame, l.function.id) {
		return nil // its call is not recorded: --max-depth
	}
	before, again := l.last[g.id]
	if again && before.frame == frame && before.line == s.line && before.addr < h.site.addr {
		before.addr = h.site.addr
		l.last[g.id] = before
		return nil
	}
	if len(l.last) >= lastLines {
		clear(l.last)
	}
	l.last[g.id] = lineReached{frame, h.site.addr, s.line}
	hidden := e.locals(l, s.line, &regs)
	raw := recording.Raw{Kind: recording.KindLine, Function: l.id, Goroutine: g.id, Time: h.now, Frame: frame, Line: uint32(s.line)}
	var counts recording.Counts
	e.record, counts = e.capturer.Append(e.record[:0], l.params, e.roots)
	raw.Data, raw.Truncated, raw.Unreadable = e.record, counts.Truncated, counts.Unreadable-min(hidden, counts.Unreadable)
	return e.append(g, &raw)
}

// locals finds the variables that can be seen on a line, and returns how many have no value there.
func (e *engine) locals(l *lines, line int, regs *op.DwarfRegisters) (hidden uint16) {
	pc := regs.PC()
	visible := map[string]int{}
	e.roots = e.roots[:0]
	for i := range l.variables {
		v := &l.variables[i]
		root := recording.Root{Unreadable: recording.NotInScope}
		if v.covers(pc-e.program.bias) && line > v.line {
			if outer, ok := visible[v.name]; ok && l.variables[outer].depth <= v.depth {
				if e.roots[outer].Unreadable != optimizedAway {
					hidden++
				}
				e.roots[outer] = recording.Root{Unreadable: recording.NotInScope}
			}
			visible[v.name] = i
			root = e.variable(l, i, pc, regs)
		}
		if root.Unreadable == recording.NotInScope || root.Unreadable == optimizedAway {
			hidden++
		}
		e.roots = append(e.roots, root)
	}
	return hidden
}

// variable finds where a variable lies at the moment.
func (e *engine) variable(l *lines, i int, pc uint64, regs *op.DwarfRegisters) recording.Root {
	v, size := &l.variables[i], l.size[i]
	addr, pieces, _, err := e.process.tgt.BinInfo().Location(v.entry, dwarf.AttrLocation, pc, *regs, nil)
	if err != nil {
		return recording.Root{Unreadable: optimizedAway}
	}
	if v.escaped {
		pointer, ok := e.pieces(pieces, 8, 0, regs)
		if len(pieces) == 0 {
			word, err := e.memory.word(uint64(addr))
			return rootAt(word, err == nil && word != 0)
		}
		return rootAt(wordOf(pointer), ok && wordOf(pointer) != 0)
	}
	if len(pieces) == 0 {
		return recording.Root{Addr: uint64(addr)}
	}
	bytes, ok := e.pieces(pieces, size, l.params[i].Type, regs)
	if !ok {
		return recording.Root{Unreadable: optimizedAway}
	}
	return recording.Root{Bytes: bytes}
}

func rootAt(addr uint64, ok bool) recording.Root {
	if !ok {
		return recording.Root{Unreadable: "not there yet"}
	}
	return recording.Root{Addr: addr}
}

// pieces gathers a value that is spread over registers and memory. It is false when a part of it is nowhere; padding may be.
func (e *engine) pieces(list []op.Piece, size uint64, typ recording.TypeID, regs *op.DwarfRegisters) ([]byte, bool) {
	value := make([]byte, 0, size)
	for i := range list {
		p := &list[i]
		n := uint64(p.Size)
		if n == 0 {
			n = size - min(size, uint64(len(value)))
		}
		switch p.Kind {
		case op.RegPiece:
			held := regs.Bytes(p.Val)
			if n > uint64(len(held)) {
				return nil, false
			}
			value = append(value, held[:n]...)
		case op.AddrPiece:
			part := make([]byte, n)
			if err := e.memory.ReadMemory(part, p.Val); err != nil {
				return nil, false
			}
			value = append(value, part...)
		case op.ImmPiece:
			if p.Bytes == nil { // Go's compiler makes no constants of variables: the part is nowhere
				at := uint64(len(value))
				if typ == 0 || overlaps(e.capturer.Types, typ, at, at+n) {
					return nil, false
				}
			}
			value = append(value, append(p.Bytes, make([]byte, n)...)[:n]...)
		}
	}
	if missing := size - min(size, uint64(len(value))); missing > 0 {
		if typ == 0 || overlaps(e.capturer.Types, typ, uint64(len(value)), size) {
			return nil, false
		}
		value = append(value, make([]byte, missing)...)
	}
	return value[:size], true
}

func wordOf(b []byte) uint64 {
	var n uint64
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | uint64(b[i])
	}
	return n
}
