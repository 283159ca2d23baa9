package analysis_test

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"smiley/analysis"
	"smiley/internal/sample"
	"smiley/recording"
)

func all(t *testing.T, events iter.Seq2[*analysis.Event, error]) []analysis.Event {
	t.Helper()
	var list []analysis.Event
	for e, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, *e)
	}
	return list
}

// busy is a recording of several goroutines and blocks, larger than a window of calls.
func busy() ([][]byte, error) {
	return sample.Record(sample.ID, func(b *recording.Builder) error {
		now := int64(0)
		for round := range int64(300) {
			for g := int64(1); g <= 3; g++ {
				if round == 0 {
					if err := b.Define(recording.Definitions{Goroutines: []recording.Goroutine{{ID: g, StartFunction: sample.Work}}}); err != nil {
						return err
					}
					now++
					if err := b.Append(&recording.Raw{Kind: recording.KindCall, Function: sample.Work, Goroutine: g, Time: now, Frame: 100, Data: sample.Ints(g)}); err != nil {
						return err
					}
				}
				for _, kind := range []recording.Kind{recording.KindCall, recording.KindReturn} {
					now += g
					raw := recording.Raw{Kind: kind, Function: sample.Add, Goroutine: g, Time: now, Frame: 200, Data: sample.Ints(round, g)}
					if kind == recording.KindReturn {
						raw.Data = sample.Ints(round + g)
					}
					if err := b.Append(&raw); err != nil {
						return err
					}
				}
			}
			if round%70 == 0 {
				if err := b.Cut(now); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// TestCallsEqualEvents compares the calls of a tree with what the events say, across windows and blocks.
func TestCallsEqualEvents(t *testing.T) {
	blocks, err := busy()
	run := sample.Open(t, "last", blocks, err)
	byCall := map[uint64]analysis.Event{}
	var order []uint64
	for _, e := range all(t, run.Events(context.Background(), analysis.Filter{})) {
		switch e.Kind {
		case analysis.EventCall:
			e.Outcome = analysis.OutcomeOpen
			byCall[e.Seq] = e
			order = append(order, e.Seq)
		case analysis.EventReturn:
			call := byCall[e.Call]
			call.Outcome, call.Results, call.Duration, call.Self, call.Failed = analysis.OutcomeReturned, e.Results, e.Duration, e.Self, e.Failed
			byCall[e.Call] = call
		}
	}
	calls := all(t, run.Calls(context.Background(), analysis.Filter{}))
	if len(calls) != len(order) || len(calls) != 903 {
		t.Fatalf("%d calls of %d", len(calls), len(order))
	}
	for i, call := range calls {
		if want := byCall[order[i]]; !reflect.DeepEqual(call, want) {
			t.Fatalf("call %d is\n%+v, want\n%+v", i, call, want)
		}
	}
}

// TestFilterEqualsFullScan compares what a filter chooses with what it should choose of everything.
func TestFilterEqualsFullScan(t *testing.T) {
	blocks, err := busy()
	run := sample.Open(t, "last", blocks, err)
	everything := all(t, run.Events(context.Background(), analysis.Filter{}))
	rapid.Check(t, func(rt *rapid.T) {
		moment := func(name string) string {
			switch rapid.IntRange(0, 2).Draw(rt, name+" kind") {
			case 0:
				return fmt.Sprintf("#%d", rapid.IntRange(1, len(everything)+1).Draw(rt, name))
			case 1:
				return fmt.Sprintf("%dns", rapid.Int64Range(0, everything[len(everything)-1].Time+1).Draw(rt, name))
			}
			return ""
		}
		goroutine := rapid.Int64Range(0, 3).Draw(rt, "goroutine")
		function := rapid.SampledFrom([]string{"", "add", "main.work", "main..."}).Draw(rt, "function")
		filter, err := analysis.ParseFilter(goroutine, function, moment("from"), moment("to"))
		if err != nil {
			rt.Fatal(err)
		}
		filter.Over = time.Duration(rapid.Int64Range(0, 3).Draw(rt, "over"))
		var want []analysis.Event
		for _, e := range everything {
			switch {
			case goroutine != 0 && e.Goroutine != goroutine,
				function == "add" && e.Function != "main.add", function == "main.work" && e.Function != "main.work",
				e.Seq < filter.From.Seq, e.Time < filter.From.Time,
				filter.To.Seq > 0 && e.Seq > filter.To.Seq, filter.To.Set && filter.To.Seq == 0 && e.Time > filter.To.Time,
				filter.Over > 0 && (e.Duration == nil || *e.Duration < int64(filter.Over)):
			default:
				want = append(want, e)
			}
		}
		got := all(t, run.Events(context.Background(), filter))
		if len(got) != len(want) {
			rt.Fatalf("%d events chosen, want %d", len(got), len(want))
		}
		for i := range got {
			if !reflect.DeepEqual(got[i], want[i]) {
				rt.Fatalf("event %d is\n%+v, want\n%+v", i, got[i], want[i])
			}
		}
	})
}

// TestFilterOfEnds chooses by how calls ended, of events, of events as they come, and of calls. The panic and what recovered from it lie
// beyond the reach of each other's filters.
func TestFilterOfEnds(t *testing.T) {
	blocks, err := sample.Shop()
	run := sample.Open(t, "last", blocks, err)
	for name, want := range map[string]struct {
		filter analysis.Filter
		events string
		calls  string
	}{
		"errors":          {analysis.Filter{Failed: true}, "return main.work", "main.work"},
		"panics":          {analysis.Filter{Panics: true}, "panic main.risky, recovered main.work", "main.risky"},
		"over":            {analysis.Filter{Over: 40 * time.Microsecond}, "return main.work", "main.work"},
		"over less":       {analysis.Filter{Over: 20 * time.Microsecond}, "return main.add, return main.work", "main.add, main.work, main.risky"},
		"over all":        {analysis.Filter{Over: time.Second}, "", ""},
		"outermost":       {analysis.Filter{MaxDepth: 1, Goroutine: 7}, "goroutine_start main.work, call main.work, recovered main.work, return main.work, goroutine_end ", "main.work"},
		"open":            {analysis.Filter{Open: true}, "*", "main.main"},
		"errors and over": {analysis.Filter{Failed: true, Over: 41 * time.Microsecond}, "", ""},
		"errors of one":   {analysis.Filter{Failed: true, Goroutine: 1}, "", ""},
	} {
		said := func(events []analysis.Event) string {
			var words []string
			for _, e := range events {
				words = append(words, e.Kind+" "+e.Function)
			}
			return strings.Join(words, ", ")
		}
		if got := said(all(t, run.Events(t.Context(), want.filter))); got != want.events && want.events != "*" {
			t.Errorf("%s: events %q, want %q", name, got, want.events)
		}
		if got := strings.ReplaceAll(said(all(t, run.Calls(t.Context(), want.filter))), "call ", ""); got != want.calls {
			t.Errorf("%s: calls %q, want %q", name, got, want.calls)
		}
		live := analysis.NewLive(want.filter)
		var got []analysis.Event
		for _, encoded := range blocks {
			b, err := recording.Decode(encoded)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, all(t, live.Events(b))...)
		}
		if said(got) != want.events && want.events != "*" {
			t.Errorf("%s: live events %q, want %q", name, said(got), want.events)
		}
	}
}

// TestEventInsideOpenCall begins in the middle: the call around an event is known all the same.
func TestEventInsideOpenCall(t *testing.T) {
	blocks, err := sample.Shop()
	run := sample.Open(t, "last", blocks, err)
	filter, err := analysis.ParseFilter(1, "", "60µs", "65µs")
	if err != nil {
		t.Fatal(err)
	}
	events := all(t, run.Events(context.Background(), filter))
	if len(events) != 1 || events[0].Kind != analysis.EventOutput || events[0].Function != "main.main" || events[0].Text != "3\n" {
		t.Errorf("the output of main.main is %+v", events)
	}
}

func TestUnknownFunction(t *testing.T) {
	blocks, err := sample.Shop()
	run := sample.Open(t, "last", blocks, err)
	filter, err := analysis.ParseFilter(0, "main.subtract", "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range run.Events(context.Background(), filter) {
		if recording.CodeOf(err) != recording.CodeNotFound {
			t.Errorf("%v", err)
		}
	}
}

func TestStatisticsOrders(t *testing.T) {
	blocks, err := busy()
	run := sample.Open(t, "last", blocks, err)
	for order, first := range map[string]string{"calls": "main.add", "total": "main.work", "function": "main.add", "total_ns": "main.work"} {
		rows, err := run.Statistics(context.Background(), order)
		if order == "total" || order == "total_ns" {
			// main.work never ended here, so that its time is unknown and counts as nothing.
			first = "main.add"
		}
		if err != nil || len(rows) != 2 || rows[0].Function != first {
			t.Errorf("ordered by %s: %+v, %v", order, rows, err)
		}
		for _, r := range rows {
			if r.Function == "main.work" && (r.Calls != 3 || r.Ended != 0 || r.Min != nil || r.Max != nil) {
				t.Errorf("calls that never ended have times: %+v", r)
			}
		}
	}
	if _, err := run.Statistics(context.Background(), "speed"); recording.CodeOf(err) != recording.CodeInvalid {
		t.Errorf("ordered by speed: %v", err)
	}
}
