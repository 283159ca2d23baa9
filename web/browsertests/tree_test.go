package browsertests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"smiley/store"
	"smiley/web/webtest"
)

// openRuns opens a window on runs that record stores.
func openRuns(t *testing.T, record func(*store.Store) []webtest.Recorded) *browser {
	t.Helper()
	file := filepath.Join(t.TempDir(), "smiley.db")
	db, err := store.Open(t.Context(), file)
	check(t, err)
	runs := record(db)
	check(t, db.Close())
	return openFile(t, file, runs)
}

// Scripts that read the tree.
const (
	treeReady    = `document.querySelectorAll("[data-island=tree][data-mounted]").length`
	treeSelected = `(document.querySelector(".tree-row[aria-selected=true]")?.id ?? "").replace(/^.*-/, "")`
	treeLines    = `[...document.querySelectorAll(".tree-row")].map((r) => r.id.replace(/^.*-/, "") + ("ariaExpanded" in r && r.ariaExpanded ? r.ariaExpanded[0] : "-") + r.ariaLevel)`
	treeWidth    = `document.documentElement.scrollWidth - window.innerWidth`
)

// awaitText waits until a script's value is a text.
func (b *browser) awaitText(script, want string) {
	b.t.Helper()
	for {
		// While a page loads there is nobody to ask.
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](script))
		if err == nil && got == want {
			return
		}
		if b.ctx.Err() != nil {
			b.t.Fatalf("%s: %q, want %q: %v", script, got, want, err)
		}
	}
}

func (b *browser) openTree(path string) {
	b.t.Helper()
	b.goTo(path)
	b.await(treeReady, 1)
}

// TestTreeIslandSaysWhatItsTableSays compares the lines of the island with those of the table beneath it.
func TestTreeIslandSaysWhatItsTableSays(t *testing.T) {
	b := open(t)
	for _, run := range b.runs {
		b.openTree("/runs/" + run.ID.String() + "/tree?at=2")
		type line struct{ What, Took, Self, When string }
		clean := `const clean = (e) => (e ? e.textContent.replace(/\s+/g, " ").replace(/^[▸▾· ]+/, "").trim() : "");`
		island := evaluate[[]line](b, `(() => { `+clean+` return [...document.querySelectorAll(".tree-row")].map((r) => ({
			What: clean(r.querySelector(".what")), Took: clean(r.querySelector(".took")), Self: clean(r.querySelector(".self")), When: clean(r.querySelector(".when")) })); })()`)
		table := evaluate[[]line](b, `(() => { `+clean+` return [...document.querySelectorAll("table.tree tbody tr")].map((r) => ({
			What: clean(r.children[0]), Took: clean(r.children[1]), Self: clean(r.children[2]), When: clean(r.children[4]) })); })()`)
		compared := 0
		for _, l := range island {
			if l.Took == "" {
				continue
			}
			compared++
			if !slices.Contains(table, l) {
				t.Errorf("the table does not say %+q\n%+q", l, table[:min(3, len(table))])
			}
		}
		if compared < 2 {
			t.Errorf("only %d lines: %q", compared, island)
		}
		if n := evaluate[int](b, `document.querySelectorAll(".tree-island script, .tree-island img, .tree-island iframe").length`); n != 0 {
			t.Errorf("%d elements out of a recording's text", n)
		}
	}
}

