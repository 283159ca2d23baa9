package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"smiley/analysis"
	"smiley/store"
	"smiley/web/webtest"
)

// plain is a value as its JSON says it, so that values of different types can be compared.
func plain(t *testing.T, value any) any {
	t.Helper()
	body, err := json.Marshal(value)
	check(t, err)
	var out any
	check(t, json.Unmarshal(body, &out))
	return out
}

// truth is what analysis, which the commands print, says about a run.
type truth struct {
	base   string // of the addresses of its pages
	run    *analysis.Run
	events []any
	calls  []analysis.Event
}

func newTruth(t *testing.T, file string, run webtest.Recorded) *truth {
	t.Helper()
	r, err := store.OpenReader(t.Context(), file)
	check(t, err)
	t.Cleanup(func() { check(t, r.Close()) })
	truth := &truth{base: "/runs/" + run.ID.String()}
	truth.run, err = analysis.Open(t.Context(), r, run.ID.String())
	check(t, err)
	for e, err := range truth.run.Events(t.Context(), analysis.Filter{}) {
		check(t, err)
		truth.events = append(truth.events, plain(t, e))
	}
	for e, err := range truth.run.Calls(t.Context(), analysis.Filter{}) {
		check(t, err)
		truth.calls = append(truth.calls, *e)
	}
	return truth
}

// newTruths returns a site, and what is right of each of its runs.
func newTruths(t *testing.T) (*site, []*truth) {
	t.Helper()
	file, runs := webtest.NewDatabase(t)
	truths := make([]*truth, len(runs))
	for i := range runs {
		truths[i] = newTruth(t, file, runs[i])
	}
	return newSite(t, file, Options{}), truths
}

// TestEventsEqualReplay checks that the pages of the details, put together, are what `smiley replay --json` prints, whatever
// the size of a page, and that filters choose from that.
func TestEventsEqualReplay(t *testing.T) {
	s, truths := newTruths(t)
	for _, want := range truths {
		for _, size := range []int{7, 200, 1000} {
			var got []any
			for from := uint64(1); from != 0; {
				var page eventsJSON
				s.ask(fmt.Sprintf("%s/events.json?n=%d&from=%d", want.base, size, from), &page)
				for i := range page.Events {
					got = append(got, plain(t, page.Events[i]))
				}
				from = page.Next
			}
			if len(got) != len(want.events) {
				t.Fatalf("pages of %d: %d events, want %d", size, len(got), len(want.events))
			}
			for i := range got {
				if !reflect.DeepEqual(got[i], want.events[i]) {
					t.Fatalf("pages of %d: event %d:\n got %v\nwant %v", size, i+1, got[i], want.events[i])
				}
			}
		}
	}
}

// TestPagesGoBack checks that the page before a page ends where that begins, with and without a filter.
func TestPagesGoBack(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	base := "/runs/" + runs[0].ID.String() + "/events.json?n=10"
	for _, rest := range []string{"", "&g=7", "&f=errors", "&f=main.leaf+depth:1"} {
		var first, second, back eventsJSON
		s.ask(base+rest, &first)
		s.ask(fmt.Sprintf("%s%s&from=%d", base, rest, first.Next), &second)
		if len(second.Events) == 0 {
			t.Fatalf("%q: no second page", rest)
		}
		s.ask(fmt.Sprintf("%s%s&before=%d", base, rest, second.Events[0].Seq), &back)
		if !reflect.DeepEqual(plain(t, back.Events), plain(t, first.Events)) {
			t.Errorf("%q: the page before the second is not the first", rest)
		}
	}
}

// TestFilters checks what each word of a filter chooses against the events themselves.
func TestFilters(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	truth := newTruth(t, file, runs[0])
	for filter, match := range map[string]func(e map[string]any) bool{
		"errors":            func(e map[string]any) bool { return e["failed"] == true },
		"output":            func(e map[string]any) bool { return e["event"] == "output" },
		"panics":            func(e map[string]any) bool { return e["event"] == "panic" || e["event"] == "recovered" },
		"depth:0":           func(e map[string]any) bool { return e["depth"] == 0.0 },
		"main.leaf errors":  func(e map[string]any) bool { return e["function"] == "main.leaf" && e["failed"] == true },
		"function:2 errors": func(e map[string]any) bool { return e["function"] == "main.leaf" && e["failed"] == true },
		"over:3us": func(e map[string]any) bool {
			d, known := e["duration_ns"].(float64)
			return e["event"] == "return" && known && d >= 3000
		},
		"main.leaf output": func(map[string]any) bool { return false },
	} {
		var want []uint64
		for _, e := range truth.events {
			if e := e.(map[string]any); match(e) {
				want = append(want, uint64(e["seq"].(float64)))
			}
		}
		var page eventsJSON
		s.ask("/runs/"+runs[0].ID.String()+"/events.json?n=1000&f="+url.QueryEscape(filter), &page)
		var got []uint64
		for i := range page.Events {
			got = append(got, page.Events[i].Seq)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d events %v, want %d %v", filter, len(got), got, len(want), want)
		}
	}
}

