package store

import (
	"context"
	"database/sql"
	"errors"

	"smiley/recording"
)

// CallData is a call with what was captured of its values: the records of its call and return events, for
// recording.ValueDecoder.
type CallData struct {
	recording.Call
	Args    []byte
	Results []byte
	// Returned says that there is a return event, and Results is its record; otherwise results are unknown.
	Returned bool
}

// Call returns the call with this seq, and its values. Errors: CodeNotFound when the event is not there or not a call.
func (r *Reader) Call(ctx context.Context, id recording.RunID, seq uint64) (*CallData, error) {
	var data CallData
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		if data.Call, err = r.call(ctx, q, run, seq); err != nil {
			return err
		}
		call, err := r.event(ctx, q, run, seq)
		if err != nil {
			return err
		}
		data.Args = call.Data
		if data.Outcome != recording.OutcomeReturned {
			return nil
		}
		end, err := r.event(ctx, q, run, data.EndSeq)
		if err != nil {
			return err
		}
		data.Results, data.Returned = end.Data, end.Kind == recording.KindReturn
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &data, nil
}

// event returns one event with its data.
func (r *Reader) event(ctx context.Context, q queries, run *runRow, seq uint64) (recording.Event, error) {
	number, err := blockOf(ctx, q, run, seq)
	if err != nil {
		return recording.Event{}, err
	}
	block, err := readBlock(ctx, q, run.key, number)
	if err != nil {
		return recording.Event{}, err
	}
	return block.Event(seq)
}

// call returns a call with its end, wherever that lies.
func (r *Reader) call(ctx context.Context, q queries, run *runRow, seq uint64) (recording.Call, error) {
	number, err := blockOf(ctx, q, run, seq)
	if err != nil {
		return recording.Call{}, err
	}
	s, err := r.structure(ctx, q, run.key, number)
	if err != nil {
		return recording.Call{}, err
	}
	c := s.call(seq)
	if c == nil {
		return recording.Call{}, recording.Errorf(recording.CodeNotFound, "event %d of run %s is not a call", seq, run.ID)
	}
	return r.ended(ctx, q, run, c)
}

// ended returns a call as its block has it, with its end when that came later.
func (r *Reader) ended(ctx context.Context, q queries, run *runRow, c *recording.Call) (recording.Call, error) {
	if c.Outcome != recording.OutcomeOpen {
		return *c, nil
	}
	t, err := r.tail(ctx, q, run)
	if err != nil {
		return *c, err
	}
	if later, ok := t.opened[c.Seq]; ok {
		return *later, nil
	}
	if later, ok := t.closed[c.Seq]; ok {
		return *later, nil
	}
	var end, endSeq, self sql.NullInt64
	long := *c
	err = q.QueryRowContext(ctx, queryLongCall, run.key, c.Seq).Scan(&end, &endSeq, &self, &long.Outcome, &long.Failed)
	if errors.Is(err, sql.ErrNoRows) {
		return *c, failure(recording.CodeDamaged, err, "the index of calls is damaged", "")
	}
	if err == nil && long.Outcome != recording.OutcomeOpen {
		long.End, long.EndSeq, long.Self = end.Int64, uint64(endSeq.Int64), self.Int64
	}
	return long, err
}

// Children returns a page of the calls that a call made directly, in order, beginning behind the child with the seq
// after (0: with the first), at most n of them (0: 100). A page takes as long with fifty million children as with five.
// Errors: CodeNotFound; CodeInvalid when after is not a child of the call.
func (r *Reader) Children(ctx context.Context, id recording.RunID, call, after uint64, n int) ([]recording.Call, error) {
	var page []recording.Call
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		parent, err := r.call(ctx, q, run, call)
		if err != nil {
			return err
		}
		where, err := r.placeOf(ctx, q, run, parent.Goroutine)
		if err != nil {
			return err
		}
		end := run.Events
		if parent.Outcome != recording.OutcomeOpen {
			end = parent.EndSeq
		}
		w := callWalk{r: r, q: q, place: where, parent: call, from: call + 1, end: end, limit: limit(n)}
		page, err = w.page(ctx, after)
		return err
	})
	return page, err
}

