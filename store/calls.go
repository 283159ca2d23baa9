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
		block, err := r.blockWith(ctx, q, run, seq)
		if err != nil {
			return err
		}
		call, err := block.Event(seq)
		if err != nil {
			return err
		}
		data.Args = call.Data
		if data.Outcome != recording.OutcomeReturned {
			return nil
		}
		if !inBlock(block, data.EndSeq) {
			if block, err = r.blockWith(ctx, q, run, data.EndSeq); err != nil {
				return err
			}
		}
		end, err := block.Event(data.EndSeq)
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

// blockWith returns the block that holds an event.
func (r *Reader) blockWith(ctx context.Context, q queries, run *runRow, seq uint64) (*recording.Block, error) {
	number, err := blockOf(ctx, q, run, seq)
	if err != nil {
		return nil, err
	}
	return readBlock(ctx, q, run.key, number)
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
	long, err := r.longCall(ctx, q, run, c.Seq)
	return long.Call, err
}

// longCall returns a call that outlives its block.
func (r *Reader) longCall(ctx context.Context, q queries, run *runRow, seq uint64) (longCall, error) {
	t, err := r.tail(ctx, q, run)
	if err != nil {
		return longCall{}, err
	}
	if opened, ok := t.opened[seq]; ok {
		return *opened, nil
	}
	var end, endSeq, self sql.NullInt64
	c := longCall{Call: recording.Call{Seq: seq, End: -1, Self: -1}}
	err = q.QueryRowContext(ctx, queryLongCall, run.key, seq).Scan(&c.Goroutine, &c.Function, &c.Parent, &c.position,
		&c.Depth, &c.Start, &end, &endSeq, &self, &c.Outcome, &c.Failed)
	if errors.Is(err, sql.ErrNoRows) {
		return c, failure(recording.CodeDamaged, err, "the index of calls is damaged", "")
	}
	if closed, ok := t.closed[seq]; ok {
		c.Call = *closed
	} else if c.Outcome != recording.OutcomeOpen {
		c.End, c.EndSeq, c.Self = end.Int64, uint64(endSeq.Int64), self.Int64
	}
	return c, err
}

// sibling returns the call at a place among its siblings when it outlives its block; false when it does not, or is not
// there.
func (r *Reader) sibling(ctx context.Context, q queries, run *runRow, at sibling) (longCall, bool, error) {
	t, err := r.tail(ctx, q, run)
	if err != nil {
		return longCall{}, false, err
	}
	seq, ok := t.siblings[at]
	if !ok {
		err := q.QueryRowContext(ctx, querySibling, run.key, at.goroutine, at.parent, at.position).Scan(&seq)
		if errors.Is(err, sql.ErrNoRows) {
			return longCall{}, false, nil
		}
		if err != nil {
			return longCall{}, false, err
		}
	}
	c, err := r.longCall(ctx, q, run, seq)
	return c, err == nil, err
}

// Children returns a page of the calls that a call made directly, in order, beginning behind the child with the seq
// after (0: with the first), at most n of them (0: 100). A page takes as long with fifty million children as with five.
// Errors: CodeNotFound; CodeInvalid when after is not a child of the call.
func (r *Reader) Children(ctx context.Context, id recording.RunID, call, after uint64, n int) ([]recording.Call, error) {
	var page []recording.Call
	err := r.snapshot(ctx, func(q queries) error {
		l, err := r.childList(ctx, q, id, call)
		if err != nil {
			return err
		}
		w := callWalk{r: r, q: q, callList: l, limit: limit(n)}
		page, err = w.page(ctx, after)
		return err
	})
	return page, err
}

// Roots returns a page of the outermost recorded calls of a goroutine. It is like Children otherwise.
func (r *Reader) Roots(ctx context.Context, id recording.RunID, goroutine int64, after uint64, n int) ([]recording.Call, error) {
	var page []recording.Call
	err := r.snapshot(ctx, func(q queries) error {
		l, err := r.rootList(ctx, q, id, goroutine)
		if err != nil {
			return err
		}
		w := callWalk{r: r, q: q, callList: l, limit: limit(n)}
		page, err = w.page(ctx, after)
		return err
	})
	return page, err
}

// callList is where the calls of a goroutine lie that have the same parent.
type callList struct {
	place  place
	parent uint64 // 0: none
	from   uint64 // they begin at this seq or later
	end    uint64 // and at this one at the latest
}

func (r *Reader) childList(ctx context.Context, q queries, id recording.RunID, call uint64) (callList, error) {
	run, err := r.runRow(ctx, q, id)
	if err != nil {
		return callList{}, err
	}
	parent, err := r.call(ctx, q, run, call)
	if err != nil {
		return callList{}, err
	}
	where, err := r.placeOf(ctx, q, run, parent.Goroutine)
	end := run.Events
	if parent.Outcome != recording.OutcomeOpen {
		end = parent.EndSeq // which can itself be the last child
	}
	return callList{where, call, call + 1, end}, err
}

