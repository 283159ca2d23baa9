package web

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"smiley/analysis"
	"smiley/internal/sample"
	"smiley/recording"
	"smiley/store"
	"smiley/web/webtest"
)

// TestTimelineEqualsReplay checks every number of the time line, for windows of all sizes and at all resolutions, against the
// events and calls that `smiley replay --json` prints.
func TestTimelineEqualsReplay(t *testing.T) {
	s, truths := newTruths(t)
	for _, truth := range truths {
		rng := rand.New(rand.NewPCG(1, 2))
		base := truth.base + "/timeline.json?n=100"
		var whole timelineJSON
		s.ask(base, &whole)
		first := int64(0)
		for _, e := range truth.events {
			if e := e.(map[string]any); !strings.HasPrefix(e["event"].(string), "goroutine") {
				first = int64(e["time_ns"].(float64))
				break
			}
		}
		last := int64(truth.events[len(truth.events)-1].(map[string]any)["time_ns"].(float64))
		if whole.From > first || whole.To != whole.Whole || whole.Whole != last+1 {
			t.Errorf("without a window: %d to %d of %d, want %d or less to %d", whole.From, whole.To, whole.Whole, first, last+1)
		}
		checkTimeline(t, truth, &whole)
		for range 60 {
			from := rng.Int64N(whole.Whole - 20)
			to := from + 10 + rng.Int64N(whole.Whole-from)
			px := []int{1, 7, 100, 1000, 4000}[rng.IntN(5)]
			var page timelineJSON
			s.ask(fmt.Sprintf("%s&from=%d&to=%dns&px=%d", base, from, to, px), &page)
			if page.From != from || page.To != to {
				t.Fatalf("window %d to %d, want %d to %d", page.From, page.To, from, to)
			}
			checkTimeline(t, truth, &page)
		}
	}
}

func checkTimeline(t *testing.T, truth *truth, page *timelineJSON) {
	t.Helper()
	if !page.Complete || page.After != 0 {
		t.Fatalf("not all: %+v", page)
	}
	var want []any
	for g, err := range truth.run.Goroutines(t.Context()) {
		check(t, err)
		if g.Start < page.To && (g.End == nil || *g.End >= page.From) {
			want = append(want, plain(t, g))
		}
	}
	var got []any
	for i := range page.Tracks {
		got = append(got, plain(t, page.Tracks[i].Goroutine))
		checkTrackCalls(t, truth, page, &page.Tracks[i])
		checkTrackMarks(t, truth, page, page.Tracks[i].Goroutine.ID, page.Tracks[i].Marks)
	}
	checkTrackMarks(t, truth, page, 0, page.Program)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("tracks: %v, want %v", got, want)
	}
}

