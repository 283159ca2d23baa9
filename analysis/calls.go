package analysis

import (
	"context"
	"iter"

	"smiley/recording"
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
		for e, err := range s.raw(filter, recording.WithData) {
			if err != nil {
				yield(nil, err)
				return
			}
			if e.Kind == recording.KindCall || e.Kind == recording.KindReturn {
				window = append(window, e)
			}
			if len(window) == size {
				if !s.yieldCalls(window, yield) {
					return
				}
				window, size = window[:0], wholeWindow
			}
		}
		s.yieldCalls(window, yield)
	}
}

// yieldCalls yields the calls of a window; false when that is enough.
func (s *stream) yieldCalls(window []recording.Event, yield func(*Event, error) bool) bool {
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
		out, err := s.call(e, ends[e.Seq])
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

// call names a call and its end, which is asked for when it is nil.
func (s *stream) call(e, end *recording.Event) (*Event, error) {
	out, err := s.named(e)
	if err != nil {
		return nil, err
	}
	f, known := s.tables.function(e.Function)
	if end != nil {
		out.Outcome, out.Failed = OutcomeReturned, end.Failed
		out.Duration, out.Self = knownTime(end.Duration), knownTime(end.Self)
		if known {
			out.Results = s.tables.values(f.Results, end.Data)
		}
		return out, nil
	}
	call, err := s.run.reader.Call(s.ctx, s.run.info.ID, e.Seq)
	if err != nil {
		return nil, err
	}
	out.Outcome, out.Failed, out.Self = outcome(call.Outcome), call.Failed, knownTime(call.Self)
	if call.End >= 0 && call.Outcome != recording.OutcomeOpen && call.Outcome != recording.OutcomeLost {
		out.Duration = knownTime(call.End - call.Start)
	}
	if call.Returned && known {
		out.Results = s.tables.values(f.Results, call.Results)
	}
	return out, nil
}
