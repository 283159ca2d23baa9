package recording

import "encoding/binary"

// BlockEvents is how many events a block holds at most, BlockNanoseconds how much time it spans before it is cut.
const (
	BlockEvents      = 64 << 10
	BlockNanoseconds = 250e6
)

// Builder turns Raws into blocks. It pairs returns with calls by goroutine and frame, keeps the open calls of every live
// goroutine, and sums up. It is not safe for concurrent use; the Drafts it hands out are independent of it.
//
// Its memory is one block, the functions and types, and the open calls of live goroutines: whatever a goroutine took is
// free again after its end.
type Builder struct{ builderState }

type builderState struct {
	run       Run
	emit      func(*Draft) error
	d         *draftState
	stamp     uint32 // number of the block being built + 1
	next      uint64 // seq of the next event
	firstSeq  uint64 // seq of the block's first event
	firstTime int64  // time of the block's first event
	lastTime  int64  // time of the last event
	latest    int64  // greatest time of the blocks before
	captured  uint64
	dropped   uint64
	functions []functionState // by id; 0 is unused
	types     *Types
	typeCount int
	fileCount int

	drafts       *draftPool
	live         map[int64]*goroutineState
	current      *goroutineState // of the last event
	recent       [recentGoroutines]*goroutineState
	active       []*goroutineState // with an event in this block, in the order of their index there
	free         []*goroutineState
	finished     bool
	parkedAtOnce int   // a test parks fewer frames
	err          error // of emit; nothing can follow it
}

// recentGoroutines is a direct-mapped cache before the map.
const recentGoroutines = 512

// maxFree bounds the states of ended goroutines kept for new ones.
const maxFree = 256

// functionState is what the builder needs to know of a function.
type functionState struct {
	callSize   int32 // of the fixed part of a call's data
	returnSize int32
	errorWord  int32 // offset in a return's data; −1: none
	slot       uint32
	stamp      uint32 // the block that slot belongs to
}

// NewBuilder begins a run. emit is called with every full block, in order, from within Append, Drop, Define, Cut and
// Finish; encoding (Draft.Encode) is left to the receiver so that it can happen on another goroutine. After an error of
// emit the builder takes nothing more and keeps returning it.
func NewBuilder(run Run, emit func(*Draft) error) *Builder {
	b := &Builder{builderState{
		run:          run,
		emit:         emit,
		next:         1,
		functions:    make([]functionState, 1),
		types:        &Types{},
		live:         make(map[int64]*goroutineState),
		drafts:       &draftPool{},
		parkedAtOnce: parkedAtOnce,
	}}
	b.begin()
	b.d.start = &b.run
	return b
}

// begin starts a block.
func (b *Builder) begin() {
	b.d = b.newDraft()
	b.stamp++
	b.firstSeq = b.next
	b.d.header.Run = b.run.ID
	b.d.header.Number = b.stamp - 1
	b.d.header.FirstSeq = b.next
}

// Append adds an event. Time that runs backwards within a goroutine is raised to the last one seen there. A goroutine
// that was not defined is defined by its first event. Errors are CodeInvalid, for an event that means nothing (an unknown
// kind, a function that is not defined, data longer than MaxData): it is not counted and the builder goes on. Others come
// from emit.
func (b *Builder) Append(r *Raw) error {
	if err := b.check(r); err != nil {
		return err
	}
	d := b.d
	if n := len(d.records); n > 0 && (n >= BlockEvents || d.bytes >= cutData || r.Time-b.firstTime > BlockNanoseconds ||
		d.bytes+r.size() > maxBlockData || len(d.summary.Closed) >= cutClosed) {
		if err := b.seal(r.Time); err != nil {
			return err
		}
		d = b.d
	}
	g := b.current
	if g == nil || g.id != r.Goroutine {
		g = b.goroutine(r.Goroutine, r.Time)
	}
	if g.stamp != b.stamp {
		b.activate(g, r.Time)
	}
	b.add(d, g, r)
	return nil
}

