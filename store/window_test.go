package store

import (
	"context"
	"fmt"
	"math"
	"slices"

	"pgregory.net/rapid"

	"smiley/recording"
)

// compareWindow checks what lies in a stretch of time, with all blocks looked at and with none.
func compareWindow(t *rapid.T, r *Reader, id recording.RunID, o *oracle) {
	ctx := context.Background()
	last := int64(2)
	for i := range o.events {
		last = max(last, o.events[i].Time+2)
	}
	from := rapid.Int64Range(0, last-1).Draw(t, "window from")
	query := WindowQuery{
		From: from, To: rapid.Int64Range(from+1, last).Draw(t, "window to"), Goroutines: map[int64]bool{},
		Levels: rapid.IntRange(1, 14).Draw(t, "levels"), LongCalls: rapid.SampledFrom([]int{0, 1, 3, 20}).Draw(t, "long calls"),
		Events:   rapid.SampledFrom([]uint64{0, 0, 1}).Draw(t, "window events"),
		Shortest: rapid.SampledFrom([]int64{0, 0, 1, 20, 1000}).Draw(t, "shortest"),
	}
	for goroutine := range o.goroutines {
		if rapid.IntRange(0, 3).Draw(t, "track") > 0 {
			query.Goroutines[goroutine] = true
		}
	}
	calls, marks := map[uint64]recording.Call{}, []uint64{}
	found, err := r.Window(ctx, id, query, func(c *recording.Call) {
		if _, twice := calls[c.Seq]; twice {
			t.Fatalf("call %d came twice", c.Seq)
		}
		calls[c.Seq] = *c
	}, func(m *Mark) { marks = append(marks, m.Seq) })
	check(t, err)
	want := o.list(func(c *recording.Call) bool {
		return query.Goroutines[c.Goroutine] && c.Depth < query.Levels && c.Start < query.To && (c.Outcome == recording.OutcomeOpen || c.End >= query.From)
	})
	if found.Complete {
		compareMarks(t, o, &query, marks)
		equal(t, "calls in the window", len(calls), len(want))
	} else {
		equal(t, "marks", len(marks), 0)
	}
	for i := range want {
		c := &want[i]
		got, ok := calls[c.Seq]
		if ok {
			equal(t, fmt.Sprintf("call %d in the window", c.Seq), got, *c)
		} else if long := took(c) >= max(query.Shortest, found.Shortest); found.Complete || o.outlives(c) && long {
			t.Fatalf("call %+v is missing from %+v: %+v", c, query, found)
		}
		delete(calls, c.Seq)
	}
	equal(t, "calls that are not in the window", len(calls), 0)
	compareGoroutinesWithin(t, r, id, o, &query)
}

// outlives reports whether a call ends in another block than it begins in.
func (o *oracle) outlives(c *recording.Call) bool {
	return c.Outcome == recording.OutcomeOpen || o.blockOf[c.Seq-1] != o.blockOf[c.EndSeq-1]
}

func compareMarks(t *rapid.T, o *oracle, query *WindowQuery, got []uint64) {
	var want []uint64
	for i := range o.events {
		e := &o.events[i]
		switch e.Kind {
		case recording.KindPanic, recording.KindRecovered, recording.KindOutput, recording.KindGap:
			if e.Time >= query.From && e.Time < query.To && (query.Goroutines[e.Goroutine] || e.Goroutine == 0) {
				want = append(want, e.Seq)
			}
		}
	}
	slices.Sort(got)
	equal(t, "marks", fmt.Sprint(got), fmt.Sprint(want))
}

func compareGoroutinesWithin(t *rapid.T, r *Reader, id recording.RunID, o *oracle, window *WindowQuery) {
	query := GoroutineQuery{From: window.From, To: window.To, Limit: rapid.IntRange(1, 5).Draw(t, "tracks a page")}
	if rapid.Bool().Draw(t, "by start function") {
		query.Functions = map[recording.FunctionID]bool{recording.FunctionID(rapid.IntRange(0, 4).Draw(t, "function")): true, 9: true}
	}
	var got []GoroutineInfo
	for {
		page, next, err := r.GoroutinesWithin(context.Background(), id, query)
		check(t, err)
		if len(page) > query.Limit {
			t.Fatalf("a page of %d has %d entries", query.Limit, len(page))
		}
		got = append(got, page...)
		if query.After = next; next == 0 {
			break
		}
	}
	var want []GoroutineInfo
	for _, g := range o.sortedGoroutines() {
		if query.match(&g) {
			want = append(want, g)
		}
	}
	equalLists(t, fmt.Sprintf("goroutines of %+v", query), got, want)
}

// took is how long a call was open.
func took(c *recording.Call) int64 {
	if c.Outcome == recording.OutcomeOpen {
		return math.MaxInt64 - 1
	}
	return c.End - c.Start
}
