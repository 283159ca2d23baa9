package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"smiley/recording"
)

// timeTrack counts a track bucket by bucket, the plain way.
func (o *oracle) timeTrack(goroutine, from, to, width, last int64) []TimeBucket {
	floor := func(time int64) int64 { return time - (time%width+width)%width }
	buckets := map[int64]*TimeBucket{}
	at := func(start int64) *TimeBucket {
		if buckets[start] == nil {
			buckets[start] = &TimeBucket{Start: start}
		}
		return buckets[start]
	}
	wanted := func(start int64) bool { return start+width > from && start < to }
	for i := range o.events {
		e := &o.events[i]
		if goroutine != 0 && e.Goroutine != goroutine || !wanted(floor(e.Time)) {
			continue
		}
		b := at(floor(e.Time))
		b.Events++
		switch e.Kind {
		case recording.KindCall:
			b.Calls++
		case recording.KindPanic:
			b.Panics++
		case recording.KindOutput:
			b.Output++
		case recording.KindGap:
			b.Gaps++
		case recording.KindReturn:
			if e.Failed {
				b.Errors++
			}
		}
	}
	for _, c := range o.calls {
		if c.Parent != 0 || goroutine != 0 && c.Goroutine != goroutine {
			continue
		}
		end := c.End
		if c.Outcome == recording.OutcomeOpen {
			end = max(c.Start, last)
		}
		for start := max(floor(c.Start), floor(from)); start < min(end, to); start += width {
			at(start).Busy += min(end, start+width) - max(c.Start, start)
		}
	}
	var list []TimeBucket
	for _, start := range slices.Sorted(maps.Keys(buckets)) {
		if b := *buckets[start]; b != (TimeBucket{Start: start}) {
			list = append(list, b)
		}
	}
	return list
}

func compareTime(t *rapid.T, r *Reader, id recording.RunID, o *oracle) {
	query := TimeQuery{Goroutines: append([]int64{0}, slices.Sorted(maps.Keys(o.goroutines))...)}
	run, err := r.Run(context.Background(), id)
	check(t, err)
	last := max(run.Last, 0)
	switch rapid.IntRange(0, 2).Draw(t, "window") {
	case 0: // all of the run
	case 1:
		query.From = rapid.Int64Range(0, last).Draw(t, "from")
	case 2:
		query.From = rapid.Int64Range(-10, last).Draw(t, "from")
		query.To = query.From + rapid.Int64Range(1, last+10).Draw(t, "span")
	}
	if rapid.Bool().Draw(t, "width") {
		query.Width = 1 << rapid.IntRange(0, 20).Draw(t, "bits")
	}
	got, err := r.TimeBuckets(context.Background(), id, query)
	check(t, err)
	if !got.Complete() || query.Width > 0 && got.Width > query.Width && (got.To-got.From)/query.Width < MaxBuckets-1 {
		t.Fatalf("%+v: it covers %+v with buckets of %d", query, got.Coverage, got.Width)
	}
	for _, track := range got.Tracks {
		equalLists(t, fmt.Sprintf("buckets of %d with %+v", track.Goroutine, query), track.Buckets, o.timeTrack(track.Goroutine, got.From, got.To, got.Width, run.Last))
	}
}
