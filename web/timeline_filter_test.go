package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"smiley/analysis"
	"smiley/export"
)

// TestTimelineDimsWhatIsNotChosen checks which calls, bars and marks of a time line a filter chooses, in the JSON and on the page,
// against the calls themselves. Nothing is left out: what is not chosen is there, marked as other.
func TestTimelineDimsWhatIsNotChosen(t *testing.T) {
	s, truths := newTruths(t)
	for at, truth := range truths {
		base := truth.base + "/timeline"
		for text, match := range map[string]func(c *analysis.Event) bool{
			"function:2":        func(c *analysis.Event) bool { return c.Function == truth.calls[2].Function },
			"errors":            func(c *analysis.Event) bool { return c.Failed },
			"panics":            func(c *analysis.Event) bool { return c.Outcome == analysis.OutcomePanicked },
			"depth:0":           func(c *analysis.Event) bool { return c.Depth == 0 },
			"over:3us":          func(c *analysis.Event) bool { return c.Duration != nil && *c.Duration >= 3000 },
			"function:2 errors": func(c *analysis.Event) bool { return c.Function == truth.calls[2].Function && c.Failed },
			"output":            func(*analysis.Event) bool { return false },
		} {
			for _, px := range []int{40, 4000} {
				query := fmt.Sprintf("?px=%d&f=%s", px, url.QueryEscape(text))
				var page, plain timelineJSON
				s.ask(base+".json"+query, &page)
				s.ask(fmt.Sprintf("%s.json?px=%d", base, px), &plain)
				if page.Filter != text || len(page.Tracks) != len(plain.Tracks) {
					t.Fatalf("%s: filter %q, %d tracks of %d", query, page.Filter, len(page.Tracks), len(plain.Tracks))
				}
				chosen, all := checkChosen(t, query, truth, &page, &plain, match)
				checkChosenPage(t, s, base+query, text, chosen, all)
			}
		}
		if want := export.Plural(uint64(len(truth.calls)), "call"); at == 0 && !strings.Contains(s.get(base+"?f=main.leaf").Body.String(), "301 of "+want) {
			t.Errorf("the page does not say 301 of %s", want)
		}
	}
	for _, bad := range []string{"over:never", "no.such.function", "\u202e"} {
		for _, twin := range []string{"", ".json"} {
			if w := s.get(truths[0].base + "/timeline" + twin + "?f=" + url.QueryEscape(bad)); w.Code != http.StatusBadRequest {
				t.Errorf("%q: %d", bad, w.Code)
			}
		}
	}
}

// checkChosen compares a filtered answer with the same one without the filter, and returns how many calls are chosen of how many.
func checkChosen(t *testing.T, query string, truth *truth, page, plain *timelineJSON, match func(c *analysis.Event) bool) (chosen, all uint64) {
	t.Helper()
	for i := range page.Tracks {
		track, without := &page.Tracks[i], &plain.Tracks[i]
		want := map[uint64]bool{}
		merged := map[int]uint64{} // by depth
		inTrack := uint64(0)
		for j := range truth.calls {
			c := &truth.calls[j]
			if c.Goroutine != track.Goroutine.ID {
				continue
			}
			all++
			if !match(c) {
				continue
			}
			inTrack++
			if want[c.Seq] = true; c.Duration != nil && *c.Duration < page.Narrowest {
				merged[c.Depth]++
			}
		}
		chosen += inTrack
		if track.Counts.Chosen != inTrack || track.Counts.Calls != without.Counts.Calls {
			t.Errorf("%s: goroutine %d: %+v, want %d chosen", query, track.Goroutine.ID, *track.Counts, inTrack)
		}
		if len(track.Calls) != len(without.Calls) || len(track.Dense) != len(without.Dense) || len(track.Marks) != len(without.Marks) {
			t.Errorf("%s: goroutine %d: the filter leaves something out", query, track.Goroutine.ID)
		}
		for j := range track.Calls {
			if c := &track.Calls[j]; c.Other == want[c.Seq] {
				t.Errorf("%s: call %d is other: %v", query, c.Seq, c.Other)
			}
		}
		for j := range track.Dense {
			merged[track.Dense[j].Depth] -= track.Dense[j].Chosen
		}
		for depth, n := range merged {
			if n != 0 {
				t.Errorf("%s: goroutine %d, depth %d: %d more or less merged calls are chosen", query, track.Goroutine.ID, depth, int64(n))
			}
		}
		for j := range track.Marks {
			m := &track.Marks[j]
			if wanted := page.Filter == "output" && m.Kind == "output" || page.Filter == "panics" && (m.Kind == "panic" || m.Kind == "recovered") || page.Filter == "depth:0"; m.Other == wanted {
				t.Errorf("%s: %s is other: %v", query, m.Kind, m.Other)
			}
		}
	}
	return chosen, all
}

// checkChosenPage checks that the page says how many calls are chosen, dims the others, and leads to the view without the filter.
func checkChosenPage(t *testing.T, s *site, address, text string, chosen, all uint64) {
	t.Helper()
	d := s.document(t, address+"&plain=1")
	if note := textOf(d.classed("filtered")[0]); !strings.HasPrefix(note, count(chosen)+" of "+export.Plural(all, "call")+" match") {
		t.Errorf("%s: %q, want %d of %d", address, note, chosen, all)
	}
	sum := uint64(0)
	for _, row := range d.tables()[0] {
		sum += (&numbers{T: t}).leading(row[4])
	}
	if sum != chosen {
		t.Errorf("%s: the table counts %d, want %d", address, sum, chosen)
	}
	boxes, others := 0, 0
	for n := range d.classed("timeline")[0].Descendants() {
		if n.Data == "a" && (n.Parent.Data == "svg" || n.Parent.Data == "g") && find(n, func(n *html.Node) bool { return n.Data == "rect" }) != nil {
			boxes++
			if hasClass(n, "other") {
				others++
			}
		}
	}
	if others == boxes != (chosen == 0) || others == 0 && chosen < all {
		t.Errorf("%s: %d of %d boxes are dimmed, %d of %d calls are chosen", address, others, boxes, chosen, all)
	}
	clear := d.classed("unfiltered")[0]
	if href := attribute(clear, "href"); strings.Contains(href, "f=") || !strings.Contains(href, "plain=1") {
		t.Errorf("%s: without the filter: %s", address, href)
	}
	field := find(d.root, func(n *html.Node) bool { return n.Data == "input" && attribute(n, "name") == "f" })
	if field == nil || attribute(field, "value") != text {
		t.Errorf("%s: the form does not hold the filter", address)
	}
}
