//go:build linux && amd64

package tracer

import (
	"strings"

	"smiley/recording"
)

// goroutine is what the engine knows of a goroutine while it lives.
type goroutine struct {
	id     int64
	hi     uint64 // top of its stack at this stop
	calls  []openCall
	goexit bool // it called runtime.Goexit
	write  pendingWrite
}

type openCall struct {
	function recording.FunctionID
	frame    uint64
}

// innermost reports whether the innermost open call is one of function at frame. Go makes no tail calls out of functions
// that people write, so a second one cannot begin there.
func (g *goroutine) innermost(frame uint64, function recording.FunctionID) bool {
	n := len(g.calls)
	return n > 0 && g.calls[n-1] == openCall{function, frame}
}

// unwind forgets open calls that cannot be any more when something runs at frame.
func (g *goroutine) unwind(frame uint64) {
	n := len(g.calls)
	for n > 0 && g.calls[n-1].frame >= frame {
		n--
	}
	g.calls = g.calls[:n]
}

// close ends the open call of function at frame and those above it; false when there is none.
func (g *goroutine) close(frame uint64, function recording.FunctionID) bool {
	for n := len(g.calls) - 1; n >= 0 && g.calls[n].frame >= frame; n-- {
		if (g.calls[n] == openCall{function, frame}) {
			g.calls = g.calls[:n]
			return true
		}
	}
	return false
}

// gState is what is read of a runtime.g.
type gState struct {
	id, parent  int64
	lo, hi      uint64
	goPC, start uint64
}

// readG reads the g at addr. id 0 is a system stack.
func (e *engine) readG(addr uint64) (gState, error) {
	var s gState
	var id, parent uint64
	for _, field := range []struct {
		offset uint64
		dst    *uint64
	}{
		{e.offsets.GoID, &id},
		{e.offsets.ParentGoID, &parent},
		{e.offsets.StackLo, &s.lo},
		{e.offsets.StackHi, &s.hi},
		{e.offsets.GoPC, &s.goPC},
		{e.offsets.StartPC, &s.start},
	} {
		word, err := e.memory.word(addr + field.offset)
		if err != nil {
			return gState{}, err
		}
		*field.dst = word
	}
	s.id, s.parent = int64(id), int64(parent)
	return s, nil
}

// goroutineOf returns the goroutine whose g is at addr, defined in the run. It is nil on a system stack and where there
// is no g at all: nothing of the person's code runs there.
func (e *engine) goroutineOf(addr uint64, now int64) (*goroutine, error) {
	state, err := e.readG(addr)
	if err != nil || state.id == 0 || state.hi <= state.lo {
		return nil, nil
	}
	g, ok := e.goroutines[state.id]
	if !ok {
		if g, err = e.introduce(state, now); err != nil {
			return nil, err
		}
	}
	g.hi = state.hi
	return g, nil
}

// introduce defines a goroutine that was not known.
func (e *engine) introduce(state gState, now int64) (*goroutine, error) {
	g := &goroutine{id: state.id, hi: state.hi}
	e.goroutines[state.id] = g
	d := recording.Goroutine{
		ID: state.id, Parent: state.parent, Start: now,
		Creator:       e.out.builder.OpenCall(state.parent),
		StartFunction: e.functionID(state.start),
	}
	if state.goPC != 0 && state.parent != 0 {
		// goPC is a return address: the call before it is the go statement.
		d.CreatedIn = e.functionID(state.goPC - 1)
		_, d.CreatedLine = e.program.LineAt(state.goPC - 1)
	}
	if err := e.define(); err != nil {
		return nil, err
	}
	return g, e.out.builder.Define(recording.Definitions{Goroutines: []recording.Goroutine{d}})
}

// recentGoroutines is the size of a direct-mapped cache before the map of goroutines.
const recentGoroutines = 64

// forget removes a goroutine that has ended.
func (e *engine) forget(g *goroutine) {
	delete(e.goroutines, g.id)
	if recent := &e.recent[uint64(g.id)%recentGoroutines]; *recent == g {
		*recent = nil
	}
}

// functionID returns the id of the function whose code holds pc, defined as a mere reference when nobody traces it.
func (e *engine) functionID(pc uint64) recording.FunctionID {
	sym, ok := e.program.FunctionContaining(pc)
	if !ok {
		return 0
	}
	return e.capturer.Resolver.FunctionAt(sym.Entry)
}

// onNewGoroutine runs at the returns of runtime.newproc1: RAX is the new g, the stack is the system's.
func (e *engine) onNewGoroutine(h *hit) error {
	state, err := e.readG(h.regs.Int[0])
	if err != nil || state.id == 0 || e.isSystem(state.start) {
		return nil
	}
	if _, known := e.goroutines[state.id]; known {
		return nil
	}
	if err := e.flushPrinted(); err != nil {
		return err
	}
	g, err := e.introduce(state, h.now)
	if err != nil {
		return err
	}
	return e.append(&recording.Raw{Kind: recording.KindGoroutineStart, Goroutine: g.id, Time: h.now})
}

// isSystem tells the runtime's own goroutines by where they start, as the runtime does.
func (e *engine) isSystem(start uint64) bool {
	sym, ok := e.program.FunctionContaining(start)
	if !ok {
		return false
	}
	switch sym.Name {
	case "runtime.main", "runtime.corostart", "runtime.handleAsyncEvent":
		return false // they run the person's code
	}
	// The goroutines that run finalizers become known when one of the person's functions runs there.
	return strings.HasPrefix(sym.Name, "runtime.")
}

// onGoexit runs at the entry of runtime.Goexit.
func (e *engine) onGoexit(h *hit) error {
	g, err := e.goroutineOf(h.regs.G, h.now)
	if g != nil {
		g.goexit = true
	}
	return err
}

// onGoroutineEnd runs at the entry of runtime.goexit1.
func (e *engine) onGoroutineEnd(h *hit) error {
	state, err := e.readG(h.regs.G)
	if err != nil || state.id == 0 || e.isSystem(state.start) {
		return nil
	}
	g, err := e.goroutineOf(h.regs.G, h.now)
	if g == nil || err != nil {
		return err
	}
	raw := recording.Raw{Kind: recording.KindGoroutineEnd, Goroutine: g.id, Time: h.now}
	if g.goexit {
		raw.Flags |= recording.FlagGoexit
	}
	e.forget(g)
	return e.append(&raw)
}