// checkTrackCalls checks that calls are listed or counted, none twice.
func checkTrackCalls(t *testing.T, truth *truth, page *timelineJSON, track *trackJSON) {
	t.Helper()
	listed := map[uint64]*timelineCall{}
	for i := range track.Calls {
		listed[track.Calls[i].Seq] = &track.Calls[i]
	}
	if len(listed) != len(track.Calls) {
		t.Error("a call is listed twice")
	}
	type sums struct{ calls, errors, panics uint64 }
	merged := map[int]sums{} // by depth
	var counts trackCounts
	for i := range truth.calls {
		c := &truth.calls[i]
		if c.Goroutine != track.Goroutine.ID || c.Time >= page.To || c.Duration != nil && c.Time+*c.Duration < page.From {
			continue
		}
		counts.Calls++
		counts.Levels = max(counts.Levels, c.Depth+1)
		var m sums
		m.calls = 1
		if c.Failed {
			counts.Errors++
			m.errors = 1
		}
		if c.Outcome == analysis.OutcomePanicked {
			counts.Panics++
			m.panics = 1
		}
		if c.Duration != nil && *c.Duration < page.Narrowest {
			sum := merged[c.Depth]
			merged[c.Depth] = sums{sum.calls + m.calls, sum.errors + m.errors, sum.panics + m.panics}
			continue
		}
		got := listed[c.Seq]
		if got == nil {
			t.Fatalf("call %d is not listed", c.Seq)
		}
		f := page.Functions[fmt.Sprint(got.Function)]
		if got.Time != c.Time || got.Parent != c.Parent || got.Depth != c.Depth || f.Name != string([]rune(c.Function)) || got.Failed != c.Failed ||
			got.Outcome != c.Outcome || !reflect.DeepEqual(got.Duration, c.Duration) || !reflect.DeepEqual(got.Self, c.Self) {
			t.Errorf("call %d is %+v, want %+v", c.Seq, got, c)
		}
		delete(listed, c.Seq)
	}
	if len(listed) > 0 {
		t.Errorf("listed, but not in the window %d to %d: %v", page.From, page.To, listed)
	}
	got := map[int]sums{}
	for _, b := range track.Dense {
		sum := got[b.Depth]
		got[b.Depth] = sums{sum.calls + b.Calls, sum.errors + b.Errors, sum.panics + b.Panics}
		if b.To < b.From || b.To < page.From || b.From >= page.To {
			t.Errorf("calls from %d to %d in a window from %d to %d", b.From, b.To, page.From, page.To)
		}
	}
	if !reflect.DeepEqual(got, merged) {
		t.Errorf("goroutine %d, calls shorter than %d by depth: %v, want %v", track.Goroutine.ID, page.Narrowest, got, merged)
	}
	if *track.Counts != counts {
		t.Errorf("goroutine %d: %+v, want %+v", track.Goroutine.ID, *track.Counts, counts)
	}
}

