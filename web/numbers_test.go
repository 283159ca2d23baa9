package web

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"smiley/analysis"
	"smiley/export"
	"smiley/store"
)

// TestNumbersOnPages reads the pages as they are without scripts: every number on them is what `smiley stats`, `replay`,
// `list`, `show`, `goroutines` and `files` say with --json.
func TestNumbersOnPages(t *testing.T) {
	s, truths := newTruths(t)
	for i, truth := range truths {
		n := &numbers{T: t, s: s, base: truth.base, truth: truth}
		n.runs(len(truths) - 1 - i)
		n.summary()
		n.statistics()
		n.functions()
		n.goroutines()
		n.calls()
		n.details()
		n.graph()
		n.losses()
	}
}

// numbers compares pages of a run with the truth about it.
type numbers struct {
	*testing.T
	s     *site
	base  string
	truth *truth
}

// same compares rows of cells; a cell that is not wanted is "*".
func (n *numbers) same(what string, got, want [][]string) {
	n.Helper()
	if len(got) != len(want) {
		n.Errorf("%s: %d rows, want %d\n got %q\nwant %q", what, len(got), len(want), got, want)
		return
	}
	for i := range got {
		for j := range want[i] {
			if want[i][j] != "*" && (j >= len(got[i]) || got[i][j] != want[i][j]) {
				n.Errorf("%s: row %d: %q, want %q", what, i, got[i], want[i])
				break
			}
		}
	}
}

