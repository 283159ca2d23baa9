package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"smiley/recording"
)

// Whatever the events, wherever blocks are cut and however far roll-ups lag behind: every question has the answer that
// reading all events gives.
func TestAnswersEqualFullScan(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		file := filepath.Join(dir, fmt.Sprint(n, ".db"))
		defer os.Remove(file) //nolint:errcheck // the directory goes anyway
		fan := rapid.Uint32Range(2, 4).Draw(t, "fan")
		rollUp := rapid.Uint32Range(1, 9).Draw(t, "roll-up blocks")
		s, err := Open(context.Background(), file, withTuning(fan, rollUp))
		check(t, err)
		defer func() { _ = s.Close() }() // checked below; rapid may end a try anywhere
		f := randomRun(t)
		for i, block := range f.blocks {
			if rapid.IntRange(0, 19).Draw(t, "reopen") == 0 {
				check(t, s.Close())
				s, err = Open(context.Background(), file, withTuning(fan, rollUp))
				check(t, err)
			}
			h, err := s.Append(context.Background(), block)
			check(t, err)
			if h.Number != uint32(i) {
				t.Fatalf("block %d acknowledged as %d", i, h.Number)
			}
			if rapid.IntRange(0, 14).Draw(t, "look") == 0 || i == len(f.blocks)-1 {
				compare(t, s.Reader, f.run.ID, newOracle(t, f.blocks[:i+1]))
			}
		}
		check(t, s.Close())
	})
}

func randomRun(t *rapid.T) *fixture {
	return build(t, newRun(t, 0), rapid.Bool().Draw(t, "unfinished"), func(b *recording.Builder) {
		w := newWorld(t, b, rapid.Uint64().Draw(t, "seed"))
		for range rapid.IntRange(1, 25).Draw(t, "cuts") {
			w.steps(rapid.IntRange(0, 14).Draw(t, "steps"))
			check(t, b.Cut(w.now))
		}
	})
}

func compare(t *rapid.T, r *Reader, id recording.RunID, o *oracle) {
	ctx := context.Background()
	compareTotals(t, r, id, o)
	compareStats(t, r, id, o)
	for seq, want := range o.calls {
		if rapid.IntRange(0, 2).Draw(t, "this call") > 0 {
			continue
		}
		got, err := r.Call(ctx, id, seq)
		check(t, err)
		equal(t, fmt.Sprintf("call %d", seq), got.Call, *want)
		equal(t, "arguments", string(got.Args), string(o.args[seq]))
		equal(t, "results", string(got.Results), string(o.results[seq]))
		if rapid.Bool().Draw(t, "children") {
			page := rapid.IntRange(1, 5).Draw(t, "page")
			children := pageByPage(t, page, func(after uint64) ([]recording.Call, error) { return r.Children(ctx, id, seq, after, page) })
			equalLists(t, fmt.Sprintf("children of %d", seq), children, o.children(seq))
			before := rapid.Uint64Range(0, uint64(len(o.events))+2).Draw(t, "before")
			last := pageBackwards(t, page, before, func(before uint64) ([]recording.Call, error) { return r.ChildrenBefore(ctx, id, seq, before, page) })
			equalLists(t, fmt.Sprintf("children of %d before %d", seq, before), last, callsBefore(children, before))
		}
	}
	for goroutine := range o.goroutines {
		page := rapid.IntRange(1, 5).Draw(t, "page")
		roots := pageByPage(t, page, func(after uint64) ([]recording.Call, error) { return r.Roots(ctx, id, goroutine, after, page) })
		equalLists(t, fmt.Sprintf("roots of %d", goroutine), roots, o.roots(goroutine))
		before := rapid.Uint64Range(0, uint64(len(o.events))+2).Draw(t, "before")
		last := pageBackwards(t, page, before, func(before uint64) ([]recording.Call, error) { return r.RootsBefore(ctx, id, goroutine, before, page) })
		equalLists(t, fmt.Sprintf("roots of %d before %d", goroutine, before), last, callsBefore(roots, before))
	}
	compareEvents(t, r, id, o)
	compareStacks(t, r, id, o)
	compareTime(t, r, id, o)
	compareWindow(t, r, id, o)
}

func compareTotals(t *rapid.T, r *Reader, id recording.RunID, o *oracle) {
	ctx := context.Background()
	run, err := r.Run(ctx, id)
	check(t, err)
	equal(t, "events", run.Events, uint64(len(o.events)))
	equal(t, "calls", run.Calls, uint64(len(o.calls)))
	equal(t, "goroutines", run.Goroutines, uint64(len(o.goroutines)))
	equal(t, "captured", run.Ledger.Captured, o.captured)
	equal(t, "dropped", run.Ledger.Dropped, o.dropped)
	if !run.Ledger.Balances() {
		t.Fatalf("ledger %+v does not balance", run.Ledger)
	}
	page := rapid.IntRange(1, 4).Draw(t, "goroutines a page")
	var all []GoroutineInfo
	for after := int64(0); ; {
		list, err := r.Goroutines(ctx, id, after, page)
		check(t, err)
		if len(list) == 0 {
			break
		}
		all = append(all, list...)
		after = list[len(list)-1].ID
	}
	equalLists(t, "goroutines", all, o.sortedGoroutines())
}

