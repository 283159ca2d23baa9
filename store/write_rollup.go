package store

import (
	"cmp"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"smiley/recording"
)

// insertRollUp adds a block to what is pending, and what is pending to the tables when there is enough of it.
func (w *writeTx) insertRollUp(run *liveRun, b *recording.Block) error {
	run.pending.add(b)
	covered := b.Number + 1
	if run.rolledUp == b.Number && (run.pending.entries() == 0 || b.Final) {
		// There is nothing to add, or what there is stands in the last block alone: its summary is read as quickly as the tables, and
		// whoever ran a short program waits.
		if !b.Final {
			run.rolledUp = covered
		}
		return nil
	}
	if !b.Final && covered-run.rolledUp < w.s.rollUpBlocks && run.pending.entries() < rollUpEntries {
		return nil
	}
	if err := w.flush(run.key, run.pending); err != nil {
		return err
	}
	run.pending, run.rolledUp = newRollUp(), covered
	return nil
}

// flush adds a roll-up to the tables.
func (w *writeTx) flush(key int64, u *rollUp) error {
	for _, step := range []func(int64, *rollUp) error{
		w.flushFunctions, w.flushEdges, w.flushGoroutines, w.flushCalls,
	} {
		if err := step(key, u); err != nil {
			return err
		}
	}
	return nil
}

func (w *writeTx) flushFunctions(key int64, u *rollUp) error {
	for _, id := range slices.Sorted(maps.Keys(u.functions)) {
		d := u.functions[id]
		histogram := d.Duration
		var stored []byte
		err := w.tx.StmtContext(w.ctx, w.s.statements.histogram).QueryRowContext(w.ctx, key, id).Scan(&stored)
		if err == nil {
			var before recording.Histogram
			if err := before.UnmarshalBinary(stored); err != nil {
				return damaged(w.s.file, err)
			}
			before.Merge(&histogram)
			histogram = before
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if stored, err = histogram.AppendBinary(stored[:0]); err != nil {
			return err
		}
		err = w.exec(w.s.statements.functionStats, key, id, d.Calls, d.Ended, d.Errors, d.Panics, d.Total, d.Self, stored)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writeTx) flushEdges(key int64, u *rollUp) error {
	keys := slices.SortedFunc(maps.Keys(u.edges), func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.caller, b.caller), cmp.Compare(a.callee, b.callee))
	})
	for _, e := range keys {
		d := u.edges[e]
		if err := w.exec(w.s.statements.edgeStats, key, e.caller, e.callee, d.Calls, d.Total); err != nil {
			return err
		}
	}
	return nil
}

func (w *writeTx) flushGoroutines(key int64, u *rollUp) error {
	ids := slices.Sorted(maps.Keys(u.goroutines))
	st := w.s.statements
	return execRows(w, ids, st.goroutine, st.goroutineRows, func(ids []int64) []any { return u.goroutineRows(key, ids) })
}

// execRows writes a row for each of keys: rowsAtOnce by one statement while there are as many, and then one by one. values returns
// those of the rows of some keys.
func execRows[K any](w *writeTx, keys []K, one, many *sql.Stmt, values func([]K) []any) error {
	for chunk := range slices.Chunk(keys, rowsAtOnce) {
		if len(chunk) == rowsAtOnce {
			if err := w.exec(many, values(chunk)...); err != nil {
				return err
			}
			continue
		}
		for i := range chunk {
			if err := w.exec(one, values(chunk[i:i+1])...); err != nil {
				return err
			}
		}
	}
	return nil
}

// goroutineRows are the values of rows of goroutines.
func (u *rollUp) goroutineRows(key int64, ids []int64) []any {
	values := make([]any, 0, 16*len(ids))
	for _, id := range ids {
		g := u.goroutines[id]
		var end any
		if g.ended {
			end = g.last
		}
		values = append(values, key, id, g.Parent, g.Creator, g.CreatedIn, g.CreatedLine, g.StartFunction,
			g.Start, end, g.firstSeq, g.lastSeq, g.first, g.last, g.events, g.calls, g.begins)
	}
	return values
}

func (w *writeTx) flushCalls(key int64, u *rollUp) error {
	seqs := slices.Sorted(maps.Keys(u.opened))
	st := w.s.statements
	err := execRows(w, seqs, st.openCall, st.openCallRows, func(seqs []uint64) []any { return u.openCallRows(key, seqs) })
	if err != nil {
		return err
	}
	for _, seq := range slices.Sorted(maps.Keys(u.closed)) {
		c := u.closed[seq]
		err := w.exec(w.s.statements.closeCall, c.End, c.EndSeq, c.Self, c.Outcome, c.Failed, key, seq)
		if err != nil {
			return err
		}
	}
	return nil
}

// openCallRows are the values of rows of long calls.
func (u *rollUp) openCallRows(key int64, seqs []uint64) []any {
	values := make([]any, 0, 13*len(seqs))
	for _, seq := range seqs {
		c := u.opened[seq]
		var end, endSeq, self any
		if c.Outcome != recording.OutcomeOpen {
			end, endSeq, self = c.End, c.EndSeq, c.Self
		}
		values = append(values, key, seq, c.Goroutine, c.Function, c.Parent, c.position, c.Depth, c.Start,
			end, endSeq, self, c.Outcome, c.Failed)
	}
	return values
}
