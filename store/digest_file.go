package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"smiley/recording"
)

// digestPatience is how long writing a digest waits for another process.
const digestPatience = 2 * time.Second

// load takes the digest that the file has, an empty one when it has none. Without whole, what only making it further needs
// stays in the file. d.mu is held.
func (d *digester) load(ctx context.Context, whole bool) error {
	loaded := newDigest(d.r.tuning, d.key)
	err := d.r.snapshot(ctx, func(q queries) error { return loaded.load(ctx, q, whole) })
	broken := recording.CodeOf(err) == recording.CodeDamaged
	if err != nil && !broken {
		return err
	}
	if broken { // it is made again
		loaded = newDigest(d.r.tuning, d.key)
	}
	d.digest, d.stored, d.replace = loaded, loaded.blocks, broken
	d.changed()
	return nil
}

func (d *digest) load(ctx context.Context, q queries, whole bool) error {
	var stacks, open []byte
	var last sql.NullInt64
	row := q.QueryRowContext(ctx, `SELECT d.blocks, d.events, d.lag, iif(?2, d.stacks, NULL), iif(?2, d.open, NULL),
		(SELECT high_ns FROM blocks b WHERE b.run = d.run AND b.number = d.blocks - 1) FROM digests d WHERE run = ?1`, d.key, whole)
	err := row.Scan(&d.blocks, &d.events, &d.lag, &stacks, &open, &last)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	d.last = last.Int64
	if !whole {
		d.leave()
		return nil
	}
	err = each(ctx, q, func(rows *sql.Rows) error {
		var id int64
		var body []byte
		own := &ownStacks{tree: d.newOwnTree(), stored: true}
		err := rows.Scan(&id, &own.blocks, &body)
		if err == nil {
			err = decodeStored(body, own.tree)
		}
		d.own[id] = own
		return err
	}, `SELECT goroutine, blocks, body FROM digest_stacks WHERE run = ?`, d.key)
	if err != nil {
		return err
	}
	if err := decodeStored(stacks, d.shared); err != nil {
		return err
	}
	d.open, err = d.decodeOpen(open)
	return err
}

// leave leaves in the file what only making the digest further needs.
func (d *digest) leave() {
	d.kept = true
	d.shared, d.own, d.open, d.recent, d.gone = nil, nil, nil, nil, nil
}

func (d *digest) decodeOpen(stored []byte) (map[int64]openStack, error) {
	raw, err := decompress(stored)
	if err != nil {
		return nil, err
	}
	return decodeOpen(raw, func(goroutine int64) int {
		if own := d.own[goroutine]; own != nil {
			return len(own.tree.nodes)
		}
		return len(d.shared.nodes)
	})
}

func decodeStored(stored []byte, t *stackTree) error {
	raw, err := decompress(stored)
	if err == nil {
		_, err = decodeStacks(raw, t)
	}
	return err
}

// parts returns the stacks of a goroutine, of all together when it is 0. It returns nil when the goroutine has none of its own.
// The open calls are copies. d.mu is held. Errors: errMoved when what the file has is another one, or damaged; then it is made
// anew by the next question.
func (d *digester) parts(ctx context.Context, now *digest, goroutine int64) ([]stackPart, error) {
	if now.kept {
		blocks := now.blocks
		now = newDigest(d.r.tuning, d.key)
		err := d.r.snapshot(ctx, func(q queries) error {
			if goroutine != 0 { // one with none of its own is seen without reading all
				var there int
				err := q.QueryRowContext(ctx, `SELECT count(*) FROM digest_stacks WHERE run = ? AND goroutine = ?`, d.key, goroutine).Scan(&there)
				if err != nil || there == 0 {
					now = nil
					return err
				}
			}
			return now.load(ctx, q, true)
		})
		switch {
		case recording.CodeOf(err) == recording.CodeDamaged:
			d.digest, d.stored, d.replace = newDigest(d.r.tuning, d.key), 0, true
			return nil, errMoved
		case err != nil || now == nil:
			return nil, err
		case now.blocks != blocks:
			d.digest = nil
			return nil, errMoved
		}
	}
	copied := func(list []openStack) []openStack {
		for i := range list {
			list[i] = append(openStack(nil), list[i]...)
		}
		return list
	}
	if goroutine != 0 {
		own := now.own[goroutine]
		if own == nil {
			return nil, nil
		}
		return []stackPart{{own.tree, copied([]openStack{now.open[goroutine]})}}, nil
	}
	parts := []stackPart{{now.shared, copied(now.sharedOpen())}}
	// In one order: which of stacks that weigh the same an answer leaves out is the same each time.
	for _, id := range slices.Sorted(maps.Keys(now.own)) {
		own := now.own[id]
		parts = append(parts, stackPart{own.tree, copied([]openStack{now.open[id]})})
	}
	return parts, nil
}

// digestKeeper writes digests to the file. It opens the file for writing when there is something to write.
type digestKeeper struct {
	r      *Reader
	db     *sql.DB
	failed bool // the file cannot be written; digests stay in memory
}

