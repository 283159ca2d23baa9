package analysis

import (
	"context"
	"iter"

	"smiley/recording"
	"smiley/store"
)

// A call is shown before the calls it makes, and with how it ended. Events are therefore looked at a window at a time: calls
// that end in their window are complete at once, the others are asked for one by one. The first window is small, so that
// the first call comes at once.
const (
	firstWindow = 256
	wholeWindow = 32 << 10
)

// Calls yields the calls that the filter chooses in the order in which they began, each with its arguments, results,
// duration and outcome: the call tree, from the outside in. It is like Events otherwise; memory holds one window of
// events.
func (r *Run) Calls(ctx context.Context, filter Filter) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		s := stream{run: r, ctx: ctx}
		size := firstWindow
		window := make([]recording.Event, 0, size)
		for e, err := range s.raw(filter, store.EventQuery{Parts: recording.WithData}) {
			if err != nil {
				yield(nil, err)
				return
			}
			if e.Kind == recording.KindCall || e.Kind == recording.KindReturn {
				window = append(window, e)
			}
			if len(window) == size {
				if !s.yieldCalls(window, &filter, yield) {
					return
				}
				window, size = window[:0], wholeWindow
			}
		}
		s.yieldCalls(window, &filter, yield)
	}
}

// yieldCalls yields the calls of a window that ended as the filter wants; false when that is enough.
func (s *stream) yieldCalls(window []recording.Event, filter *Filter, yield func(*Event, error) bool) bool {
	ends := make(map[uint64]*recording.Event, len(window)/2)
	for i := range window {
		if e := &window[i]; e.Kind == recording.KindReturn && e.Call != 0 {
			ends[e.Call] = e
		}
	}
	for i := range window {
		e := &window[i]
		if e.Kind != recording.KindCall {
			continue
		}
		call, end, err := s.ended(e, ends[e.Seq])
		if err == nil && !filter.wantsEnd(&call) {
			continue
		}
		var out *Event
		if err == nil {
			out, err = s.call(e, &call, end)
		}
		if err != nil {
			yield(nil, err)
			return false
		}
		if !yield(out, nil) {
			return false
		}
	}
	return true
}

// ended returns how a call ended. Its return is looked up by the call that names it, when it is nil.
func (s *stream) ended(e, end *recording.Event) (recording.Call, *recording.Event, error) {
	if end == nil {
		call, err := s.run.reader.CallOutline(s.ctx, s.run.info.ID, e.Seq)
		return call, nil, err
	}
	return recording.Call{
		Outcome: recording.OutcomeReturned, Failed: end.Failed, EndSeq: end.Seq, Self: end.Self,
		Start: e.Time, End: e.Time + end.Duration,
	}, end, nil
}

// call names a call and how it ended.
func (s *stream) call(e *recording.Event, call *recording.Call, end *recording.Event) (*Event, error) {
	out, err := s.named(e)
	if err != nil {
		return nil, err
	}
	out.Outcome, out.Failed, out.Self = outcome(call.Outcome), call.Failed, knownTime(call.Self)
	if call.End >= 0 && call.Outcome != recording.OutcomeOpen && call.Outcome != recording.OutcomeLost {
		out.Duration = knownTime(call.End - call.Start)
	}
	f, known := s.tables.function(e.Function)
	if call.Outcome != recording.OutcomeReturned || !known {
		return out, nil
	}
	if end == nil {
		if end, err = s.returned(call.EndSeq); err != nil {
			return nil, err
		}
	}
	out.Results = s.tables.values(f.Results, end.Data)
	return out, nil
}

// Calls that were open together often end together, as when a program ends. So a return that is looked up brings the next
// ones with it.
const (
	lookAhead   = 4096
	keptReturns = 16 << 10
)

// returned returns a return event that lies beyond the window.
func (s *stream) returned(seq uint64) (*recording.Event, error) {
	if e, ok := s.returns[seq]; ok {
		return &e, nil
	}
	if s.returns == nil || len(s.returns) > keptReturns {
		s.returns = map[uint64]recording.Event{}
	}
	query := store.EventQuery{FromSeq: seq, Limit: lookAhead, Parts: recording.WithData}
	for e, err := range s.run.reader.Events(s.ctx, s.run.info.ID, query) {
		if err != nil {
			return nil, err
		}
		if e.Kind == recording.KindReturn {
			s.returns[e.Seq] = e
		}
	}
	e, ok := s.returns[seq]
	if !ok {
		return nil, recording.Errorf(recording.CodeDamaged, "event %d of run %s should be a return and is not", seq, s.run.info.ID)
	}
	return &e, nil
}
