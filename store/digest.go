package store

import (
	"context"
	"time"

	"smiley/recording"
)

// digest returns the merged stacks of a run.
func (r *Reader) digest(ctx context.Context, id recording.RunID, _ time.Duration) (*stackView, error) {
	run, err := r.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	tree := newStackTree(StackLevels, StackNodes)
	open := map[int64]openStack{}
	c := Coverage{Blocks: run.Blocks, Of: run.Blocks, Last: run.Last}
	for e, err := range r.Events(ctx, id, EventQuery{}) {
		if err != nil {
			return nil, err
		}
		c.Events++
		frames := tree.end(open[e.Goroutine], e.Unwound, e.Time)
		switch {
		case e.Kind == recording.KindCall:
			frames = tree.call(frames, e.Seq, e.Function, e.Time)
		case e.Kind == recording.KindReturn && e.Call != 0:
			frames = tree.end(frames, 1, e.Time)
		}
		if len(frames) == 0 {
			delete(open, e.Goroutine)
		} else {
			open[e.Goroutine] = frames
		}
	}
	return tree.view(open, c), nil
}

// timeBuckets answers a TimeQuery.
func (r *Reader) timeBuckets(ctx context.Context, id recording.RunID, query TimeQuery) (*TimeBuckets, error) {
	run, err := r.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	answer, shift, err := query.begin(run.Last)
	if err != nil {
		return nil, err
	}
	answer.Coverage = Coverage{Blocks: run.Blocks, Of: run.Blocks, Events: run.Events, Last: run.Last}
	for i := range answer.Tracks {
		track := &answer.Tracks[i]
		if track.Goroutine != 0 {
			if _, err := r.Goroutine(ctx, id, track.Goroutine); err != nil {
				return nil, err
			}
		}
		line := newTimeLine(shift)
		depth := map[int64]int{}
		for e, err := range r.Events(ctx, id, EventQuery{Goroutine: track.Goroutine}) {
			if err != nil {
				return nil, err
			}
			before := depth[e.Goroutine]
			now := before - e.Unwound
			switch {
			case e.Kind == recording.KindCall:
				now++
			case e.Kind == recording.KindReturn && e.Call != 0:
				now--
			}
			depth[e.Goroutine] = now
			line.add(e.Time, e.Kind, e.Failed, sign(now)-sign(before))
		}
		track.Buckets = line.buckets(answer.From, answer.To, run.Last)
	}
	return answer, nil
}

// sign is 1 for a depth at which a call is open.
func sign(depth int) int { return min(depth, 1) }