func compareStats(t *rapid.T, r *Reader, id recording.RunID, o *oracle) {
	ctx := context.Background()
	stats, err := r.FunctionStats(ctx, id)
	check(t, err)
	want := o.functionStats()
	equal(t, "functions with statistics", len(stats), len(want))
	for i := range stats {
		d := &stats[i]
		equal(t, fmt.Sprintf("statistics of function %d", d.Function), plain(d), want[d.Function])
		equal(t, "calls in the histogram", d.Duration.Count, d.Ended)
	}
	edges, err := r.EdgeStats(ctx, id)
	check(t, err)
	equalLists(t, "edges", edges, o.edgeStats())
}

func compareEvents(t *rapid.T, r *Reader, id recording.RunID, o *oracle) {
	ids := []int64{0}
	for goroutine := range o.goroutines {
		ids = append(ids, goroutine)
	}
	slices.Sort(ids)
	last := int64(1)
	if n := len(o.events); n > 0 {
		last = max(o.events[n-1].Time, 1)
	}
	query := EventQuery{
		FromSeq:   rapid.Uint64Range(0, uint64(len(o.events))+2).Draw(t, "from seq") * rapid.Uint64Range(0, 1).Draw(t, "use it"),
		FromTime:  rapid.Int64Range(0, last).Draw(t, "from time") * rapid.Int64Range(0, 1).Draw(t, "use it"),
		ToTime:    rapid.Int64Range(0, last).Draw(t, "to time") * rapid.Int64Range(0, 1).Draw(t, "use it"),
		Goroutine: rapid.SampledFrom(ids).Draw(t, "goroutine"),
		Parts:     rapid.SampledFrom([]recording.Parts{recording.Structure, recording.WithData}).Draw(t, "parts"),
		Limit:     rapid.SampledFrom([]int{0, 0, 1, 7}).Draw(t, "limit"),
	}
	if rapid.Bool().Draw(t, "by function") {
		query.Functions = map[recording.FunctionID]bool{recording.FunctionID(rapid.IntRange(0, 5).Draw(t, "function")): true, 3: rapid.Bool().Draw(t, "and another")}
	}
	if rapid.IntRange(0, 2).Draw(t, "by kind") == 0 {
		query.Kinds = map[recording.Kind]bool{}
		for range rapid.IntRange(1, 3).Draw(t, "kinds") {
			query.Kinds[recording.Kind(rapid.IntRange(int(recording.KindCall), int(recording.KindGoroutineEnd)).Draw(t, "kind"))] = true
		}
	}
	query.Failed = rapid.IntRange(0, 3).Draw(t, "only failed") == 0
	query.Over = rapid.SampledFrom([]int64{0, 0, 0, 1, 5, 100, 10_000}).Draw(t, "over")
	passed, stopAfter := []uint64{0}, rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(t, "blocks")
	query.Passed = func(next uint64) bool {
		passed = append(passed, next)
		return len(passed) != stopAfter+1 || stopAfter == 0
	}
	var got []recording.Event
	for e, err := range r.Events(context.Background(), id, query) {
		check(t, err)
		if len(e.Data) == 0 {
			e.Data = nil
		}
		got = append(got, e)
	}
	if !slices.IsSorted(passed) {
		t.Fatalf("blocks were passed in the order %v", passed)
	}
	want := o.query(query)
	if n := len(passed); stopAfter > 0 && n > stopAfter {
		want = slices.DeleteFunc(want, func(e recording.Event) bool { return e.Seq >= passed[n-1] })
	}
	query.Passed = nil // its address says nothing
	for i := range want {
		if len(want[i].Data) == 0 {
			want[i].Data = nil
		}
	}
	equal(t, fmt.Sprintf("events of %+v", query), fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
}

// pages reads a list page by page.
func pageByPage(t tb, size int, page func(after uint64) ([]recording.Call, error)) []recording.Call {
	t.Helper()
	var all []recording.Call
	for after := uint64(0); ; {
		list, err := page(after)
		check(t, err)
		if len(list) > size {
			t.Fatalf("a page of %d has %d entries", size, len(list))
		}
		all = append(all, list...)
		if len(list) < size {
			return all
		}
		after = list[len(list)-1].Seq
	}
}

// pageBackwards puts pages together that end where the one behind them begins; the last one ends before a seq, or with the list.
func pageBackwards(t tb, size int, before uint64, page func(before uint64) ([]recording.Call, error)) []recording.Call {
	t.Helper()
	var all []recording.Call
	for {
		list, err := page(before)
		check(t, err)
		if len(list) > size {
			t.Fatalf("a page of %d has %d entries", size, len(list))
		}
		all = append(list, all...)
		if len(list) < size {
			return all
		}
		before = list[0].Seq
	}
}

// callsBefore are the calls of a list that begin before a seq; 0: all.
func callsBefore(list []recording.Call, seq uint64) []recording.Call {
	if seq == 0 {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(c recording.Call) bool { return c.Seq >= seq })
}

func equal[T comparable](t tb, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func equalLists[T comparable](t tb, what string, got, want []T) {
	t.Helper()
	equal(t, "number of "+what, len(got), len(want))
	for i := range got {
		equal(t, fmt.Sprintf("%s, number %d", what, i), got[i], want[i])
	}
}
