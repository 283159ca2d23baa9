package browsertests

import (
	"slices"
	"strconv"
	"strings"
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

// TestDelete deletes a run, thinks again, and finds it back.
func TestDelete(t *testing.T) {
	b := open(t)
	b.goTo("/")
	b.click(".runs tbody tr:first-child button")
	b.await(`document.readyState === "complete" && document.querySelector(".banner button") ? 1 : 0`, 1)
	if rows := evaluate[int](b, `document.querySelectorAll(".runs tbody tr").length`); rows != 1 {
		t.Errorf("%d runs after deleting one of two", rows)
	}
	b.click(".banner button")
	b.arrive("/runs/" + b.runs[1].ID.String())
	b.goTo("/")
	if rows := evaluate[int](b, `document.querySelectorAll(".runs tbody tr").length`); rows != 2 {
		t.Errorf("%d runs after undoing", rows)
	}
}

// TestForms works the controls that pages have: two runs are ticked and compared, the call graph is pruned, a filter is
// chosen, a value is copied.
func TestForms(t *testing.T) {
	b := open(t)
	friendly, hostile := b.runs[0].ID.String(), b.runs[1].ID.String()
	b.goTo("/")
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".runs input").focus()`)) // the list stays as it is from now on
	b.do(chromedp.Click(chromedp.CSS(`input[value="`+hostile+`"]`)), chromedp.Click(chromedp.CSS(`input[value="`+friendly+`"]`)))
	b.click(".compare button")
	b.arrive("/compare?run=" + hostile + "&run=" + friendly)
	b.do(chromedp.Evaluate[chromedp.Void](`history.back()`))
	b.arrive("/")
	run := "/runs/" + friendly
	b.goTo(run + "/graph?by=function")
	b.do(chromedp.Evaluate[chromedp.Void](`(() => {
		const slider = document.querySelector("input[type=range]");
		slider.value = 3;
		slider.dispatchEvent(new Event("change", { bubbles: true }));
	})()`))
	b.arrive(run + "/graph?by=function&n=3")
	b.await(`document.querySelectorAll(".graph .node").length`, 3)
	b.goTo(run + "/events")
	b.do(chromedp.Click(chromedp.CSS(".builder summary")), chromedp.SetAttributeValue(chromedp.CSS(".builder input[name=function]"), "value", "main.leaf"),
		chromedp.Evaluate[chromedp.Void](`document.querySelector(".builder select").value = "errors"`), chromedp.Click(chromedp.CSS(".builder button")))
	b.arrive(run + "/events?f=main.leaf+errors")
	b.goTo(run + "/call/5")
	b.do(chromedp.Click(chromedp.CSS(".copy summary")), chromedp.Click(chromedp.CSS(".copy button")))
	b.await(`["Copied", "Selected"].includes(document.querySelector(".copy button").textContent) ? 1 : 0`, 1)
	if selected := evaluate[string](b, `document.getSelection().toString()`); selected != "n := 0" {
		t.Errorf("selected to copy: %q", selected)
	}
}

// TestLinksRestoreViews walks through views by keys and links, and then back: every view is there again as it was, and its
// address opened anew shows the same.
func TestLinksRestoreViews(t *testing.T) {
	b := open(t)
	run := "/runs/" + b.runs[0].ID.String()
	const picture = `document.title + "\n" + document.querySelector(".focus")?.innerText + "\n" + document.querySelector(".tabs [aria-current]")?.innerText + "\n" +
		[...document.querySelectorAll("main input, main select")].map((e) => e.name + "=" + e.value).join() + "\n" + document.querySelector("main").innerText`
	type view struct{ address, shows string }
	var views []view
	b.goTo(run + "/events?f=main.leaf+depth:3&from=20&g=1")
	visit := func() {
		b.await(`document.readyState === "complete" ? 1 : 0`, 1)
		views = append(views, view{evaluate[string](b, `location.pathname + location.search`), evaluate[string](b, picture)})
	}
	visit()
	b.press("4", run+"/statistics?f=main.leaf+depth%3A3&g=1")
	visit()
	b.goTo(run + "/call/5?f=main.leaf&g=1")
	visit()
	b.press("2", run+"/events?at=5&f=main.leaf&g=1")
	visit()
	b.goTo(run + "/files/1?at=5")
	visit()
	b.press("n", run+"/files/1?at=10")
	visit()
	for _, address := range []string{"/statistics?sort=calls&f=main", "/graph?by=package&n=3", "/goroutines?after=1", "/losses"} {
		b.goTo(run + address)
		visit()
	}
	b.goTo("/?status=failed&q=words")
	visit()
	for i := len(views) - 1; i >= 0; i-- {
		b.arrive(views[i].address)
		if shows := evaluate[string](b, picture); shows != views[i].shows {
			t.Errorf("back at %s:\n%s\nwas\n%s", views[i].address, shows, views[i].shows)
		}
		if i > 0 {
			b.do(chromedp.Evaluate[chromedp.Void](`history.back()`))
		}
	}
	for _, v := range views {
		b.goTo(v.address)
		if shows := evaluate[string](b, picture); shows != v.shows {
			t.Errorf("opened anew, %s:\n%s\nwas\n%s", v.address, shows, v.shows)
		}
	}
}

// TestKeysOnEveryPage presses the keys of the help page on every page of a run: each view is a digit away, rows are stepped
// through, a filter takes the keyboard and gives it back, Escape lets go of the call in focus, and back leads back. No page has a
// key that the help page does not name.
func TestKeysOnEveryPage(t *testing.T) {
	b := open(t)
	s := subject{Run: b.runs[0].ID, Call: 5, Function: 2, File: 1}
	b.goTo("/help")
	named := evaluate[[]string](b, `[...document.querySelectorAll("kbd")].map((k) => k.textContent)`)
	for key, sign := range map[string]string{"ArrowLeft": "←", "ArrowRight": "→", "Escape": "Esc"} {
		if slices.Contains(named, sign) {
			named = append(named, key)
		}
	}
	views := []string{"", "/events", "/tree", "/statistics", "/graph", "/flame", "/timeline", "/goroutines", "/files"}
	for i := range views {
		named = append(named, strconv.Itoa(i+1))
	}
	visited := 0
	for _, p := range pages {
		if p.Problem != "" {
			continue
		}
		address := s.address(p.Path)
		b.goTo(address)
		b.await(`document.querySelectorAll("[data-island]:not([data-mounted])").length`, 0)
		at := evaluate[string](b, `location.pathname + location.search`)
		keys := evaluate[[][2]string](b, `[...document.querySelectorAll("[data-key]")].map((e) => [e.dataset.key, e.getAttribute("href") ?? ""])`)
		leads := map[string]string{}
		for _, k := range keys {
			if !slices.Contains(named, k[0]) {
				t.Errorf("%s has the key %s, which the help page does not name", p.Name, k[0])
			}
			if leads[k[0]] == "" {
				leads[k[0]] = k[1]
			}
		}
		if leads["?"] != "/help" || leads["g"] != "/" {
			t.Errorf("%s: ? leads to %s, g to %s", p.Name, leads["?"], leads["g"])
		}
		b.stepThroughRows(p.Name)
		if _, there := leads["/"]; there {
			// The protocol would write the character of the key into the field, which people's browsers do not.
			b.do(chromedp.Evaluate[chromedp.Void](`document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true, cancelable: true }))`))
			b.await(`document.activeElement === document.querySelector("[data-key='/']") ? 1 : 0`, 1)
			b.do(chromedp.KeyEvent(kb.Escape))
			b.await(`document.activeElement === document.querySelector("[data-key='/']") ? 1 : 0`, 0)
		}
		if !strings.Contains(p.Path, "{run}") || strings.HasPrefix(p.Path, "/compare") {
			continue
		}
		for i, view := range views {
			path, _, _ := strings.Cut(leads[strconv.Itoa(i+1)], "?")
			if path != s.address("/runs/{run}")+view {
				t.Errorf("%s: %d leads to %s, want %s", p.Name, i+1, path, view)
			}
		}
		digit := strconv.Itoa(1 + visited%len(views)) // one of them by its key
		visited++
		if leads[digit] != at {
			b.press(digit, leads[digit])
			b.do(chromedp.Evaluate[chromedp.Void](`history.back()`))
			b.arrive(at)
			b.await(`document.querySelectorAll("[data-island]:not([data-mounted])").length`, 0)
		}
		if strings.Contains(at, "at=") {
			b.do(chromedp.KeyEvent(kb.Escape))
			b.await(`location.search.includes("at=") ? 1 : 0`, 0)
		}
	}
	if visited < len(views) {
		t.Errorf("only %d pages of a run", visited)
	}
}

// stepThroughRows goes to the second row of a page and back to the first, where it has rows that no script draws.
func (b *browser) stepThroughRows(name string) {
	b.t.Helper()
	const current = `[...document.querySelectorAll("[data-row]")].findIndex((r) => r.classList.contains("current"))`
	rows := evaluate[int](b, `document.querySelector("[data-island]") ? 0 : document.querySelectorAll("[data-row]").length`)
	if rows < 2 {
		return
	}
	b.do(chromedp.KeyEvent("j"))
	first := evaluate[int](b, current)
	if first < rows-1 {
		b.do(chromedp.KeyEvent("j"))
		b.await(current, first+1)
		b.do(chromedp.KeyEvent("k"))
		b.await(current, first)
	}
	// Where the row leads somewhere, Enter leads there: its link has the keyboard.
	if first < 0 || !evaluate[bool](b, `(() => { const r = document.querySelector("[data-row].current"); return !r.querySelector("a") || r.contains(document.activeElement); })()`) {
		b.t.Errorf("%s: row %d of %d does not have the keyboard", name, first, rows)
	}
}
