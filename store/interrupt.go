package store

import (
	"context"

	"smiley/recording"
)

// Interrupt marks a run that this Store is recording as interrupted, because its sender is gone. A run that is complete,
// unknown or recorded by somebody else stays as it is. A later block makes it a run that is being recorded again.
func (s *Store) Interrupt(ctx context.Context, id recording.RunID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if run, ok := s.live[id]; !ok || run.final {
		return nil
	}
	_, err := s.w.ExecContext(ctx, `UPDATE runs SET state = 'interrupted' WHERE id = ? AND state = 'recording'`, id.String())
	if err == nil {
		delete(s.live, id) // the next block reads again what is known of it
	}
	return wrap(s.file, err)
}
