package recording

import "iter"

// Events yields the block's events in order. It stops after the first error, yielded with a zero Event.
func (b *Block) Events(parts Parts) iter.Seq2[Event, error] { return b.EventsFrom(0, parts) }

// EventsFrom yields the block's events from seq on. The data of those before is not put together.
func (b *Block) EventsFrom(seq uint64, parts Parts) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w, err := b.newWalk()
		if err != nil {
			yield(Event{}, err)
			return
		}
		w.wanted = seq
		if parts&WithData != 0 {
			if w.data, err = b.loadData(); err != nil {
				yield(Event{}, err)
				return
			}
			w.cursors = make([]int, len(w.data.groups))
		}
		for w.i < len(w.s.codes) {
			if !w.step() {
				yield(Event{}, b.damaged("events"))
				return
			}
			if w.event.Seq >= seq && !yield(w.event, nil) {
				return
			}
		}
	}
}

// Event returns one event of the block, with its data. The error is CodeNotFound when seq is not in the block.
func (b *Block) Event(seq uint64) (Event, error) {
	if seq < b.FirstSeq || seq-b.FirstSeq >= uint64(b.Header.Events) {
		return Event{}, Errorf(CodeNotFound, "block %d has no event %d", b.Number, seq)
	}
	for e, err := range b.EventsFrom(seq, WithData) {
		return e, err
	}
	return Event{}, b.damaged("events")
}

// Begun returns the calls that begin in the block, by seq. One that is open at its end is open in the answer. It passes the
// events that are neither calls nor returns to other, which may be nil, without their data; they are valid until it returns.
func (b *Block) Begun(other func(*Event)) ([]Call, error) {
	w, err := b.newWalk()
	if err != nil {
		return nil, err
	}
	w.begun = make([]Call, 0, min(b.Summary.Calls, uint64(b.Header.Events)))
	w.keepBegun = true
	for w.i < len(w.s.codes) {
		if !w.step() {
			return nil, b.damaged("events")
		}
		if kind := w.event.Kind; kind != KindCall && kind != KindReturn && other != nil {
			other(&w.event)
		}
	}
	return w.begun, nil
}

// eventWalk derives the events of a block one after the other.
type eventWalk struct {
	s         *structure
	first     uint64 // seq of the first event
	i         int    // index of the next event
	actor     int    // of the next goroutine, function, line and unwind
	callee    int
	line      int
	unwind    int
	stacks    []stack
	stack     *stack // of the event's goroutine
	event     Event
	rare      bool // the event's rare fields may be set
	keepBegun bool
	begun     []Call // so far, when keepBegun
	data      *blockData
	cursors   []int  // records of each group that were used
	wanted    uint64 // seq of the first event whose data is wanted
}

// stack is the calls of a goroutine that are open: hidden ones that the block does not touch, below those in frames.
type stack struct {
	id     int64
	hidden int
	below  uint64 // seq of the innermost hidden call, the one under frames[0]
	frames []openFrame
}

func (b *Block) newWalk() (*eventWalk, error) {
	s, err := b.loadStructure()
	if err != nil {
		return nil, err
	}
	w := &eventWalk{s: s, first: b.FirstSeq, stacks: make([]stack, len(s.threads))}
	for i := range s.threads {
		g := &s.threads[i]
		w.stacks[i] = stack{id: g.id, hidden: g.depth - len(g.entries), below: g.below}
		w.stacks[i].frames = append(make([]openFrame, 0, len(g.entries)+8), g.entries...)
	}
	return w, nil
}

