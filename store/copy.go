package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"smiley/recording"
)

// Export writes one run to a new database, which holds nothing else and can be read, imported and sent around like any
// other. A run that is being recorded is exported as far as it is, and marked as interrupted there. The file is made
// whole under another name first, with mode 0600. A file that exists is refused with CodeInvalid unless overwrite is set, and the
// file that the run is in, and what is no file, in any case.
func (r *Reader) Export(ctx context.Context, id recording.RunID, file string, overwrite bool) error {
	return wrap(file, r.export(ctx, id, file, overwrite))
}

func (r *Reader) export(ctx context.Context, id recording.RunID, file string, overwrite bool) error {
	run, err := r.runRow(ctx, r.db, id)
	if err != nil {
		return wrap(r.file, err)
	}
	if err := r.checkTarget(file, overwrite); err != nil {
		return err
	}
	partial := file + ".partial"
	defer removeDatabase(partial)
	removeDatabase(partial)
	dst, err := Open(ctx, partial)
	if err != nil {
		return err
	}
	err = dst.take(ctx, r, []*runRow{run})
	if err := errors.Join(err, dst.Close()); err != nil {
		return err
	}
	// What a writer that was killed has left beside the file that is replaced would be taken for a part of the new one.
	for _, suffix := range beside {
		if err := os.Remove(file + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(partial, file)
}

// checkTarget says why file cannot be written.
func (r *Reader) checkTarget(file string, overwrite bool) error {
	info, err := os.Stat(file)
	switch {
	case err == nil && info.IsDir():
		return failure(recording.CodeInvalid, nil, file+" is a directory", "name a file in it")
	case err == nil && !info.Mode().IsRegular():
		return failure(recording.CodeInvalid, nil, file+" is not a file", "choose another name")
	case err == nil && r.isIn(info):
		return failure(recording.CodeInvalid, nil, file+" is the database that the run is in", "choose another name")
	case err == nil && !overwrite:
		return failure(recording.CodeInvalid, nil, file+" exists", "choose another name, or remove it first")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := os.Stat(filepath.Dir(file)); errors.Is(err, fs.ErrNotExist) {
		return failure(recording.CodeNotFound, err, "there is no directory "+filepath.Dir(file), "make it first")
	}
	return nil
}

// isIn reports whether info is that of the file that r reads.
func (r *Reader) isIn(info os.FileInfo) bool {
	own, err := os.Stat(r.file)
	return err == nil && os.SameFile(own, info)
}

// beside are the endings of the files that SQLite makes beside a database.
var beside = [...]string{"-wal", "-shm", "-journal"}

func removeDatabase(file string) {
	_ = os.Remove(file) // what cannot be removed is found when the file is made
	for _, suffix := range beside {
		_ = os.Remove(file + suffix)
	}
}

// Import copies all runs of another database, and returns their ids. Nothing in the file is taken on trust: every block
// is checked as if a sender had sent it, and all that is derived from blocks is derived anew. Either all runs come in or
// none. Errors: CodeInvalid when one of them is here already; CodeNotFound, CodeDamaged, CodeNewer; CodeFull.
func (s *Store) Import(ctx context.Context, file string) ([]recording.RunID, error) {
	src, err := OpenReader(ctx, file)
	if err != nil {
		if recording.CodeOf(err) == recording.CodeNotFound {
			err = failure(recording.CodeNotFound, err, file+" holds no recordings", "smiley export makes a file to import")
		}
		return nil, err
	}
	ids, err := s.importFrom(ctx, src)
	if err := wrap(s.file, errors.Join(err, src.Close())); err != nil {
		return nil, err
	}
	return ids, nil
}

func (s *Store) importFrom(ctx context.Context, src *Reader) ([]recording.RunID, error) {
	var runs []*runRow
	err := each(ctx, src.db, func(rows *sql.Rows) error {
		run, err := src.scanRun(rows)
		if err == nil && run.blocks > 0 {
			runs = append(runs, run)
		}
		return err
	}, `SELECT `+runColumns+` FROM runs WHERE `+visible+` ORDER BY start_ns, key`)
	if err != nil {
		return nil, wrap(src.file, err)
	}
	if len(runs) == 0 {
		return nil, failure(recording.CodeNotFound, nil, src.file+" holds no recordings", "smiley export makes a file to import")
	}
	ids := make([]recording.RunID, len(runs))
	for i, run := range runs {
		ids[i] = run.ID
		var state string
		err := s.db.QueryRowContext(ctx, `SELECT state FROM runs WHERE id = ?`, run.ID.String()).Scan(&state)
		if err == nil {
			return nil, failure(recording.CodeInvalid, nil, "run "+run.ID.String()+" is here already",
				"to replace it, delete it first: smiley delete "+run.ID.String())
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
	}
	return ids, s.take(ctx, src, runs)
}

// take copies runs from another database. They stay hidden until all of them are whole.
func (s *Store) take(ctx context.Context, src *Reader, runs []*runRow) error {
	var keys []int64
	var err error
	for _, run := range runs {
		var key int64
		key, err = s.takeRun(ctx, src, run)
		if key != 0 {
			keys = append(keys, key)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = s.show(ctx, keys)
	}
	if err != nil {
		// The person may have canceled, but what came in must go all the same.
		return errors.Join(err, s.eraseAll(context.WithoutCancel(ctx), keys))
	}
	return nil
}

// takeRun copies the blocks of one run and returns its key here, 0 when not even its first block came in.
func (s *Store) takeRun(ctx context.Context, src *Reader, run *runRow) (int64, error) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.live, run.ID)
	}()
	var key int64
	for number := range run.blocks {
		body, err := readBody(ctx, src.db, run.key, number)
		if err != nil {
			return key, wrap(src.file, err)
		}
		h, err := recording.ParseHeader(body)
		if err != nil {
			return key, err
		}
		if h.Run != run.ID || h.Number != number {
			return key, damaged(src.file, nil)
		}
		taken, err := s.takeBlock(ctx, src, h, body)
		if taken != 0 { // else nobody knows what it is now, but what came in before it has to go
			key = taken
		}
		if err != nil {
			return key, err
		}
	}
	return key, nil
}

func (s *Store) takeBlock(ctx context.Context, src *Reader, h recording.Header, body []byte) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.Number > 0 && s.live[h.Run] == nil {
		return 0, damaged(s.file, nil) // a final block in the middle
	}
	err := s.append(ctx, h, body, origin{from: src})
	if err != nil && recording.CodeOf(err) == recording.CodeLocked {
		return 0, err
	}
	var key int64
	queryErr := s.w.QueryRowContext(context.WithoutCancel(ctx), `SELECT key FROM runs WHERE id = ? AND state = 'importing'`,
		h.Run.String()).Scan(&key)
	if errors.Is(queryErr, sql.ErrNoRows) {
		queryErr = nil
	}
	return key, errors.Join(err, queryErr)
}

// restoreFiles gives the files of a stored block their bodies back.
func (r *Reader) restoreFiles(ctx context.Context, block *recording.Block) error {
	for i := range block.Definitions.Files {
		f := &block.Definitions.Files[i]
		if f.Missing != "" {
			continue
		}
		body, err := r.FileBody(ctx, f.Hash)
		if recording.CodeOf(err) == recording.CodeNotFound {
			err = damaged(r.file, err)
		}
		if err != nil {
			return err
		}
		f.Body = body
	}
	return nil
}

// show brings imported runs into sight, all at once. Nobody records them: of who copied them nothing stays, so that two exports of a run
// are the same bytes.
func (s *Store) show(ctx context.Context, keys []int64) error {
	tx, err := s.w.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit; before it, its failure adds nothing
	for _, key := range keys {
		_, err := tx.ExecContext(ctx, `UPDATE runs SET state = iif(end_ns IS NULL, 'interrupted', 'complete'), writer = '', heartbeat_ns = 0
			WHERE key = ? AND state = 'importing'`, key)
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}