func (k *digestKeeper) close() {
	if k.db != nil {
		_ = k.db.Close() // what was committed is there
	}
}

// keepLast writes what is not in the file yet, when the run does not go on or nobody wants more.
func (d *digester) keepLast(ctx context.Context, k *digestKeeper, over bool) error {
	d.mu.Lock()
	pending := d.digest != nil && d.digest.blocks > d.stored // nil: a question has found another one in the file
	d.mu.Unlock()
	if over && pending {
		// Writing is not cut off: it takes milliseconds, and reading again what was read would take longer.
		if err := d.keep(context.WithoutCancel(ctx), k); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if over && d.digest != nil && !d.digest.kept && d.digest.blocks == d.stored && ctx.Err() == nil {
		d.digest.leave()
	}
	return nil
}

// digestRows is what is written of a digest.
type digestRows struct {
	stored int64 // the blocks of the digest that this one continues; −1: whatever the file has
	row    []any
	nodes  map[timeNodeKey][]byte
	stacks map[int64][]any
	gone   map[int64]bool
}

// rows returns what is to be written. d.mu is held.
func (d *digester) rows() *digestRows {
	now := d.digest
	w := &digestRows{
		stored: int64(d.stored), nodes: maps.Clone(now.nodes), stacks: map[int64][]any{}, gone: maps.Clone(now.gone),
		row: []any{d.key, now.blocks, now.events, now.lag, compress(appendStacks(nil, now.shared)), compress(appendOpen(nil, now.open))},
	}
	if d.replace {
		w.stored = -1
	}
	for id, own := range now.own {
		if !own.stored {
			w.stacks[id] = []any{d.key, id, own.blocks, compress(appendStacks(nil, own.tree))}
		}
	}
	return w
}

// keep writes the digest to the file. That it cannot be written is no failure: it then stays in memory. Errors: errMoved when
// the file has another one by now.
func (d *digester) keep(ctx context.Context, k *digestKeeper) error {
	d.mu.Lock()
	if d.digest.openCalls() > maxOpen || k.failed {
		d.mu.Unlock()
		return nil
	}
	now, blocks := d.digest, d.digest.blocks
	w := d.rows()
	d.mu.Unlock()
	if k.db == nil {
		db, _, err := target{k.r.file, min(k.r.patience, digestPatience)}.connect(ctx, accessWrite)
		if err != nil {
			k.failed = true
			return ctx.Err()
		}
		k.db = db
	}
	same, err := w.write(ctx, k.db)
	if err != nil {
		k.failed = true
		return ctx.Err()
	}
	if !same {
		return errMoved
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stored, d.replace = blocks, false
	for key := range w.nodes {
		delete(now.nodes, key)
	}
	for id := range w.stacks {
		now.own[id].stored = true
	}
	for id := range w.gone {
		delete(now.gone, id)
	}
	return nil
}

// write writes a digest. It reports false when the file has another one than it continues.
func (w *digestRows) write(ctx context.Context, db *sql.DB) (bool, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit; before it, its failure adds nothing
	key := w.row[0]
	var have int64
	err = tx.QueryRowContext(ctx, `SELECT ifnull((SELECT blocks FROM digests WHERE run = ?1), 0) FROM runs WHERE key = ?1 AND `+visible, key).Scan(&have)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil // the run was deleted
	}
	if err != nil || have != w.stored && w.stored >= 0 {
		return false, err
	}
	if w.stored <= 0 { // nothing of an older one stays
		if _, err := tx.ExecContext(ctx, `DELETE FROM digest_stacks WHERE run = ?`, key); err != nil {
			return false, err
		}
	}
	put := func(query string, rows int, row func(put func(...any) error) error) error {
		if rows == 0 {
			return nil
		}
		stmt, err := tx.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		defer stmt.Close() //nolint:errcheck // the transaction ends it
		return row(func(values ...any) error {
			_, err := stmt.ExecContext(ctx, values...)
			return err
		})
	}
	err = put(`DELETE FROM digest_stacks WHERE run = ? AND goroutine = ?`, len(w.gone), func(put func(...any) error) error {
		for id := range w.gone {
			if err := put(key, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = put(`INSERT OR REPLACE INTO digest_stacks VALUES (?,?,?,?)`, len(w.stacks), func(put func(...any) error) error {
			for _, row := range w.stacks {
				if err := put(row...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		err = put(`INSERT OR REPLACE INTO time_nodes VALUES (?,?,?,?)`, len(w.nodes), func(put func(...any) error) error {
			for at, body := range w.nodes {
				if err := put(key, at.level, at.number, body); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		err = put(`INSERT OR REPLACE INTO digests VALUES (?,?,?,?,?,?)`, 1, func(put func(...any) error) error { return put(w.row...) })
	}
	if err != nil {
		return false, err
	}
	return true, tx.Commit()
}
