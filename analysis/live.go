package analysis

import (
	"iter"

	"smiley/recording"
)

// Live names the events of a run from its blocks alone, as they come: no store is needed. Blocks are given to it in order;
// Events then yields what the filter chooses, and Skip leaves out a block's events. Blocks may be missing, when Define is told
// what they defined. What comes from elsewhere must have passed a [LiveCheck].
//
// Memory holds the run's tables and the open calls that were seen, a million of them at most. It is not safe for concurrent use.
type Live struct {
	start   *recording.Run
	filter  Filter
	wanted  map[recording.FunctionID]bool // nil: all
	tables  tables
	next    uint64               // seq of the next event; 0: none was seen or left out
	open    map[int64][]liveCall // by goroutine: calls that were seen to begin, the outermost first
	opened  int                  // of all goroutines
	skipped uint64
}

// liveCall is a call that has begun.
type liveCall struct {
	seq      uint64
	function recording.FunctionID
	depth    int
}

// maxLiveCalls bounds the open calls that are remembered. When there are more, none is, and events that are no calls or
// returns are shown without their function until the next block.
const maxLiveCalls = 1 << 20

// NewLive returns a Live that has seen nothing.
func NewLive(filter Filter) *Live {
	l := &Live{filter: filter, open: map[int64][]liveCall{}}
	l.tables.sources = map[recording.FileID]*source{}
	l.tables.decoder = recording.ValueDecoder{Types: recording.NewTypes(nil), FunctionName: l.tables.functionName}
	if filter.Function != nil {
		l.wanted = map[recording.FunctionID]bool{}
	}
	return l
}

// Start returns what the run is, nil before its first block.
func (l *Live) Start() *recording.Run { return l.start }

// Define takes what a block defines, and leaves its events to others: they count neither as shown nor as skipped. What is
// defined already is ignored.
func (l *Live) Define(b *recording.Block) { l.learn(b) }

// Skip takes what a block defines and counts its events as not shown.
func (l *Live) Skip(b *recording.Block) {
	l.learn(b)
	l.reach(b)
	l.leaveOut(uint64(b.Header.Events))
}

// Missed counts the events before seq that were not seen as not shown.
func (l *Live) Missed(seq uint64) {
	if l.next != 0 && seq > l.next {
		l.leaveOut(seq - l.next)
	}
}

// reach brings l to the beginning of a block. What lies between it and the block before was not seen.
func (l *Live) reach(b *recording.Block) {
	l.Missed(b.FirstSeq)
	l.next = max(l.next, b.FirstSeq)
}

func (l *Live) leaveOut(n uint64) {
	if n == 0 {
		return
	}
	l.next += n
	l.skipped += n
	l.forget()
}

// forget forgets the open calls.
func (l *Live) forget() {
	clear(l.open)
	l.opened = 0
}

// Skipped returns how many events were left out since it was last asked.
func (l *Live) Skipped() uint64 {
	n := l.skipped
	l.skipped = 0
	return n
}

// Events yields the events of the block that the filter chooses, with everything named; an Event is valid until the next one
// is asked for. The sequence ends after the first error, which is CodeDamaged. When nobody asks for more, the remaining events
// of the block count as not shown.
func (l *Live) Events(b *recording.Block) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		l.learn(b)
		l.reach(b)
		end := b.FirstSeq + uint64(b.Header.Events)
		if err := l.enter(b); err != nil {
			yield(nil, err)
			return
		}
		for e, err := range b.Events(recording.WithData) {
			if err != nil {
				yield(nil, err)
				return
			}
			l.next = e.Seq + 1
			around := l.follow(&e)
			if !l.chosen(&e) {
				continue
			}
			out, file := l.tables.event(&e)
			if out.Function == "" && around != 0 && e.Kind != recording.KindGoroutineStart {
				file = l.tables.place(&out, around, e.Line)
			}
			out.Source = l.tables.sources[file].line(out.Line)
			if !yield(&out, nil) {
				l.Missed(end)
				return
			}
		}
	}
}

// enter takes from a block which calls were open at its beginning, as far as its events touch them: some may have begun in
// blocks that were not seen.
func (l *Live) enter(b *recording.Block) error {
	entries, err := b.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		l.pop(e.Goroutine, e.Depth)
		l.push(e.Goroutine, liveCall{e.Seq, e.Function, e.Depth})
	}
	return nil
}

// chosen reports whether the filter wants an event.
func (l *Live) chosen(e *recording.Event) bool {
	f := &l.filter
	switch {
	case f.Goroutine != 0 && e.Goroutine != f.Goroutine, l.wanted != nil && !l.wanted[e.Function]:
		return false
	case f.From.Set && (e.Seq < f.From.Seq || e.Time < f.From.Time):
		return false
	case f.To.Set && (f.To.Seq > 0 && e.Seq > f.To.Seq || f.To.Seq == 0 && e.Time > f.To.Time):
		return false
	}
	return f.wantsEvent(e)
}

// learn takes what a block defines. Ids are dense, so what is known already is known by its id.
func (l *Live) learn(b *recording.Block) {
	if b.Start != nil && l.start == nil {
		l.start = b.Start
		l.tables.decoder.Bounds = b.Start.Settings.Bounds
	}
	d := &b.Definitions
	l.tables.decoder.Types.Add(d.Types...)
	for i := range d.Functions {
		f := &d.Functions[i]
		if int(f.ID) != len(l.tables.functions)+1 {
			continue
		}
		l.tables.functions = append(l.tables.functions, *f)
		if l.wanted != nil && names(*l.filter.Function, f) {
			l.wanted[f.ID] = true
		}
	}
	for _, f := range d.Files {
		if int(f.ID) != len(l.tables.files)+1 {
			continue
		}
		if f.Missing == "" {
			l.tables.sources[f.ID] = newSource(f.Body)
		}
		f.Body = nil
		l.tables.files = append(l.tables.files, f)
	}
	l.tables.goroutines.add(d.Goroutines)
}

// follow keeps the open calls of the event's goroutine, and returns the function of the call that it belongs to; 0 when that
// is not known.
func (l *Live) follow(e *recording.Event) recording.FunctionID {
	switch {
	case e.Kind == recording.KindGoroutineEnd:
		l.pop(e.Goroutine, 0)
		return 0
	case e.Call == 0:
		return 0
	case e.Kind == recording.KindReturn:
		l.pop(e.Goroutine, e.Depth)
		return e.Function
	case e.Kind == recording.KindCall:
		l.pop(e.Goroutine, e.Depth)
		l.push(e.Goroutine, liveCall{e.Seq, e.Function, e.Depth})
		return e.Function
	}
	l.pop(e.Goroutine, e.Depth+1)
	if open := l.open[e.Goroutine]; len(open) > 0 && open[len(open)-1].seq == e.Call {
		return open[len(open)-1].function
	}
	return 0
}

// pop forgets the open calls of a goroutine from a depth on.
func (l *Live) pop(goroutine int64, depth int) {
	open := l.open[goroutine]
	n := len(open)
	for n > 0 && open[n-1].depth >= depth {
		n--
	}
	l.opened -= len(open) - n
	if n > 0 {
		l.open[goroutine] = open[:n]
	} else if len(open) > 0 {
		delete(l.open, goroutine)
	}
}

func (l *Live) push(goroutine int64, c liveCall) {
	if l.opened == maxLiveCalls {
		l.forget()
	}
	l.opened++
	l.open[goroutine] = append(l.open[goroutine], c)
}
