package web

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"testing"

	"smiley/recording"
	"smiley/store"
	"smiley/web/webtest"
)

// searched is what the pages of a search have in all, and how many they were.
func searched(s *site, address string, next func(*eventsJSON) uint64) (seqs []uint64, pages int) {
	s.t.Helper()
	for at := ""; ; {
		var page eventsJSON
		s.ask(address+at, &page)
		part := []uint64{}
		for i := range page.Events {
			part = append(part, page.Events[i].Seq)
		}
		seqs = append(seqs, part...)
		if pages++; next(&page) == 0 {
			return seqs, pages
		}
		at = fmt.Sprintf("&from=%d", next(&page))
	}
}

// A search whose time is over goes on where it ended, misses nothing, and comes to an end.
func TestSearchInParts(t *testing.T) {
	file, _ := webtest.NewDatabase(t)
	kept, err := store.Open(t.Context(), file)
	check(t, err)
	run := webtest.Loop(t, kept, &webtest.Friendly, 8, 65_000) // three blocks
	check(t, kept.Close())
	whole, parts := newSite(t, file, Options{}), newSite(t, file, Options{SearchTime: 1})
	for _, filter := range []string{"errors", "panics", "output", "over:1h", "function:1", "function:3", "errors over:1h", "depth:0"} {
		address := "/runs/" + run.ID.String() + "/events.json?n=1000&f=" + url.QueryEscape(filter)
		onward := func(p *eventsJSON) uint64 { return p.Next }
		want, _ := searched(whole, address, onward)
		got, pages := searched(parts, address, onward)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d events in parts, %d at once", filter, len(got), len(want))
		}
		if filter == "depth:0" && pages < 3 {
			t.Errorf("%s: the search came to its end in %d requests", filter, pages)
		}
		if filter != "errors" && filter != "depth:0" {
			continue
		}
		// Backwards, from the end of the run.
		var events []uint64
		for before := uint64(1 << 40); before > 1; {
			var page eventsJSON
			parts.ask(fmt.Sprintf("%s&before=%d", address, before), &page)
			part := []uint64{}
			for i := range page.Events {
				part = append(part, page.Events[i].Seq)
			}
			events = append(part, events...)
			if page.From >= before {
				t.Fatalf("%s: before %d the search came to %d", filter, before, page.From)
			}
			before = page.From
		}
		if !slices.Equal(events, want) {
			t.Errorf("%s: %d events backwards, %d at once", filter, len(events), len(want))
		}
	}
}

// A search that nobody waits for any more ends.
func TestSearchEndsWithItsRequest(t *testing.T) {
	file, _ := webtest.NewDatabase(t)
	kept, err := store.Open(t.Context(), file)
	check(t, err)
	run := webtest.Loop(t, kept, &webtest.Friendly, 8, 65_000)
	check(t, kept.Close())
	s := newSite(t, file, Options{})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	reader, done, err := s.server.database.acquire(ctx)
	check(t, err)
	defer done()
	blocks := 0
	query := (&filter{depth: 0}).query()
	query.Passed = func(uint64) bool {
		blocks++
		stop() // whoever asked is gone
		return true
	}
	err = nil
	for _, failed := range reader.Events(ctx, run.ID, query) {
		err = failed
	}
	if blocks != 1 || recording.CodeOf(err) != recording.CodeCanceled {
		t.Errorf("%d blocks were looked at: %v", blocks, err)
	}
}
