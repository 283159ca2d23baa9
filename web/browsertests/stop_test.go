package browsertests

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"smiley/store"
	"smiley/web"
	"smiley/web/webtest"
)

// gate is a server whose answers to some requests come when the test lets them.
type gate struct {
	*web.Server
	held  string        // requests whose address holds this wait
	let   chan struct{} // each token lets one of them on
	given chan int      // the answers' status, of those that were given up

	mu sync.Mutex // guards held
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	held := g.held
	g.mu.Unlock()
	if held == "" || !strings.Contains(r.URL.RequestURI(), held) {
		g.Server.ServeHTTP(w, r)
		return
	}
	select {
	case <-g.let:
		g.Server.ServeHTTP(w, r)
	case <-r.Context().Done(): // as in a search that takes long: whoever asked is gone, and the server sees it
		answer := httptest.NewRecorder()
		g.Server.ServeHTTP(answer, r)
		g.given <- answer.Code
	}
}

// open makes the gate let all through.
func (g *gate) open() {
	g.mu.Lock()
	g.held = ""
	g.mu.Unlock()
}

// openGate opens a window on the run of a loop whose searches take as many requests as it has blocks.
func openGate(t *testing.T, held string) (*browser, *gate) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "loop.db")
	db, err := store.Open(t.Context(), file)
	check(t, err)
	run := webtest.Loop(t, db, &webtest.Friendly, 1, 95_000) // four blocks
	check(t, db.Close())
	server := web.New(file, web.Options{SearchTime: 1})
	g := &gate{Server: server, held: held, let: make(chan struct{}), given: make(chan int, 1000)}
	return openHandler(t, file, []webtest.Recorded{run}, server, g, patience), g
}

// TestSearchShowsProgressAndStops searches for what there is not: how far the search came is in sight, and it ends by a button and by a
// key, in the window and in the server.
func TestSearchShowsProgressAndStops(t *testing.T) {
	b, g := openGate(t, "from=")
	nothing := "/runs/" + b.runs[0].ID.String() + "/events?f=panics"
	at := `Number((document.querySelector("progress") || {value: -1}).value)`
	for _, way := range []action{chromedp.Click(chromedp.CSS("[data-search] button")), chromedp.KeyEvent(kb.Escape)} {
		b.goTo(nothing)
		b.await(`document.querySelectorAll("[data-search] progress").length`, 1)
		if text := evaluate[string](b, `document.querySelector("[data-search] span").textContent`); !strings.Contains(text, "Searching") {
			t.Errorf("while it searches, the page says %q", text)
		}
		before := evaluate[int](b, at)
		g.let <- struct{}{}
		b.await(at+` > `+strconv.Itoa(before)+` ? 1 : 0`, 1)
		b.do(way)
		b.await(`document.querySelectorAll("[data-search] progress, [data-search] button").length`, 0)
		if text := evaluate[string](b, `document.querySelector("[data-search] span").textContent`); !strings.Contains(text, "stopped at event") {
			t.Errorf("a search that was stopped says %q", text)
		}
		if code := <-g.given; code == http.StatusOK {
			t.Error("the server searched on for nobody")
		}
	}
	// Whoever wants to can go on, to the end.
	g.open()
	b.do(chromedp.Click(chromedp.CSS("[data-search] a")))
	b.await(`document.querySelectorAll("main .empty").length`, 1)
	b.await(`document.querySelectorAll("[data-search]").length`, 0)
}

// TestTimelineLoadCanBeStopped stops a time line that takes long to come, and has it go on.
func TestTimelineLoadCanBeStopped(t *testing.T) {
	b, g := openGate(t, "px=1024")
	b.goTo("/runs/" + b.runs[0].ID.String() + "/timeline")
	b.await(`document.querySelectorAll("[data-island=timeline][data-mounted][data-state=loading]").length`, 1)
	stop := `[...document.querySelectorAll(".timeline-bar button")].filter((b) => b.offsetParent && b.textContent === "%s").length`
	shown := func(text string) string { return strings.Replace(stop, "%s", text, 1) }
	press := func(text string) action {
		return chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll(".timeline-bar button")].find((b) => b.textContent === "` + text + `").click()`)
	}
	for _, way := range []action{press("Stop"), chromedp.KeyEvent(kb.Escape)} {
		b.await(shown("Stop"), 1)
		b.do(way)
		b.await(shown("Load"), 1)
		b.await(timelineReady, 1)
		if text := evaluate[string](b, `document.querySelector(".timeline-island [role=status], [data-island] [role=status]").textContent`); !strings.HasPrefix(text, "Loading was stopped.") {
			t.Errorf("after the stop the page says %q", text)
		}
		if code := <-g.given; code == http.StatusOK {
			t.Error("the server went on for nobody")
		}
		b.do(press("Load"))
		b.await(`document.querySelectorAll("[data-island=timeline][data-state=loading]").length`, 1)
	}
	g.open()
	close(g.let)
	b.await(timelineReady, 1)
	b.await(shown("Stop"), 0)
	b.await(shown("Load"), 0)
}
