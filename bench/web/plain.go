package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"smiley/bench/synthetic"
	"smiley/bench/table"
	"smiley/recording"
	"smiley/store"
)

// plainRow is how long a question to the plain table took.
type plainRow struct {
	took []time.Duration
}

func (r plainRow) String() string { return table.Milliseconds(r.took[len(r.took)/2]) }

// plainTime is after how long no question is asked again.
const plainTime = 3 * time.Second

// The peer is the table that one would make first: a row for every call with what the pages need, and an index for each
// question that can have one.
const plainSchema = `CREATE TABLE calls (seq INTEGER PRIMARY KEY, goroutine INTEGER, function INTEGER, parent INTEGER,
	start INTEGER, took INTEGER, self INTEGER, failed INTEGER, a INTEGER, b INTEGER);`

const plainIndexes = `CREATE INDEX by_parent ON calls (parent, seq); CREATE INDEX by_goroutine ON calls (goroutine, parent, seq);
	CREATE INDEX by_function ON calls (function, seq); CREATE INDEX by_start ON calls (start);
	CREATE INDEX by_time_taken ON calls (function, took); CREATE INDEX by_failure ON calls (seq) WHERE failed;`

// plainQuestion is the question of a page in SQL.
type plainQuestion struct {
	name, query string
	arguments   func(random *rand.Rand, rows, last int64) []any
}

var plainQuestions = []plainQuestion{
	{"events", `SELECT * FROM calls WHERE seq >= ? ORDER BY seq LIMIT 100`, anySeq},
	{"events at a time", `SELECT * FROM calls WHERE start >= ? ORDER BY start LIMIT 100`, func(random *rand.Rand, _, last int64) []any {
		return []any{random.Int64N(last)}
	}},
	{"next call", `SELECT * FROM calls WHERE function = (SELECT function FROM calls WHERE seq >= ?1 LIMIT 1) AND seq > ?1 ORDER BY seq LIMIT 1`, anySeq},
	{"slowest", `SELECT * FROM calls WHERE function = (SELECT function FROM calls WHERE seq >= ? LIMIT 1) ORDER BY took DESC LIMIT 20`, anySeq},
	{"errors", `SELECT * FROM calls WHERE failed AND seq >= ? ORDER BY seq LIMIT 100`, anySeq},
	{"roots", `SELECT * FROM calls WHERE goroutine = ? AND parent = 0 ORDER BY seq LIMIT 100`, func(random *rand.Rand, _, _ int64) []any {
		return []any{1 + random.IntN(synthetic.LoopGoroutine)}
	}},
	{"children", `SELECT * FROM calls WHERE parent = (SELECT seq FROM calls WHERE seq >= ? LIMIT 1) ORDER BY seq LIMIT 100`, anySeq},
	{"children of one", `SELECT * FROM calls WHERE parent = 1 ORDER BY seq LIMIT 100`, nil},
	{"call", `WITH RECURSIVE up AS (SELECT * FROM calls WHERE seq = (SELECT seq FROM calls WHERE seq >= ? LIMIT 1)
		UNION ALL SELECT c.* FROM calls c JOIN up ON c.seq = up.parent) SELECT * FROM up`, anySeq},
	{"statistics", `SELECT function, count(*), sum(took), sum(self), min(took), max(took) FROM calls GROUP BY function`, nil},
	{"graph", `SELECT p.function, c.function, count(*), sum(c.took) FROM calls c LEFT JOIN calls p ON p.seq = c.parent GROUP BY 1, 2`, nil},
	{"flame", `WITH RECURSIVE s AS (SELECT seq, '' || function AS path, took FROM calls WHERE parent = 0
		UNION ALL SELECT c.seq, s.path || '.' || c.function, c.took FROM s JOIN calls c ON c.parent = s.seq)
		SELECT path, count(*), sum(took) AS total FROM s GROUP BY path ORDER BY total DESC LIMIT 1500`, nil},
	{
		"goroutines", `SELECT goroutine, count(*), min(start), max(start + took) FROM calls WHERE goroutine > ? GROUP BY goroutine LIMIT 100`,
		func(random *rand.Rand, _, _ int64) []any { return []any{random.IntN(synthetic.LoopGoroutine)} },
	},
	{"time line", `SELECT start * 1000 / ?, count(*), sum(took) FROM calls GROUP BY 1`, func(_ *rand.Rand, _, last int64) []any { return []any{last} }},
}

