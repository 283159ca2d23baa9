package analysis

import (
	"iter"

	"smiley/recording"
)

// Live names the events of a run from its blocks alone, as they come: no store is needed. Every block must be given to it, in
// order; Events then yields what the filter chooses, and Skip leaves out a block's events. Memory holds the run's tables and
// the open calls. It is not safe for concurrent use.
type Live struct {
	start   *recording.Run
	filter  Filter
	wanted  map[recording.FunctionID]bool // nil: all
	tables  tables
	open    map[int64][]openCall // as in a stream
	skipped uint64
}

// NewLive returns a Live that has seen nothing.
func NewLive(filter Filter) *Live {
	l := &Live{filter: filter, open: map[int64][]openCall{}}
	l.tables.sources = map[recording.FileID]*source{}
	l.tables.decoder = recording.ValueDecoder{Types: recording.NewTypes(nil), FunctionName: l.tables.functionName}
	if filter.Function != nil {
		l.wanted = map[recording.FunctionID]bool{}
	}
	return l
}

// Start returns what the run is, nil before its first block.
func (l *Live) Start() *recording.Run { return l.start }

// Skip takes what a block defines and counts its events as not shown.
func (l *Live) Skip(b *recording.Block) {
	l.learn(b)
	l.skipped += uint64(b.Header.Events)
	// Which calls are open is not known any more; those that the next events belong to are named again by what they say.
	clear(l.open)
}

// Skipped returns how many events were left out since it was last asked.
func (l *Live) Skipped() uint64 {
	n := l.skipped
	l.skipped = 0
	return n
}

// Events yields the events of the block that the filter chooses, with everything named; an Event is valid until the next one
// is asked for. The sequence ends after the first error.
func (l *Live) Events(b *recording.Block) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		l.learn(b)
		for e, err := range b.Events(recording.WithData) {
			if err != nil {
				yield(nil, err)
				return
			}
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
				return
			}
		}
	}
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
	return true
}

// learn takes what a block defines.
func (l *Live) learn(b *recording.Block) {
	if b.Start != nil {
		l.start = b.Start
		l.tables.decoder.Bounds = b.Start.Settings.Bounds
	}
	d := &b.Definitions
	l.tables.decoder.Types.Add(d.Types...)
	l.tables.functions = append(l.tables.functions, d.Functions...)
	if l.wanted != nil {
		for i := range d.Functions {
			if names(*l.filter.Function, &d.Functions[i]) {
				l.wanted[d.Functions[i].ID] = true
			}
		}
	}
	for _, f := range d.Files {
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
	open := l.open[e.Goroutine]
	switch {
	case e.Kind == recording.KindGoroutineEnd:
		delete(l.open, e.Goroutine)
		return 0
	case e.Call == 0:
		return 0
	case e.Kind == recording.KindReturn:
		l.open[e.Goroutine] = open[:min(e.Depth, len(open))]
		return e.Function
	}
	for len(open) <= e.Depth {
		open = append(open, openCall{})
	}
	open = open[:e.Depth+1]
	l.open[e.Goroutine] = open
	if e.Kind == recording.KindCall {
		open[e.Depth] = openCall{e.Seq, e.Function}
	}
	if open[e.Depth].seq != e.Call {
		return 0
	}
	return open[e.Depth].function
}
