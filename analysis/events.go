package analysis

import (
	"context"
	"iter"

	"smiley/recording"
	"smiley/store"
)

// Events yields the events that the filter chooses, in order, with everything named. The first comes at once, whatever the
// size of the run; memory holds one block and the open calls. An Event is valid until the next one is asked for. The
// sequence ends after the first error, yielded with a nil Event.
func (r *Run) Events(ctx context.Context, filter Filter) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		s := stream{run: r, ctx: ctx}
		query := store.EventQuery{Failed: filter.Failed, Over: int64(filter.Over), Parts: recording.WithData}
		if filter.Panics {
			query.Kinds = map[recording.Kind]bool{recording.KindPanic: true, recording.KindRecovered: true}
		}
		for e, err := range s.raw(filter, query) {
			if err != nil {
				yield(nil, err)
				return
			}
			out, err := s.named(&e)
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

// stream is one pass over the events of a run.
type stream struct {
	run    *Run
	ctx    context.Context
	tables *tables
	open   map[int64][]openCall // by goroutine: the calls around the current event, the outermost first

	returns map[uint64]recording.Event // returns beyond the window of Calls, by seq
}

// openCall is a call that an event happens in. seq 0: it began before the stream did.
type openCall struct {
	seq      uint64
	function recording.FunctionID
}

// raw yields the events of the filter's goroutine, functions and moments that the query chooses, as the store has them.
func (s *stream) raw(filter Filter, query store.EventQuery) iter.Seq2[recording.Event, error] {
	return func(yield func(recording.Event, error) bool) {
		query.Goroutine, query.FromSeq, query.FromTime = filter.Goroutine, filter.From.Seq, filter.From.Time
		if filter.To.Set && filter.To.Seq == 0 {
			query.ToTime = filter.To.Time + 1
		}
		if filter.Function != nil {
			functions, err := s.run.matching(s.ctx, filter.Function)
			if err != nil {
				yield(recording.Event{}, err)
				return
			}
			query.Functions = functions
		}
		for e, err := range s.run.reader.Events(s.ctx, s.run.info.ID, query) {
			if err == nil && filter.To.Seq > 0 && e.Seq > filter.To.Seq {
				return
			}
			if err == nil && !filter.wantsDepth(&e) {
				continue
			}
			if err == nil && s.tables == nil {
				// What the stream ends with was fixed when it began, so the tables of now name all of it,
				// also when the run goes on.
				s.tables, err = s.run.loadTables(s.ctx)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// named names an event, with the call it happened in when it has no function of its own, and its source line.
func (s *stream) named(e *recording.Event) (*Event, error) {
	around, err := s.follow(e)
	if err != nil {
		return nil, err
	}
	if err := s.tables.loadGoroutine(s.ctx, s.run, e); err != nil {
		return nil, err
	}
	out, file := s.tables.event(e)
	if out.Function == "" && around != 0 && e.Kind != recording.KindGoroutineStart {
		file = s.tables.place(&out, around, e.Line)
	}
	out.Source, err = s.tables.sourceLine(s.ctx, s.run, file, out.Line)
	return &out, err
}

// follow keeps the open calls of the event's goroutine, and returns the function of the call that the event belongs to; 0
// when there is none.
func (s *stream) follow(e *recording.Event) (recording.FunctionID, error) {
	if s.open == nil {
		s.open = map[int64][]openCall{}
	}
	open := s.open[e.Goroutine]
	switch {
	case e.Kind == recording.KindGoroutineEnd:
		delete(s.open, e.Goroutine)
		return 0, nil
	case e.Call == 0:
		return 0, nil
	case e.Kind == recording.KindReturn:
		s.open[e.Goroutine] = open[:min(e.Depth, len(open))]
		return e.Function, nil
	}
	for len(open) <= e.Depth {
		open = append(open, openCall{})
	}
	open = open[:e.Depth+1]
	s.open[e.Goroutine] = open
	if e.Kind == recording.KindCall {
		open[e.Depth] = openCall{e.Seq, e.Function}
		return e.Function, nil
	}
	if open[e.Depth].seq != e.Call {
		call, err := s.run.reader.CallOutline(s.ctx, s.run.info.ID, e.Call)
		if err != nil {
			return 0, err
		}
		open[e.Depth] = openCall{e.Call, call.Function}
	}
	return open[e.Depth].function, nil
}

// matching returns the recorded functions that a pattern names. Errors: CodeNotFound when it names none.
func (r *Run) matching(ctx context.Context, pattern *recording.Pattern) (map[recording.FunctionID]bool, error) {
	functions, err := r.Functions(ctx)
	if err != nil {
		return nil, err
	}
	found := map[recording.FunctionID]bool{}
	for i := range functions {
		if names(*pattern, &functions[i]) {
			found[functions[i].ID] = true
		}
	}
	if len(found) == 0 {
		return nil, recording.Errorf(recording.CodeNotFound, "no function of the recording is named %s", pattern).
			WithHint("smiley stats show RUN lists the functions that were called")
	}
	return found, nil
}
