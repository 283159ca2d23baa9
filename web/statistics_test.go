package web

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smiley/analysis"
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
