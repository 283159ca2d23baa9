package store

import (
	"context"

	"smiley/recording"
)

// Callers returns a call and the calls that it was made from, the innermost first, at most n of them (0: 100). It decodes
// one block, however far the callers lie apart: those of other blocks outlive theirs, and are indexed. Errors:
// CodeNotFound when the event is not there or not a call.
func (r *Reader) Callers(ctx context.Context, id recording.RunID, seq uint64, n int) ([]recording.Call, error) {
	var list []recording.Call
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		number, err := blockOf(ctx, q, run, seq)
		if err != nil {
			return err
		}
		s, err := r.structure(ctx, q, run.key, number)
		if err != nil {
			return err
		}
		c := s.call(seq)
		if c == nil {
			return recording.Errorf(recording.CodeNotFound, "event %d of run %s is not a call", seq, run.ID)
		}
		for len(list) < limit(n) {
			call, err := r.ended(ctx, q, run, c)
			if err != nil {
				return err
			}
			list = append(list, call)
			if call.Parent == 0 || call.Parent >= call.Seq {
				return nil
			}
			if c = s.call(call.Parent); c == nil {
				c = &recording.Call{Seq: call.Parent} // of another block, so it has outlived that
			}
		}
		return nil
	})
	return list, err
}
