package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"

	"smiley/recording"
)

// A run that is exported and imported elsewhere is the same there, block by block.
func TestExportAndImport(t *testing.T) {
	s := openStore(t)
	whole, cut := small(t, newRun(t, 0)), small(t, newRun(t, 1))
	cut.blocks = cut.blocks[:2]
	for _, f := range []*fixture{whole, cut} {
		keep(t, s, f)
		file := filepath.Join(t.TempDir(), "run.db")
		check(t, s.Export(t.Context(), f.run.ID, file, false))
		wantOneFile(t, file)
		other := openStore(t)
		ids, err := other.Import(t.Context(), file)
		check(t, err)
		equalLists(t, "imported runs", ids, []recording.RunID{f.run.ID})
		wantSame(t, other, f)
		wantStatus(t, other.Reader, f, map[*fixture]recording.Status{whole: recording.StatusComplete, cut: recording.StatusInterrupted}[f])

		_, err = other.Import(t.Context(), file)
		wantError(t, err, recording.CodeInvalid, f.run.ID.String())
		wantError(t, s.Export(t.Context(), f.run.ID, file, false), recording.CodeInvalid, file)
		check(t, s.Export(t.Context(), f.run.ID, file, true))
		wantOneFile(t, file)
	}
	wantStatus(t, s.Reader, cut, recording.StatusRecording) // the export changed nothing
}

// Who exports a run again gets the same file, whoever did it before and when.
func TestExportsAreTheSame(t *testing.T) {
	for _, unfinished := range []bool{false, true} {
		s := openStore(t)
		f := busy(t, newRun(t, 0), unfinished)
		keep(t, s, f)
		var first []byte
		for i := range 3 {
			_, err := s.w.Exec(`UPDATE runs SET writer = ?, heartbeat_ns = ?`, fmt.Sprint("another machine/", i), i)
			check(t, err)
			file := filepath.Join(t.TempDir(), "run.smiley")
			check(t, s.Export(t.Context(), f.run.ID, file, false))
			content, err := os.ReadFile(file)
			check(t, err)
			if first == nil {
				first = content
			}
			if !bytes.Equal(content, first) {
				t.Errorf("unfinished: %v: two exports of a run differ", unfinished)
			}
		}
	}
}

// A run that replaces a file is what the file holds then, also when a writer of the old one was killed and left a log.
func TestExportReplacesAllOfAFile(t *testing.T) {
	s := openStore(t)
	f, g := small(t, newRun(t, 0)), small(t, newRun(t, 1))
	keep(t, s, f)
	file := filepath.Join(t.TempDir(), "run.db")
	old, err := Open(t.Context(), file)
	check(t, err)
	keep(t, old, g)
	log, err := os.ReadFile(file + "-wal")
	check(t, err)
	check(t, old.Close())
	check(t, os.WriteFile(file+"-wal", log, 0o600))
	check(t, s.Export(t.Context(), f.run.ID, file, true))
	wantOneFile(t, file)
	r, err := OpenReader(t.Context(), file)
	check(t, err)
	defer func() { check(t, r.Close()) }()
	equalLists(t, "runs", runIDs(t, r, false, 10), []string{f.run.ID.String()})
}

// The database that a run is in is not replaced by that run, and neither is what is no file.
func TestExportRefusesToReplace(t *testing.T) {
	s := openStore(t)
	f, g := small(t, newRun(t, 0)), small(t, newRun(t, 1))
	keep(t, s, f)
	keep(t, s, g)
	link := filepath.Join(t.TempDir(), "link")
	check(t, os.Symlink(s.File(), link))
	socket := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", socket)
	check(t, err)
	defer func() { check(t, l.Close()) }()
	for _, file := range []string{s.File(), link, socket, t.TempDir()} {
		wantError(t, s.Export(t.Context(), f.run.ID, file, true), recording.CodeInvalid, file)
	}
	equal(t, "runs", len(runIDs(t, s.Reader, false, 10)), 2)
}

// wantOneFile checks that an exported file is private, whole by itself, and alone in its directory.
func wantOneFile(t *testing.T, file string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	check(t, err)
	equal(t, "files", len(entries), 1)
	info, err := entries[0].Info()
	check(t, err)
	equal(t, "mode", info.Mode(), 0o600)
	wantIntact(t, file)
}

// wantSame checks that a store has the blocks of a run, its source, and rolled them up.
func wantSame(t *testing.T, s *Store, f *fixture) {
	t.Helper()
	run, err := s.runRow(t.Context(), s.db, f.run.ID)
	check(t, err)
	equal(t, "blocks", int(run.blocks), len(f.blocks))
	equal(t, "settings", fmt.Sprintf("%+v", run.Settings), fmt.Sprintf("%+v", f.run.Settings))
	for number, want := range f.blocks {
		body, err := readBody(t.Context(), s.db, run.key, uint32(number))
		check(t, err)
		b, err := recording.Decode(want)
		check(t, err)
		if !bytes.Equal(body, b.WithoutFileBodies(want)) {
			t.Fatalf("block %d differs", number)
		}
	}
	wantStatsOfFullScan(t, s.Reader, f.run.ID)
	source, err := s.FileBody(t.Context(), sha256.Sum256([]byte(sourceText)))
	check(t, err)
	equal(t, "source", string(source), sourceText)
}

