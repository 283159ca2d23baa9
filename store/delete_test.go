package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"smiley/recording"
)

// A deleted run leaves nothing behind, and the file is as small as before.
func TestDeleteLeavesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	s, err := Open(t.Context(), file)
	check(t, err)
	stays := small(t, newRun(t, 0))
	keep(t, s, stays)
	before := pages(t, s)
	var gone []recording.RunID
	for n := range 3 {
		f := build(t, newRun(t, n+1), false, func(b *recording.Builder) {
			w := newWorld(t, b, uint64(n))
			for range 100 {
				w.steps(30)
				w.add(w.live[0], recording.KindOutput, 0, noise(w, 1000))
				check(t, b.Cut(w.now))
			}
		})
		keep(t, s, f)
		gone = append(gone, f.run.ID)
	}
	check(t, s.Delete(t.Context(), gone...))
	for _, table := range []string{
		"blocks", "block_bodies", "definitions", "run_files", "goroutines", "presence", "long_calls", "function_stats",
		"edge_stats",
	} {
		var runs int
		check(t, s.w.QueryRow(`SELECT count(DISTINCT run) FROM `+table).Scan(&runs))
		if runs > 1 {
			t.Errorf("%s has rows of %d runs", table, runs)
		}
	}
	if after := pages(t, s); after > before+2 { // interior pages that stayed
		t.Errorf("%d pages before, %d after", before, after)
	}
	wantSame(t, s, stays)
	check(t, s.Close())
	wantIntact(t, file)
}

func pages(t *testing.T, s *Store) int {
	t.Helper()
	var n int
	check(t, s.w.QueryRow(`PRAGMA page_count`).Scan(&n))
	return n
}

// Source files are stored once, however many runs share them, and stay as long as a run needs them.
func TestFilesAreShared(t *testing.T) {
	s := openStore(t)
	source := noise(newWorldOf(t), 200<<10)
	var runs []recording.RunID
	size := 0
	for n := range 3 {
		f := build(t, newRun(t, n), false, func(b *recording.Builder) {
			check(t, b.Define(recording.Definitions{Files: []recording.File{
				{ID: 3, Name: "/home/gopher/large.go", Body: source, Hash: sha256.Sum256(source)},
			}}))
		})
		keep(t, s, f)
		runs = append(runs, f.run.ID)
		if n == 0 {
			size = pages(t, s)
		}
	}
	if more := (pages(t, s) - size) * pageSize; more > len(source)/4 {
		t.Errorf("two more runs of the same source take %d bytes", more)
	}
	for i, id := range runs {
		body, err := s.FileBody(t.Context(), sha256.Sum256(source))
		check(t, err)
		if !bytes.Equal(body, source) {
			t.Fatal("the source differs")
		}
		check(t, s.Delete(t.Context(), id))
		var files int
		check(t, s.w.QueryRow(`SELECT count(*) FROM files`).Scan(&files))
		equal(t, "files", files, map[bool]int{true: 2, false: 0}[i < len(runs)-1])
	}
}

// newWorldOf makes a world that only lends its random numbers.
func newWorldOf(t testing.TB) *world { return &world{t: t, rng: rand.New(rand.NewPCG(1, 1))} }

func TestDeleteRefusesARunThatIsRecorded(t *testing.T) {
	s := openStore(t)
	f := small(t, newRun(t, 0))
	_, err := s.Append(t.Context(), f.blocks[0])
	check(t, err)
	wantError(t, s.Delete(t.Context(), f.run.ID), recording.CodeLocked, f.run.ID.String())
	keep(t, s, f)
	check(t, s.Delete(t.Context(), f.run.ID))
	_, err = s.Run(t.Context(), f.run.ID)
	wantCode(t, err, recording.CodeNotFound)
}

