package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smiley/recording"
)

// withPatience shortens the wait for a lock.

func TestOpenMakesAPrivateFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "dir", "smiley.db")
	s, err := Open(t.Context(), file)
	check(t, err)
	keep(t, s, small(t, newRun(t, 0)))
	for path, want := range map[string]os.FileMode{
		file: 0o600, file + "-wal": 0o600, filepath.Dir(file): 0o700 | os.ModeDir, filepath.Dir(filepath.Dir(file)): 0o700 | os.ModeDir,
	} {
		info, err := os.Stat(path)
		check(t, err)
		equal(t, "mode of "+path, info.Mode(), want)
	}
	check(t, s.Close())
	check(t, s.Close()) // a second time does nothing
	if _, err := s.Append(t.Context(), small(t, newRun(t, 1)).blocks[0]); recording.CodeOf(err) != recording.CodeCanceled {
		t.Fatalf("append to a closed store: %v", err)
	}
}

// What is reckoned in pages is reckoned with the size that they have.
func TestPagesHaveTheirSize(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "smiley.db"))
	check(t, err)
	defer func() { check(t, s.Close()) }()
	for name, want := range map[string]int{"page_size": pageSize, "wal_autocheckpoint": checkpointPages} {
		var got int
		check(t, s.w.QueryRow("PRAGMA "+name).Scan(&got))
		equal(t, name, got, want)
	}
}

func TestOpenAnyName(t *testing.T) {
	for _, name := range []string{"a b.db", "50%?x=y#z.db", "%41.db", "ünï&c=1.db", "-wal"} {
		file := filepath.Join(t.TempDir(), name)
		s, err := Open(t.Context(), file)
		check(t, err)
		check(t, s.Close())
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%q was opened as another file: %v", name, err)
		}
	}
}

// What is wrong with a file is said in one line with a hint, and the file stays as it is.
func TestOpenRefuses(t *testing.T) {
	cases := []struct {
		name   string
		make   func(t *testing.T, file string)
		code   recording.Code // of Open
		reader recording.Code // of OpenReader
	}{
		{"missing", func(*testing.T, string) {}, "", recording.CodeNotFound},
		{"empty", func(t *testing.T, file string) { check(t, os.WriteFile(file, nil, 0o600)) }, "", recording.CodeNotFound},
		{"text", func(t *testing.T, file string) {
			check(t, os.WriteFile(file, []byte(strings.Repeat("hello\n", 1000)), 0o600))
		}, recording.CodeDamaged, recording.CodeDamaged},
		{"short text", func(t *testing.T, file string) {
			check(t, os.WriteFile(file, []byte("hello\n"), 0o600))
		}, recording.CodeDamaged, recording.CodeDamaged},
		{"directory", func(t *testing.T, file string) { check(t, os.Mkdir(file, 0o700)) }, recording.CodeInvalid, recording.CodeInvalid},
		{"another program's database", func(t *testing.T, file string) {
			execute(t, file, `CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT)`, `PRAGMA user_version = 75`)
		}, recording.CodeDamaged, recording.CodeDamaged},
		{"a newer schema", func(t *testing.T, file string) {
			s, err := Open(t.Context(), file)
			check(t, err)
			check(t, s.Close())
			execute(t, file, fmt.Sprintf(`PRAGMA user_version = %d`, SchemaVersion()+1))
		}, recording.CodeNewer, recording.CodeNewer},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "smiley.db")
			c.make(t, file)
			before, _ := os.ReadFile(file)
			r, err := OpenReader(t.Context(), file)
			if err == nil {
				check(t, r.Close())
			}
			wantError(t, err, c.reader, file)
			s, err := Open(t.Context(), file)
			if err == nil {
				check(t, s.Close())
			}
			wantError(t, err, c.code, file)
			if after, _ := os.ReadFile(file); c.code != "" && !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
	s, err := Open(t.Context(), "")
	if err == nil {
		check(t, s.Close())
	}
	wantError(t, err, recording.CodeInvalid, "")
}

// wantError checks the code of an error, and that it is one line that names the file and ends in a hint.
func wantError(t *testing.T, err error, code recording.Code, file string) {
	t.Helper()
	wantCode(t, err, code)
	if err == nil {
		return
	}
	known, ok := err.(*recording.Error) //nolint:errorlint // the outermost error is what a person sees
	if !ok {
		t.Fatalf("%T %v is not a recording.Error", err, err)
	}
	if known.Hint == "" || strings.ContainsAny(known.Message+known.Hint, "\n\r") || !strings.Contains(known.Message, file) {
		t.Errorf("message %q, hint %q", known.Message, known.Hint)
	}
}

