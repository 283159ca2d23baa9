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

	// The run learns of a goroutine with its first event, or when it starts another one. Servers start goroutines for each
	// request in which nothing happens that is recorded: these are counted, and that is all.
	told    bool
	began   bool   // its beginning was seen
	state   gState // of that moment, until it is told
	start   int64
	creator uint64 // the call that started it
}

type openCall struct {
	function recording.FunctionID
	losses   uint16 // what its record says: ring.SharedLosses
	frame    uint64
}

// innermost reports whether the innermost open call is one of function at frame. Go makes no tail calls out of functions
// that people write, so a second one cannot begin there.
func (g *goroutine) innermost(frame uint64, function recording.FunctionID) bool {
	n := len(g.calls)
	return n > 0 && g.calls[n-1].function == function && g.calls[n-1].frame == frame
}

// unwind forgets open calls that cannot be any more when something runs at frame.
func (g *goroutine) unwind(frame uint64) {
	n := len(g.calls)
	for n > 0 && g.calls[n-1].frame >= frame {
		n--
	}
	g.calls = g.calls[:n]
}

// close ends the open call of function at frame and those above it, and returns it; false when there is none.
func (g *goroutine) close(frame uint64, function recording.FunctionID) (openCall, bool) {
	for n := len(g.calls) - 1; n >= 0 && g.calls[n].frame >= frame; n-- {
		if c := g.calls[n]; c.function == function && c.frame == frame {
			g.calls = g.calls[:n]
			return c, true
		}
	}
	return openCall{}, false
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
	g := e.lookup(state.id)
	if g == nil {
		if g, err = e.introduce(state, now, false); err != nil {
			return nil, err
		}
	}
	g.hi = state.hi
	return g, nil
}

// mainGoroutine is the number of the goroutine that runs main: a run always has it.
const mainGoroutine = 1

// lookup returns the goroutine with a number, nil when there is none.
func (e *engine) lookup(id int64) *goroutine {
	recent := &e.recent[uint64(id)%recentGoroutines]
	if g := *recent; g != nil && g.id == id {
		return g
	}
	g := e.goroutines[id]
	if g != nil {
		*recent = g
	}
	return g
}

// introduce takes note of a goroutine that was not known. The one that started it becomes part of the run: it can have led to events.
func (e *engine) introduce(state gState, now int64, began bool) (*goroutine, error) {
	var g *goroutine
	if n := len(e.ended); n > 0 {
		g, e.ended = e.ended[n-1], e.ended[:n-1]
	} else {
		g = &goroutine{}
	}
	*g = goroutine{id: state.id, hi: state.hi, calls: g.calls[:0], began: began, state: state, start: now}
	if state.parent != 0 {
		g.creator = e.out.builder.OpenCall(state.parent)
		if parent := e.lookup(state.parent); parent != nil && !parent.told {
			if err := e.tell(parent, now); err != nil {
				return nil, err
			}
		}
	}
	e.goroutines[state.id] = g
	e.recent[uint64(g.id)%recentGoroutines] = g
	if g.id == mainGoroutine {
		return g, e.tell(g, now)
	}
	return g, nil
}

// tell makes a goroutine part of the run. Its start event has the present time, so that time goes on from event to event; when it
// began stands in its definition.
func (e *engine) tell(g *goroutine, now int64) error {
	g.told = true
	d := recording.Goroutine{
		ID: g.id, Parent: g.state.parent, Start: g.start, Creator: g.creator, StartFunction: e.placeOf(g.state.start).function,
	}
	if g.state.goPC != 0 && g.state.parent != 0 {
		// goPC is a return address: the call before it is the go statement.
		created := e.placeOf(g.state.goPC - 1)
		d.CreatedIn, d.CreatedLine = created.function, created.line
	}
	if err := e.flushPrinted(); err != nil {
		return err
	}
	if err := e.define(); err != nil {
		return err
	}
	if err := e.out.builder.Define(recording.Definitions{Goroutines: []recording.Goroutine{d}}); err != nil || !g.began {
		return err
	}
	return e.out.append(&recording.Raw{Kind: recording.KindGoroutineStart, Goroutine: g.id, Time: now})
}

// place is what is asked for again and again about the same few program counters.
type place struct {
	function recording.FunctionID
	line     int
}

func (e *engine) placeOf(pc uint64) place {
	at, ok := e.places[pc]
	if !ok {
		at.function = e.functionID(pc)
		_, at.line = e.program.LineAt(pc)
		e.places[pc] = at
	}
	return at
}

// quiet counts the goroutines that live on without having done anything. The caller holds the pipeline's lock.
func (e *engine) quiet() error {
	for _, g := range e.goroutines {
		if err := e.tellLost(g, e.latest); err != nil {
			return err
		}
		if !g.told {
			e.out.builder.Quiet(1)
		}
	}
	return nil
}

// tellLost makes a goroutine part of the run of which something was dropped: that nothing is known of what it did is not to say that it did
// nothing.
func (e *engine) tellLost(g *goroutine, now int64) error {
	if g.told || e.lost == nil || !e.lost(g.id) {
		return nil
	}
	return e.tell(g, now)
}

// recentGoroutines is the size of a direct-mapped cache before the map of goroutines.
const recentGoroutines = 512

// end removes a goroutine that has ended, and says so when the run knows it.
func (e *engine) end(g *goroutine, now int64) error {
	err := e.flushPrinted() // of this one, perhaps
	if err == nil {
		err = e.tellLost(g, now)
	}
	if err == nil && g.told {
		raw := recording.Raw{Kind: recording.KindGoroutineEnd, Goroutine: g.id, Time: now}
		if g.goexit {
			raw.Flags |= recording.FlagGoexit
		}
		err = e.append(g, &raw)
	} else if err == nil {
		e.out.builder.Quiet(1)
	}
	delete(e.goroutines, g.id)
	if recent := &e.recent[uint64(g.id)%recentGoroutines]; *recent == g {
		*recent = nil
	}
	if len(e.ended) < recentGoroutines && cap(g.calls) <= 1024 {
		e.ended = append(e.ended, g)
	}
	return err
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
	if e.lookup(state.id) != nil {
		return nil
	}
	_, err = e.introduce(state, h.now, true)
	return err
}

// isSystem tells the runtime's own goroutines by where they start, as the runtime does.
func (e *engine) isSystem(start uint64) bool {
	system, known := e.system[start]
	if !known {
		system = e.startsSystem(start)
		e.system[start] = system
	}
	return system
}

func (e *engine) startsSystem(start uint64) bool {
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
	return e.end(g, h.now)
}