func (r *Reader) rootList(ctx context.Context, q queries, id recording.RunID, goroutine int64) (callList, error) {
	run, err := r.runRow(ctx, q, id)
	if err != nil {
		return callList{}, err
	}
	where, err := r.placeOf(ctx, q, run, goroutine)
	return callList{where, 0, 1, run.Events}, err
}

// callWalk gathers the calls of a goroutine that have the same parent. It decodes a block only where a call can lie that
// the index does not know: a child that outlives its block is found by its position, and the blocks inside it are skipped.
type callWalk struct {
	r *Reader
	q queries
	callList
	limit int
	found []recording.Call
	// position is that of the next call, known says whether it is known.
	position uint64
	known    bool
	over     bool // nothing can follow what was found
}

func (w *callWalk) page(ctx context.Context, after uint64) ([]recording.Call, error) {
	// Positions begin anew with a goroutine whose number was given again.
	w.known = w.parent != 0 || w.place.indexed
	if w.place.none {
		return nil, nil
	}
	if after != 0 {
		if err := w.skip(ctx, after); err != nil {
			return nil, err
		}
	}
	for !w.done() {
		if err := w.longCalls(ctx); err != nil {
			return nil, err
		}
		if err := w.shortCalls(ctx); err != nil {
			return nil, err
		}
	}
	return w.found, nil
}

func (w *callWalk) done() bool { return w.over || w.from > w.end || len(w.found) >= w.limit }

// skip moves the walk behind the last call of the page before.
func (w *callWalk) skip(ctx context.Context, after uint64) error {
	last, err := w.r.call(ctx, w.q, w.place.run, after)
	if err != nil {
		return err
	}
	if last.Parent != w.parent || w.place.goroutine != 0 && last.Goroutine != w.place.goroutine {
		return recording.Errorf(recording.CodeInvalid, "call %d does not belong to the list that goes on behind it", after)
	}
	w.known = false // until a long call says it
	return w.pass(&last)
}

// pass moves the walk behind a call. What it finds lies further and further on, whatever the index says.
func (w *callWalk) pass(c *recording.Call) error {
	w.over = c.Outcome == recording.OutcomeOpen
	if !w.over && (c.Seq < w.from || c.EndSeq <= c.Seq) {
		return failure(recording.CodeDamaged, nil, "the index of calls is damaged", "")
	}
	w.from = c.EndSeq // what ended a call can itself be the next one
	w.position++
	return nil
}

// longCalls takes the calls that come next and outlive their block.
func (w *callWalk) longCalls(ctx context.Context) error {
	for w.known && !w.done() {
		c, ok, err := w.r.sibling(ctx, w.q, w.place.run, sibling{w.place.goroutine, w.parent, w.position})
		if err != nil || !ok {
			return err
		}
		w.found = append(w.found, c.Call)
		if err := w.pass(&c.Call); err != nil {
			return err
		}
	}
	return nil
}

// shortCalls takes the calls that come next, up to and including the first that outlives its block.
func (w *callWalk) shortCalls(ctx context.Context) error {
	if w.done() {
		return nil
	}
	number := w.place.first
	if w.from > 1 {
		var err error
		if number, err = blockOf(ctx, w.q, w.place.run, w.from); err != nil {
			return err
		}
	}
	for long := false; !long && !w.done(); number++ {
		at, ok, err := w.place.next(ctx, w.q, number, true)
		if err != nil || !ok {
			w.over = true
			return err
		}
		number = at
		if long, err = w.block(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

// block takes the calls that begin in a block. It reports whether the last of them outlives it.
func (w *callWalk) block(ctx context.Context, number uint32) (bool, error) {
	s, err := w.r.structure(ctx, w.q, w.place.run.key, number)
	if err != nil {
		return false, err
	}
	calls := s.from(w.from)
	for i := range calls {
		c := &calls[i]
		if c.Seq > w.end {
			w.over = true
			return false, nil
		}
		if c.Parent != w.parent || w.parent == 0 && c.Goroutine != w.place.goroutine {
			continue
		}
		if c.Outcome == recording.OutcomeOpen {
			long, err := w.r.longCall(ctx, w.q, w.place.run, c.Seq)
			if err != nil {
				return false, err
			}
			w.found = append(w.found, long.Call)
			w.position, w.known = long.position, w.parent != 0 || w.place.indexed
			return true, w.pass(&long.Call)
		}
		w.found = append(w.found, *c)
		w.position++
		if len(w.found) >= w.limit {
			return false, nil
		}
	}
	return false, nil
}
