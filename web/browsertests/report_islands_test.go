package browsertests

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"smiley/web"
	"smiley/web/webtest"
)

// TestReportIslands uses call tree and flame graph of reports on a disk, which have nobody to ask.
func TestReportIslands(t *testing.T) {
	b := open(t)
	place := t.TempDir()
	home := b.home
	for _, run := range b.runs {
		for output, options := range map[string]web.ReportOptions{
			"folder": {MaxCalls: 40, Title: webtest.Attack}, "file.html": {MaxCalls: 20, SingleFile: true, Title: webtest.Attack},
		} {
			path := filepath.Join(place, run.ID.String()+output)
			_, err := web.Report(t.Context(), b.file, run.ID.String(), path, options)
			check(t, err)
			b.home = "file://"
			if output == "folder" {
				b.reportTree(path + "/tree.html")
				b.reportFlame(path + "/flame.html")
			} else {
				b.reportTree(path + "#tree")
				b.do(chromedp.Navigate("about:blank")) // the same document, otherwise
				b.reportFlame(path + "#flame")
			}
			b.home = home
		}
	}
}

// Scripts that see what of a single file is shown.
const (
	shownTree  = `[...document.querySelectorAll(".tree-grid")].filter((g) => g.offsetParent !== null)`
	shownFlame = `[...document.querySelectorAll(".flame-frame")].filter((g) => g.offsetParent !== null)`
	shownRow   = `((` + shownTree + `[0]?.querySelector(".tree-row[aria-selected=true]")?.id ?? "").replace(/^.*-/, ""))`
	shownSaid  = `(` + shownFlame + `[0]?.parentElement.querySelector(".flame-about bdi")?.textContent ?? "")`
)

func (b *browser) reportTree(path string) {
	b.t.Helper()
	b.goTo(path)
	b.awaitText(shownRow, "c2")
	b.do(chromedp.KeyEvent("j"))
	b.awaitText(shownRow, "c5")
	b.do(chromedp.KeyEvent("n")) // the next call of leaf
	next := evaluateUntil(b, shownRow, func(s string) bool { return s != "" && s != "c5" })
	b.do(chromedp.KeyEvent("p"))
	b.awaitText(shownRow, "c5")
	b.do(chromedp.KeyEvent(kb.End))
	if last := evaluateUntil(b, shownRow, func(s string) bool { return s != "c5" && s != "" }); last == next {
		b.t.Errorf("%s: the last row is %q", path, last)
	}
	b.do(chromedp.KeyEvent(" ")) // what is not there is said to be missing, and not to be nothing
	said := evaluateUntil(b, shownTree+`[0].parentElement.querySelector(".tree-status").textContent`, func(s string) bool { return s != "" })
	if !strings.Contains(said, "not in this report") {
		b.t.Errorf("%s: %q", path, said)
	}
	b.do(chromedp.KeyEvent(kb.Home)) // main has a page in every report
	b.awaitText(shownRow, "c2")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.await(`[...document.querySelectorAll("h1 .dim")].filter((h) => h.offsetParent !== null && h.textContent === "call 2").length`, 1)
}

func (b *browser) reportFlame(path string) {
	b.t.Helper()
	b.goTo(path)
	b.await(shownFlame+`.length`, 1)
	b.do(chromedp.Evaluate[chromedp.Void](shownFlame + `[0].focus()`))
	b.awaitText(shownSaid, "the whole run")
	b.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown))
	leaf := evaluateUntil(b, shownSaid, func(s string) bool { return strings.HasPrefix(s, "main.leaf") })
	b.do(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Home)) // alone, it is the top
	b.awaitText(shownSaid, leaf)
	b.do(chromedp.KeyEvent(kb.Backspace))
	b.awaitText(shownSaid, "the whole run")
}
