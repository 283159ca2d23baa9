package store

import (
	"context"
	"fmt"

	"smiley/recording"
)

// A delete is cut into transactions of about this size, so that a recorder gets its turn between two of them.
const (
	eraseBlocks = 64
	eraseRows   = 10_000
	vacuumPages = 4096
)

// Delete removes runs, with the source files that no other run uses. The file shrinks by what they took. Every run is
// checked before the first is touched; a run that is being recorded is refused with CodeLocked, an unknown one with
// CodeNotFound. The runs are out of sight at once; a delete that is cut off is finished when the file is next opened for
// writing.
func (s *Store) Delete(ctx context.Context, ids ...recording.RunID) error {
	keys, err := s.hide(ctx, ids)
	if err == nil {
		err = s.eraseAll(ctx, keys)
	}
	return wrap(s.file, err)
}

// hide takes runs out of sight, all or none.
func (s *Store) hide(ctx context.Context, ids []recording.RunID) ([]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	tx, err := s.w.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit; before it, its failure adds nothing
	keys := make([]int64, 0, len(ids))
	for _, id := range ids {
		run, err := s.runRow(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		if run.Status == recording.StatusRecording {
			return nil, failure(recording.CodeLocked, nil, fmt.Sprintf("run %s is being recorded", id),
				"end the program first, or wait until it has ended")
		}
		keys = append(keys, run.key)
	}
	for _, key := range keys {
		_, err := tx.ExecContext(ctx, `UPDATE runs SET state = 'deleting', writer = ?, heartbeat_ns = ? WHERE key = ?`,
			s.writer, s.now().UnixNano(), key)
		if err != nil {
			return nil, err
		}
	}
	return keys, tx.Commit()
}

// eraseAll removes hidden runs and gives their space back to the file system.
func (s *Store) eraseAll(ctx context.Context, keys []int64) error {
	for _, key := range keys {
		if err := s.erase(ctx, key); err != nil {
			return err
		}
	}
	for len(keys) > 0 {
		var free int
		if err := s.w.QueryRowContext(ctx, `PRAGMA freelist_count`).Scan(&free); err != nil || free == 0 {
			return err
		}
		if _, err := s.w.ExecContext(ctx, fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, vacuumPages)); err != nil {
			return err
		}
	}
	return nil
}

// erase removes everything of a hidden run.
func (s *Store) erase(ctx context.Context, key int64) error {
	if err := s.eraseRows(ctx, "block_bodies", "number", key, eraseBlocks); err != nil {
		return err
	}
	for _, table := range []struct{ name, second string }{
		{"blocks", "number"},
		{"goroutines", "id"},
		{"long_calls", "seq"},
		{"presence", "level"},
		{"definitions", "number"},
		{"functions", "id"},
		{"types", "first"},
		{"function_stats", "function"},
		{"edge_stats", "caller"},
		{"time_nodes", "level"},
		{"digest_stacks", "goroutine"},
		{"digests", "run"},
	} {
		if err := s.eraseRows(ctx, table.name, table.second, key, eraseRows); err != nil {
			return err
		}
	}
	tx, err := s.w.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit; before it, its failure adds nothing
	for _, query := range []string{
		`DELETE FROM run_files WHERE run = ?`,
		`DELETE FROM runs WHERE key = ? AND state IN ('deleting', 'importing')`,
	} {
		if _, err := tx.ExecContext(ctx, query, key); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM files WHERE NOT EXISTS (SELECT 1 FROM run_files r WHERE r.hash = files.hash)`)
	if err != nil {
		return err
	}
	return tx.Commit()
}

// eraseRows removes the rows of a run from a table, about n at a time: up to the value that the n-th has in the column
// second, which follows run in an index.
func (s *Store) eraseRows(ctx context.Context, table, second string, key int64, n int) error {
	query := fmt.Sprintf(`DELETE FROM %[1]s WHERE run = ?1 AND %[2]s <= ifnull(
		(SELECT %[2]s FROM %[1]s WHERE run = ?1 ORDER BY %[2]s LIMIT 1 OFFSET ?2), 9223372036854775807)`, table, second)
	for {
		result, err := s.w.ExecContext(ctx, query, key, n-1)
		if err != nil {
			return err
		}
		gone, err := result.RowsAffected()
		if err != nil || gone < int64(n) {
			return err
		}
	}
}