func (b *Builder) check(r *Raw) error {
	if b.err != nil {
		return b.err
	}
	if r.Kind-1 >= KindGoroutineEnd {
		return Errorf(CodeInvalid, "an event of unknown kind %d", r.Kind)
	}
	if uint(r.Function) >= uint(len(b.functions)) {
		return Errorf(CodeInvalid, "an event of function %d, which is not defined", r.Function)
	}
	if r.Function == 0 && r.Kind <= KindReturn {
		return Errorf(CodeInvalid, "a %s without its function", r.Kind)
	}
	if r.Kind == KindGap && len(r.Data) < 8 {
		return Errorf(CodeInvalid, "a gap without its count")
	}
	if r.size() > MaxData {
		return Errorf(CodeInvalid, "a %s with %d bytes of data, of %d at most", r.Kind, r.size(), MaxData)
	}
	if b.finished {
		return Errorf(CodeInvalid, "an event after the end of its run")
	}
	return nil
}

// add writes an event down and pairs it.
func (b *Builder) add(d *draftState, g *goroutineState, r *Raw) {
	time := max(r.Time, g.last)
	g.last = time
	seq := b.next
	b.next++
	b.captured++
	if len(d.records) == 0 {
		b.firstTime = time
		d.header.First, d.header.Last = time, time
	} else {
		h := &d.header
		if time < b.lastTime {
			d.backwards = true
			h.First = min(h.First, time)
		}
		h.Last = max(h.Last, time)
	}
	b.lastTime = time
	d.summary.Truncated += uint64(r.Truncated)
	d.summary.Unreadable += uint64(r.Unreadable)
	// It is filled in its place: a literal would be copied there while its parts are on their way to memory, which waits for them.
	d.records = append(d.records, record{})
	rec := &d.records[len(d.records)-1]
	rec.time, rec.actor = time, g.actor
	switch r.Kind {
	case KindCall:
		rec.slot = b.slot(d, r.Function)
		rec.data = d.put(&d.slots[rec.slot].callData, r)
		rec.code = b.call(d, g, r, rec, seq)
	case KindReturn:
		rec.slot = b.slot(d, r.Function)
		rec.data = d.put(&d.slots[rec.slot].returnData, r)
		rec.code = b.returned(d, g, r, rec, seq)
	default:
		rec.data = d.put(&d.slots[0].callData, r)
		rec.slot, rec.code = b.other(d, g, r, seq, time)
	}
	a := &d.actors[g.actor].activity
	a.Events++
	a.LastSeq, a.Last = seq, time
}

// call pairs a call, and returns the code for its record.
func (b *Builder) call(d *draftState, g *goroutineState, r *Raw, rec *record, seq uint64) uint8 {
	code, at, time := codeOf(KindCall), rec.slot, rec.time
	n := len(g.frames)
	if n > 0 && g.frames[n-1].offset >= r.Frame {
		// Frames at or beyond this one are gone: their place on the stack is used again.
		code |= b.unwind(d, g, g.aboveOrAt(r.Frame), seq, time, false)
		n = len(g.frames)
	}
	if len(g.panics) > 0 {
		g.settle(r.Frame)
	}
	s := &d.slots[at]
	s.calls++
	d.actors[g.actor].activity.Calls++
	d.summary.Calls++
	var caller FunctionID
	made := &g.roots
	if n > 0 {
		caller = g.frames[n-1].function
		made = &g.frames[n-1].calls
	}
	position := *made
	*made++
	edge := s.lastEdge
	if s.lastCaller != caller || edge < 0 {
		edge = d.edges.find(caller, r.Function)
		s.lastCaller, s.lastEdge = caller, edge
	}
	d.edges.list[edge].Calls++
	f := g.push(r.Function)
	f.seq, f.offset, f.start, f.edge, f.slot, f.position = seq, r.Frame, time, edge, at, position
	return code
}