// TestTreeIslandKeys walks through the tree by keys. Every view is an address: loading it again shows the same, and going back
// leads to where one was.
func TestTreeIslandKeys(t *testing.T) {
	b := open(t)
	base := "/runs/" + b.runs[0].ID.String()
	b.openTree(base + "/tree")
	if at := evaluate[string](b, `location.search`); at != "" {
		t.Errorf("a view that nobody touched has the address %q", at)
	}
	b.do(chromedp.KeyEvent("j")) // takes the keyboard
	b.awaitText(treeSelected, "c5")
	b.do(chromedp.KeyEvent("k"))
	b.awaitText(treeSelected, "c2")
	b.do(chromedp.KeyEvent(kb.ArrowRight)) // is open: to what is below it
	b.awaitText(treeSelected, "c5")
	b.do(chromedp.KeyEvent(kb.ArrowRight)) // opens
	b.await(`document.querySelectorAll(".tree-row[id$=-c5][aria-expanded=true]").length`, 1)
	b.do(chromedp.KeyEvent(kb.ArrowDown))
	child := "c" + evaluate[string](b, `document.querySelectorAll(".tree-row")[2].id.replace(/^.*-c/, "")`)
	b.awaitText(treeSelected, child)
	b.awaitText(`new URLSearchParams(location.search).get("at")`, child[1:])
	lines := evaluate[[]string](b, treeLines)
	view := evaluate[string](b, `location.pathname + location.search`)
	b.openTree(view)
	b.awaitText(treeSelected, child)
	if again := evaluate[[]string](b, treeLines); !slices.Equal(again, lines) {
		t.Errorf("the address %s shows\n%q, not\n%q", view, again, lines)
	}
	// The other views follow.
	if href := evaluate[string](b, `document.querySelector(".tabs a[data-key='2']").getAttribute("href")`); !strings.Contains(href, "at="+child[1:]) {
		t.Errorf("the details are at %s", href)
	}
	b.do(chromedp.KeyEvent("u"))
	b.awaitText(treeSelected, "c5")
	b.awaitText(`document.querySelector(".focus-name .dim").textContent`, "call 5")
	b.do(chromedp.KeyEvent("n")) // the next call of leaf
	next := evaluateUntil(b, treeSelected, func(s string) bool { return s != "" && s != "c5" })
	b.do(chromedp.KeyEvent("p"))
	b.awaitText(treeSelected, "c5")
	b.do(chromedp.Evaluate[chromedp.Void](`history.back()`))
	b.awaitText(treeSelected, next)
	b.do(chromedp.Evaluate[chromedp.Void](`history.forward()`))
	b.awaitText(treeSelected, "c5")
	b.do(chromedp.KeyEvent(kb.ArrowLeft))
	b.await(`document.querySelectorAll(".tree-row[id$=-c5][aria-expanded=false]").length`, 1)
	b.do(chromedp.KeyEvent(kb.ArrowLeft))
	b.awaitText(treeSelected, "c2")
	b.do(chromedp.KeyEvent(kb.End))
	last := evaluateUntil(b, treeSelected, func(s string) bool { return s != "c2" })
	b.do(chromedp.KeyEvent(kb.Home))
	b.awaitText(treeSelected, "c2")
	if last == "" {
		t.Error("End leads nowhere")
	}
	b.do(chromedp.KeyEvent("]"), chromedp.KeyEvent("["))
	b.press(kb.Enter, base+"/call/2")
	b.do(chromedp.Evaluate[chromedp.Void](`history.back()`))
	b.await(treeReady, 1)
	b.awaitText(treeSelected, "c2")
	b.do(chromedp.KeyEvent("?"))
	b.arrive("/help")
}

// evaluateUntil returns the first value of a script that will do.
func evaluateUntil(b *browser, script string, will func(string) bool) string {
	b.t.Helper()
	for {
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](script))
		if err == nil && will(got) {
			return got
		}
		if b.ctx.Err() != nil {
			b.t.Fatalf("%s: %q: %v", script, got, err)
		}
	}
}

