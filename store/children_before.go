package store

import (
	"context"
	"database/sql"
	"slices"

	"smiley/recording"
)

// ChildrenBefore returns the last calls that a call made directly before the event with the seq before (0: the last of all), in
// order, at most n of them (0: 100). Any event will do, so that a seq between two others leads into the middle of a long list. It
// takes as long with fifty million children as with five. Errors: CodeNotFound.
func (r *Reader) ChildrenBefore(ctx context.Context, id recording.RunID, call, before uint64, n int) ([]recording.Call, error) {
	var page []recording.Call
	err := r.snapshot(ctx, func(q queries) error {
		l, err := r.childList(ctx, q, id, call)
		if err != nil {
			return err
		}
		w := backWalk{r: r, q: q, callList: l, before: l.end + 1, limit: limit(n)}
		page, err = w.page(ctx, before)
		return err
	})
	return page, err
}

// RootsBefore returns the last of the outermost recorded calls of a goroutine. It is like ChildrenBefore otherwise.
func (r *Reader) RootsBefore(ctx context.Context, id recording.RunID, goroutine int64, before uint64, n int) ([]recording.Call, error) {
	var page []recording.Call
	err := r.snapshot(ctx, func(q queries) error {
		l, err := r.rootList(ctx, q, id, goroutine)
		if err != nil {
			return err
		}
		w := backWalk{r: r, q: q, callList: l, before: l.end + 1, limit: limit(n)}
		page, err = w.page(ctx, before)
		return err
	})
	return page, err
}

// backWalk gathers the calls of a goroutine that have the same parent, from the last one on. It decodes a block only where
// one of them can begin: what lies inside of a call that outlives its block is passed over at once.
type backWalk struct {
	r *Reader
	q queries
	callList
	before uint64 // calls begin before this seq
	limit  int
	found  []recording.Call // the last one first
}

func (w *backWalk) page(ctx context.Context, before uint64) ([]recording.Call, error) {
	if before != 0 {
		w.before = min(w.before, before)
	}
	if w.place.none || w.done() {
		return nil, nil
	}
	number, err := blockOf(ctx, w.q, w.place.run, w.before-1)
	for err == nil && !w.done() {
		var ok bool
		if number, ok, err = w.place.previous(ctx, w.q, number); err != nil || !ok {
			break
		}
		if err = w.block(ctx, number); err != nil || w.done() {
			break
		}
		var further uint32
		if further, err = blockOf(ctx, w.q, w.place.run, w.before-1); further >= number { // nothing further begins in this one
			if number == 0 {
				break
			}
			further = number - 1
		}
		number = further
	}
	slices.Reverse(w.found)
	return w.found, err
}

func (w *backWalk) done() bool { return w.before <= w.from || len(w.found) >= w.limit }

// block takes the calls that begin in a block, and the one in which others of them lie and that began before it.
func (w *backWalk) block(ctx context.Context, number uint32) error {
	s, err := w.r.structure(ctx, w.q, w.place.run.key, number)
	if err != nil {
		return err
	}
	for i := len(s.calls) - 1; i >= 0 && !w.done(); i-- {
		c := &s.calls[i]
		if c.Seq >= w.before || c.Goroutine != w.place.goroutine {
			continue
		}
		if c.Seq < w.from {
			w.before = w.from
			return nil
		}
		child, err := w.around(ctx, s, c)
		if err != nil {
			return err
		}
		if child == nil {
			continue
		}
		own := s.call(child.Seq)
		if err := w.take(ctx, child, own == nil || own.Outcome == recording.OutcomeOpen); err != nil {
			return err
		}
	}
	return nil
}

// around returns the call of the list that a call lies in, which may be that itself; nil when what ended the caller is another call.
func (w *backWalk) around(ctx context.Context, s *structure, c *recording.Call) (*recording.Call, error) {
	inside := c.Seq
	for looked := false; c.Parent != w.parent; {
		if c.Parent < w.from || c.Parent >= c.Seq {
			return nil, nil //nolint:nilnil // it lies in none
		}
		if parent := s.call(c.Parent); parent != nil {
			c = parent
			continue
		}
		if !looked { // a recursion may be a million calls deep
			looked = true
			if long, ok, err := w.longAround(ctx, inside); ok || err != nil {
				return long, err
			}
		}
		long, err := w.r.longCall(ctx, w.q, w.place.run, c.Parent)
		if err != nil {
			return nil, err
		}
		c = &long.Call
	}
	return c, nil
}

// longAround looks in the index for the call of the list in which an event lies.
func (w *backWalk) longAround(ctx context.Context, seq uint64) (*recording.Call, bool, error) {
	if w.parent == 0 && !w.place.indexed {
		return nil, false, nil // it may be of an earlier goroutine with this number
	}
	var last sql.NullInt64
	err := w.q.QueryRowContext(ctx, queryLastChild, w.place.run.key, w.place.goroutine, w.parent, seq).Scan(&last)
	if err != nil || !last.Valid { // those of the newest blocks are not in the index yet
		return nil, false, err
	}
	long, err := w.r.longCall(ctx, w.q, w.place.run, uint64(last.Int64))
	return &long.Call, err == nil && (long.Outcome == recording.OutcomeOpen || long.EndSeq > seq), err
}

// take takes a call, and those before it as long as they are in the index.
func (w *backWalk) take(ctx context.Context, c *recording.Call, long bool) error {
	if !long {
		w.found, w.before = append(w.found, *c), c.Seq
		return nil
	}
	at, err := w.r.longCall(ctx, w.q, w.place.run, c.Seq)
	for ok := true; ok && err == nil; {
		if at.Seq >= w.before || at.Seq < w.from {
			return failure(recording.CodeDamaged, nil, "the index of calls is damaged", "")
		}
		w.found, w.before = append(w.found, at.Call), at.Seq
		// Positions begin anew with a goroutine whose number was given again.
		if known := w.parent != 0 || w.place.indexed; !known || at.position == 0 || w.done() {
			return nil
		}
		at, ok, err = w.r.sibling(ctx, w.q, w.place.run, sibling{w.place.goroutine, w.parent, at.position - 1})
	}
	return err
}
