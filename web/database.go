package web

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"smiley/recording"
	"smiley/store"
)

// lockPatience is how long a request waits for another process that holds the file for itself.
const lockPatience = 4 * time.Second

// database is the file of recordings. It is opened when somebody asks for it, and again when another file has taken its
// place, so that a server outlives what happens to its file.
type database struct {
	file     string
	patience time.Duration

	mu       sync.Mutex // held for moments only: never while a file is opened
	current  *openDatabase
	attempt  *attempt // to open the file, under way
	closed   bool
	attempts sync.WaitGroup
}

// openDatabase is a reader of the file as it was at some moment. It closes when it is stale and its last user has gone.
type openDatabase struct {
	reader *store.Reader
	info   os.FileInfo
	users  int
	stale  bool
}

// attempt opens the file for all who wait for it.
type attempt struct {
	info os.FileInfo // of the file that was there when it began; nil: there was none
	stop context.CancelFunc
	done chan struct{} // closed when what follows is known
	err  error
}

// acquire returns a reader of the file as it is now, and what to call when it is done with.
func (d *database) acquire(ctx context.Context) (*store.Reader, func(), error) {
	for {
		info, err := os.Stat(d.file)
		if err != nil {
			info = nil // opening it says why
		}
		used, attempt, err := d.enter(info)
		if err != nil {
			return nil, nil, err
		}
		if used != nil {
			return used.reader, func() { d.release(used) }, nil
		}
		select {
		case <-attempt.done:
		case <-ctx.Done():
			return nil, nil, recording.Errorf(recording.CodeCanceled, "the recordings were not opened in time")
		}
		if attempt.err != nil {
			return nil, nil, attempt.err
		}
		// What it opened is current, unless the file was replaced meanwhile.
	}
}

// enter makes the caller a user of the current reader, or joins it to an attempt to open the file that info is of.
func (d *database) enter(info os.FileInfo) (*openDatabase, *attempt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, nil, recording.Errorf(recording.CodeCanceled, "the server is ending")
	}
	if d.current != nil && (info == nil || !os.SameFile(info, d.current.info)) {
		if err := d.retire(); err != nil {
			return nil, nil, err
		}
	}
	if d.current != nil {
		d.current.users++
		return d.current, nil, nil
	}
	if d.attempt == nil {
		ctx, stop := context.WithCancel(context.Background()) // it is not one request's
		d.attempt = &attempt{info: info, stop: stop, done: make(chan struct{})}
		d.attempts.Add(1)
		go d.open(ctx, d.attempt)
	}
	return nil, d.attempt, nil
}

// open opens the file.
func (d *database) open(ctx context.Context, a *attempt) {
	defer d.attempts.Done()
	defer a.stop()
	reader, err := store.OpenReader(ctx, d.file, store.WithPatience(d.patience))
	if err == nil && a.info == nil {
		if a.info, err = os.Stat(d.file); err != nil {
			err = errors.Join(err, reader.Close())
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attempt = nil
	switch {
	case err != nil:
		a.err = err
	case d.closed:
		a.err = errors.Join(recording.Errorf(recording.CodeCanceled, "the server is ending"), reader.Close())
	default:
		d.current = &openDatabase{reader: reader, info: a.info}
	}
	close(a.done)
}

func (d *database) release(used *openDatabase) {
	d.mu.Lock()
	defer d.mu.Unlock()
	used.users--
	if used.stale && used.users == 0 {
		_ = used.reader.Close() // its file is gone; there is nothing to save and nobody to tell
	}
}

// doubt is told that a reader says its file is damaged. When the file was written since it was opened, the next who asks for it has
// it opened anew: what was put over it may be whole, and a reader stays with what it has seen.
func (d *database) doubt(reader *store.Reader) {
	info, err := os.Stat(d.file)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current == nil || d.current.reader != reader {
		return
	}
	if old := d.current.info; err == nil && info.Size() == old.Size() && info.ModTime().Equal(old.ModTime()) {
		return
	}
	_ = d.retire() // whoever doubts it uses it still, so that it closes later
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

// close closes the current reader, and waits for an attempt to open one.
func (d *database) close() error {
	d.mu.Lock()
	d.closed = true
	err := d.retire()
	if d.attempt != nil {
		d.attempt.stop()
	}
	d.mu.Unlock()
	d.attempts.Wait()
	return err
}
