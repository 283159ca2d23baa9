package store

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"math"
	"slices"

	"smiley/recording"
)

// EventQuery chooses events.
type EventQuery struct {
	FromSeq   uint64 // the first event's seq at least; 0: from the start
	FromTime  int64  // ns since the run's start: this time or later; 0: from the start
	ToTime    int64  // before this time; 0: to the end
	Goroutine int64  // only of this goroutine; 0: of all
	// Functions, when it is not nil, leaves only events of functions in it.
	Functions map[recording.FunctionID]bool
	// Kinds, when it is not nil, leaves only events of kinds in it.
	Kinds map[recording.Kind]bool
	// Failed leaves only returns with an error that is not nil.
	Failed bool
	// Over leaves only returns of calls that took at least so long, in ns; 0: all events.
	Over  int64
	Parts recording.Parts
	Limit int // at most so many; 0: all
	// Passed, when it is not nil, is called behind each block that was looked at, with the seq behind it, also when nothing of it was
	// wanted. The events end there when it returns false.
	Passed func(next uint64) bool
}

func (query *EventQuery) from() int64 {
	if query.FromTime == 0 {
		return math.MinInt64
	}
	return query.FromTime
}

func (query *EventQuery) to() int64 {
	if query.ToTime == 0 {
		return math.MaxInt64
	}
	return query.ToTime
}

// match reports whether an event of a block that can hold wanted ones is wanted.
func (query *EventQuery) match(e *recording.Event) bool {
	return e.Seq >= query.FromSeq && e.Time >= query.from() && e.Time < query.to() &&
		(query.Goroutine == 0 || e.Goroutine == query.Goroutine) &&
		(query.Functions == nil || query.Functions[e.Function]) &&
		(query.Kinds == nil || query.Kinds[e.Kind]) &&
		(!query.Failed || e.Kind == recording.KindReturn && e.Failed) &&
		(query.Over <= 0 || e.Kind == recording.KindReturn && e.Duration >= query.Over)
}

// mayHold reports whether a block can hold a wanted event, without deriving them.
func (query *EventQuery) mayHold(b *recording.Block) (bool, error) {
	if query.Over > 0 && !slices.ContainsFunc(b.Summary.Functions, func(d recording.FunctionDelta) bool {
		return d.Duration.Count > 0 && d.Duration.Max >= query.Over && (query.Functions == nil || query.Functions[d.Function])
	}) {
		return false, nil
	}
	if query.Kinds == nil && query.Functions == nil {
		return true, nil
	}
	return b.MayHold(query.Kinds, query.Functions)
}

// onlyPanics reports whether only panic events are wanted, of which the table of blocks says how many each has.
func (query *EventQuery) onlyPanics() bool {
	return len(query.Kinds) == 1 && query.Kinds[recording.KindPanic]
}

// Events yields the events of a run in order, block by block: the first comes at once, whatever the size of the run, and
// memory holds one block. Blocks that cannot hold a wanted event are skipped. It ends with the last event that was
// committed when it began; it stops after the first error, yielded with a zero Event. Data of an event stays valid.
//
// Errors: CodeNotFound (unknown run or goroutine, or the run was deleted meanwhile), CodeDamaged, CodeCanceled.
func (r *Reader) Events(ctx context.Context, id recording.RunID, query EventQuery) iter.Seq2[recording.Event, error] {
	return func(yield func(recording.Event, error) bool) {
		if err := r.events(ctx, id, &query, yield); err != nil {
			yield(recording.Event{}, wrap(r.file, err))
		}
	}
}

func (r *Reader) events(ctx context.Context, id recording.RunID, query *EventQuery, yield func(recording.Event, error) bool) error {
	var where place
	start := uint32(0)
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		if where, err = r.placeOf(ctx, q, run, query.Goroutine); err != nil {
			return err
		}
		if query.FromSeq > run.Events {
			where.none = true
		} else if query.FromSeq > 1 {
			start, err = blockOf(ctx, q, run, query.FromSeq)
		}
		return err
	})
	if err != nil {
		return err
	}
	left := query.Limit
	for number := start; ; number++ {
		// No transaction stays open between blocks: a slow reader must not keep the log from being merged.
		var block *recording.Block
		err := r.snapshot(ctx, func(q queries) (err error) {
			var ok bool
			if err := q.QueryRowContext(ctx, queryKey, where.run.key).Scan(&ok); errors.Is(err, sql.ErrNoRows) {
				return failure(recording.CodeNotFound, err, "run "+id.String()+" was deleted while it was read", "")
			} else if err != nil {
				return err
			}
			if number, ok, err = nextBlock(ctx, q, &where, query, number); err == nil && ok {
				block, err = readBlock(ctx, q, where.run.key, number)
			}
			return err
		})
		if err != nil || block == nil {
			return err
		}
		more, err := query.pass(block, &left, yield)
		if err != nil || !more {
			return err
		}
	}
}

// pass yields the wanted events of a block, left at most, and reports whether more are wanted.
func (query *EventQuery) pass(block *recording.Block, left *int, yield func(recording.Event, error) bool) (more bool, err error) {
	may, err := query.mayHold(block)
	if err != nil {
		return false, err
	}
	if may {
		for e, err := range block.EventsFrom(query.FromSeq, query.Parts) {
			if err != nil {
				return false, err
			}
			if !query.match(&e) {
				continue
			}
			if !yield(e, nil) {
				return false, nil
			}
			if *left--; *left == 0 {
				return false, nil
			}
		}
	}
	return query.Passed == nil || query.Passed(block.FirstSeq+uint64(block.Header.Events)), nil
}

// nextBlock returns the first block from number on that can hold wanted events; false when there is none.
func nextBlock(ctx context.Context, q queries, where *place, query *EventQuery, number uint32) (uint32, bool, error) {
	for {
		at, ok, err := where.next(ctx, q, number, false)
		if err != nil || !ok {
			return 0, false, err
		}
		err = q.QueryRowContext(ctx, queryNextBlock,
			where.run.key, at, query.from(), where.last, query.to(), query.Failed, query.onlyPanics()).Scan(&number)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, false, nil
		}
		if err != nil || number == at {
			return number, err == nil, err
		}
		// The one the times chose may lie where the goroutine has no events: ask again from there.
	}
}
