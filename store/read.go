package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"smiley/recording"
)

// queries is what a database, a connection and a transaction have in common.
type queries interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// The queries that run many times for one answer. Parsing them would take longer than running them. A limit that is a parameter
// and nothing else would make SQLite plan, and so parse, the statement again for every number: hence the sums.
const (
	queryRun      = `SELECT ` + runColumns + ` FROM runs WHERE id = ? AND ` + visible
	queryKey      = `SELECT 1 FROM runs WHERE key = ? AND ` + visible
	queryBody     = `SELECT body FROM block_bodies WHERE run = ? AND number = ?`
	queryPresence = `SELECT members FROM presence WHERE run = ? AND level = ? AND number = ?`
	queryBlockOf  = `SELECT number FROM blocks WHERE run = ? AND first_seq <= ? AND events > 0
		ORDER BY first_seq DESC, number DESC LIMIT 1`
	queryLongCall = `SELECT goroutine, function, parent, position, depth, start_ns, end_ns, end_seq, self_ns, outcome,
		failed FROM long_calls WHERE run = ? AND seq = ?`
	// The first block that reaches a moment.
	queryBlockAt   = `SELECT number FROM blocks WHERE run = ? AND high_ns >= ? ORDER BY high_ns, number LIMIT 1`
	querySibling   = `SELECT seq FROM long_calls WHERE run = ? AND goroutine = ? AND parent = ? AND position = ?`
	queryLastChild = `SELECT max(seq) FROM long_calls WHERE run = ? AND goroutine = ? AND parent = ? AND seq <= ?`
	queryTimeNode  = `SELECT body FROM time_nodes WHERE run = ? AND level = ? AND number = ?`
	queryGoroutine = `SELECT ` + goroutineColumns + ` FROM goroutines WHERE run = ? AND id = ?`
	// high_ns never falls from block to block, so an index finds where the wanted times begin; a few blocks behind that
	// may still be too early or too late, because goroutines are a little out of order.
	queryNextBlock = `SELECT number FROM blocks WHERE run = ?1 AND number BETWEEN max(?2,
		ifnull((SELECT number FROM blocks WHERE run = ?1 AND high_ns >= ?3 ORDER BY high_ns, number LIMIT 1), 0)) AND ?4
		AND events > 0 AND last_ns >= ?3 AND first_ns < ?5 AND errors >= ?6 AND panics >= ?7 ORDER BY number LIMIT 1`
	queryWindowBlocks = `SELECT number, events FROM blocks WHERE run = ?1 AND number >=
		ifnull((SELECT number FROM blocks WHERE run = ?1 AND high_ns >= ?2 ORDER BY high_ns, number LIMIT 1), 0)
		AND events > 0 AND last_ns >= ?2 AND first_ns < ?3 ORDER BY number LIMIT (?4+0)`
	queryLong = `SELECT parent, seq, function, depth, start_ns, end_ns, end_seq, self_ns, outcome, failed FROM long_calls
		WHERE run = ?1 AND goroutine = ?2 AND length = ?3 AND start_ns > ?4 AND start_ns < ?5
		AND (end_ns IS NULL OR end_ns >= ?6 AND end_ns - start_ns >= ?7) AND depth < ?8 ORDER BY start_ns LIMIT (?9+0)`
	queryBlockSpans = `SELECT max(first_ns, 0) / ?2 AS first, max(last_ns, 0) / ?2 AS last, sum(calls), sum(panics) FROM blocks
		WHERE run = ?1 AND events > 0 GROUP BY first, last ORDER BY first, last`
	queryGoroutineScan    = `SELECT id FROM goroutines WHERE run = ? AND id > ? ORDER BY id LIMIT 1 OFFSET (?+0)`
	queryGoroutinesWithin = `SELECT ` + goroutineColumns + ` FROM goroutines WHERE run = ?1 AND id > ?2 AND id <= ?3
		AND ifnull(end_ns, 9223372036854775807) >= ?5 AND start_ns < ?4
		AND (?6 = '' OR start_function IN (SELECT value FROM json_each(?6))) ORDER BY id LIMIT (?7+0)`
)

// prepared holds statements by their text.
type prepared map[string]*sql.Stmt

func prepareReads(ctx context.Context, db *sql.DB) (prepared, error) {
	p := make(prepared)
	for _, query := range []string{
		queryRun, queryKey, queryBody, queryPresence, queryBlockOf, queryLongCall, querySibling, queryLastChild, queryGoroutine, queryNextBlock,
		queryTimeNode, queryBlockAt,
		queryWindowBlocks, queryLong, queryGoroutineScan, queryGoroutinesWithin, queryBlockSpans,
	} {
		stmt, err := db.PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		p[query] = stmt
	}
	return p, nil
}

// preparedQueries runs queries by their prepared statements, where there are such.
type preparedQueries struct {
	prepared
	tx *sql.Tx
}

func (p preparedQueries) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt, ok := p.prepared[query]; ok {
		return p.tx.StmtContext(ctx, stmt).QueryContext(ctx, args...)
	}
	return p.tx.QueryContext(ctx, query, args...)
}

func (p preparedQueries) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if stmt, ok := p.prepared[query]; ok {
		return p.tx.StmtContext(ctx, stmt).QueryRowContext(ctx, args...)
	}
	return p.tx.QueryRowContext(ctx, query, args...)
}

// snapshot calls read with one consistent view of the database.
func (r *Reader) snapshot(ctx context.Context, read func(q queries) error) error {
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return wrap(r.file, err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return wrap(r.file, read(preparedQueries{r.prepared, tx}))
}

// each calls scan for every row of a query.
func each(ctx context.Context, q queries, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// readBody returns an encoded block.
func readBody(ctx context.Context, q queries, key int64, number uint32) ([]byte, error) {
	var body []byte
	err := q.QueryRowContext(ctx, queryBody, key, number).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, failure(recording.CodeDamaged, err, fmt.Sprintf("block %d of the run is missing", number), "")
	}
	return body, err
}

// readBlock returns a decoded block.
func readBlock(ctx context.Context, q queries, key int64, number uint32) (*recording.Block, error) {
	body, err := readBody(ctx, q, key, number)
	if err != nil {
		return nil, err
	}
	block, err := recording.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", number, err)
	}
	return block, nil
}

// readPresence returns a stored list of the presence index; nil when nobody is in it.
func readPresence(ctx context.Context, q queries, key int64, level int, number uint32) ([]byte, error) {
	var members []byte
	err := q.QueryRowContext(ctx, queryPresence, key, level, number).Scan(&members)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return members, err
}