// TestTreeIslandSearch finds failing calls one after the other, forwards and backwards.
func TestTreeIslandSearch(t *testing.T) {
	b := open(t)
	b.openTree("/runs/" + b.runs[0].ID.String() + "/tree")
	failed := `document.querySelectorAll(".tree-row[aria-selected=true].failed").length`
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".tree-bar input").focus()`), chromedp.KeyEvent("errors"), chromedp.KeyEvent(kb.Enter))
	b.await(failed, 1)
	first := evaluate[string](b, treeSelected)
	b.awaitText(`new URLSearchParams(location.search).get("f")`, "errors")
	b.do(chromedp.KeyEvent(kb.Enter))
	second := evaluateUntil(b, treeSelected, func(s string) bool { return s != first && s != "" })
	b.await(failed, 1)
	// The protocol sends the character of a key even when a page took the key itself, which would submit the form, too.
	b.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", shiftKey: true, bubbles: true, cancelable: true }))`))
	b.awaitText(treeSelected, first)
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.Evaluate[chromedp.Void](`history.back()`))
	b.awaitText(treeSelected, second)
	// What cannot be searched for says why.
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".tree-bar input").value = "over:never"; document.querySelector(".tree-bar input").focus()`), chromedp.KeyEvent(kb.Enter))
	said := evaluateUntil(b, `document.querySelector(".tree-status").textContent`, func(s string) bool { return s != "" && s != "searching …" })
	if !strings.Contains(said, "never") {
		t.Errorf("a wrong filter is answered with %q", said)
	}
	b.mu.Lock() // the browser's log names answers that are errors, as it should
	b.problems = slices.DeleteFunc(b.problems, func(p string) bool { return strings.Contains(p, "over%3Anever") })
	b.mu.Unlock()
}

// TestTreeIslandHoldsManyCalls opens a call with two hundred thousand children: what is not seen is not there, more come as one goes
// on, its end and its middle need none of the others, and a link into the middle leads there.
func TestTreeIslandHoldsManyCalls(t *testing.T) {
	b := openRuns(t, func(db *store.Store) []webtest.Recorded {
		return []webtest.Recorded{webtest.Loop(t, db, &webtest.Friendly, 1, 200_000)}
	})
	base := "/runs/" + b.runs[0].ID.String()
	b.openTree(base + "/tree")
	rows := `Number(document.querySelector(".tree-grid").getAttribute("aria-rowcount"))`
	b.await(rows, 102) // main, a page of calls, and that there are more
	// main is 2, its n-th child 2n + 1, its last 400,001.
	b.do(chromedp.KeyEvent("j"), chromedp.KeyEvent(kb.End))
	b.awaitText(treeSelected, "c400001")
	b.await(rows, 102+100) // a page at the end, and the row between stands for all others
	whole := evaluate[string](b, `location.search`)
	b.awaitText(`new URLSearchParams(location.search).get("at")`, "400001")
	b.do(chromedp.KeyEvent(kb.Home))
	b.awaitText(treeSelected, "c2")
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".tree-grid").scrollTop = 101 * 26 - 100`))
	b.await(`document.querySelectorAll("[data-leap=middle]").length`, 1)
	b.do(chromedp.Click(chromedp.CSS("[data-leap=middle]")))
	b.awaitText(treeSelected, fmt.Sprintf("c%d", (202+399803)/2/2*2+1))
	// Once more, by the keyboard, from the row between the beginning and the middle.
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".tree-grid").scrollTop = 101 * 26 - 100`))
	b.await(`document.querySelectorAll("[data-leap=middle]").length`, 1)
	for range 100 {
		b.do(chromedp.KeyEvent("k"))
	}
	b.awaitText(`(document.querySelector(".tree-row[aria-selected=true]")?.id ?? "").replace(/^.*-gap.*/, "gap")`, "gap")
	b.do(chromedp.KeyEvent("m"))
	quarter := evaluateUntil(b, treeSelected, func(s string) bool { return strings.HasPrefix(s, "c") })
	if n, err := strconv.Atoi(strings.TrimPrefix(quarter, "c")); err != nil || n < 90_000 || n > 110_000 {
		t.Errorf("the middle of the first half is %s", quarter)
	}
	// An address leads to its place, without what lies before.
	b.openTree(base + "/tree" + whole)
	if n := evaluate[int](b, `document.querySelectorAll(".tree-row").length`); n > 100 {
		t.Errorf("%d rows exist", n)
	}
	// Somewhere in the middle.
	var events struct{ Events []struct{ Call int } }
	answer, err := http.Get(b.home + base + "/events.json?f=main.leaf&from=150000&n=1")
	check(t, err)
	defer answer.Body.Close()
	check(t, json.NewDecoder(answer.Body).Decode(&events))
	middle := events.Events[0].Call
	b.openTree(base + "/tree?at=" + strconv.Itoa(middle))
	b.awaitText(treeSelected, fmt.Sprintf("c%d", middle))
	lines := evaluate[[]string](b, treeLines)
	selected := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, fmt.Sprintf("c%d", middle)) })
	if selected < 1 || !strings.HasPrefix(lines[selected-1], "gap2.") {
		t.Errorf("around call %d: %q", middle, lines)
	}
	// Those before come when somebody asks for them.
	before := evaluate[int](b, rows)
	b.do(chromedp.KeyEvent("k"), chromedp.KeyEvent(" "))
	b.await(rows, before+100)
}

// TestTreeIslandFoldsRecursion shows a recursion as one line.
func TestTreeIslandFoldsRecursion(t *testing.T) {
	b := openRuns(t, func(db *store.Store) []webtest.Recorded {
		return []webtest.Recorded{webtest.Recurse(t, db, &webtest.Friendly, 1, 5)}
	})
	b.openTree("/runs/" + b.runs[0].ID.String() + "/tree")
	for range 5 {
		b.do(chromedp.KeyEvent("j"), chromedp.KeyEvent("]"))
		b.await(`document.querySelectorAll(".tree-row[aria-selected=true][aria-expanded=true]").length`, 1)
	}
	whole := len(evaluate[[]string](b, treeLines))
	if whole != 1+5+3+1 {
		t.Fatalf("%d lines: %q", whole, evaluate[[]string](b, treeLines))
	}
	b.do(chromedp.KeyEvent(kb.Home), chromedp.KeyEvent("r"))
	b.await(`document.querySelectorAll(".tree-row").length`, 3)
	b.await(`document.querySelectorAll(".tree-row[id*=fold]").length`, 1)
	b.awaitText(`new URLSearchParams(location.search).get("fold")`, "1")
	b.do(chromedp.KeyEvent(kb.End), chromedp.KeyEvent(kb.ArrowRight))
	b.await(`document.querySelectorAll(".tree-row[id*=fold][aria-expanded=true]").length`, 1)
	b.do(chromedp.KeyEvent("r"))
	b.await(`document.querySelectorAll(".tree-row").length`, whole)
}

// TestTreeIslandBoundsText shows names of a megabyte, narrow and wide.
func TestTreeIslandBoundsText(t *testing.T) {
	b := openRuns(t, func(db *store.Store) []webtest.Recorded {
		return []webtest.Recorded{webtest.Record(t, db, &webtest.Huge, 1, 20, true)}
	})
	for _, width := range []int64{360, 1280} {
		b.do(chromedp.EmulateViewport(width, 800))
		b.openTree("/runs/" + b.runs[0].ID.String() + "/tree?at=5")
		b.awaitText(treeSelected, "c5")
		if wide := evaluate[int](b, treeWidth); wide > 0 {
			t.Errorf("the page is %d px wider than a window of %d", wide, width)
		}
		if n := evaluate[int](b, `document.querySelector(".tree-island").textContent.length`); n > 100_000 {
			t.Errorf("the island holds %d characters", n)
		}
	}
}
