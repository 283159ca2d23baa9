package store

import (
	"context"
	"database/sql"
	"errors"

	"smiley/recording"
)

// liveRun is what the writer knows of a run between two blocks. Everything in it can be read again from the tables.
type liveRun struct {
	key       int64 // 0: not in the tables yet
	importing bool
	next      uint32 // number of the block that is expected
	final     bool   // there is none

	stored, captured, dropped     uint64
	functions, types, files, high int64
	rolledUp                      uint32 // the roll-up tables cover the blocks below this one
	pending                       *rollUp
	groups                        [presenceLevels]presence // what the incomplete list of levels 1 and 2 has so far
}

func newLiveRun(importing bool) *liveRun {
	run := &liveRun{importing: importing, pending: newRollUp()}
	for level := 1; level < presenceLevels; level++ {
		run.groups[level] = presence{}
	}
	return run
}

// liveRun returns what is known of the run of a block that arrived. A run that is not known begins with block 0.
func (s *Store) liveRun(ctx context.Context, h recording.Header, importing bool) (*liveRun, error) {
	if run, ok := s.live[h.Run]; ok {
		return run, nil
	}
	run := newLiveRun(importing)
	var state, writer string
	var heartbeat int64
	err := s.w.QueryRowContext(ctx, `SELECT key, state, writer, heartbeat_ns, blocks, stored, captured, dropped, functions,
		types, files, last_ns, rolled_up FROM runs WHERE id = ?`, h.Run.String()).
		Scan(&run.key, &state, &writer, &heartbeat, &run.next, &run.stored, &run.captured, &run.dropped, &run.functions,
			&run.types, &run.files, &run.high, &run.rolledUp)
	if errors.Is(err, sql.ErrNoRows) {
		return run, nil
	}
	if err != nil {
		return nil, err
	}
	if state == stateImporting || state == stateDeleting {
		return nil, busyRun(h.Run, state)
	}
	run.final = state == string(recording.StatusComplete)
	if h.Number < run.next || run.final {
		return run, nil
	}
	if state == string(recording.StatusRecording) && writer != s.writer && alive(writer, unixNano(heartbeat), s.now()) {
		return nil, failure(recording.CodeLocked, nil, "run "+h.Run.String()+" is being recorded by another process",
			"one recorder at a time can take the blocks of a run")
	}
	return run, s.resume(ctx, run)
}

// resume gathers what an earlier writer of the run had not written to the roll-ups and to the presence index.
func (s *Store) resume(ctx context.Context, run *liveRun) error {
	for number := run.rolledUp; number < run.next; number++ {
		block, err := readBlock(ctx, s.w, run.key, number)
		if err != nil {
			return err
		}
		run.pending.add(block)
	}
	for level := 1; level < presenceLevels; level++ {
		first := run.next / s.span(level) * s.fan
		end := run.next / s.span(level-1)
		for number := first; number < end; number++ {
			stored, err := readPresence(ctx, s.w, run.key, level-1, number)
			if err != nil {
				return err
			}
			eachPresence(stored, func(id int64, flags presenceFlags) bool {
				run.groups[level].merge(id, flags)
				return true
			})
		}
	}
	return nil
}

// advance moves run behind a block.
func (run *liveRun) advance(b *recording.Block) {
	run.next = b.Number + 1
	run.final = b.Final
	run.stored += uint64(b.Header.Events)
	run.captured, run.dropped = b.Captured, b.Dropped
	run.functions += int64(len(b.Definitions.Functions))
	run.types += int64(len(b.Definitions.Types))
	run.files += int64(len(b.Definitions.Files))
	_, last := blockTimes(b)
	run.high = max(run.high, last)
}

// blockTimes returns the earliest and the latest time of the block's events. Events of different goroutines may be a
// little out of order, so the first event need not be the earliest.
func blockTimes(b *recording.Block) (first, last int64) {
	first, last = b.First, b.Last
	for i := range b.Summary.Goroutines {
		first = min(first, b.Summary.Goroutines[i].First)
		last = max(last, b.Summary.Goroutines[i].Last)
	}
	return first, last
}