func (n *numbers) sameFigures(what string, got, want map[string]string) {
	n.Helper()
	if !maps.Equal(got, want) {
		n.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (n *numbers) runs(row int) {
	s := n.truth.run.Summary()
	cells := n.s.document(n.T, "/").table("")[row]
	n.same("list of runs", [][]string{cells}, [][]string{{"", "*", "*", "*", durationText(s.Duration), count(s.Calls), count(s.Goroutines), count(s.Errors), "*"}})
}

func (n *numbers) summary() {
	s := n.truth.run.Summary()
	n.sameFigures("summary", n.s.document(n.T, n.base).figures(), map[string]string{
		"duration": durationText(s.Duration), counted(s.Calls, "call"): count(s.Calls), counted(s.Events, "event"): count(s.Events),
		counted(s.Goroutines, "goroutine"): count(s.Goroutines), counted(s.Errors, "error") + " returned": count(s.Errors), counted(s.Panics, "panic"): count(s.Panics),
	})
}

// counted is what stands beside a number of things.
func counted(n uint64, thing string) string {
	_, name, _ := strings.Cut(export.Plural(n, thing), " ")
	return name
}

func (n *numbers) statistics() {
	for _, order := range analysis.StatisticsOrders() {
		list, err := n.truth.run.Statistics(n.Context(), order)
		check(n, err)
		want := [][]string{}
		for i := range list {
			s := &list[i]
			want = append(want, []string{
				"*", count(s.Calls), count(s.Errors), count(s.Panics), export.Duration(s.Total), export.Duration(s.Self), "",
				durationText(s.Min), durationText(s.P50), durationText(s.P95), durationText(s.P99), durationText(s.Max),
			})
		}
		n.same("statistics by "+order, n.s.document(n.T, n.base+"/statistics?sort="+order).table(""), want)
	}
}

// edgesOf counts the calls of and by every function, as they are on the function's page.
func (n *numbers) edgesOf(name string) (callers, callees map[string]uint64) {
	names := map[uint64]string{}
	callers, callees = map[string]uint64{}, map[string]uint64{}
	for i := range n.truth.calls {
		c := &n.truth.calls[i]
		names[c.Seq] = c.Function
		caller := names[c.Parent]
		if c.Function == name {
			callers[caller]++
		}
		if caller == name && c.Parent != 0 {
			callees[c.Function]++
		}
	}
	return callers, callees
}

func (n *numbers) functions() {
	list, err := n.truth.run.Statistics(n.Context(), "calls")
	check(n, err)
	for i := range list {
		s := &list[i]
		id := slices.IndexFunc(n.names(), func(name string) bool { return name == s.Function }) + 1
		page := n.s.document(n.T, fmt.Sprintf("%s/function/%d", n.base, id))
		figures := page.figures()
		delete(figures, "spread")
		n.sameFigures("function "+s.Function, figures, map[string]string{
			counted(s.Calls, "call"): count(s.Calls), counted(s.Errors, "error"): count(s.Errors), counted(s.Panics, "panic"): count(s.Panics), "total": export.Duration(s.Total),
			"self": export.Duration(s.Self), "median": durationText(s.P50), "slowest": durationText(s.Max),
		})
		callers, callees := n.edgesOf(s.Function)
		for heading, edges := range map[string]map[string]uint64{"Called by": callers, "Calls": callees} {
			if len(edges) == 0 {
				continue
			}
			counts := slices.Collect(maps.Values(edges))
			slices.SortFunc(counts, func(a, b uint64) int { return cmp.Compare(b, a) })
			want := [][]string{}
			for _, c := range counts {
				want = append(want, []string{"*", count(c) + " ×", "*"})
			}
			n.same("function "+s.Function+": "+heading, page.table(heading), want)
		}
	}
}

// names are the names of the run's functions, by id − 1.
func (n *numbers) names() []string {
	r, err := store.OpenReader(n.Context(), n.s.server.database.file)
	check(n, err)
	defer func() { check(n, r.Close()) }()
	id, err := r.FindRun(n.Context(), strings.TrimPrefix(n.base, "/runs/"))
	check(n, err)
	functions, err := r.Functions(n.Context(), id)
	check(n, err)
	var names []string
	for i := range functions {
		names = append(names, functions[i].Name)
	}
	return names
}

func (n *numbers) goroutines() {
	want := [][]string{}
	for g, err := range n.truth.run.Goroutines(n.Context()) {
		check(n, err)
		lasted := "–"
		if g.End != nil {
			lasted = export.Duration(*g.End - g.Start)
		}
		want = append(want, []string{itoa(int(g.ID)), "*", "*", "", since(g.Start), lasted, count(g.Calls), count(g.Events)})
	}
	n.same("goroutines", n.s.document(n.T, n.base+"/goroutines").table(""), want)
}

// calls compares the pages of calls, of every shape.
func (n *numbers) calls() {
	children := map[uint64][]*analysis.Event{}
	for i := range n.truth.calls {
		c := &n.truth.calls[i]
		children[c.Parent] = append(children[c.Parent], c)
	}
	for i := range n.truth.calls {
		c := &n.truth.calls[i]
		if i > 12 && c.Outcome == analysis.OutcomeReturned && !c.Failed {
			continue // they are alike
		}
		page := n.s.document(n.T, fmt.Sprintf("%s/call/%d", n.base, c.Seq))
		want := map[string]string{
			"duration": durationText(c.Duration), "by itself": durationText(c.Self), "began": since(c.Time),
			"ended": "–", "depth " + itoa(c.Depth): "g" + itoa(int(c.Goroutine)),
		}
		figures := page.figures()
		if c.Duration != nil {
			want["ended"] = since(c.Time + *c.Duration)
		} else {
			delete(want, "ended")
			delete(figures, "ended")
		}
		if text := endedText[c.Outcome]; text != "" {
			want["outcome"] = text
		} else if c.Failed {
			want["outcome"] = "error"
		}
		n.sameFigures(fmt.Sprint("call ", c.Seq), figures, want)
		if len(children[c.Seq]) == 0 {
			continue
		}
		rows := [][]string{}
		for _, child := range children[c.Seq][:min(callChildren, len(children[c.Seq]))] {
			rows = append(rows, []string{"*", durationText(child.Duration), "", since(child.Time)})
		}
		n.same(fmt.Sprint("calls made by ", c.Seq), page.table("Calls it made"), rows)
	}
}

// details compares the times of all rows: a call that returned at once is one of them, with its duration.
func (n *numbers) details() {
	want := [][]string{}
	for i := 0; i < len(n.truth.events); i++ {
		e := n.truth.events[i].(map[string]any)
		goroutine, took := "", ""
		if g, _ := e["goroutine"].(float64); g != 0 {
			goroutine = itoa(int(g))
		}
		row := []string{since(int64(e["time_ns"].(float64))), goroutine, "*", "*"}
		last := e
		if e["event"] == "call" && i+1 < len(n.truth.events) {
			if next := n.truth.events[i+1].(map[string]any); next["event"] == "return" && next["call"] == e["call"] {
				last = next
				i++
			}
		}
		if d, known := last["duration_ns"].(float64); known && last["event"] == "return" {
			took = export.Duration(int64(d))
		}
		row[3] = took
		want = append(want, row)
	}
	n.same("details", n.s.document(n.T, n.base+"/events?n=1000").table(""), want)
}

func (n *numbers) graph() {
	type edge struct{ from, to string }
	names, edges := map[uint64]string{}, map[edge]uint64{}
	for i := range n.truth.calls {
		c := &n.truth.calls[i]
		if names[c.Seq] = c.Function; c.Parent != 0 {
			edges[edge{names[c.Parent], c.Function}]++
		}
	}
	counts := slices.Collect(maps.Values(edges))
	slices.SortFunc(counts, func(a, b uint64) int { return cmp.Compare(b, a) })
	want := [][]string{}
	for _, c := range counts {
		want = append(want, []string{"*", "*", count(c), "*"})
	}
	n.same("graph", n.s.document(n.T, n.base+"/graph").table("The same as a table"), want)
}

func (n *numbers) losses() {
	loss := n.truth.run.Summary().Loss
	page := n.s.document(n.T, n.base+"/losses")
	want := [][]string{}
	for _, c := range []uint64{loss.Captured, loss.Stored, loss.Dropped, loss.Truncated, loss.Unreadable, loss.Untraced} {
		want = append(want, []string{count(c)})
	}
	n.same("losses", page.table(""), want)
	text := textOf(page.root)
	if balances := strings.Contains(text, "The ledger balances"); balances != (loss.Captured == loss.Stored+loss.Dropped) {
		n.Errorf("the page says that the ledger balances: %v, of %+v", balances, loss)
	}
	if !reflect.DeepEqual(loss.Captured, loss.Stored+loss.Dropped) {
		n.Errorf("the fixture's ledger does not balance: %+v", loss)
	}
}
