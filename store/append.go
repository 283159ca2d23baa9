package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"smiley/recording"
)

// errClosed is what a closed Store answers.
var errClosed = failure(recording.CodeCanceled, nil, "the database is closed", "")

// Append stores one encoded block and returns its header when the block is committed: it is then safe from the death of
// this process. Blocks of a run come in the order of their numbers. One whose number is stored already is ignored, so
// that a sender can repeat what was not acknowledged; one that leaves a gap is refused, and NextBlock says which
// block is expected. Block 0 makes the run. The final block completes it.
//
// Append takes nothing on trust: a block that fails its checks, or that contradicts its own summary or the blocks before
// it, is refused whole with CodeDamaged or CodeNewer, and nothing changes. Other errors: CodeInvalid (a gap, a block
// after the final one, a run unknown or deleted), CodeLocked, CodeFull, CodePermission, CodeCanceled; the block was not
// stored then, and may be sent again.
//
// encoded is not kept.
func (s *Store) Append(ctx context.Context, encoded []byte) (recording.Header, error) {
	return s.appendFrom(ctx, encoded, origin{})
}

// AppendOwn is Append for a block that this process made itself and that never left it: of its source files it is taken on trust that
// their hashes are right, which takes longer to find out than all else. Somebody waits for those of a large program.
func (s *Store) AppendOwn(ctx context.Context, encoded []byte) (recording.Header, error) {
	return s.appendFrom(ctx, encoded, origin{own: true})
}

// origin is where a block comes from: a sender when nothing is set.
type origin struct {
	from *Reader // the database that it is copied from: the copy stays hidden until the run is whole, and its source files come from there
	own  bool    // this process
}

func (s *Store) appendFrom(ctx context.Context, encoded []byte, o origin) (recording.Header, error) {
	h, err := recording.ParseHeader(encoded)
	if err != nil {
		return h, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.append(ctx, h, encoded, o); err != nil {
		return h, wrap(s.file, err)
	}
	return h, nil
}

// NextBlock returns the number of the block that Append expects of a run: 0 for a run that is not known.
func (s *Store) NextBlock(ctx context.Context, id recording.RunID) (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errClosed
	}
	if run, ok := s.live[id]; ok {
		return run.next, nil
	}
	var next uint32
	err := s.w.QueryRowContext(ctx, `SELECT blocks FROM runs WHERE id = ? AND state IN ('recording', 'complete',
		'interrupted')`, id.String()).Scan(&next)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return next, wrap(s.file, err)
}

// append stores a block.
func (s *Store) append(ctx context.Context, h recording.Header, encoded []byte, o origin) error {
	if s.closed {
		return errClosed
	}
	run, err := s.liveRun(ctx, h, o.from != nil)
	if err != nil {
		return err
	}
	if h.Number < run.next {
		return nil // sent twice
	}
	if err := run.expects(h); err != nil {
		return err
	}
	block, err := recording.Decode(encoded)
	if err != nil {
		return err
	}
	if o.from != nil {
		if err := o.from.restoreFiles(ctx, block); err != nil {
			return err
		}
	}
	if err := run.check(block); err != nil {
		return err
	}
	if !o.own {
		if err := checkSources(block); err != nil {
			return err
		}
	}
	encoded = block.WithoutFileBodies(encoded) // they are stored once for all runs
	if err := s.commit(ctx, run, block, encoded); err != nil {
		// What run knows may be ahead of the tables now; the next block reads it again.
		delete(s.live, h.Run)
		return err
	}
	if run.final {
		delete(s.live, h.Run)
	} else {
		s.live[h.Run] = run
	}
	return nil
}

// commit stores a block that was checked, in one transaction, and moves run behind it.
func (s *Store) commit(ctx context.Context, run *liveRun, b *recording.Block, encoded []byte) error {
	conn, err := s.w.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it goes back to where it came from
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit; before it, its failure adds nothing
	// From here on it takes milliseconds: ending it halfway would save nothing.
	w := &writeTx{ctx: context.WithoutCancel(ctx), conn: conn, tx: tx, s: s}
	if run.key == 0 {
		if err := w.insertRun(run, b.Start); err != nil {
			return err
		}
	}
	for _, step := range []func(*liveRun, *recording.Block) error{
		w.insertDefinitions, w.insertPresence, w.insertRollUp,
	} {
		if err := step(run, b); err != nil {
			return err
		}
	}
	run.advance(b)
	if err := w.insertBlock(run, b, encoded); err != nil {
		return err
	}
	if err := w.updateRun(run, b); err != nil {
		return err
	}
	return tx.Commit()
}

// expects says why the block of header h cannot be the next of the run.
func (run *liveRun) expects(h recording.Header) error {
	switch {
	case run.final:
		return failure(recording.CodeInvalid, nil, fmt.Sprintf("run %s is complete; block %d cannot follow", h.Run, h.Number), "")
	case h.Number > run.next && run.next == 0:
		return failure(recording.CodeInvalid, nil,
			fmt.Sprintf("block %d belongs to run %s, whose beginning is not here", h.Number, h.Run),
			"the run may have been deleted; its sender must begin with block 0")
	case h.Number > run.next:
		return failure(recording.CodeInvalid, nil,
			fmt.Sprintf("block %d of run %s came before block %d", h.Number, h.Run, run.next), "")
	}
	return nil
}
