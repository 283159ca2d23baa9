package browsertests

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"smiley/recording"
	"smiley/store"
)

// Measuring is for people who ask for it: make bench does. docs/explanation/performance.md holds the tables.
var (
	measure = flag.Bool("measure", false, "measure how soon pages are painted, and how many frames the time line draws")
	large   = flag.String("database", "", "with -measure: measure the newest run in this file, too")
	only    = flag.String("only", "", "with -measure: only pages whose name holds one of these, with commas between")
	loads   = flag.Int("loads", 20, "with -measure: how often each page is loaded, cold and warm")
)

// TestMeasure looks at every page as a browser that has never been here does, and as one that has, and prints when the first of
// it was painted. Nothing depends on how long that takes; without -measure it only sees that it works.
func TestMeasure(t *testing.T) {
	t.Run("example", func(t *testing.T) {
		file, example, _ := newSubjects(t)
		measureRun(t, "a recorded example", file, &example, "")
	})
	if *large == "" {
		return
	}
	t.Run("large", func(t *testing.T) {
		s, longest, calls := largeSubject(t, *large)
		measureRun(t, fmt.Sprintf("a recording of %d calls", calls), *large, &s, longest)
	})
}

func measureRun(t *testing.T, what, file string, s *subject, longest string) {
	words, frames := strings.Split(*only, ","), 240
	if !*measure {
		words, frames = []string{"statistics"}, 20
	}
	b := openFor(t, file, nil, time.Hour)
	// The time line and the flame graph of a run are counted once, when somebody asks for the first time.
	b.timeline(s.address("/runs/{run}/timeline"))
	b.openFlame(s.address("/runs/{run}/flame"))
	tableHead(fmt.Sprintf("First paint, %s, %d loads of each page cold and warm (goal: 500 ms)", what, *loads),
		"page", "server", "first paint, cold: p50", "p95", "warm: p50", "p95")
	list := slices.Clone(pages)
	if longest != "" {
		list = append(list, onePage{Name: "tree of the longest call", Path: "/runs/{run}/tree?at=" + longest},
			onePage{Name: "longest call", Path: "/runs/{run}/call/" + longest})
	}
	for i := range list {
		p := &list[i]
		wanted := func(word string) bool { return strings.Contains(p.Name, word) }
		if p.Problem != "" || s.File == 0 && strings.Contains(p.Path, "{file}") || !slices.ContainsFunc(words, wanted) {
			continue
		}
		cold, warm := b.paints(s.address(p.Path))
		server := make([]float64, 0, len(cold)+len(warm))
		first := [2][]float64{}
		for j, list := range [][]paint{cold, warm} {
			for _, one := range list {
				server = append(server, one.Server)
				first[j] = append(first[j], one.First)
			}
		}
		tableRow(p.Name, milliseconds(server, 50), milliseconds(first[0], 50), milliseconds(first[0], 95), milliseconds(first[1], 50), milliseconds(first[1], 95))
	}
	drawn := b.zoom(s.address("/runs/{run}/timeline"), frames)
	total, longestFrame := sumUp(drawn)
	tableHead("The time line while it is zoomed with every frame, "+what+" (goal: 30 frames a second)", "frames", "a second", "p95 of their lengths", "longest")
	tableRow(fmt.Sprint(len(drawn)), fmt.Sprintf("%.1f", float64(len(drawn))*1000/total), milliseconds(drawn, 95), fmt.Sprintf("%.0f ms", longestFrame))
}

// paint says when something of a page was there, in ms.
type paint struct {
	Server float64 // from the request to the end of the answer
	First  float64 // from the start of the navigation to the first paint that has content
}

// paints loads a page in windows that know nothing, and again in a window that was there before.
func (b *browser) paints(path string) (cold, warm []paint) {
	b.t.Helper()
	times := 1
	if *measure {
		times = *loads
	}
	for range times {
		ctx, forget := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
		cold = append(cold, b.paint(ctx, path))
		if len(cold) == times {
			for range times {
				warm = append(warm, b.paint(ctx, path))
			}
		}
		forget()
	}
	return cold, warm
}

