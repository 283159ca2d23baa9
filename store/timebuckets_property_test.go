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
	at := func(name string) int64 { // a moment at which something happened, or near it
		if len(o.events) == 0 {
			return 0
		}
		return o.events[rapid.IntRange(0, len(o.events)-1).Draw(t, name)].Time + rapid.Int64Range(-2, 2).Draw(t, "off by")
	}
	switch rapid.IntRange(0, 2).Draw(t, "window") {
	case 0: // all of the run
	case 1:
		query.From = min(at("from"), run.Last)
	case 2:
		query.From, query.To = at("from"), at("to")
		if query.To <= query.From {
			query.From, query.To = query.To, query.From+1
		}
		if query.To == 0 {
			query.To = 1
		}
	}
	if rapid.Bool().Draw(t, "width") {
		query.Width = 1 << rapid.IntRange(0, 12).Draw(t, "bits")
	}
	got, err := r.TimeBuckets(context.Background(), id, query)
	check(t, err)
	if !got.Complete() {
		t.Fatalf("%+v: it covers %+v", query, got.Coverage)
	}
	for _, track := range got.Tracks {
		want := o.timeTrack(track.Goroutine, got.From, got.To, got.Width, run.Last)
		if !slices.Equal(track.Buckets, want) { // there are thousands: only a failure is put in words
			equalLists(t, fmt.Sprintf("buckets of %d with %+v", track.Goroutine, query), track.Buckets, want)
		}
	}
}