// TestCallsEqualTree checks the call tree and every call's own page against what `smiley replay --tree --json` prints.
func TestCallsEqualTree(t *testing.T) {
	s, truths := newTruths(t)
	for _, truth := range truths {
		children := map[uint64][]any{}
		for i := range truth.calls {
			c := &truth.calls[i]
			if c.Parent != 0 {
				children[c.Parent] = append(children[c.Parent], plain(t, c))
			}
		}
		for i := range truth.calls {
			c := &truth.calls[i]
			if i > 40 && (children[c.Seq] == nil || i > 120 && len(children[c.Seq]) < 2 && !c.Failed && c.Outcome == analysis.OutcomeReturned) {
				continue // they are alike
			}
			var one struct{ Call analysis.Event }
			s.ask(fmt.Sprintf("%s/call/%d.json", truth.base, c.Seq), &one)
			if got := plain(t, one.Call); !reflect.DeepEqual(got, plain(t, c)) {
				t.Fatalf("call %d:\n got %v\nwant %v", c.Seq, got, plain(t, c))
			}
			var got []any
			for after := uint64(0); ; {
				var tree treeJSON
				s.ask(fmt.Sprintf("%s/tree.json?at=%d&n=37&after=%d", truth.base, c.Seq, after), &tree)
				for j := range tree.Calls {
					call := &tree.Calls[j]
					got = append(got, plain(t, call.Event))
					if next := j + 1; call.EndSeq <= call.Seq || next < len(tree.Calls) && tree.Calls[next].Seq <= call.EndSeq {
						t.Errorf("call %d ends with event %d", call.Seq, call.EndSeq)
					}
				}
				if after = tree.After; after == 0 {
					break
				}
			}
			if c.Seq%3 == 0 || len(got) > 37 {
				var back []any
				for before := "last"; before != ""; {
					var tree treeJSON
					s.ask(fmt.Sprintf("%s/tree.json?at=%d&n=37&before=%s", truth.base, c.Seq, before), &tree)
					var page []any
					for j := range tree.Calls {
						page = append(page, plain(t, tree.Calls[j].Event))
					}
					back = append(page, back...)
					if before = ""; tree.Before != 0 {
						before = fmt.Sprint(tree.Before)
					}
				}
				if !reflect.DeepEqual(back, children[c.Seq]) {
					t.Fatalf("children of %d from the last one on: %d, want %d\n got %v\nwant %v", c.Seq, len(back), len(children[c.Seq]), back, children[c.Seq])
				}
			}
			if !reflect.DeepEqual(got, children[c.Seq]) {
				t.Fatalf("children of %d: %d, want %d\n got %v\nwant %v", c.Seq, len(got), len(children[c.Seq]), got, children[c.Seq])
			}
		}
	}
}

// TestNumbersEqualCommands checks runs, statistics, goroutines, files and graph.
func TestNumbersEqualCommands(t *testing.T) {
	s, truths := newTruths(t)
	for _, truth := range truths {
		base := truth.base
		var summary analysis.Summary
		if s.ask(base+".json", &summary); !reflect.DeepEqual(plain(t, summary), plain(t, truth.run.Summary())) {
			t.Errorf("summary: %v", summary)
		}
		for _, order := range analysis.StatisticsOrders() {
			var page struct{ Functions []analysis.Statistics }
			s.ask(base+"/statistics.json?sort="+order, &page)
			want, err := truth.run.Statistics(t.Context(), order)
			check(t, err)
			if !reflect.DeepEqual(plain(t, page.Functions), plain(t, want)) {
				t.Errorf("statistics by %s: %v, want %v", order, page.Functions, want)
			}
		}
		var goroutines struct{ Goroutines []analysis.Goroutine }
		s.ask(base+"/goroutines.json", &goroutines)
		want := []analysis.Goroutine{}
		for g, err := range truth.run.Goroutines(t.Context()) {
			check(t, err)
			want = append(want, g)
		}
		if !reflect.DeepEqual(plain(t, goroutines.Goroutines), plain(t, want)) {
			t.Errorf("goroutines: %v, want %v", goroutines.Goroutines, want)
		}
		checkFiles(t, s, base, truth)
		checkGraph(t, s, base, truth)
	}
}

func checkFiles(t *testing.T, s *site, base string, truth *truth) {
	t.Helper()
	var page struct{ Files []fileJSON }
	s.ask(base+"/files.json", &page)
	want, err := truth.run.Files(t.Context())
	check(t, err)
	for i := range page.Files {
		if got := page.Files[i].File; !reflect.DeepEqual(plain(t, got), plain(t, want[i])) {
			t.Errorf("file %d: %v, want %v", i, got, want[i])
		}
	}
	if f := page.Files[0]; f.Functions != 5 || f.Reached != 4 || f.Calls != uint64(len(truth.calls)) {
		t.Errorf("file: %d of %d functions, %d calls; want 4 of 5, %d", f.Reached, f.Functions, f.Calls, len(truth.calls))
	}
}

