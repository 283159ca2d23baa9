package browsertests

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestKeys walks from the list to a call and through its neighbours by keys alone, and back.
func TestKeys(t *testing.T) {
	b := open(t)
	run := "/runs/" + b.runs[0].ID.String()
	b.goTo("/")
	b.do(chromedp.KeyEvent("j"), chromedp.KeyEvent("j")) // the newest run is the hostile one
	b.press(kb.Enter, run)
	b.press("2", run+"/events")
	b.press("3", run+"/tree")
	b.press("?", "/help")
	b.do(chromedp.Evaluate[chromedp.Void](`history.back()`))
	b.arrive(run + "/tree")
	b.goTo(run + "/call/5?at=5")
	b.press("u", run+"/call/2")
	b.press("o", run+"/call/5")
	b.goTo(run + "/events?f=main.leaf")
	b.press("4", run+"/statistics?f=main.leaf") // the filter goes along
	b.goTo(run + "/events")
	b.press("]", run+"/events?from=201")
	b.press("[", run+"/events?before=201")
	b.do(chromedp.KeyEvent("/"))
	if focused := evaluate[string](b, `document.activeElement.name`); focused != "f" {
		t.Errorf("/ leads to %q", focused)
	}
	// The protocol sends the character of a key even when a page took the key itself, which people's browsers do not.
	b.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.value = ""`), chromedp.KeyEvent("errors"))
	b.do(chromedp.KeyEvent(kb.Enter))
	b.arrive(run + "/events?f=errors&t=")
	b.press("g", "/")
}

// TestDelete deletes a run with the mouse, thinks again, and finds it back.
func TestDelete(t *testing.T) {
	b := open(t)
	b.goTo("/")
	b.do(chromedp.Click(chromedp.CSS(".runs tbody tr:first-child button")), chromedp.WaitVisible(chromedp.CSS(".banner button")))
	if rows := evaluate[int](b, `document.querySelectorAll(".runs tbody tr").length`); rows != 1 {
		t.Errorf("%d runs after deleting one of two", rows)
	}
	b.do(chromedp.Click(chromedp.CSS(".banner button")))
	b.arrive("/runs/" + b.runs[1].ID.String())
	b.goTo("/")
	if rows := evaluate[int](b, `document.querySelectorAll(".runs tbody tr").length`); rows != 2 {
		t.Errorf("%d runs after undoing", rows)
	}
}
