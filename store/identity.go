package store

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"smiley/recording"
)

const (
	heartbeatEvery = time.Second
	// heartbeatDead is the age of a heartbeat that means death, where the process itself cannot be looked at.
	heartbeatDead = 10 * time.Second
)

// identity names this process so that no other one, later or elsewhere, has the same name: "space/process". Processes
// of one space can see whether the others live.
func identity() string {
	return processSpace() + "/" + process(os.Getpid())
}

// alive reports whether a writer still lives.
func alive(writer string, heartbeat, now time.Time) bool {
	where, who, ok := cutLast(writer, "/")
	if ok && where != "" && where == processSpace() {
		var pid int
		if n, err := fmt.Sscanf(who, "%d-", &pid); n == 1 && err == nil {
			return process(pid) == who
		}
	}
	return now.Sub(heartbeat) < heartbeatDead
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+len(sep):], true
}

// beat renews the heartbeat of the runs that this Store is recording. A beat that fails is not worth an error: the next
// one, or the next block, makes up for it.
func (s *Store) beat(ctx context.Context) {
	tick := time.NewTicker(heartbeatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.beatOnce(ctx)
		}
	}
}

func (s *Store) beatOnce(ctx context.Context) {
	if !s.mu.TryLock() {
		return // a block is being committed, which is a sign of life, too
	}
	defer s.mu.Unlock()
	for _, run := range s.live {
		if !run.final {
			_, _ = s.w.ExecContext(ctx, `UPDATE runs SET heartbeat_ns = ? WHERE key = ?`, s.now().UnixNano(), run.key)
		}
	}
}

// recover marks the runs whose writer died as interrupted, and removes what a dead process left half imported or half
// deleted.
func (s *Store) recover(ctx context.Context) error {
	rows, err := s.w.QueryContext(ctx, `SELECT key, state, writer, heartbeat_ns FROM runs
		WHERE state IN ('recording', 'importing', 'deleting')`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // read to its end below
	var interrupted, remains []int64
	for rows.Next() {
		var key, heartbeat int64
		var state, writer string
		if err := rows.Scan(&key, &state, &writer, &heartbeat); err != nil {
			return err
		}
		switch {
		case alive(writer, time.Unix(0, heartbeat), s.now()):
		case state == string(recording.StatusRecording):
			interrupted = append(interrupted, key)
		default:
			remains = append(remains, key)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, key := range interrupted {
		_, err := s.w.ExecContext(ctx, `UPDATE runs SET state = 'interrupted' WHERE key = ? AND state = 'recording'`, key)
		if err != nil {
			return err
		}
	}
	for _, key := range remains {
		if err := s.erase(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// abandon marks the runs that this Store leaves unfinished as interrupted.
func (s *Store) abandon() error {
	for _, run := range s.live {
		if run.final {
			continue
		}
		_, err := s.w.Exec(`UPDATE runs SET state = 'interrupted' WHERE key = ? AND state = 'recording'`, run.key)
		if err != nil {
			return err
		}
	}
	return nil
}
