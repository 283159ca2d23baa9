package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"

	"smiley/recording"
)

// FunctionStats returns the statistics of every function of a run that was called, by function id.
func (r *Reader) FunctionStats(ctx context.Context, id recording.RunID) ([]recording.FunctionDelta, error) {
	var sum *rollUp
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		t, err := r.tail(ctx, q, run)
		if err != nil {
			return err
		}
		sum = newRollUp()
		for _, d := range t.functions {
			sum.addFunction(d)
		}
		return each(ctx, q, func(rows *sql.Rows) error {
			var d recording.FunctionDelta
			var histogram []byte
			err := rows.Scan(&d.Function, &d.Calls, &d.Ended, &d.Errors, &d.Panics, &d.Total, &d.Self, &histogram)
			if err != nil {
				return err
			}
			if err := d.Duration.UnmarshalBinary(histogram); err != nil {
				return damaged(r.file, err)
			}
			sum.addFunction(&d)
			return nil
		}, `SELECT function, calls, ended, errors, panics, total_ns, self_ns, histogram FROM function_stats WHERE run = ?`,
			run.key)
	})
	if err != nil {
		return nil, err
	}
	stats := make([]recording.FunctionDelta, 0, len(sum.functions))
	for _, d := range sum.functions {
		stats = append(stats, *d)
	}
	slices.SortFunc(stats, func(a, b recording.FunctionDelta) int { return cmp.Compare(a.Function, b.Function) })
	return stats, nil
}

// EdgeStats returns the call graph of a run: its caller-callee pairs, by caller and callee.
func (r *Reader) EdgeStats(ctx context.Context, id recording.RunID) ([]recording.EdgeDelta, error) {
	var sum map[edge]recording.EdgeDelta
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		t, err := r.tail(ctx, q, run)
		if err != nil {
			return err
		}
		sum = make(map[edge]recording.EdgeDelta, len(t.edges))
		for key, d := range t.edges {
			sum[key] = *d
		}
		return each(ctx, q, func(rows *sql.Rows) error {
			var d recording.EdgeDelta
			if err := rows.Scan(&d.Caller, &d.Callee, &d.Calls, &d.Total); err != nil {
				return err
			}
			key := edge{d.Caller, d.Callee}
			d.Calls += sum[key].Calls
			d.Total = addTime(d.Total, sum[key].Total)
			sum[key] = d
			return nil
		}, `SELECT caller, callee, calls, total_ns FROM edge_stats WHERE run = ?`, run.key)
	})
	if err != nil {
		return nil, err
	}
	edges := make([]recording.EdgeDelta, 0, len(sum))
	for _, d := range sum {
		edges = append(edges, d)
	}
	slices.SortFunc(edges, func(a, b recording.EdgeDelta) int {
		return cmp.Or(cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Callee, b.Callee))
	})
	return edges, nil
}

// BlockInfo is what the time line shows of a block.
type BlockInfo struct {
	Number   uint32
	FirstSeq uint64
	Events   uint64
	First    int64 // ns since the run's start, of its earliest and latest event
	Last     int64
	Calls    uint64
	Errors   uint64
	Panics   uint64
	Captured uint64 // ledger from the run's start to the block's end
	Dropped  uint64
	Bytes    int64 // encoded
}

// BlockTimeline returns a page of the blocks of a run, in order, beginning with block from, at most n of them (0: 100).
func (r *Reader) BlockTimeline(ctx context.Context, id recording.RunID, from uint32, n int) ([]BlockInfo, error) {
	var page []BlockInfo
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		return each(ctx, q, func(rows *sql.Rows) error {
			b, err := scanBlock(rows)
			page = append(page, b)
			return err
		}, `SELECT `+blockColumns+` FROM blocks WHERE run = ? AND number >= ? ORDER BY number LIMIT (?+0)`, run.key, from, limit(n))
	})
	return page, err
}

const blockColumns = `number, first_seq, events, first_ns, last_ns, calls, errors, panics, captured, dropped, bytes`

func scanBlock(row scanner) (BlockInfo, error) {
	var b BlockInfo
	err := row.Scan(&b.Number, &b.FirstSeq, &b.Events, &b.First, &b.Last, &b.Calls, &b.Errors, &b.Panics, &b.Captured, &b.Dropped, &b.Bytes)
	return b, err
}

// LastTrouble returns the last block that begins before an event and holds a panic, or without panics an error; nil when there is
// none.
func (r *Reader) LastTrouble(ctx context.Context, id recording.RunID, panics bool, before uint64) (*BlockInfo, error) {
	var found *BlockInfo
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		b, err := scanBlock(q.QueryRowContext(ctx, `SELECT `+blockColumns+` FROM blocks WHERE run = ?1 AND first_seq < ?2 AND events > 0
			AND iif(?3, panics, errors) > 0 ORDER BY first_seq DESC, number DESC LIMIT 1`, run.key, before, panics))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		found = &b
		return err
	})
	return found, err
}

// BlockSpan is some blocks of a run that lie in the same stretches of time.
type BlockSpan struct {
	First, Last int64 // numbers of the stretches of their earliest and latest event: its time by the width
	Calls       uint64
	Panics      uint64
}

// BlockSpans sums the blocks of a run up by where they lie in stretches of time that are width ns long. It needs no block's events, and
// looks at one row a block. Events before the run's start count as being there.
func (r *Reader) BlockSpans(ctx context.Context, id recording.RunID, width int64) ([]BlockSpan, error) {
	var spans []BlockSpan
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		return each(ctx, q, func(rows *sql.Rows) error {
			var s BlockSpan
			err := rows.Scan(&s.First, &s.Last, &s.Calls, &s.Panics)
			spans = append(spans, s)
			return err
		}, queryBlockSpans, run.key, max(width, 1))
	})
	return spans, err
}
