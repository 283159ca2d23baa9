package browsertests

import (
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// timeline goes to a time line and waits until its script has drawn it.
func (b *browser) timeline(path string) {
	b.t.Helper()
	b.goTo(path)
	b.await(timelineReady, 1)
}

const (
	timelineReady = `document.querySelectorAll("[data-island=timeline][data-mounted][data-state=ready]").length`
	timelineFocus = `document.querySelectorAll("aside.selection:not([hidden]) .fn").length`
)

// window is what the address says of the time line, in ns.
func (b *browser) window() (from, to float64, at string) {
	b.t.Helper()
	address, err := url.Parse(evaluate[string](b, `location.href`))
	check(b.t, err)
	ns := func(name string) float64 {
		d, err := time.ParseDuration(address.Query().Get(name))
		if address.Query().Get(name) == "" {
			return 0
		}
		check(b.t, err)
		return float64(d)
	}
	return ns("from"), ns("to"), address.Query().Get("at")
}

const timelineHeading = `document.querySelector(".timeline-bar b").textContent + (document.querySelector("aside.selection:not([hidden]) .fn") || {href: ""}).href`

// heading is the window as the page says it, and the call in focus.
func (b *browser) heading() string {
	b.t.Helper()
	return evaluate[string](b, timelineHeading)
}

func (b *browser) awaitHeading(want string) {
	b.t.Helper()
	b.await(fmt.Sprintf(`%s === %q ? 1 : 0`, timelineHeading, want), 1)
}

// TestTimelineByKeys zooms, moves, steps through errors and goes back, by keys alone; an address taken on the way leads to the
// same picture.
func TestTimelineByKeys(t *testing.T) {
	b := open(t)
	path := "/runs/" + b.runs[0].ID.String() + "/timeline"
	b.timeline(path)
	whole := evaluate[float64](b, `Number(document.querySelector("[data-island]").dataset.whole)`)
	first := b.heading()
	b.do(chromedp.KeyEvent("w"), chromedp.KeyEvent("w"), chromedp.KeyEvent("+"))
	b.await(`location.search.includes("to=") ? 1 : 0`, 1)
	b.await(timelineReady, 1)
	from, to, _ := b.window()
	if share := (to - from) / whole; math.Abs(share-0.343) > 0.01 || math.Abs((from+to)/2/whole-0.5) > 0.01 {
		t.Errorf("three steps in show %v to %v of %v", from, to, whole)
	}
	zoomed, address := b.heading(), evaluate[string](b, `location.pathname + location.search`)
	b.do(chromedp.KeyEvent("d"))
	b.await(fmt.Sprintf(`location.pathname + location.search !== %q ? 1 : 0`, address), 1)
	if later, _, _ := b.window(); later <= from {
		t.Errorf("moving on leads from %v to %v", from, later)
	}
	b.do(chromedp.Evaluate[chromedp.Void](`history.back()`))
	b.await(fmt.Sprintf(`location.pathname + location.search === %q ? 1 : 0`, address), 1)
	b.awaitHeading(zoomed)
	b.do(chromedp.Evaluate[chromedp.Void](`history.back()`))
	b.await(`location.search === "" ? 1 : 0`, 1)
	b.awaitHeading(first)
	b.timeline(address)
	b.awaitHeading(zoomed)

	b.do(chromedp.KeyEvent("0"), chromedp.KeyEvent("n"))
	b.await(timelineFocus, 1)
	_, _, one := b.window()
	b.do(chromedp.KeyEvent("n"))
	b.await(fmt.Sprintf(`new URLSearchParams(location.search).get("at") === %q ? 0 : 1`, one), 1)
	_, _, two := b.window()
	b.do(chromedp.KeyEvent("p"))
	b.await(fmt.Sprintf(`new URLSearchParams(location.search).get("at") === %q ? 1 : 0`, one), 1)
	if one == "" || two == "" || one == two {
		t.Errorf("errors in calls %q and %q", one, two)
	}
	b.await(fmt.Sprintf(`(document.querySelector("aside.selection .fn") || {href: ""}).href.endsWith("/call/%s") ? 1 : 0`, one), 1)
	if text := evaluate[string](b, `document.querySelector("aside.selection").textContent`); !strings.Contains(text, "main.leaf") || !strings.Contains(text, "error(") {
		t.Errorf("the details of a call that failed: %q", text)
	}
	focused := evaluate[string](b, `location.pathname + location.search`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.arrive("/runs/" + b.runs[0].ID.String() + "/call/" + one)
	b.timeline(focused)
	b.await(timelineFocus, 1)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.await(timelineFocus, 0)
	b.await(`location.search.includes("at=") ? 1 : 0`, 0)
}

// TestTimelineByMouse chooses a call and a stretch, zooms at the pointer, and follows a call to the goroutine that started its own.
func TestTimelineByMouse(t *testing.T) {
	b := open(t)
	b.do(chromedp.EmulateViewport(1280, 900))
	for _, run := range b.runs {
		path := "/runs/" + run.ID.String() + "/timeline"
		b.timeline(path)
		whole := evaluate[float64](b, `Number(document.querySelector("[data-island]").dataset.whole)`)
		place := evaluate[[]float64](b, `(() => { const c = document.querySelector("canvas"); c.scrollIntoView({block: "center"}); const r = c.getBoundingClientRect(); return [r.left, r.top, r.width]; })()`)
		left, top, width := place[0], place[1], place[2]
		b.do(chromedp.MouseClickXY(left+width/2, top+22+18+13+7)) // main, on the first goroutine's first level
		b.await(timelineFocus, 1)
		if _, _, at := b.window(); at != "2" {
			t.Errorf("a click on main leads to call %q", at)
		}
		place = evaluate[[]float64](b, `(() => { const r = document.querySelector("canvas").getBoundingClientRect(); return [r.left, r.top, r.width]; })()`)
		left, top, width = place[0], place[1], place[2] // the details stand beside it now
		before := evaluate[string](b, `location.search`)
		shift := func(p *input.DispatchMouseEventParams) { p.Modifiers = 8 }
		held := func(p *input.DispatchMouseEventParams) { p.Buttons = 1 }
		b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMousePressed, left+width/4, top+60, chromedp.ButtonLeft, shift, held),
			chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, left+width/3, top+60, chromedp.ButtonLeft, shift, held),
			chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, left+width/2, top+60, chromedp.ButtonLeft, shift, held),
			chromedp.MouseEvent(input.DispatchMouseEventTypeMouseReleased, left+width/2, top+60, chromedp.ButtonLeft, shift))
		b.await(fmt.Sprintf(`location.search === %q ? 0 : 1`, before), 1)
		from, to, _ := b.window()
		if math.Abs(from/whole-0.25) > 0.02 || math.Abs(to/whole-0.5) > 0.02 {
			t.Errorf("the second quarter of %v is %v to %v", whole, from, to)
		}
		before = evaluate[string](b, `location.search`)
		b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseWheel, left+width*0.75, top+60, func(p *input.DispatchMouseEventParams) { p.DeltaX, p.DeltaY = 0.01, -300 }))
		b.await(fmt.Sprintf(`location.search === %q ? 0 : 1`, before), 1)
		near, far, _ := b.window()
		anchor := func(from, to float64) float64 { return from + 0.75*(to-from) }
		if far-near >= to-from || math.Abs(anchor(near, far)-anchor(from, to)) > (to-from)/50 {
			t.Errorf("zooming at three quarters of %v to %v shows %v to %v", from, to, near, far)
		}
		b.timeline(path + "?at=4") // the worker's outermost call
		b.await(timelineFocus, 1)
		b.await(`document.querySelector("aside.selection").textContent.includes("started by") ? 1 : 0`, 1)
		b.checkPage("time line with its script")
		b.checkAccessibility("time line with its script")
	}
}

