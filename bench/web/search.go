package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"smiley/bench/table"
)

// searches are filters of the details: some that find something anywhere, and some that nothing of the run meets, so that all of it is
// searched.
var searches = []string{"function:7", "depth:0", "over:1s", "errors", "panics", "output", "over:1h"}

// search searches from the beginning of the run, request by request as a page does, until there is a hit or the end.
func search(ctx context.Context, s settings) error {
	server, err := startServer(ctx, &s)
	if err != nil {
		return err
	}
	defer server.stop()
	rows := [][]string{{"searched for", "requests", "the slowest of them (goal: 200 ms)", "until the first hits, or the end", "processor", "found"}}
	for _, filter := range searches {
		used, begun := server.used(), time.Now()
		var took []time.Duration
		found := 0
		for from := uint64(1); from > 0 && found == 0; {
			body, one, err := server.get(ctx, fmt.Sprintf("/runs/%s/events.json?from=%d&f=%s", s.run.ID, from, url.QueryEscape(filter)))
			if err != nil {
				return err
			}
			var answer struct {
				Next   uint64
				Events []json.RawMessage
			}
			if err := json.Unmarshal(body, &answer); err != nil {
				return err
			}
			took = append(took, one)
			from, found = answer.Next, len(answer.Events)
		}
		rows = append(rows, []string{
			filter, fmt.Sprint(len(took)), table.Milliseconds(slices.Max(took)), table.Milliseconds(time.Since(begun)),
			table.Milliseconds(server.used() - used), fmt.Sprint(found),
		})
	}
	table.Print(fmt.Sprintf("Searches from the beginning of %d calls", s.run.Calls), rows...)
	return nil
}

// coldStarts is how often the server is started to be asked for the first time.
const coldStarts = 8

// cold asks servers that were just started for their first time line. The file is in the system's cache.
func cold(ctx context.Context, s settings) error {
	rows := [][]string{{"first request to a server that was just started", "p50", "p95", "max"}}
	window := fmt.Sprintf("?from=%d&to=%d", s.run.Last/2, s.run.Last/2+s.run.Last/1000)
	for _, page := range []struct{ name, address string }{
		{"time line", "/timeline"},
		{"its JSON", "/timeline.json"},
		{"time line of a thousandth", "/timeline" + window},
		{"its JSON", "/timeline.json" + window},
		{"flame graph", "/flame"},
		{"details", "/events"},
	} {
		var took []time.Duration
		for range coldStarts {
			server, err := startServer(ctx, &s)
			if err != nil {
				return err
			}
			_, one, err := server.get(ctx, "/runs/"+s.run.ID.String()+page.address)
			server.stop()
			if err != nil {
				return err
			}
			took = append(took, one)
		}
		slices.Sort(took)
		rows = append(rows, append([]string{page.name}, percentiles(took)...))
	}
	table.Print(fmt.Sprintf("Cold, at %d calls", s.run.Calls), rows...)
	return nil
}
