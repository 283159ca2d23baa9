package store

import (
	"context"

	"smiley/recording"
)

// CallOutline returns the call with this seq without its values, which takes far less time than Call. Errors: CodeNotFound
// when the event is not there or not a call.
func (r *Reader) CallOutline(ctx context.Context, id recording.RunID, seq uint64) (recording.Call, error) {
	var call recording.Call
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		call, err = r.call(ctx, q, run, seq)
		return err
	})
	return call, err
}