func (b *browser) paint(ctx context.Context, path string) paint {
	b.t.Helper()
	check(b.t, chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(b.home+path)))
	p, err := chromedp.Run(ctx, chromedp.Evaluate[paint](`new Promise((done) => {
		new PerformanceObserver((list) => {
			const first = list.getEntriesByName("first-contentful-paint")[0];
			const page = performance.getEntriesByType("navigation")[0];
			if (first) done({Server: page.responseEnd - page.requestStart, First: first.startTime});
		}).observe({type: "paint", buffered: true});
	})`, chromedp.EvalAwaitPromise))
	check(b.t, err)
	if p.First <= 0 || p.Server <= 0 {
		b.t.Errorf("%s: %+v", path, p)
	}
	return p
}

// zoom draws a time line a step nearer or further away with every frame, while pieces are loaded, and returns how long the frames were, in ms.
func (b *browser) zoom(path string, n int) []float64 {
	b.t.Helper()
	b.timeline(path)
	frames, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]float64](fmt.Sprintf(`new Promise((done) => {
		const frames = [];
		let last = 0;
		const step = (now) => {
			if (last) frames.push(now - last);
			last = now;
			document.dispatchEvent(new KeyboardEvent("keydown", {key: frames.length %% 80 < 40 ? "w" : "s", bubbles: true}));
			if (frames.length < %d) requestAnimationFrame(step);
			else done(frames);
		};
		requestAnimationFrame(step);
	})`, n), chromedp.EvalAwaitPromise))
	check(b.t, err)
	b.await(timelineReady, 1)
	return frames
}

func sumUp(frames []float64) (total, longest float64) {
	for _, ms := range frames {
		total += ms
		longest = max(longest, ms)
	}
	return total, longest
}

// largeSubject chooses what to look at in the newest run of a file: a call in the middle, and the call that lasted longest.
func largeSubject(t *testing.T, file string) (s subject, longest string, calls uint64) {
	t.Helper()
	r, err := store.OpenReader(t.Context(), file)
	check(t, err)
	defer func() { check(t, r.Close()) }()
	id, err := r.FindRun(t.Context(), store.LastRun)
	check(t, err)
	info, err := r.Run(t.Context(), id)
	check(t, err)
	s = subject{Kind: "large", Run: id}
	for e, err := range r.Events(t.Context(), id, store.EventQuery{FromSeq: info.Events / 2, Limit: 10_000}) {
		check(t, err)
		if e.Kind == recording.KindCall && e.Parent != 0 {
			s.Call, s.Function = e.Seq, uint64(e.Function)
			break
		}
	}
	files, err := r.Files(t.Context(), id)
	check(t, err)
	if len(files) > 0 {
		s.File = uint64(files[0].ID)
	}
	goroutines, err := r.Goroutines(t.Context(), id, 0, 100)
	check(t, err)
	var span uint64
	for i := range goroutines {
		roots, err := r.Roots(t.Context(), id, goroutines[i].ID, 0, 1)
		check(t, err)
		if len(roots) > 0 && roots[0].EndSeq > roots[0].Seq+span {
			span, longest = roots[0].EndSeq-roots[0].Seq, fmt.Sprint(roots[0].Seq)
		}
	}
	return s, longest, info.Calls
}

func milliseconds(list []float64, percent int) string {
	list = slices.Sorted(slices.Values(list))
	return fmt.Sprintf("%.0f ms", list[min(len(list)-1, len(list)*percent/100)])
}

// tableHead begins a table in Markdown, and tableRow goes on with it: who stops a long measurement has what was found until then.
func tableHead(title string, cells ...string) {
	if *measure {
		fmt.Fprintf(os.Stdout, "\n### %s\n\n", title)
		tableRow(cells...)
		fmt.Fprintln(os.Stdout, "|"+strings.Repeat("---|", len(cells)))
	}
}

func tableRow(cells ...string) {
	if *measure {
		fmt.Fprintf(os.Stdout, "| %s |\n", strings.Join(cells, " | "))
	}
}
