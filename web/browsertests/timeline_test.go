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
