package web

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"smiley/analysis"
	"smiley/internal/sample"
	"smiley/recording"
	"smiley/store"
	"smiley/web/webtest"
)

// TestStatisticsArePaged follows the pages of the statistics of many functions: together they are all functions in the order that
// somebody chose, and the pages before are those that one came from.
func TestStatisticsArePaged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	db, err := store.Open(t.Context(), file)
	check(t, err)
	run := webtest.Wide(t, db, &webtest.Friendly, 1, 2*statisticsPage+50)
	check(t, db.Close())
	s := newSite(t, file, Options{})
	truth := newTruth(t, file, run)
	link := func(page *document, rel string) string {
		for n := range page.root.Descendants() {
			if n.Data == "a" && attribute(n, "rel") == rel {
				return attribute(n, "href")
			}
		}
		return ""
	}
	base := "/runs/" + run.ID.String() + "/statistics"
	for _, order := range []string{"", "calls", "function"} {
		address := base
		if order != "" {
			address += "?sort=" + order
		}
		list, err := truth.run.Statistics(t.Context(), cmp.Or(order, "self"))
		check(t, err)
		var want, got, visited []string
		for i := range list {
			want = append(want, strings.TrimPrefix(list[i].Function, "main."))
		}
		for address != "" {
			page := s.document(t, address)
			rows := page.table("")
			if len(rows) == 0 || len(rows) > statisticsPage {
				t.Fatalf("%s: %d rows", address, len(rows))
			}
			for _, row := range rows {
				got = append(got, strings.TrimPrefix(row[0], "main."))
			}
			if before := link(page, "prev"); len(visited) > 0 && before != visited[len(visited)-1] {
				t.Errorf("%s: before it comes %s, not %s", address, before, visited[len(visited)-1])
			}
			visited = append(visited, address)
			address = link(page, "next")
		}
		if len(visited) != 3 || !slices.Equal(got, want) {
			t.Errorf("by %q: %d pages, %d functions %q, want %d %q", order, len(visited), len(got), got[:5], len(want), want[:5])
		}
	}
	var all struct{ Functions []analysis.Statistics }
	if s.ask(base+".json?skip=200", &all); len(all.Functions) != 2*statisticsPage+51 {
		t.Errorf("the JSON has %d functions", len(all.Functions))
	}
	// One who has an old address sees that there is no more, and where there is.
	if page := s.document(t, base+"?skip=100000"); !strings.Contains(textOf(page.root), "earlier rows") {
		t.Errorf("behind the last function: %s", textOf(page.root))
	}
	if code := s.get(base + "?skip=x").Code; code != 400 {
		t.Errorf("skip=x is answered with %d", code)
	}
}

// TestInstancesOfAGenericFunction looks at functions of one name: each row leads to the function that it is of, and two looks show the
// same.
func TestInstancesOfAGenericFunction(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	db, err := store.Open(t.Context(), file)
	check(t, err)
	run := recording.Run{ID: sample.ID, Program: "/generic", GoOS: "linux", GoArch: "amd64", Start: time.Unix(1_700_000_000, 0)}
	b := recording.NewBuilder(run, func(d *recording.Draft) error {
		encoded, err := d.Encode(nil)
		if err == nil {
			_, err = db.Append(t.Context(), encoded)
		}
		return err
	})
	const instances = 9
	defined := recording.Definitions{Goroutines: []recording.Goroutine{{ID: 1}}}
	for id := recording.FunctionID(1); id <= instances; id++ {
		defined.Functions = append(defined.Functions, recording.Function{ID: id, Name: "main.Map[...]", Package: "main", Trace: recording.TraceProbe})
	}
	check(t, b.Define(defined))
	now := int64(0)
	for id := recording.FunctionID(1); id <= instances; id++ {
		for range id { // how often it is called tells which it is
			for _, kind := range []recording.Kind{recording.KindCall, recording.KindReturn} {
				now += 100
				check(t, b.Append(&recording.Raw{Kind: kind, Function: id, Goroutine: 1, Frame: 1, Time: now}))
			}
		}
	}
	check(t, b.Finish(recording.RunEnd{End: time.Unix(1_700_000_001, 0), Duration: now}))
	check(t, db.Close())
	s := newSite(t, file, Options{})
	s.server.patient = true // a busy machine may need more than one request's patience to read the run
	base := "/runs/" + run.ID.String()
	page := s.document(t, base+"/statistics")
	rows := page.table("")
	if len(rows) != instances {
		t.Errorf("%d rows", len(rows))
	}
	for n := range page.root.Descendants() {
		if n.Data != "tr" || n.Parent.Data != "tbody" {
			continue
		}
		calls := rows[0][1]
		rows = rows[1:]
		if href := attribute(find(n, func(n *html.Node) bool { return n.Data == "a" }), "href"); href != base+"/function/"+calls {
			t.Errorf("the one with %s calls leads to %s", calls, href)
		}
	}
	for _, address := range []string{base, base + "/statistics", base + "/graph", base + "/flame"} {
		first := s.get(address).Body.String()
		for range 5 {
			if s.get(address).Body.String() != first {
				t.Errorf("%s is not the same each time", address)
				break
			}
		}
	}
}