// An import believes nothing but blocks: what a file claims besides is made anew, and a file whose blocks do not hold is
// refused whole.
func TestImportBelievesOnlyBlocks(t *testing.T) {
	f, g := small(t, newRun(t, 0)), small(t, newRun(t, 1))
	short := build(t, f.run, false, func(b *recording.Builder) { // of f, which goes on
		w := newWorld(t, b, 1)
		w.steps(20)
		check(t, b.Cut(w.now))
	})
	for _, c := range []struct {
		name, change string
		code         recording.Code
	}{
		{"statistics", `UPDATE function_stats SET calls = 1000000, histogram = x'00'`, ""},
		{"totals", `UPDATE runs SET calls = 5, captured = 17, error = 'lie', program = 'lie'`, ""},
		{"no calls", `DELETE FROM long_calls`, ""},
		{"negative totals", `UPDATE runs SET calls = -5`, recording.CodeDamaged},
		{"no tables", `DROP TABLE goroutines`, recording.CodeDamaged},
		{"a block of another run", fmt.Sprintf(`UPDATE block_bodies SET body = x'%x' WHERE number = 1`, g.blocks[1]), recording.CodeDamaged},
		{"a block twice", `UPDATE block_bodies SET body = (SELECT body FROM block_bodies WHERE number = 0) WHERE number = 1`, recording.CodeDamaged},
		{"a block that is none", `UPDATE block_bodies SET body = x'00' WHERE number = 2`, recording.CodeDamaged},
		{"a block is missing", `DELETE FROM block_bodies WHERE number = 1`, recording.CodeDamaged},
		{"the end too early", `UPDATE block_bodies SET body = (SELECT body FROM block_bodies WHERE number = 3) WHERE number = 1`, recording.CodeDamaged},
		{"an end in the middle", fmt.Sprintf(`UPDATE block_bodies SET body = x'%x' WHERE number = 1`, short.blocks[1]), recording.CodeDamaged},
		{"no source", `DELETE FROM files`, recording.CodeDamaged},
		{"another source", `UPDATE files SET body = (SELECT body FROM block_bodies LIMIT 1)`, recording.CodeDamaged},
		{"no metadata", `UPDATE runs SET settings = '{'`, recording.CodeDamaged},
		{"no id", `UPDATE runs SET id = 'x'`, recording.CodeDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "run.db")
			src := openStore(t)
			keep(t, src, f)
			check(t, src.Export(t.Context(), f.run.ID, file, false))
			execute(t, file, c.change)
			s := openStore(t)
			keep(t, s, g)
			_, err := s.Import(t.Context(), file)
			wantCode(t, err, c.code)
			if c.code == "" {
				wantSame(t, s, f)
				return
			}
			var runs, files int
			check(t, s.w.QueryRow(`SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM files)`).Scan(&runs, &files))
			equal(t, "runs after a refused import", runs, 1)
			equal(t, "files after a refused import", files, 1)
		})
	}
}

// Several runs in one file come in together or not at all.
func TestImportIsAllOrNothing(t *testing.T) {
	src := openStore(t)
	f, g := small(t, newRun(t, 0)), small(t, newRun(t, 1))
	keep(t, src, f)
	keep(t, src, g)
	s := openStore(t)
	keep(t, s, g)
	_, err := s.Import(t.Context(), src.File())
	wantCode(t, err, recording.CodeInvalid)
	equalLists(t, "runs", runIDs(t, s.Reader, false, 10), []string{g.run.ID.String()})
	check(t, s.Delete(t.Context(), g.run.ID))
	ids, err := s.Import(t.Context(), src.File())
	check(t, err)
	equal(t, "imported runs", len(ids), 2)
	wantSame(t, s, f)
	wantSame(t, s, g)
}

// Whatever happens to the bytes of a file: what is read is what was recorded, or an error says that it is damaged. Nothing
// panics, and nothing that was lost is made up.
func TestDamagedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	s, err := Open(t.Context(), file)
	check(t, err)
	f := small(t, newRun(t, 0))
	keep(t, s, f)
	check(t, s.Close())
	whole, err := os.ReadFile(file)
	check(t, err)
	o := newOracle(t, f.blocks)
	rng := rand.New(rand.NewPCG(7, 7))
	readable := 0
	for round := range 60 {
		broken := bytes.Clone(whole)
		if round%3 == 0 {
			broken = broken[:rng.IntN(len(broken))]
		} else {
			for range 1 + rng.IntN(20) {
				broken[rng.IntN(len(broken))] = byte(rng.Uint32())
			}
		}
		check(t, os.WriteFile(file, broken, 0o600))
		if readDamaged(t, file, f.run.ID, o) {
			readable++
		}
		if w, err := Open(t.Context(), file); err == nil {
			_, _ = w.Append(t.Context(), f.blocks[0]) // whatever it says, it must not panic
			_ = w.Close()
		}
		for _, suffix := range []string{"-wal", "-shm"} {
			_ = os.Remove(file + suffix)
		}
	}
	if readable == 0 {
		t.Error("not one of the damaged files could be read in part")
	}
}

// readDamaged reads what can be read of a run and reports whether events came out.
func readDamaged(t *testing.T, file string, id recording.RunID, o *oracle) bool {
	t.Helper()
	r, err := OpenReader(t.Context(), file)
	if err != nil {
		wantDamage(t, err)
		return false
	}
	defer r.Close() //nolint:errcheck // only read
	read := 0
	for e, err := range r.Events(t.Context(), id, EventQuery{Parts: recording.WithData}) {
		if err != nil {
			wantDamage(t, err)
			break
		}
		want := o.events[e.Seq-1]
		equal(t, "event", fmt.Sprintf("%+v", e), fmt.Sprintf("%+v", want))
		read++
	}
	askEverything(t, r, id)
	return read > 0
}

// wantDamage checks that an error about a damaged file is none of smiley's own.
func wantDamage(t *testing.T, err error) {
	t.Helper()
	switch code := recording.CodeOf(err); code {
	case recording.CodeDamaged, recording.CodeNotFound, recording.CodeNewer, recording.CodePermission:
	default:
		t.Fatalf("%v has code %q", err, code)
	}
}
