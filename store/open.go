package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver

	"smiley/recording"
)

// Reader answers questions about the recordings in one file. It is safe for concurrent use. Every answer is one
// consistent snapshot of what was committed when it was asked for; a run can be read while it is written.
type Reader struct {
	file string
	db   *sql.DB
	options

	prepared   prepared
	structures *cache[structureKey, *structure]
	nodes      *cache[keptNodeKey, *timeNode]
	tails      tailCache
	functions  functionCache
	types      typeCache
	views      *cache[stackViewKey, *stackView]
	tasks      *tasks
	digests    *digesters
	readings   *readings
}

// Store adds recordings to one file and answers questions about it. It is safe for concurrent use.
type Store struct {
	*Reader
	w      *sql.DB // a single connection
	writer string  // names this process: see identity

	statements *statements

	mu     sync.Mutex // guards what follows and all writing
	live   map[recording.RunID]*liveRun
	closed bool

	sourceScratch []byte // of insertFile

	stop      context.CancelFunc
	heartbeat sync.WaitGroup
}

// Option changes how a file is opened.
type Option func(*options)

type options struct {
	tuning
	now      func() time.Time
	patience time.Duration
}

func newOptions(opts []Option) options {
	o := options{tuning: defaultTuning, now: time.Now, patience: defaultPatience}
	for _, set := range opts {
		set(&o)
	}
	return o
}

// WithClock makes the store take the time of heartbeats from now.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithPatience makes the store wait so long for another process that has locked the file, before it fails with CodeLocked;
// ten seconds otherwise.
func WithPatience(d time.Duration) Option { return func(o *options) { o.patience = d } }

func newReader(ctx context.Context, file string, db *sql.DB, o options) (*Reader, error) {
	statements, err := prepareReads(ctx, db)
	if err != nil {
		return nil, err
	}
	tasks := newTasks()
	return &Reader{
		file: file, db: db, options: o, prepared: statements, structures: newCache[structureKey, *structure](structureCacheBytes),
		tasks: tasks, digests: newDigesters(tasks), readings: newReadings(tasks),
		nodes: newCache[keptNodeKey, *timeNode](nodeCacheBytes),
		views: newCache[stackViewKey, *stackView](stackViewBytes),
	}, nil
}

// OpenReader opens a file of recordings for reading. It works on a file that is being written, and in a directory that
// cannot be written. A schema that is older than this package's is brought up to date first, which needs permission to
// write. The caller closes the Reader.
//
// Errors: CodeNotFound (there is no such file, or nothing in it), CodePermission, CodeDamaged, CodeNewer, CodeLocked.
func OpenReader(ctx context.Context, file string, opts ...Option) (*Reader, error) {
	r, err := openReader(ctx, file, opts)
	if err != nil {
		return nil, wrap(file, err)
	}
	return r, nil
}

func openReader(ctx context.Context, file string, opts []Option) (*Reader, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	if _, err := checkFile(file); err != nil {
		return nil, err
	}
	o := newOptions(opts)
	t := target{file, o.patience}
	db, found, err := t.openReaders(ctx)
	if err != nil {
		return nil, err
	}
	err = found.check(file, SchemaVersion())
	if err == nil && found.empty {
		err = missing(file, nil)
	}
	if err == nil && found.version < SchemaVersion() {
		err = t.upgrade(ctx)
	}
	var r *Reader
	if err == nil {
		r, err = newReader(ctx, file, db, o)
	}
	if err != nil {
		db.Close() //nolint:errcheck // the first failure is the one that tells
		return nil, err
	}
	return r, nil
}

// upgrade brings an older file up to date.
func (t target) upgrade(ctx context.Context) error {
	db, _, err := t.connect(ctx, accessWrite)
	if err != nil {
		return err
	}
	return errors.Join(migrate(ctx, db, t.file, migrations()), db.Close())
}