// step derives the next event. It reports false when the block contradicts itself.
func (w *eventWalk) step() bool {
	i := w.i
	w.i++
	code := w.s.codes[i]
	if code&codeSwitch != 0 {
		w.stack = &w.stacks[w.s.actors[w.actor]]
		w.actor++
		w.event.Goroutine = w.stack.id
	}
	g := w.stack
	e := &w.event
	e.Seq = w.first + uint64(i)
	e.Time = w.s.times[i]
	e.Kind = kindOf(code)
	e.Duration, e.Self = -1, -1
	e.Failed = false
	if w.rare {
		e.Line, e.Unwound, e.UnwoundLost, e.UnwoundBy = 0, 0, 0, OutcomeOpen
	}
	if code&codeUnwound != 0 && !w.unwound(g) {
		return false
	}
	slot := uint32(0)
	if named(code) {
		slot = w.s.callees[w.callee]
		w.callee++
	}
	e.Function = w.s.functions[slot]
	ok := true
	switch e.Kind {
	case KindCall:
		g.frames = append(g.frames, openFrame{seq: e.Seq, start: e.Time, function: e.Function, slot: slot})
		g.locate(e)
		if w.keepBegun {
			w.begin(g)
		}
	case KindReturn:
		slot, ok = w.returned(g, code, slot)
	case KindLine:
		g.locate(e)
		if ok = w.line < len(w.s.lines); ok {
			w.rare = true
			e.Line = w.s.lines[w.line]
			w.line++
		}
	default:
		g.locate(e)
	}
	if ok && w.data != nil {
		e.Data, ok = w.record(e.Kind, slot)
	}
	return ok
}

// begin keeps the call of the event, the innermost one.
func (w *eventWalk) begin(g *stack) {
	e := &w.event
	w.begun = append(w.begun, Call{
		Seq: e.Seq, Goroutine: g.id, Function: e.Function, Parent: e.Parent, Depth: e.Depth, Start: e.Time, End: -1, Self: -1,
	})
	g.frames[len(g.frames)-1].begun = uint32(len(w.begun))
}

// locate fills in the innermost open call as the one that e belongs to.
func (g *stack) locate(e *Event) {
	n := len(g.frames)
	if n == 0 {
		e.Call, e.Parent, e.Depth = 0, 0, 0
		return
	}
	e.Call = g.frames[n-1].seq
	e.Depth = g.hidden + n - 1
	e.Parent = g.parent()
}

// parent returns the seq of the call that the innermost open one was made from.
func (g *stack) parent() uint64 {
	if n := len(g.frames); n > 1 {
		return g.frames[n-2].seq
	}
	return g.below
}

// returned ends the innermost call by a return, unless the return has none.
func (w *eventWalk) returned(g *stack, code uint8, slot uint32) (uint32, bool) {
	e := &w.event
	e.Failed = code&codeFailed != 0
	if code&codeFunction != 0 {
		e.Call, e.Parent, e.Depth = 0, 0, g.hidden+len(g.frames)
		return slot, true
	}
	n := len(g.frames)
	if n == 0 {
		return 0, false
	}
	g.locate(e)
	f := g.frames[n-1]
	e.Function = f.function
	e.Duration = e.Time - f.start
	e.Self = e.Duration - f.children
	w.pop(g, OutcomeReturned)
	return f.slot, f.slot != 0 && e.Duration >= 0
}

// unwound pops the calls that ended without a return before the event.
func (w *eventWalk) unwound(g *stack) bool {
	if w.unwind >= len(w.s.unwinds) {
		return false
	}
	u := w.s.unwinds[w.unwind]
	w.unwind++
	n := uint64(u.lost) + uint64(u.explained)
	if n > uint64(len(g.frames)) {
		return false
	}
	for range u.lost {
		w.pop(g, OutcomeLost)
	}
	for range u.explained {
		w.pop(g, u.cause)
	}
	w.rare = true
	w.event.Unwound = int(n)
	w.event.UnwoundLost = int(u.lost)
	w.event.UnwoundBy = u.cause
	return true
}

// pop ends the innermost call at the event.
func (w *eventWalk) pop(g *stack, outcome Outcome) {
	n := len(g.frames) - 1
	f := &g.frames[n]
	duration := w.event.Time - f.start
	if f.begun > 0 {
		c := &w.begun[f.begun-1]
		c.End, c.EndSeq, c.Self = w.event.Time, w.event.Seq, duration-f.children
		c.Outcome, c.Failed = outcome, outcome == OutcomeReturned && w.event.Failed
	}
	if n > 0 {
		g.frames[n-1].children += duration
	}
	g.frames = g.frames[:n]
}
