package store

import (
	"context"
	"database/sql"
	"errors"

	"smiley/recording"
)

// place is the blocks in which a goroutine can have events.
type place struct {
	tuning
	run         *runRow
	goroutine   int64
	first, last uint32 // blocks of its first and last event
	indexed     bool   // the presence index covers it
	none        bool   // it has no events
}

// placeOf finds out where a goroutine can have events. Goroutine 0 stands for all of the run.
func (r *Reader) placeOf(ctx context.Context, q queries, run *runRow, goroutine int64) (place, error) {
	p := place{tuning: r.tuning, run: run, goroutine: goroutine, last: max(run.blocks, 1) - 1, none: run.Events == 0}
	if goroutine == 0 || p.none {
		return p, nil
	}
	g, err := r.goroutine(ctx, q, run, goroutine)
	if err != nil {
		return p, err
	}
	if p.none = g.FirstSeq == 0; p.none {
		return p, nil
	}
	p.indexed = g.begins <= 1
	if p.first, err = blockOf(ctx, q, run, g.FirstSeq); err != nil {
		return p, err
	}
	p.last, err = blockOf(ctx, q, run, g.LastSeq)
	return p, err
}

// next returns the first block from number on in which the goroutine can have events (with calls: call events), and
// whether there is one.
func (p *place) next(ctx context.Context, q queries, number uint32, calls bool) (uint32, bool, error) {
	if p.none {
		return 0, false, nil
	}
	number = max(number, p.first)
	for number <= p.last {
		skip, err := p.absent(ctx, q, number, calls)
		if skip == 0 || err != nil {
			return number, true, err
		}
		number += skip
	}
	return 0, false, nil
}

// previous returns the last block up to number in which the goroutine can have call events, and whether there is one.
func (p *place) previous(ctx context.Context, q queries, number uint32) (uint32, bool, error) {
	if p.none {
		return 0, false, nil
	}
	number = min(number, p.last)
	for number >= p.first {
		skip, err := p.absentAt(ctx, q, number, true, true)
		if skip == 0 || err != nil {
			return number, true, err
		}
		if number < skip {
			break
		}
		number -= skip
	}
	return 0, false, nil
}

// absent returns how many blocks from number on are known to hold nothing of the goroutine.
func (p *place) absent(ctx context.Context, q queries, number uint32, calls bool) (uint32, error) {
	return p.absentAt(ctx, q, number, calls, false)
}

// absentAt returns how many blocks from number on, or back from it, are known to hold nothing of the goroutine, judging by one
// list of the presence index: the one of the highest level that says so.
func (p *place) absentAt(ctx context.Context, q queries, number uint32, calls, back bool) (uint32, error) {
	if !p.indexed {
		return 0, nil
	}
	for level := presenceLevels - 1; level >= 0; level-- {
		span := p.span(level)
		group := number / span
		edge := group * span
		if back {
			edge += span - 1
		}
		complete := (uint64(group)+1)*uint64(span) <= uint64(p.run.blocks)
		within := p.first/span == group && p.last/span == group // then it need not be in the list
		if number != edge || !complete || within {
			continue
		}
		stored, err := readPresence(ctx, q, p.run.key, level, group)
		if err != nil {
			return 0, err
		}
		flags, found, ok := findPresence(stored, p.goroutine)
		if !ok {
			return 0, failure(recording.CodeDamaged, nil, "the index of goroutines is damaged", "")
		}
		if !found || calls && flags&presenceCalls == 0 {
			return span, nil
		}
	}
	return 0, nil
}

// blockOf returns the block that holds an event. Errors: CodeNotFound.
func blockOf(ctx context.Context, q queries, run *runRow, seq uint64) (uint32, error) {
	if seq == 0 || seq > run.Events {
		return 0, recording.Errorf(recording.CodeNotFound, "no event %d in run %s, which has %d", seq, run.ID, run.Events)
	}
	var number uint32
	err := q.QueryRowContext(ctx, queryBlockOf, run.key, seq).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, failure(recording.CodeDamaged, err, "the index of blocks is damaged", "")
	}
	return number, err
}
