package browsertests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"smiley/store"
	"smiley/web/webtest"
)

// TestTimelineOfACrowd draws a run of ten thousand goroutines: only those that are seen are asked for, further ones are a key or a
// link away, and one call of any of them comes into view by its address.
func TestTimelineOfACrowd(t *testing.T) {
	const goroutines = 10_000
	b := openRuns(t, func(db *store.Store) []webtest.Recorded {
		return []webtest.Recorded{webtest.Crowd(t, db, &webtest.Friendly, 1, goroutines)}
	})
	base := "/runs/" + b.runs[0].ID.String()
	b.timeline(base + "/timeline")
	if n := evaluate[int](b, `document.querySelectorAll("*").length`); n > 6000 {
		t.Errorf("the page has %d elements", n)
	}
	// The last goroutine's outermost call, as the server names it.
	at := evaluateUntil(b, fmt.Sprintf(`(() => { const r = new XMLHttpRequest(); r.open("GET", %q, false); r.send(); return String(JSON.parse(r.responseText).calls[0].seq); })()`,
		fmt.Sprintf("%s/tree.json?g=%d", base, goroutines+1)), func(s string) bool { return s != "" })
	b.timeline(base + "/timeline?at=" + at)
	b.await(timelineFocus, 1)
	if text := evaluate[string](b, `document.querySelector("aside.selection").textContent`); !strings.Contains(text, "pool.worker") || !strings.Contains(text, fmt.Sprint(goroutines+1)) {
		t.Errorf("in focus: %q", text)
	}
	b.do(chromedp.KeyEvent("w"))
	b.await(`location.search.includes("to=") ? 1 : 0`, 1)
	b.await(timelineReady, 1)
	// Goroutines in pages, and all of them in reach.
	b.goTo(fmt.Sprintf("%s/goroutines?after=%d", base, goroutines-1))
	if rows := evaluate[int](b, `document.querySelectorAll("main tbody tr").length`); rows != 2 {
		t.Errorf("%d goroutines behind number %d", rows, goroutines-1)
	}
	b.goTo(base + "/goroutines")
	if rows := evaluate[int](b, `document.querySelectorAll("main tbody tr").length`); rows > 500 {
		t.Errorf("%d goroutines on one page", rows)
	}
	b.openTree(fmt.Sprintf("%s/tree?g=%d", base, goroutines+1))
	b.awaitText(treeSelected, "c"+at)
}
