package web

import (
	"context"
	"errors"
	"sync"
	"time"

	"smiley/recording"
)

// trash holds the runs that a person deleted until nobody can want them back. They are out of sight and nothing else has
// happened to them, so that a server that dies loses none.
type trash struct {
	mu   sync.Mutex
	runs map[recording.RunID]*discarded
	wait sync.WaitGroup // timers that are removing a run
}

type discarded struct {
	name   string // as the person knows it
	at     time.Time
	remove func() error
	timer  *time.Timer
}

// put hides a run and removes it after the time for second thoughts.
func (t *trash) put(id recording.RunID, name string, after time.Duration, remove func() error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.runs == nil {
		t.runs = map[recording.RunID]*discarded{}
	}
	if t.runs[id] != nil {
		return
	}
	d := &discarded{name: name, at: time.Now(), remove: remove}
	t.wait.Add(1)
	d.timer = time.AfterFunc(after, func() {
		defer t.wait.Done()
		if t.take(id) != nil {
			_ = d.remove() // it logs; the run is then still there and comes back into sight
		}
	})
	t.runs[id] = d
}

// take takes a run out of the trash; nil when it is not there.
func (t *trash) take(id recording.RunID) *discarded {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.runs[id]
	delete(t.runs, id)
	return d
}

// restore brings a run back into sight; false when it is too late.
func (t *trash) restore(id recording.RunID) bool {
	d := t.take(id)
	if d == nil {
		return false
	}
	if d.timer.Stop() {
		t.wait.Done()
	}
	return true
}

// holds reports whether a run was deleted and can be restored.
func (t *trash) holds(id recording.RunID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.runs[id] != nil
}

// latest returns the run that was deleted last, and how many there are.
func (t *trash) latest() (id recording.RunID, name string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var last time.Time
	for candidate, d := range t.runs {
		if d.at.After(last) {
			id, name, last = candidate, d.name, d.at
		}
	}
	return id, name, len(t.runs)
}

// empty removes everything in the trash at once, and waits for what is being removed.
func (t *trash) empty() error {
	t.mu.Lock()
	left := t.runs
	t.runs = nil
	t.mu.Unlock()
	var errs []error
	for _, d := range left {
		if d.timer.Stop() {
			t.wait.Done()
		}
		errs = append(errs, d.remove())
	}
	t.wait.Wait()
	return errors.Join(errs...)
}

// discard deletes a run for good, and says in the log when that fails.
func (s *Server) discard(id recording.RunID) error {
	// Nobody waits for it, so nobody's context ends it.
	err := s.database.delete(context.Background(), id)
	if err != nil {
		s.Log.Error("delete a run", "run", id, "error", err)
	}
	return err
}