func checkTrackMarks(t *testing.T, truth *truth, page *timelineJSON, goroutine int64, marks []markJSON) {
	t.Helper()
	want, got := map[string]int{}, map[string]int{}
	times := map[string]int64{}
	for _, e := range truth.events {
		e := e.(map[string]any)
		at, kind := int64(e["time_ns"].(float64)), e["event"].(string)
		if !slices.Contains([]string{"panic", "recovered", "output", "gap"}, kind) || int64(e["goroutine"].(float64)) != goroutine || at < page.From || at >= page.To {
			continue
		}
		want[kind]++
		times[fmt.Sprint(kind, e["seq"])] = at
	}
	for _, m := range marks {
		got[m.Kind] += m.Count
		if at, ok := times[fmt.Sprint(m.Kind, m.Seq)]; !ok || at != m.Time || m.Last < m.Time {
			t.Errorf("mark %+v, want time %d", m, at)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("marks of goroutine %d from %d to %d: %v, want %v", goroutine, page.From, page.To, got, want)
	}
}

// TestTimelineInBuckets checks what is shown of a window that is too much to look at: calls that are right, and sums that are.
func TestTimelineInBuckets(t *testing.T) {
	s, truths := newTruths(t)
	s.server.windowEvents = 1
	for _, truth := range truths {
		base := truth.base + "/timeline"
		var page timelineJSON
		for page.Bucket == 0 || page.Partial {
			s.ask(base+".json", &page)
		}
		if page.Complete || len(page.Tracks) != 2 {
			t.Fatalf("%+v", page)
		}
		for i := range page.Tracks {
			track := &page.Tracks[i]
			var got, want [5]uint64
			for _, b := range track.Buckets {
				for i, n := range [...]uint64{b.Calls, b.Errors, b.Panics, b.Output, b.Gaps} {
					got[i] += n
				}
			}
			for _, e := range truth.events {
				e := e.(map[string]any)
				if int64(e["goroutine"].(float64)) != track.Goroutine.ID {
					continue
				}
				for i, is := range [...]bool{e["event"] == "call", e["failed"] == true, e["event"] == "panic", e["event"] == "output", e["event"] == "gap"} {
					if is {
						want[i]++
					}
				}
			}
			if got != want || track.Counts != nil || len(track.Dense)+len(track.Marks) > 0 {
				t.Errorf("goroutine %d: %v, want %v; %+v", track.Goroutine.ID, got, want, track)
			}
			for _, c := range track.Calls {
				at := slices.IndexFunc(truth.calls, func(e analysis.Event) bool { return e.Seq == c.Seq })
				if at < 0 || !reflect.DeepEqual(truth.calls[at].Duration, c.Duration) || truth.calls[at].Goroutine != track.Goroutine.ID {
					t.Errorf("call %+v is not in the run", c)
				}
			}
		}
		body := s.get(base).Body.String()
		checkPage(t, base, body)
		if !strings.Contains(body, "Zoom in to see all") || !strings.Contains(body, ": zoom in to see them") {
			t.Error("the page does not say what it leaves out")
		}
	}
}

// TestTimelineOfManyCalls checks that an answer stays small when there is more to see than it holds, and still counts everything.
func TestTimelineOfManyCalls(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for try := range 16 {
		tl := &timeline{query: timelineQuery{from: 0, to: 1 << 40}, filter: &filter{depth: -1, errors: true}, narrowest: 1, cell: denseCell, complete: true, most: timelineBounds{timelineCalls, timelineDense, timelineBuckets}}
		n, levels, same := 1+rng.IntN(40), 1+rng.IntN(30), try%4 == 0 // all of a length
		tr := &track{dense: map[denseKey]*denseBar{}}
		tl.tracks = []*track{tr}
		listed := 0
		for i := range n * 300 {
			c := recording.Call{Seq: uint64(i + 1), Depth: rng.IntN(levels), Start: rng.Int64N(1 << 40), Outcome: recording.OutcomeReturned}
			c.End = c.Start + 50
			if !same {
				c.End = c.Start + rng.Int64N(1<<30)
			}
			if !tl.seen(&c) {
				tl.merge(tr, &c)
				continue
			}
			tr.calls = append(tr.calls, c)
			if listed++; listed > 2*timelineCalls {
				listed = tl.widen()
			}
		}
		for listed > timelineCalls {
			listed = tl.widen()
		}
		tl.query.pixels = 1000
		tl.finish()
		total := uint64(len(tr.calls))
		for i := range tr.bars {
			total += tr.bars[i].calls
		}
		for i := range tr.calls {
			if !tl.seen(&tr.calls[i]) {
				t.Fatalf("%+v is listed and shorter than %d", tr.calls[i], tl.narrowest)
			}
		}
		if total != uint64(n*300) || len(tr.calls) > timelineCalls || len(tr.bars) > timelineDense {
			t.Fatalf("%d of %d calls: %d listed, %d bars", total, n*300, len(tr.calls), len(tr.bars))
		}
	}
}

// TestTimelineAddresses checks what an address may say, and that the page leads on from there.
func TestTimelineAddresses(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	base := "/runs/" + runs[0].ID.String() + "/timeline"
	for query, want := range map[string]int{
		"?from=1us&to=2us": 200, "?from=100": 200, "?to=1ms": 200, "?goroutines=7": 200, "?goroutines=1,7+1": 200, "?goroutines=worker": 200,
		"?g=7": 200, "?at=4": 200, "?at=4&from=0&to=100ns": 200, "?px=10": 200, "?n=1": 200, "?n=1&after=1": 200, "?after=99999": 200, "?to=99999h": 200,
		"?from=yesterday": 400, "?from=-1s": 400, "?from=1s&to=1s": 400, "?from=2us&to=1us": 400, "?from=99h": 400, "?to=1e99s": 400, "?to=5ns": 400,
		"?goroutines=99": 404, "?goroutines=no.such.function": 400, "?goroutines=7+worker": 400, "?g=99": 404, "?at=3": 404, "?at=x": 400,
		"?px=0": 400, "?px=999999": 400, "?n=101": 400, "?after=x": 400, "?goroutines=" + strings.Repeat("1+", 200): 400,
	} {
		w := s.get(base + query)
		if w.Code != want {
			t.Errorf("%s: %d, want %d\n%s", query, w.Code, want, w.Body)
			continue
		}
		checkPage(t, query, w.Body.String())
		if want != 200 && !strings.Contains(w.Body.String(), `href="`+strings.TrimSuffix(base, "/timeline")+`"`) {
			t.Errorf("%s: no way back to the run", query)
		}
	}
	var page timelineJSON
	s.ask(base+".json?goroutines=WORKER", &page)
	if len(page.Tracks) != 2 { // both began with it
		t.Errorf("%d goroutines began with worker", len(page.Tracks))
	}
	if s.ask(base+".json?n=1&after=1", &page); len(page.Tracks) != 1 || page.Tracks[0].Goroutine.ID != 7 || page.After != 0 {
		t.Errorf("the page behind goroutine 1: %+v", page.Tracks)
	}
	if s.ask(base+".json?n=1", &page); len(page.Tracks) != 1 || page.After != 1 {
		t.Errorf("the first page: %+v", page)
	}
}

// TestTimelineStepsThroughErrors checks that errors lead to each other in both directions, from the first to the last and back.
func TestTimelineStepsThroughErrors(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	truth := newTruth(t, file, runs[0])
	var ends, calls []uint64 // of calls that failed
	for _, e := range truth.events {
		if e := e.(map[string]any); e["event"] == "return" && e["failed"] == true {
			ends, calls = append(ends, uint64(e["seq"].(float64))), append(calls, uint64(e["call"].(float64)))
		}
	}
	step := func(parameters string) uint64 {
		var to struct{ Call uint64 }
		s.ask("/runs/"+runs[0].ID.String()+"/go.json?to=error&view=timeline&"+parameters, &to)
		return to.Call
	}
	for i := range ends {
		if i > 0 {
			if got := step(fmt.Sprintf("before=%d", ends[i])); got != calls[i-1] {
				t.Errorf("before %d: call %d, want %d", ends[i], got, calls[i-1])
			}
			if got := step(fmt.Sprintf("from=%d", ends[i-1]+1)); got != calls[i] {
				t.Errorf("from %d: call %d, want %d", ends[i-1]+1, got, calls[i])
			}
		}
	}
	w := s.get("/runs/" + runs[0].ID.String() + fmt.Sprintf("/go?to=error&view=timeline&before=%d", ends[0]))
	if w.Code != http.StatusNotFound || len(ends) < 10 {
		t.Errorf("before the first of %d errors: %d %s", len(ends), w.Code, w.Body)
	}
	w = s.get("/runs/" + runs[0].ID.String() + "/go?to=error&view=timeline&from=1")
	if want := fmt.Sprintf("/runs/%s/timeline?at=%d", runs[0].ID, calls[0]); w.Header().Get("Location") != want {
		t.Errorf("the first error leads to %q, want %q", w.Header().Get("Location"), want)
	}
}

// TestTimelineDrawing checks what a person without scripts sees: names, shapes for what went wrong, who started whom, and ways on
// that lead to the windows they say.
func TestTimelineDrawing(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	base := "/runs/" + runs[0].ID.String() + "/timeline"
	body := s.get(base + "?at=4").Body.String()
	for _, want := range []string{`class="lineage"`, "g7 started by g1 in main.main:13", "aria-label=\"The call in focus\"", `class="tick"`, "g1 example.com/shop/pool.worker"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q", want)
		}
	}
	body = s.get(base).Body.String()
	for _, kind := range []string{"error", "panic", "recovered", "output", "gap"} {
		if !strings.Contains(body, `class="mark `+kind+`"`) {
			t.Errorf("no mark for %s", kind)
		}
	}
	zoom := regexp.MustCompile(`<a href="([^"]*)" data-key="\+"`).FindStringSubmatch(body)
	if zoom == nil {
		t.Fatal("no way to zoom in")
	}
	address, err := url.Parse(strings.ReplaceAll(zoom[1], "&amp;", "&"))
	check(t, err)
	var whole, half timelineJSON
	s.ask(base+".json", &whole)
	s.ask(base+".json?"+address.RawQuery, &half)
	if got := half.To - half.From; got < whole.Whole/2-2 || got > whole.Whole/2+2 || half.From < whole.Whole/4-2 {
		t.Errorf("zooming into %d shows %d to %d", whole.Whole, half.From, half.To)
	}
}

