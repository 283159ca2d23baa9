package web

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"smiley/store"
	"smiley/web/webtest"
)

var activityPattern = regexp.MustCompile(`<title>[^<]*?: (about )?([0-9,]+) calls?</title>`)

// activityOf reads the bars of a page: how many calls they stand for in all, how many they are, and whether that is a guess.
func activityOf(t *testing.T, body string) (calls uint64, bars int, guessed bool) {
	t.Helper()
	for _, found := range activityPattern.FindAllStringSubmatch(body, -1) {
		n, err := strconv.ParseUint(strings.ReplaceAll(found[2], ",", ""), 10, 64)
		check(t, err)
		calls += n
		bars++
		guessed = guessed || found[1] != ""
	}
	return calls, bars, guessed
}

// The strip of the summary and that of the time line are of the digest when there is one or when it is next to no work, and of the
// blocks otherwise.
func TestActivity(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	kept, err := store.Open(t.Context(), file)
	check(t, err)
	const calls = 30_001
	long := webtest.Loop(t, kept, &webtest.Friendly, 8, calls)
	check(t, kept.Close())
	s := newSite(t, file, Options{})
	base := "/runs/" + runs[0].ID.String()
	want := newTruth(t, file, runs[0]).run.Summary().Calls
	for range 1000 { // a busy machine may need more than one request's patience to read it
		if sum, _, guessed := activityOf(t, s.get(base).Body.String()); !guessed && sum == want {
			break
		}
	}
	for _, page := range []string{"", "/timeline?from=10&to=1000"} {
		if sum, bars, guessed := activityOf(t, s.get(base+page).Body.String()); sum != want || bars < 2 || guessed {
			t.Errorf("%q: %d calls on %d bars, guessed: %v; want %d", page, sum, bars, guessed, want)
		}
	}

	s.server.fewBlocks = 1
	base = "/runs/" + long.ID.String()
	for _, page := range []string{"", "/timeline?from=10&to=1000"} {
		sum, bars, guessed := activityOf(t, s.get(base+page).Body.String())
		if sum > calls+1 || sum < calls-activityBars || bars < 2 || !guessed {
			t.Errorf("%q: %d calls on %d bars, guessed: %v, before anybody asked for the digest", page, sum, bars, guessed)
		}
	}
	for partial := true; partial; {
		var flame flameJSON
		s.ask(base+"/flame.json", &flame)
		partial = flame.Partial
	}
	for _, page := range []string{"", "/timeline?from=10&to=1000"} {
		if sum, bars, guessed := activityOf(t, s.get(base+page).Body.String()); sum != calls+1 || bars < 2 || guessed {
			t.Errorf("%q: %d calls on %d bars, guessed: %v, with a digest", page, sum, bars, guessed)
		}
	}
}

// Bars lie side by side, within the strip, and one is as high as it.
func TestActivityBars(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	reader, done, err := s.server.database.acquire(t.Context())
	check(t, err)
	defer done()
	for _, run := range runs {
		q := &request{Request: requestTo(t, "/"), server: s.server, reader: reader, links: links{run: run.ID.String()}}
		q.query = q.URL.Query()
		q.info, err = reader.Run(t.Context(), run.ID)
		check(t, err)
		blocks, err := q.activityBlocks()
		check(t, err)
		sum := 0.0
		for i := range blocks {
			sum += blocks[i].calls
		}
		if d := sum - float64(q.info.Calls); q.info.Blocks > 1 && (d > 0.01 || d < -0.01) {
			t.Errorf("the blocks have %v calls, want %d", sum, q.info.Calls)
		}
		for _, parts := range [][]activityPart{blocks, q.activityDigest()} {
			bars := q.activityBars(parts)
			x, highest := 0, 0
			for i := range bars {
				b := &bars[i]
				if b.X < x || b.X+b.Width > activityWidth || b.Y+b.Height != activityHeight || b.Height < 1 {
					t.Errorf("bar %+v behind %d", b, x)
				}
				x, highest = b.X+b.Width, max(highest, b.Height)
			}
			if len(bars) > 0 && highest != activityHeight {
				t.Errorf("the highest bar is %d", highest)
			}
		}
	}
}