func anySeq(random *rand.Rand, rows, _ int64) []any { return []any{random.Int64N(2 * rows)} }

// askPlain makes the plain table of the same program's calls, a twentieth of them, and asks it.
func (s *settings) askPlain(ctx context.Context) (map[string]plainRow, error) {
	part := filepath.Join(s.dir, "part.db")
	if err := recordLarge(ctx, part, int(s.scale*wholeSize/plainPart)); err != nil {
		return nil, err
	}
	file := filepath.Join(s.dir, "plain.db")
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
	if err != nil {
		return nil, err
	}
	defer db.Close() //nolint:errcheck // temporary
	db.SetMaxOpenConns(1)
	rows, last, err := fillPlain(ctx, db, part)
	if err != nil {
		return nil, err
	}
	answers := map[string]plainRow{}
	random := rand.New(rand.NewPCG(8, 9))
	for _, question := range plainQuestions {
		var row plainRow
		begin := time.Now()
		for len(row.took) < s.requests && (len(row.took) == 0 || time.Since(begin) < plainTime) {
			var arguments []any
			if question.arguments != nil {
				arguments = question.arguments(random, rows, last)
			}
			start := time.Now()
			if err := readAll(ctx, db, question.query, arguments); err != nil {
				return nil, fmt.Errorf("%s: %w", question.name, err)
			}
			row.took = append(row.took, time.Since(start))
		}
		slices.Sort(row.took)
		answers[question.name] = row
	}
	return answers, nil
}

// readAll runs a query and looks at every row.
func readAll(ctx context.Context, db *sql.DB, query string, arguments []any) error {
	rows, err := db.QueryContext(ctx, query, arguments...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
	}
	return rows.Err()
}

// fillPlain writes the calls of a recording into the table. It returns their number and the time of the last event.
func fillPlain(ctx context.Context, db *sql.DB, part string) (n, last int64, err error) {
	r, err := store.OpenReader(ctx, part)
	if err != nil {
		return 0, 0, err
	}
	defer r.Close() //nolint:errcheck // only read
	id, err := r.FindRun(ctx, store.LastRun)
	if err != nil {
		return 0, 0, err
	}
	if _, err := db.ExecContext(ctx, plainSchema); err != nil {
		return 0, 0, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, 0, err
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit
	insert, err := tx.PrepareContext(ctx, `INSERT INTO calls VALUES (?,?,?,?,?,?,?,?,?,?)`)
	if err != nil {
		return 0, 0, err
	}
	type words struct{ a, b byte }
	open := map[uint64]words{}
	for e, err := range r.Events(ctx, id, store.EventQuery{Parts: recording.WithData}) {
		if err != nil {
			return 0, 0, err
		}
		last = e.Time
		switch {
		case e.Kind == recording.KindCall:
			open[e.Seq] = words{e.Data[1], e.Data[9]}
		case e.Kind == recording.KindReturn && e.Call != 0:
			v := open[e.Call]
			delete(open, e.Call)
			n++
			_, err := insert.ExecContext(ctx, e.Call, e.Goroutine, e.Function, e.Parent, e.Time-e.Duration, e.Duration, e.Self, e.Failed, v.a, v.b)
			if err != nil {
				return 0, 0, err
			}
		}
	}
	if err := errors.Join(insert.Close(), tx.Commit()); err != nil {
		return 0, 0, err
	}
	_, err = db.ExecContext(ctx, plainIndexes)
	return n, last, err
}
