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

// snapshot calls read with one consistent view of the database.
func (r *Reader) snapshot(ctx context.Context, read func(q queries) error) error {
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return wrap(r.file, err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return wrap(r.file, read(tx))
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
	err := q.QueryRowContext(ctx, `SELECT body FROM block_bodies WHERE run = ? AND number = ?`, key, number).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, failure(recording.CodeNotFound, err, "the run was deleted while it was read", "")
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
	err := q.QueryRowContext(ctx, `SELECT members FROM presence WHERE run = ? AND level = ? AND number = ?`, key, level,
		number).Scan(&members)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return members, err
}
