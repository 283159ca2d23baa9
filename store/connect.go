package store

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"smiley/recording"
)

const (
	// defaultPatience is how long a statement waits for another process before it fails with CodeLocked.
	defaultPatience = 10 * time.Second

	// pageSize is what SQLite gives a new file, and what it never changes in an old one.
	pageSize = 4096
	// checkpointPages lets the write-ahead log grow to 16 MiB before its pages move into the file: pages of a run that
	// change with every block are then moved once in some fifty blocks.
	checkpointPages = 16 << 20 / pageSize
	readConnections = 4
)

// access is how a connection uses the file.
type access int

const (
	accessWrite     access = iota
	accessRead             // no statement may write
	accessImmutable        // nobody writes, and not even a lock file can be made
)

// target is a file and how to treat it.
type target struct {
	file     string
	patience time.Duration
}

// dsn returns the driver's name for the file.
func (t target) dsn(how access) string {
	q := url.Values{}
	pragma := func(name, value string) { q.Add("_pragma", name+"("+value+")") }
	pragma("busy_timeout", strconv.FormatInt(t.patience.Milliseconds(), 10))
	pragma("trusted_schema", "off")
	pragma("cell_size_check", "on")
	q.Set("_defensive", "true")
	switch how {
	case accessWrite:
		q.Set("mode", "rw")
		q.Set("_txlock", "immediate")
		pragma("auto_vacuum", "incremental")
		pragma("journal_mode", "wal")
		// In WAL mode NORMAL keeps every commit when a process dies. When the machine loses power, the last commits may
		// be lost (since the last checkpoint, at most checkpointPages), never the file's consistency. FULL would wait
		// for the disk at every block.
		pragma("synchronous", "normal")
		pragma("wal_autocheckpoint", strconv.Itoa(checkpointPages))
		pragma("journal_size_limit", strconv.Itoa(64<<20))
		pragma("cache_size", "-8192")
	case accessRead:
		q.Set("mode", "rw") // so that a log left by a dead writer can be recovered; see openReaders for the fall-back
		pragma("query_only", "on")
		pragma("cache_size", "-4096")
	case accessImmutable:
		q.Set("mode", "ro")
		q.Set("immutable", "1")
		pragma("query_only", "on")
		pragma("cache_size", "-4096")
	}
	path := filepath.ToSlash(t.file)
	if filepath.VolumeName(t.file) != "" {
		path = "/" + path
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// connect opens the file and proves that it can be read. The caller closes the result.
func (t target) connect(ctx context.Context, how access) (*sql.DB, schema, error) {
	db, err := sql.Open("sqlite", t.dsn(how))
	if err != nil {
		return nil, schema{}, err
	}
	if how == accessRead || how == accessImmutable {
		db.SetMaxOpenConns(readConnections)
		db.SetMaxIdleConns(readConnections)
	} else {
		db.SetMaxOpenConns(1)
	}
	found, err := readSchema(ctx, db)
	if err != nil {
		db.Close() //nolint:errcheck // the first failure is the one that tells
		return nil, schema{}, err
	}
	return db, found, nil
}

// openReaders opens the file for reading. A directory where no lock file can be made is no obstacle as long as no
// writer left a log behind.
func (t target) openReaders(ctx context.Context) (*sql.DB, schema, error) {
	db, found, err := t.connect(ctx, accessRead)
	if recording.CodeOf(wrap(t.file, err)) != recording.CodePermission {
		return db, found, err
	}
	if info, statErr := os.Stat(t.file + "-wal"); statErr == nil && info.Size() > 0 {
		return nil, schema{}, failure(recording.CodePermission, err,
			t.file+" has a log beside it that cannot be merged without write permission in its directory",
			"copy the file and the ones beginning with its name to a directory of yours, and use --database")
	}
	return t.connect(ctx, accessImmutable)
}

// inspect reads the schema of an existing file without changing it.
func (t target) inspect(ctx context.Context) (schema, error) {
	db, found, err := t.openReaders(ctx)
	if err != nil {
		return schema{}, err
	}
	return found, db.Close()
}

// checkFile says early, in words that fit, why file cannot be a database.
func checkFile(file string) (os.FileInfo, error) {
	if file == "" || strings.ContainsRune(file, 0) {
		return nil, failure(recording.CodeInvalid, nil, "the database needs a file name", "name one with --database FILE")
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, failure(recording.CodeInvalid, nil, file+" is a directory, not a database",
			"name a file in it: --database "+recording.ShellWord(filepath.Join(file, "smiley.db")))
	}
	if !info.Mode().IsRegular() {
		return nil, foreign(file, nil)
	}
	return info, nil
}