// checkGraph compares the edges of the call graph and the counts of the flame graph with the calls themselves.
func checkGraph(t *testing.T, s *site, base string, truth *truth) {
	t.Helper()
	type edge struct{ from, to string }
	names, edges := map[uint64]string{}, map[edge]uint64{}
	for i := range truth.calls {
		c := &truth.calls[i]
		// JSON holds no bytes that are not UTF-8.
		if names[c.Seq] = string([]rune(c.Function)); c.Parent != 0 {
			edges[edge{names[c.Parent], names[c.Seq]}]++
		}
	}
	var page graphJSON
	s.ask(base+"/graph.json", &page)
	for _, e := range page.Edges {
		if edges[edge{e.Caller, e.Callee}] != e.Calls {
			t.Errorf("edge %s → %s: %d calls, want %d", e.Caller, e.Callee, e.Calls, edges[edge{e.Caller, e.Callee}])
		}
		delete(edges, edge{e.Caller, e.Callee})
	}
	if len(edges) > 0 {
		t.Errorf("edges are missing: %v", edges)
	}
	flame := s.flame(base + "/flame.json")
	var sum func(n *flameNode) uint64
	sum = func(n *flameNode) uint64 {
		total := n.Calls
		for _, c := range n.Children {
			total += sum(c)
		}
		return total
	}
	if got := sum(flame.Stack); got != uint64(len(truth.calls)) || flame.Partial {
		t.Errorf("flame graph: %d calls, want %d; partial %v", got, len(truth.calls), flame.Partial)
	}
}

// TestStepsReachTheirCalls checks every step from every call of a run.
func TestStepsReachTheirCalls(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	truth := newTruth(t, file, runs[1])
	last, next := map[string]uint64{}, map[uint64]uint64{}
	previous, into, parent := map[uint64]uint64{}, map[uint64]uint64{}, map[uint64]uint64{}
	type place struct {
		goroutine int64
		parent    uint64
	}
	sibling, before, after := map[place]uint64{}, map[uint64]uint64{}, map[uint64]uint64{}
	for i := range truth.calls {
		c := &truth.calls[i]
		at := place{c.Goroutine, c.Parent}
		if s := sibling[at]; s != 0 {
			before[c.Seq], after[s] = s, c.Seq
		}
		sibling[at] = c.Seq
		if p := last[c.Function]; p != 0 {
			previous[c.Seq], next[p] = p, c.Seq
		}
		last[c.Function] = c.Seq
		if parent[c.Seq] = c.Parent; into[c.Parent] == 0 {
			into[c.Parent] = c.Seq
		}
	}
	for i := range truth.calls {
		at := truth.calls[i].Seq
		for step, want := range map[string]uint64{"next": next[at], "previous": previous[at], "before": before[at], "after": after[at], "into": into[at], "out": parent[at]} {
			w := s.get(fmt.Sprintf("/runs/%s/go.json?to=%s&at=%d", runs[1].ID, step, at))
			var got struct{ Call uint64 }
			check(t, json.Unmarshal(w.Body.Bytes(), &got))
			if got.Call != want || (want == 0) != (w.Code == 404) {
				t.Errorf("%s of %d: %d (%d), want %d", step, at, got.Call, w.Code, want)
			}
		}
	}
}

// TestReturnsShowArguments: where a filter leaves returns alone, each says what its call was given.
func TestReturnsShowArguments(t *testing.T) {
	s, truths := newTruths(t)
	seen := 0
	for _, truth := range truths {
		for _, filter := range []string{"errors", "over:1ns"} {
			rows := s.document(t, truth.base+"/events?n=1000&f="+filter).table("")
			i := 0
			for _, e := range truth.events {
				e := e.(map[string]any)
				if e["event"] != "return" || filter == "errors" && e["failed"] != true {
					continue
				}
				if i == len(rows) {
					t.Fatalf("%s: %d rows and more returns", filter, len(rows))
				}
				at := slices.IndexFunc(truth.calls, func(c analysis.Event) bool { return float64(c.Seq) == e["call"] })
				if at < 0 {
					i++
					continue // its call was not recorded
				}
				given := make([]string, len(truth.calls[at].Args))
				for k, v := range valueRows(truth.calls[at].Args, nil) {
					if given[k] = v.Text; v.Name != "" {
						given[k] = v.Name + "=" + v.Text
					}
					seen++
				}
				want := "(" + strings.Join(given, ", ") + ")"
				if text := rows[i][2]; !strings.Contains(plainSpace(text), plainSpace(want)) {
					t.Errorf("%s: row %d is %q, its call was given %q", filter, i, text, want)
				}
				i++
			}
			if i != len(rows) {
				t.Errorf("%s: %d rows, %d returns", filter, len(rows), i)
			}
		}
	}
	if seen == 0 {
		t.Error("no call was given anything")
	}
}

// plainSpace is text as a browser lays it out, without regard to how much space there is.
func plainSpace(text string) string { return strings.Join(strings.Fields(text), " ") }