// What a process left half deleted or half imported is out of sight, and gone when the file is next opened for writing.
func TestRemainsAreRemoved(t *testing.T) {
	for _, state := range []string{stateDeleting, stateImporting} {
		file := filepath.Join(t.TempDir(), "smiley.db")
		s, err := Open(t.Context(), file)
		check(t, err)
		f := small(t, newRun(t, 0))
		keep(t, s, f)
		_, err = s.w.Exec(`UPDATE runs SET state = ?, writer = 'another machine/1-2', heartbeat_ns = 0`, state)
		check(t, err)
		runs, err := s.Runs(t.Context(), RunsQuery{})
		check(t, err)
		equal(t, "visible runs", len(runs), 0)
		check(t, s.Close())
		s, err = Open(t.Context(), file)
		check(t, err)
		var left int
		check(t, s.w.QueryRow(`SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM block_bodies) + (SELECT count(*) FROM files)`).Scan(&left))
		equal(t, "rows left of a run that was "+state, left, 0)
		check(t, s.Close())
	}
}

// Runs are recorded, watched and deleted at the same time. A watcher sees whole blocks and books that balance; one whose
// run goes away is told.
func TestReadWhileWritingAndDeleting(t *testing.T) {
	s := openStore(t, withTuning(3, 5))
	old := small(t, newRun(t, 0))
	keep(t, s, old)
	live := build(t, newRun(t, 1), false, func(b *recording.Builder) {
		w := newWorld(t, b, 9)
		for range 80 {
			w.steps(20)
			check(t, b.Cut(w.now))
		}
	})
	_, err := s.Append(t.Context(), live.blocks[0])
	check(t, err)
	written := make(chan struct{})
	var watchers sync.WaitGroup
	errs := make(chan error, 16)
	for range 3 {
		watchers.Go(func() { errs <- watch(t.Context(), s.Reader, live.run.ID, written) })
		watchers.Go(func() { errs <- readUntilGone(t.Context(), s.Reader, old.run.ID) })
	}
	for _, block := range live.blocks[1:] {
		_, err := s.Append(t.Context(), block)
		check(t, err)
	}
	check(t, s.Delete(t.Context(), old.run.ID))
	close(written)
	watchers.Wait()
	close(errs)
	for err := range errs {
		check(t, err)
	}
	wantSame(t, s, live)
}

// watch looks at a run until it is written.
func watch(ctx context.Context, r *Reader, id recording.RunID, written <-chan struct{}) error {
	for done := false; ; {
		before, err := r.Run(ctx, id)
		if err != nil {
			return err
		}
		stats, err := r.FunctionStats(ctx, id)
		if err != nil {
			return err
		}
		calls := uint64(0)
		for i := range stats {
			calls += stats[i].Calls
		}
		events := uint64(0)
		for e, err := range r.Events(ctx, id, EventQuery{}) {
			if err != nil {
				return err
			}
			if events++; e.Seq != events {
				return errors.New("an event is missing")
			}
		}
		after, err := r.Run(ctx, id)
		if err != nil {
			return err
		}
		switch {
		case !before.Ledger.Balances() || !after.Ledger.Balances():
			return errors.New("the ledger does not balance")
		case calls < before.Calls || calls > after.Calls || events < before.Events || events > after.Events:
			return errors.New("an answer is older than the one before it")
		case done:
			return nil
		}
		select {
		case <-written:
			done = true
		default:
		}
	}
}

// readUntilGone reads a run until it is deleted.
func readUntilGone(ctx context.Context, r *Reader, id recording.RunID) error {
	for {
		for _, err := range r.Events(ctx, id, EventQuery{}) {
			if recording.CodeOf(err) == recording.CodeNotFound {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}

// Two processes that make the same file at the same moment both get it.
func TestOpenTogether(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	var group sync.WaitGroup
	errs := make([]error, 6)
	for n := range errs {
		f := small(t, newRun(t, n))
		group.Go(func() {
			s, err := Open(t.Context(), file)
			if err == nil {
				for _, block := range f.blocks {
					if _, err = s.Append(t.Context(), block); err != nil {
						break
					}
				}
				err = errors.Join(err, s.Close())
			}
			errs[n] = err
		})
	}
	group.Wait()
	check(t, errors.Join(errs...))
	r, err := OpenReader(t.Context(), file)
	check(t, err)
	equal(t, "runs", len(runIDs(t, r, false, 10)), len(errs))
	check(t, r.Close())
	if _, err := os.Stat(file + "-wal"); err == nil {
		t.Error("the log was left behind")
	}
}