// execute changes a database behind the store's back.
func execute(t *testing.T, file string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	check(t, err)
	for _, statement := range statements {
		_, err := db.Exec(statement)
		check(t, err)
	}
	check(t, db.Close())
}

// A file that lies in a directory where nothing can be written can be read.
func TestReadOnlyDirectory(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "smiley.db")
	s, err := Open(t.Context(), file)
	check(t, err)
	f := small(t, newRun(t, 0))
	keep(t, s, f)
	check(t, s.Close())
	makeReadOnly(t, dir)
	r, err := OpenReader(t.Context(), file)
	check(t, err)
	run, err := r.Run(t.Context(), f.run.ID)
	check(t, err)
	equal(t, "calls", run.Calls, uint64(len(newOracle(t, f.blocks).calls)))
	check(t, r.Close())
	w, err := Open(t.Context(), file)
	if err == nil {
		check(t, w.Close())
	}
	wantError(t, err, recording.CodePermission, file)
	_, err = Open(t.Context(), filepath.Join(dir, "other.db"))
	wantError(t, err, recording.CodePermission, "other.db")
}

// Somebody else's transaction makes a writer wait, and in the end fail with the block not stored; readers do not notice.
func TestLocked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	s, err := Open(t.Context(), file, WithPatience(20*time.Millisecond))
	check(t, err)
	defer s.Close() //nolint:errcheck // closed below
	f := small(t, newRun(t, 0))
	_, err = s.Append(t.Context(), f.blocks[0])
	check(t, err)

	other, err := sql.Open("sqlite", file+"?_txlock=immediate")
	check(t, err)
	defer other.Close() //nolint:errcheck // only held a lock
	tx, err := other.Begin()
	check(t, err)
	_, err = s.Append(t.Context(), f.blocks[1])
	wantError(t, err, recording.CodeLocked, file)
	run, err := s.Run(t.Context(), f.run.ID)
	check(t, err)
	equal(t, "blocks while locked", run.Blocks, 1)

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Append(canceled, f.blocks[1])
	wantCode(t, err, recording.CodeCanceled)
	check(t, tx.Rollback())
	keep(t, s, f) // the first block is ignored, the second one is taken now
	run, err = s.Run(t.Context(), f.run.ID)
	check(t, err)
	equal(t, "blocks", run.Blocks, uint32(len(f.blocks)))
	check(t, s.Close())
}

// A disk without room: the error says so, what was acknowledged is there, and the run goes on once there is room.
func TestDiskFull(t *testing.T) {
	disk := limitedDisk(t)
	file := filepath.Join(disk.dir, "smiley.db")
	s, err := Open(t.Context(), file)
	check(t, err)
	defer s.Close() //nolint:errcheck // closed below
	disk.limit(s)
	f := build(t, newRun(t, 0), false, func(b *recording.Builder) {
		w := newWorld(t, b, 5)
		for range 60 {
			w.add(w.live[0], recording.KindOutput, 0, noise(w, 100<<10))
			check(t, b.Cut(w.now))
		}
	})
	kept := 0
	for _, block := range f.blocks {
		if _, err = s.Append(t.Context(), block); err != nil {
			break
		}
		kept++
	}
	wantError(t, err, recording.CodeFull, file)
	run, err := s.Run(t.Context(), f.run.ID)
	check(t, err)
	equal(t, "blocks", run.Blocks, uint32(kept))
	disk.grow(s)
	keep(t, s, f)
	run, err = s.Run(t.Context(), f.run.ID)
	check(t, err)
	equal(t, "status", run.Status, recording.StatusComplete)
	check(t, s.Close())
	wantIntact(t, file)
}

// noise is what cannot be compressed.
func noise(w *world, n int) []byte {
	b := make([]byte, n)
	b[0] = 1
	for i := 1; i < n; i++ {
		b[i] = byte(w.rng.Uint32())
	}
	return b
}

func TestMigrationsFromEachVersionBefore(t *testing.T) {
	all := migrations()
	for from := range all {
		file := filepath.Join(t.TempDir(), fmt.Sprint("from-", from, ".db"))
		check(t, os.WriteFile(file, nil, 0o600))
		db, _, err := target{file, defaultPatience}.connect(t.Context(), accessWrite)
		check(t, err)
		check(t, migrate(t.Context(), db, file, all[:from]))
		check(t, db.Close())
		s, err := Open(t.Context(), file)
		check(t, err)
		keep(t, s, small(t, newRun(t, 0)))
		var version, application int
		check(t, s.w.QueryRow(`PRAGMA user_version`).Scan(&version))
		check(t, s.w.QueryRow(`PRAGMA application_id`).Scan(&application))
		equal(t, "version", version, SchemaVersion())
		equal(t, "application", application, applicationID)
		check(t, s.Close())
	}
}