// TestTimelineKeepsUp zooms with every frame: the picture follows to the end, and so does the address.
func TestTimelineKeepsUp(t *testing.T) {
	b := open(t)
	frames := b.zoom("/runs/"+b.runs[0].ID.String()+"/timeline", 120)
	total, longest := sumUp(frames)
	t.Logf("zooming: %d frames in %.0f ms, %.1f a second, the longest %.0f ms", len(frames), total, float64(len(frames))*1000/total, longest)
	b.await(`location.search.includes("to=") ? 1 : 0`, 1)
}

// TestTimelineDims looks at the colours of two calls, one above the other, with filters that choose one of them, both and none;
// the way out of the filter keeps the window, and the way to the other views keeps the call in focus and the filter.
func TestTimelineDims(t *testing.T) {
	b := open(t)
	b.do(chromedp.EmulateViewport(1280, 800))
	run := "/runs/" + b.runs[0].ID.String()
	// Call 5 is one of leaf, in main. The picture shows it in its middle.
	colours := func(query string) []string {
		b.timeline(run + "/timeline?at=5" + query)
		b.await(timelineFocus, 1)
		return evaluate[[]string](b, `(() => {
			const c = document.querySelector("canvas"), r = window.devicePixelRatio;
			const top = 22 + 18 + 13, column = c.getContext("2d").getImageData(c.clientWidth * 0.7 * r, top * r, 1, 32 * r).data;
			const at = (y) => [...column.slice(4 * y * r, 4 * y * r + 4)].join();
			return [at(7), at(16 + 7)];
		})()`)
	}
	plain := colours("")
	for filter, dims := range map[string][2]bool{
		"main.leaf": {true, false}, "main.main": {false, true}, "depth:1": {false, false}, "over:1h": {true, true},
	} {
		got := colours("&f=" + filter)
		for i, want := range dims {
			if dimmed := got[i] != plain[i]; dimmed != want {
				t.Errorf("%s: on level %d %s, without the filter %s; want it dimmed: %v", filter, i, got[i], plain[i], want)
			}
		}
	}
	colours("&f=main.leaf")
	if text := evaluate[string](b, `document.querySelector(".timeline-status").textContent`); !strings.Contains(text, "match the filter") {
		t.Errorf("what is said of the picture: %q", text)
	}
	b.do(chromedp.KeyEvent("w"))
	b.await(`location.search.includes("to=") ? 1 : 0`, 1)
	zoomed := evaluate[string](b, `location.search`)
	for _, key := range []string{"3", "2"} {
		href := evaluate[string](b, `document.querySelector(".tabs [data-key='`+key+`']").getAttribute("href")`)
		if !strings.Contains(href, "at=5") || !strings.Contains(href, "f=main.leaf") {
			t.Errorf("%s leads to %s", key, href)
		}
	}
	b.do(chromedp.KeyEvent(kb.Escape))
	b.await(timelineFocus, 0)
	if href := evaluate[string](b, `document.querySelector(".tabs [data-key='3']").getAttribute("href")`); strings.Contains(href, "at=") {
		t.Errorf("without a call in focus, 3 leads to %s", href)
	}
	b.do(chromedp.Click(chromedp.CSS(".filters .unfiltered")))
	b.await(`!location.search.includes("f=") ? 1 : 0`, 1)
	b.await(timelineReady, 1)
	with, err := url.ParseQuery(strings.TrimPrefix(zoomed, "?"))
	check(t, err)
	without, err := url.ParseQuery(strings.TrimPrefix(evaluate[string](b, `location.search`), "?"))
	check(t, err)
	if with.Get("from") == "" || with.Get("from") != without.Get("from") || with.Get("to") != without.Get("to") {
		t.Errorf("without the filter: %v, with it: %v", without, with)
	}
}