// returned pairs a return, and returns the code for its record.
func (b *Builder) returned(d *draftState, g *goroutineState, r *Raw, rec *record, seq uint64) uint8 {
	code, time := codeOf(KindReturn), rec.time
	failed := b.failed(r.Function, d.data[rec.data.begin:rec.data.end])
	if failed {
		code |= codeFailed
		d.slots[rec.slot].errors++
		d.summary.Errors++
	}
	gone, matched := 0, false
	if n := len(g.frames); n > 0 {
		if g.frames[n-1].offset > r.Frame {
			gone = g.above(r.Frame)
		}
		if at := len(g.frames) - 1 - gone; at >= 0 && g.frames[at].offset == r.Frame {
			if matched = g.frames[at].function == r.Function; !matched {
				// Another function returns from this frame: the call went over into one that was not recorded.
				gone++
			}
		}
	}
	code |= b.unwind(d, g, gone, seq, time, false)
	if matched {
		b.end(d, g, seq, time, OutcomeReturned, failed)
	} else {
		code |= codeFunction
	}
	if len(g.panics) > 0 {
		g.settle(r.Frame)
	}
	return code
}

func (b *Builder) other(d *draftState, g *goroutineState, r *Raw, seq uint64, time int64) (uint32, uint8) {
	code := codeOf(r.Kind)
	switch r.Kind {
	case KindPanic:
		d.summary.Panics++
		g.beginPanic(seq, r.Frame)
	case KindRecovered:
		code |= b.unwind(d, g, g.above(r.Frame), seq, time, r.Flags&FlagGoexit != 0)
		g.recovered(r.Frame)
	case KindGap:
		n := binary.LittleEndian.Uint64(r.Data)
		b.captured += n
		b.dropped += n
	case KindLine:
		d.lines = append(d.lines, r.Line)
	case KindGoroutineEnd:
		code |= b.unwind(d, g, g.aboveOrAt(0), seq, time, r.Flags&FlagGoexit != 0)
		g.panics = g.panics[:0]
		g.ended = true
		d.actors[g.actor].activity.Ended = true
	}
	if r.Function == 0 {
		return 0, code
	}
	return b.slot(d, r.Function), code | codeFunction
}

// failed reports whether the data of a function's return holds an error that is not nil.
func (b *Builder) failed(function FunctionID, data []byte) bool {
	at := int(b.functions[function].errorWord)
	return at >= 0 && len(data) >= at+8 && binary.LittleEndian.Uint64(data[at:]) != 0
}

// unwind ends the n innermost calls without a return and notes it. It returns the code's bit.
func (b *Builder) unwind(d *draftState, g *goroutineState, n int, seq uint64, time int64, goexit bool) uint8 {
	if n == 0 {
		return 0
	}
	u := g.explain(n, goexit)
	d.unwinds = append(d.unwinds, u)
	for range u.lost {
		b.end(d, g, seq, time, OutcomeLost, false)
	}
	for range u.explained {
		b.end(d, g, seq, time, u.cause, false)
	}
	return codeUnwound
}

// end pops the innermost call and counts it.
func (b *Builder) end(d *draftState, g *goroutineState, seq uint64, time int64, outcome Outcome, failed bool) {
	n := len(g.frames) - 1
	f := &g.frames[n]
	duration := time - f.start
	var parent uint64
	if n > 0 {
		if n < g.low {
			d.addEntry(g.actor, &g.frames[n-1])
		}
		g.frames[n-1].children += duration
		parent = g.frames[n-1].seq
	}
	g.low = min(g.low, n)
	at, edge := f.slot, f.edge
	if f.seq < b.firstSeq {
		at = b.slot(d, f.function)
		var caller FunctionID
		if n > 0 {
			caller = g.frames[n-1].function
		}
		edge = d.edges.find(caller, f.function)
		d.summary.Closed = append(d.summary.Closed, Call{
			Seq: f.seq, Goroutine: g.id, Function: f.function, Parent: parent, Depth: g.parked.count + n, Start: f.start,
			End: time, EndSeq: seq, Self: duration - f.children, Outcome: outcome, Failed: failed,
		})
	}
	s := &d.slots[at]
	s.ended++
	s.self += duration - f.children
	if f.place >= 0 {
		s.total += duration
	}
	if outcome == OutcomePanicked {
		s.panics++
	}
	d.edges.list[edge].Total += duration
	d.ends = append(d.ends, callEnd{duration, at})
	g.open.remove(f.place)
	g.frames = g.frames[:n]
	if n < 2 && g.parked.count > 0 {
		g.unpark()
	}
}

