package browsertests

import (
	"net/http"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"smiley/store"
	"smiley/web"
	"smiley/web/webtest"
)

// begin begins a run in a database of its own.
func begin(t *testing.T) (file string, run *webtest.Live) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "smiley.db")
	db, err := store.Open(t.Context(), file)
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	return file, webtest.Begin(t, db, &webtest.Friendly, 1)
}

// TestLiveRunGrows looks at a run while it is recorded: what happens comes on screen without anybody asking for it.
func TestLiveRunGrows(t *testing.T) {
	file, run := begin(t)
	b := openFile(t, file, []webtest.Recorded{run.Recorded})
	b.goTo("/runs/" + run.ID.String() + "/events")
	rows := func() int { return evaluate[int](b, `document.querySelectorAll(".events tbody tr").length`) }
	before := rows()
	run.Call(7)
	b.await(`document.querySelectorAll(".events tbody tr").length`, before+7)
	// Nothing moves under a person's hands.
	b.do(chromedp.KeyEvent("/"))
	b.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.value = "main"`))
	run.Call(1)
	run.Finish()
	b.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
	b.await(`document.querySelectorAll(".crumbs .chip.failed").length`, 1)
	b.await(`document.querySelectorAll("main[data-live]").length`, 0)
	if now := rows(); now != before+8 {
		t.Errorf("%d rows at the end, %d before", now, before)
	}
}

// TestNothingMovesUnderAPressedMouse has a run grow while the mouse is pressed: what is pressed stays until it is let go of, and so the click
// is of it.
func TestNothingMovesUnderAPressedMouse(t *testing.T) {
	file, run := begin(t)
	b := openFile(t, file, []webtest.Recorded{run.Recorded})
	b.goTo("/runs/" + run.ID.String() + "/events")
	const rows = `document.querySelectorAll(".events tbody tr").length`
	b.do(chromedp.Evaluate[chromedp.Void](`(() => {
		window.shown = document.querySelector("main");
		document.dispatchEvent(new PointerEvent("pointerdown", { isPrimary: true, button: 0 }));
		window.told = -1;
		const source = new EventSource(shown.dataset.live);
		source.addEventListener("open", () => told++);
		source.addEventListener("change", () => told++);
	})()`))
	b.await(`told`, 0)
	before := evaluate[int](b, rows)
	for changes := 1; changes <= 2; changes++ { // when the second is told, the first would have been shown
		run.Call(3)
		b.await(`told >= `+strconv.Itoa(changes)+` ? 1 : 0`, 1)
	}
	if !evaluate[bool](b, `shown.isConnected`) || evaluate[int](b, rows) != before {
		t.Error("the page changed while the mouse was pressed")
	}
	b.do(chromedp.Evaluate[chromedp.Void](`document.dispatchEvent(new PointerEvent("pointerup"))`))
	b.await(rows, before+6)
	run.Finish()
}

// TestWhatComesBeforeTheWatchIsShown has a run grow after its page was made and before the page is told of changes.
func TestWhatComesBeforeTheWatchIsShown(t *testing.T) {
	file, run := begin(t)
	server, grown := web.New(file, web.Options{}), make(chan struct{})
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/live" {
			select {
			case <-grown:
			case <-r.Context().Done():
			}
		}
		server.ServeHTTP(w, r)
	})
	b := openHandler(t, file, []webtest.Recorded{run.Recorded}, server, front, patience)
	b.goTo("/runs/" + run.ID.String() + "/events")
	const rows = `document.querySelectorAll(".events tbody tr").length`
	before := evaluate[int](b, rows)
	run.Call(3)
	close(grown)
	b.await(rows, before+3)
	run.Finish()
}

// TestKeysWhileTheListGrows chooses a run by keys while another one begins, and opens it.
func TestKeysWhileTheListGrows(t *testing.T) {
	file, run := begin(t)
	b := openFile(t, file, []webtest.Recorded{run.Recorded})
	b.goTo("/")
	b.do(chromedp.KeyEvent("j"))
	db, err := store.Open(t.Context(), file)
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	other := webtest.Begin(t, db, &webtest.Friendly, 1)
	b.await(`document.querySelectorAll(".runs tbody tr").length`, 2)
	b.press(kb.Enter, "/runs/"+run.ID.String())
	other.Finish()
	run.Finish()
}

// TestReportFromDisk opens a report as somebody does who got it in a mail, in a folder and as one file.
func TestReportFromDisk(t *testing.T) {
	b := open(t)
	for i, kind := range []string{"friendly", "hostile"} {
		place := t.TempDir()
		run := b.runs[i].ID.String()
		for output, options := range map[string]web.ReportOptions{
			"folder": {MaxCalls: 100, Title: webtest.Attack}, "file.html": {MaxCalls: 30, SingleFile: true, Title: webtest.Attack},
		} {
			path := filepath.Join(place, output)
			summary, err := web.Report(t.Context(), b.file, run, path, options)
			check(t, err)
			if output == "folder" {
				path = filepath.Join(path, "index.html")
			}
			b.home = "file://" // every address on the disk, and no other
			b.goTo(path)
			visible := `[...document.querySelectorAll("main")].filter((m) => m.offsetParent !== null).length`
			b.await(visible, 1)
			for _, text := range []string{"Details", "Call tree", "Statistics", "Call graph", "Flame graph", "Time line", "Goroutines", "Files", "Summary"} {
				b.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll(".tabs a")].filter((a) => a.offsetParent !== null && a.textContent === "` + text + `")[0].click()`))
				b.await(`[...document.querySelectorAll(".tabs a[aria-current]")].filter((a) => a.offsetParent !== null && a.textContent === "`+text+`").length`, 1)
				b.await(visible, 1)
			}
			ours := `script:not([src='keys.js'], [src='islands.js'], [src='calls.js'], [type='application/json'])`
			if n := evaluate[int](b, `document.querySelectorAll("`+ours+`").length`); options.SingleFile != (n == 1) || summary.Pages < 20 {
				t.Errorf("%s %s: %d foreign scripts, %d pages", kind, output, n, summary.Pages)
			}
		}
	}
}

// TestLiveGraphAndFilesGrow looks at the call graph, the files and the statistics while a run is recorded.
func TestLiveGraphAndFilesGrow(t *testing.T) {
	file, run := begin(t)
	b := openFile(t, file, []webtest.Recorded{run.Recorded})
	home := "/runs/" + run.ID.String()
	calls := 0
	for _, page := range []struct{ path, shows string }{
		{"/graph", `(document.querySelector("main table tbody tr td:nth-child(3)")?.textContent ?? "0").trim()`},
		{"/files", `String(document.querySelector("main table tbody tr td:last-child")?.textContent ?? "").trim()`},
		{"/statistics", `[...document.querySelectorAll("main table tbody tr")].filter((r) => r.textContent.includes("main.leaf")).map((r) => r.children[1].textContent).join()`},
	} {
		b.goTo(home + page.path)
		run.Call(3)
		calls += 3
		want := calls
		if page.path == "/files" {
			want++ // main
		}
		b.awaitText(page.shows, strconv.Itoa(want))
	}
	run.Finish()
	b.await(`document.querySelectorAll("main[data-live]").length`, 0)
}
