package synthetic

import (
	"context"
	"errors"
	"time"

	"smiley/recording"
	"smiley/store"
)

// These bound what lies between two stages of the pipeline. An encoded block is small, and the store pauses now and then
// for the disk, so more of them wait.
const (
	draftsInFlight = 4
	blocksInFlight = 32
)

// errStopped is what the builder gets when a later stage failed; that stage has the reason.
var errStopped = errors.New("a later stage stopped")

// Record sends events through the pipeline of a local run into a new recording in s: the builder on this goroutine, the
// encoder and the store on one each. It returns when all is committed.
func Record(ctx context.Context, s *store.Store, m Mix, events func(*recording.Builder) error) (recording.RunID, error) {
	run, err := NewRun()
	if err != nil {
		return run.ID, err
	}
	drafts, encoded := make(chan *recording.Draft, draftsInFlight), make(chan []byte, blocksInFlight)
	stopped := make(chan struct{})
	encodeErr, storeErr := make(chan error, 1), make(chan error, 1)
	go func() {
		defer close(encoded)
		encodeErr <- encode(drafts, encoded, stopped)
	}()
	go func() {
		defer close(stopped)
		storeErr <- keep(ctx, s, encoded)
	}()
	b := recording.NewBuilder(run, func(d *recording.Draft) error {
		select {
		case drafts <- d:
			return nil
		case <-stopped:
			return errStopped
		}
	})
	d := m.Definitions()
	addSource(&d)
	err = b.Define(d)
	if err == nil {
		err = events(b)
	}
	if err == nil {
		err = b.Finish(recording.RunEnd{End: time.Now()})
	}
	close(drafts)
	return run.ID, errors.Join(<-storeErr, <-encodeErr, err)
}

func encode(drafts <-chan *recording.Draft, encoded chan<- []byte, stopped <-chan struct{}) error {
	for d := range drafts {
		block, err := d.Encode(nil)
		if err != nil {
			return err
		}
		select {
		case encoded <- block:
		case <-stopped:
			return errStopped
		}
	}
	return nil
}

func keep(ctx context.Context, s *store.Store, encoded <-chan []byte) error {
	for block := range encoded {
		if _, err := s.Append(ctx, block); err != nil {
			return err
		}
	}
	return nil
}