// Open opens a file of recordings for writing and reading; it makes the file (mode 0600) and its directory (0700) when
// there is none. Runs whose writer died are marked as interrupted. The caller closes the Store.
//
// A block that Append has acknowledged survives the death of the process, by whatever signal. When the machine loses
// power, the blocks of the last moments may be lost; the file stays consistent.
//
// Errors: CodePermission, CodeDamaged, CodeNewer (the file is left as it is), CodeLocked, CodeFull, CodeInvalid.
func Open(ctx context.Context, file string, opts ...Option) (*Store, error) {
	s, err := open(ctx, file, opts)
	if errors.Is(err, fs.ErrNotExist) && recording.CodeOf(err) == recording.CodeInternal {
		return nil, failure(recording.CodeInvalid, err, file+" cannot be made: "+err.Error(), "choose another file with --database")
	}
	if err != nil {
		return nil, wrap(file, err)
	}
	return s, nil
}

func open(ctx context.Context, file string, opts []Option) (*Store, error) {
	if file == "" {
		_, err := checkFile(file)
		return nil, err
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	if err := create(file); err != nil {
		return nil, err
	}
	o := newOptions(opts)
	t := target{file, o.patience}
	w, err := t.openWriter(ctx)
	if err != nil {
		return nil, err
	}
	readers, _, err := t.openReaders(ctx)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	s := &Store{w: w, writer: identity(), live: make(map[recording.RunID]*liveRun)}
	if s.Reader, err = newReader(ctx, file, readers, o); err == nil {
		s.statements, err = prepare(ctx, w)
	}
	if err == nil {
		err = s.recover(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, readers.Close(), w.Close())
	}
	beat, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.heartbeat.Add(1)
	go func() {
		defer s.heartbeat.Done()
		s.beat(beat)
	}()
	return s, nil
}

// create makes the file and its directory when they are not there, so that SQLite never chooses their modes.
func create(file string) error {
	_, err := checkFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeDirectory(filepath.Dir(file)); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // somebody else was faster
	}
	if err != nil {
		return err
	}
	// A umask may have taken from the mode what the owner needs. SQLite gives the files that it adds the same one.
	return errors.Join(f.Chmod(0o600), f.Close())
}

// makeDirectory makes a directory and those above it that are not there, for their owner alone, whatever the umask.
func makeDirectory(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if above := filepath.Dir(dir); above != dir {
		if err := makeDirectory(above); err != nil {
			return err
		}
	}
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		if info, failed := os.Stat(dir); failed == nil && info.IsDir() {
			return nil // somebody else was faster
		}
	}
	if err != nil {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// openWriter opens the writing connection and migrates. Two processes that make the same file at the same moment can
// fail to agree on the journal mode; SQLite does not wait there, so this does.
func (t target) openWriter(ctx context.Context) (*sql.DB, error) {
	over := time.After(t.patience)
	for pause := time.Millisecond; ; pause *= 2 {
		w, err := t.tryOpenWriter(ctx)
		if recording.CodeOf(wrap(t.file, err)) != recording.CodeLocked {
			return w, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-over:
			return nil, err
		case <-time.After(pause):
		}
	}
}

func (t target) tryOpenWriter(ctx context.Context) (*sql.DB, error) {
	info, err := os.Stat(t.file)
	if err != nil {
		return nil, err
	}
	if info.Size() > 0 {
		found, err := t.inspect(ctx)
		if err != nil {
			return nil, err
		}
		if err := found.check(t.file, SchemaVersion()); err != nil {
			return nil, err
		}
	}
	w, _, err := t.connect(ctx, accessWrite)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, w, t.file, migrations()); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// File returns the absolute path of the database.
func (r *Reader) File() string { return r.file }

// Close ends the Reader. Queries that run end with an error.
func (r *Reader) Close() error {
	r.tasks.close()
	return wrap(r.file, r.db.Close())
}

// Close ends the Store. Runs that it was recording and that did not end are marked as interrupted.
func (s *Store) Close() error {
	s.stop()
	s.heartbeat.Wait()
	s.tasks.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	abandon := s.abandon()
	return wrap(s.file, errors.Join(abandon, s.db.Close(), s.w.Close()))
}