// slot returns the index of a function in the block.
func (b *Builder) slot(d *draftState, id FunctionID) uint32 {
	f := &b.functions[id]
	if f.stamp != b.stamp {
		f.stamp = b.stamp
		f.slot = uint32(len(d.slots))
		d.slots = append(d.slots, slot{function: id, callSize: f.callSize, returnSize: f.returnSize, lastEdge: -1})
	}
	return f.slot
}

// Drop counts n captured events that were given up. reason becomes a gap event on goroutine (0: no particular one). The
// gap event is captured and stored itself. To Append a gap event counts the same way.
func (b *Builder) Drop(n uint64, goroutine, time int64, reason string) error {
	data := append(binary.LittleEndian.AppendUint64(nil, n), reason...)
	return b.Append(&Raw{Kind: KindGap, Goroutine: goroutine, Time: time, Data: data})
}

// Quiet counts n goroutines that came and went without an event. They are not defined, nor do they make a block by themselves.
func (b *Builder) Quiet(n uint64) {
	if !b.finished {
		b.d.summary.Quiet += n
	}
}

// OpenCall returns the seq of the innermost open call of a goroutine, 0 when there is none.
func (b *Builder) OpenCall(goroutine int64) uint64 {
	if g := b.lookup(goroutine); g != nil && len(g.frames) > 0 {
		return g.frames[len(g.frames)-1].seq
	}
	return 0
}

// Depth returns how many recorded calls of a goroutine are open.
func (b *Builder) Depth(goroutine int64) int {
	if g := b.lookup(goroutine); g != nil {
		return g.depth()
	}
	return 0
}

func (b *Builder) lookup(id int64) *goroutineState {
	if g := b.current; g != nil && g.id == id {
		return g
	}
	if g := b.recent[uint64(id)%recentGoroutines]; g != nil && g.id == id {
		return g
	}
	return b.live[id]
}

// Cut emits what is pending as a block, if anything is. now is the time of a block without events.
func (b *Builder) Cut(now int64) error {
	if b.err != nil || b.finished || b.d.empty() {
		return b.err
	}
	return b.seal(now)
}

// CutDefinitions is Cut for definitions that are long enough for a block of their own: whoever knows them early has them encoded
// while nothing happens yet.
func (b *Builder) CutDefinitions(now int64) error {
	const worthwhile = 64 << 10
	if b.d.definitionBytes < worthwhile {
		return b.err
	}
	return b.Cut(now)
}

// Finish emits the final block with the run's end. Calls that are open then stay open.
func (b *Builder) Finish(end RunEnd) error {
	if b.err != nil {
		return b.err
	}
	if b.finished {
		return Errorf(CodeInvalid, "a run that ends twice")
	}
	b.finished = true
	b.d.end = &end
	b.d.header.Final = true
	return b.seal(max(end.Duration, b.latest))
}

// seal completes the block, hands it out and begins the next.
func (b *Builder) seal(now int64) error {
	d := b.d
	h := &d.header
	h.Events = uint32(len(d.records))
	h.Captured, h.Dropped = b.captured, b.dropped
	if h.Events == 0 {
		h.First, h.Last = now, now
	}
	b.latest = max(b.latest, h.Last)
	for _, g := range b.active {
		b.sealGoroutine(d, g)
	}
	clear(b.active)
	b.active = b.active[:0]
	b.begin()
	if err := b.emit(&Draft{d}); err != nil {
		b.err = err
	}
	return b.err
}
