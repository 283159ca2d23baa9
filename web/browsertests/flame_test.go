package browsertests

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"smiley/store"
	"smiley/web/webtest"
)

// Scripts that read the flame graph.
const (
	flameAbout = `(document.querySelector(".flame-about")?.textContent ?? "")`
	flameName  = `(document.querySelector(".flame-about bdi")?.textContent ?? "")`
	// flameColours is how many different colours the graph has.
	flameColours = `(() => {
		const canvas = document.querySelector(".flame-canvas");
		const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
		const seen = new Set();
		for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
		return seen.size;
	})()`
)

// openFlame opens a flame graph whose run has been read to its end.
func (b *browser) openFlame(path string) {
	b.t.Helper()
	b.goTo(path)
	b.flameReady()
}

func (b *browser) flameReady() {
	b.t.Helper()
	b.await(`document.readyState === "complete" && !document.querySelector("progress") ? document.querySelectorAll("[data-island=flame][data-mounted]").length : 0`, 1)
}

// TestFlameIslandKeys walks through the boxes, draws one alone, and comes back; what it says is what the table beneath says.
func TestFlameIslandKeys(t *testing.T) {
	b := open(t)
	base := "/runs/" + b.runs[0].ID.String() + "/flame"
	b.openFlame(base)
	if n := evaluate[int](b, flameColours); n < 3 {
		t.Errorf("the graph has %d colours", n)
	}
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".flame-frame").focus()`))
	b.awaitText(flameName, "the whole run")
	b.do(chromedp.KeyEvent(kb.ArrowDown))
	b.awaitText(flameName, "main.main")
	// The table's first row is the heaviest box.
	type figures struct{ Name, Calls, Time, Self string }
	row := evaluate[figures](b, `(() => { const cells = [...document.querySelector("table.tree tbody tr").children].map((c) => c.textContent.trim());
		return { Name: cells[0], Calls: cells[1], Time: cells[2], Self: cells[3] }; })()`)
	said := evaluate[string](b, flameAbout)
	for _, part := range []string{row.Name, row.Time + " in " + row.Calls + " call", row.Self + " by itself"} {
		if !strings.Contains(said, part) {
			t.Errorf("the graph says %q, the table %+v", said, row)
		}
	}
	b.do(chromedp.KeyEvent(kb.ArrowRight))
	b.awaitText(flameName, "example.com/shop/pool.worker")
	b.do(chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowDown))
	b.awaitText(flameName, "main.leaf")
	b.do(chromedp.KeyEvent(kb.ArrowUp))
	b.awaitText(flameName, "main.main")
	b.do(chromedp.KeyEvent(kb.ArrowDown))
	b.press(kb.Enter, base+"?stack=1.2")
	b.flameReady()
	b.awaitText(flameName, "main.leaf")
	b.do(chromedp.Evaluate[chromedp.Void](`history.back()`)) // to the box that was chosen
	b.arrive(base)
	b.flameReady()
	b.awaitText(flameName, "main.leaf")
	b.do(chromedp.Evaluate[chromedp.Void](`history.forward()`))
	b.arrive(base + "?stack=1.2")
	b.flameReady()
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".flame-frame").focus()`), chromedp.KeyEvent(kb.End))
	b.awaitText(flameName, "main.(*Cart).Name")
	b.do(chromedp.KeyEvent(kb.Home))
	b.awaitText(flameName, "main.leaf")
	b.press(kb.Backspace, base+"?stack=1")
	b.do(chromedp.Evaluate[chromedp.Void](`history.back()`))
	b.arrive(base + "?stack=1.2")
	b.flameReady()
	b.awaitText(flameName, "main.leaf")
	// The other ways to see it are links.
	b.openFlame(base + "?inverted=1&weight=calls")
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".flame-frame").focus()`), chromedp.KeyEvent(kb.ArrowDown))
	b.awaitText(flameName, "main.leaf") // by calls, nothing was called as often
}

// TestFlameIslandSearch marks boxes while somebody types, and says how much of the graph they make up.
func TestFlameIslandSearch(t *testing.T) {
	b := open(t)
	base := "/runs/" + b.runs[0].ID.String() + "/flame?weight=calls"
	b.openFlame(base)
	b.do(chromedp.KeyEvent("/"), chromedp.Evaluate[chromedp.Void](`document.activeElement.value = ""`), chromedp.KeyEvent("leaf"))
	said := evaluateUntil(b, `document.querySelector(".flame-island .tree-bar [role=status]").textContent`, func(s string) bool { return strings.Contains(s, "%") })
	b.await(`new URLSearchParams(location.search).get("q") === "leaf" ? 1 : 0`, 1)
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent("n"))
	b.awaitText(flameName, "main.leaf")
	// The server, asked for the same, finds as much.
	b.openFlame(evaluate[string](b, `location.pathname + location.search`))
	if got := evaluate[string](b, `document.querySelector("main .banner.note")?.textContent ?? ""`); !strings.Contains(got, said[strings.LastIndex(said, ", ")+2:]) {
		t.Errorf("the graph says %q, the server %q", said, got)
	}
}

// TestFlameIslandBoundsText shows names that attack, and names of a megabyte, narrow and wide, light and dark.
func TestFlameIslandBoundsText(t *testing.T) {
	b := openRuns(t, func(db *store.Store) []webtest.Recorded {
		return []webtest.Recorded{webtest.Record(t, db, &webtest.Huge, 1, 20, true), webtest.Record(t, db, &webtest.Hostile, 2, 20, true)}
	})
	for _, run := range b.runs {
		for _, theme := range themes {
			b.theme(theme)
			for _, width := range widths {
				b.do(chromedp.EmulateViewport(width, 800))
				b.openFlame("/runs/" + run.ID.String() + "/flame")
				b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".flame-frame").focus()`), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown))
				said := evaluateUntil(b, flameName, func(s string) bool { return strings.HasPrefix(s, "main.") })
				if len(said) > 1000 || strings.ContainsAny(said, "\u202e\x00\x1b") {
					t.Errorf("%+q", said)
				}
				if wide := evaluate[int](b, treeWidth); wide > 0 {
					t.Errorf("the page is %d px wider than a window of %d", wide, width)
				}
				if n := evaluate[int](b, `document.querySelectorAll(".flame-island script, .flame-island img").length`); n != 0 {
					t.Errorf("%d elements out of a recording's text", n)
				}
			}
		}
	}
}