// Roots returns a page of the outermost recorded calls of a goroutine. It is like Children otherwise.
func (r *Reader) Roots(ctx context.Context, id recording.RunID, goroutine int64, after uint64, n int) ([]recording.Call, error) {
	var page []recording.Call
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		where, err := r.placeOf(ctx, q, run, goroutine)
		if err != nil {
			return err
		}
		w := callWalk{r: r, q: q, place: where, from: 1, end: run.Events, limit: limit(n)}
		page, err = w.page(ctx, after)
		return err
	})
	return page, err
}

// callWalk gathers the calls of a goroutine that have the same parent. It decodes a block only where such a call can
// begin: the blocks inside a child that outlives its block are skipped, because its end is indexed.
type callWalk struct {
	r      *Reader
	q      queries
	place  place
	parent uint64 // 0: none
	from   uint64 // calls begin at this seq or later
	end    uint64 // and not behind this one
	limit  int
	found  []recording.Call
}

func (w *callWalk) page(ctx context.Context, after uint64) ([]recording.Call, error) {
	if w.place.none {
		return nil, nil
	}
	if after != 0 {
		more, err := w.skip(ctx, after)
		if err != nil || !more {
			return nil, err
		}
	}
	number := w.place.first
	if w.from > 1 && w.from <= w.end {
		var err error
		if number, err = blockOf(ctx, w.q, w.place.run, w.from); err != nil {
			return nil, err
		}
	}
	for w.from <= w.end && len(w.found) < w.limit {
		at, ok, err := w.place.next(ctx, w.q, number, true)
		if err != nil || !ok {
			return w.found, err
		}
		if number, ok, err = w.block(ctx, at); err != nil || !ok {
			return w.found, err
		}
	}
	return w.found, nil
}

// skip moves the walk behind the last call of the page before; false when nothing can follow it.
func (w *callWalk) skip(ctx context.Context, after uint64) (bool, error) {
	last, err := w.r.call(ctx, w.q, w.place.run, after)
	if err != nil {
		return false, err
	}
	if last.Parent != w.parent || w.place.goroutine != 0 && last.Goroutine != w.place.goroutine {
		return false, recording.Errorf(recording.CodeInvalid, "call %d does not belong to the list that goes on behind it", after)
	}
	w.from = last.EndSeq // what ended a call can itself be the next call
	return last.Outcome != recording.OutcomeOpen, nil
}

// block takes the calls that begin in a block. It returns the block to go on with; false when nothing can follow.
func (w *callWalk) block(ctx context.Context, number uint32) (next uint32, more bool, err error) {
	s, err := w.r.structure(ctx, w.q, w.place.run.key, number)
	if err != nil {
		return 0, false, err
	}
	calls := s.from(w.from)
	for i := range calls {
		c := &calls[i]
		if c.Seq > w.end {
			return 0, false, nil
		}
		if c.Parent != w.parent || w.parent == 0 && c.Goroutine != w.place.goroutine {
			continue
		}
		child, err := w.r.ended(ctx, w.q, w.place.run, c)
		if err != nil {
			return 0, false, err
		}
		w.found = append(w.found, child)
		if len(w.found) == w.limit {
			return 0, false, nil
		}
		if c.Outcome != recording.OutcomeOpen {
			continue
		}
		// It is open at the block's end, so the next one begins where it ended.
		if child.Outcome == recording.OutcomeOpen || child.EndSeq > w.end {
			return 0, false, nil
		}
		w.from = child.EndSeq
		next, err := blockOf(ctx, w.q, w.place.run, w.from)
		return next, true, err
	}
	return number + 1, true, nil
}