// TestMoments checks that moments survive an address, and that ticks on an axis differ.
func TestMoments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.Int64Range(0, 1<<60).Draw(t, "ns")
		got, _, err := parseMoment(url.Values{"from": {momentParameter(ns)}}, "from")
		if err != nil || got != ns {
			t.Fatalf("%d became %q and that %d: %v", ns, momentParameter(ns), got, err)
		}
		step := niceStep(rapid.Int64Range(1, 1<<50).Draw(t, "step"))
		if a, b := moment(ns, step), moment(ns+step, step); a == b {
			t.Fatalf("%d and %d are both %q", ns, ns+step, a)
		}
	})
}

// BenchmarkTimeline asks for windows of a run, from all of it to the narrowest. SMILEY_BENCH_DATABASE names a file with a large one.
func BenchmarkTimeline(b *testing.B) {
	file := os.Getenv("SMILEY_BENCH_DATABASE")
	if file == "" {
		file, _ = webtest.NewDatabase(b)
	}
	r, err := store.OpenReader(b.Context(), file)
	check(b, err)
	list, err := r.Runs(b.Context(), store.RunsQuery{Limit: 1})
	check(b, err)
	check(b, r.Close())
	s := newSite(b, file, Options{})
	base := "/runs/" + list[0].ID.String() + "/timeline.json?n=50"
	rng := rand.New(rand.NewPCG(1, 1))
	for zoom := int64(1); list[0].Last/zoom > 1000; zoom *= 8 {
		b.Run(fmt.Sprintf("1:%d", zoom), func(b *testing.B) {
			length := list[0].Last / zoom
			for b.Loop() {
				from := rng.Int64N(list[0].Last - length + 1)
				if w := s.get(fmt.Sprintf("%s&from=%d&to=%d", base, from, from+length)); w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

// TestTimelineBeginsWithCalls: what passes until a program makes its first call takes no room, and is there for who asks.
func TestTimelineBeginsWithCalls(t *testing.T) {
	const ms, first, last = int64(1e6), int64(17e6), int64(18e6)
	blocks, err := sample.Record(sample.ID, func(b *recording.Builder) error {
		if err := b.Define(recording.Definitions{Goroutines: []recording.Goroutine{{ID: 1, StartFunction: sample.Main, Start: 2 * ms}}}); err != nil {
			return err
		}
		for _, raw := range []recording.Raw{
			{Kind: recording.KindGoroutineStart, Goroutine: 1, Time: 2 * ms},
			{Kind: recording.KindCall, Function: sample.Main, Goroutine: 1, Time: first, Frame: 100, Data: sample.Ints()},
			{Kind: recording.KindReturn, Function: sample.Main, Goroutine: 1, Time: last, Frame: 100, Data: sample.Ints()},
		} {
			if err := b.Append(&raw); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "late.db")
	if err := sample.Keep(t.Context(), file, blocks); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, file, Options{})
	base := "/runs/" + sample.ID.String() + "/timeline"
	var page timelineJSON
	s.ask(base+".json", &page)
	if page.From >= first || page.From < first-(last-first)/10 || page.To != last+1 {
		t.Errorf("%d to %d, and the only call is from %d to %d", page.From, page.To, first, last)
	}
	s.ask(base+".json?to="+momentParameter(page.Whole), &page)
	if page.From != 0 {
		t.Errorf("up to the run's end it is from %d", page.From)
	}
}
