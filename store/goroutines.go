package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"smiley/recording"
)

// GoroutineInfo is a goroutine with what is known of it so far.
type GoroutineInfo struct {
	recording.Goroutine
	End      int64  // ns since the run's start; −1 while its end was not seen
	FirstSeq uint64 // of its first and last event; 0: none
	LastSeq  uint64
	First    int64 // ns since the run's start, of its first and last event
	Last     int64
	Events   uint64
	Calls    uint64
}

// goroutineRow is a goroutine with what the other queries need.
type goroutineRow struct {
	GoroutineInfo
	begins int // how often its number was given to a goroutine; more than once, and the presence index is no help
}

const goroutineColumns = `id, parent, creator, created_in, created_line, start_function, start_ns, ifnull(end_ns, -1),
	first_seq, last_seq, first_ns, last_ns, events, calls, begins`

func scanGoroutine(row scanner) (goroutineRow, error) {
	var g goroutineRow
	err := row.Scan(&g.ID, &g.Parent, &g.Creator, &g.CreatedIn, &g.CreatedLine, &g.StartFunction, &g.Start, &g.End,
		&g.FirstSeq, &g.LastSeq, &g.First, &g.Last, &g.Events, &g.Calls, &g.begins)
	return g, err
}

// add adds what the last blocks say about g.
func (g *goroutineRow) add(d *goroutineDelta) {
	if g.begins == 0 {
		g.Goroutine = d.Goroutine
	}
	g.begins += d.begins
	if !d.active {
		return
	}
	if g.FirstSeq == 0 {
		g.FirstSeq, g.First = d.firstSeq, d.first
	}
	g.LastSeq, g.Last = d.lastSeq, d.last
	g.Events += d.events
	g.Calls += d.calls
	if d.ended {
		g.End = d.last
	}
}

// Goroutines returns a page of the goroutines of a run, by id, beginning behind after.
func (r *Reader) Goroutines(ctx context.Context, id recording.RunID, after int64, n int) ([]GoroutineInfo, error) {
	var page []GoroutineInfo
	n = limit(n)
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		t, err := r.tail(ctx, q, run)
		if err != nil {
			return err
		}
		byID := make(map[int64]bool)
		err = each(ctx, q, func(rows *sql.Rows) error {
			g, err := scanGoroutine(rows)
			if err != nil {
				return err
			}
			if d, ok := t.goroutines[g.ID]; ok {
				g.add(d)
			}
			byID[g.ID] = true
			page = append(page, g.GoroutineInfo)
			return nil
		}, `SELECT `+goroutineColumns+` FROM goroutines WHERE run = ? AND id > ? ORDER BY id LIMIT (?+0)`, run.key, after, n)
		if err != nil {
			return err
		}
		for id, d := range t.goroutines {
			if id > after && !byID[id] && (len(byID) < n || id < page[len(byID)-1].ID) {
				g := goroutineRow{}
				g.End = -1
				g.add(d)
				page = append(page, g.GoroutineInfo)
			}
		}
		return nil
	})
	slices.SortFunc(page, func(a, b GoroutineInfo) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	return page[:min(len(page), n)], err
}

// Goroutine returns one goroutine. Errors: CodeNotFound.
func (r *Reader) Goroutine(ctx context.Context, id recording.RunID, goroutine int64) (*GoroutineInfo, error) {
	var g goroutineRow
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		g, err = r.goroutine(ctx, q, run, goroutine)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &g.GoroutineInfo, nil
}

func (r *Reader) goroutine(ctx context.Context, q queries, run *runRow, goroutine int64) (goroutineRow, error) {
	t, err := r.tail(ctx, q, run)
	if err != nil {
		return goroutineRow{}, err
	}
	g, err := scanGoroutine(q.QueryRowContext(ctx, queryGoroutine, run.key, goroutine))
	d := t.goroutines[goroutine]
	switch {
	case err == nil:
	case errors.Is(err, sql.ErrNoRows) && d != nil:
		g.End = -1
	case errors.Is(err, sql.ErrNoRows):
		return g, recording.Errorf(recording.CodeNotFound, "no goroutine %d in run %s", goroutine, run.ID).
			WithHint("smiley goroutines %s shows them", run.ID)
	default:
		return g, err
	}
	if d != nil {
		g.add(d)
	}
	return g, nil
}
