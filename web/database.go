package web

import (
	"context"
	"errors"
	"os"
	"sync"

	"smiley/recording"
	"smiley/store"
)

// database is the file of recordings. It is opened when somebody asks for it, and again when another file has taken its
// place, so that a server outlives what happens to its file.
type database struct {
	file string

	mu      sync.Mutex
	current *openDatabase
	closed  bool
}

// openDatabase is a reader of the file as it was at some moment. It closes when it is stale and its last user has gone.
type openDatabase struct {
	reader *store.Reader
	info   os.FileInfo
	users  int
	stale  bool
}

// acquire returns a reader of the file as it is now, and what to call when it is done with.
func (d *database) acquire(ctx context.Context) (*store.Reader, func(), error) {
	info, statErr := os.Stat(d.file)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, nil, recording.Errorf(recording.CodeCanceled, "the server is ending")
	}
	if d.current != nil && (statErr != nil || !os.SameFile(info, d.current.info)) {
		if err := d.retire(); err != nil {
			return nil, nil, err
		}
	}
	if d.current == nil {
		// The reader outlives this request.
		reader, err := store.OpenReader(context.WithoutCancel(ctx), d.file)
		if err != nil {
			return nil, nil, err
		}
		if statErr != nil {
			info, statErr = os.Stat(d.file)
		}
		if statErr != nil {
			return nil, nil, errors.Join(statErr, reader.Close())
		}
		d.current = &openDatabase{reader: reader, info: info}
	}
	used := d.current
	used.users++
	return used.reader, func() { d.release(used) }, nil
}

func (d *database) release(used *openDatabase) {
	d.mu.Lock()
	defer d.mu.Unlock()
	used.users--
	if used.stale && used.users == 0 {
		_ = used.reader.Close() // its file is gone; there is nothing to save and nobody to tell
	}
}

// retire closes the current reader, now or when its last user has gone.
func (d *database) retire() error {
	old := d.current
	if d.current = nil; old == nil {
		return nil
	}
	old.stale = true
	if old.users == 0 {
		return old.reader.Close()
	}
	return nil
}

// delete removes runs. It opens the file for writing for as long as that takes.
func (d *database) delete(ctx context.Context, ids ...recording.RunID) error {
	s, err := store.Open(ctx, d.file)
	if err != nil {
		return err
	}
	err = s.Delete(ctx, ids...)
	return errors.Join(err, s.Close())
}

func (d *database) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return d.retire()
}
