package browsertests

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"smiley/web"
)

// onePage is a page to look at.
type onePage struct {
	Name string // of its pictures
	Path string // with {run}, {call}, {function} and {file}
	// Problem is what the browser's log says of a page that is an error, by a part of its text.
	Problem string
}

// pages are all pages, in all the shapes that look different. A new page is tested when it has a line here: on a recorded
// example and on a hostile run, light and dark, at 360 and at 1280 pixels, by [TestPages].
var pages = []onePage{
	{Name: "runs", Path: "/"},
	{Name: "runs-none", Path: "/?q=nothing+is+called+so"},
	{Name: "compare", Path: "/compare?run={run}&run=last"},
	{Name: "help", Path: "/help"},
	{Name: "run", Path: "/runs/{run}"},
	{Name: "details", Path: "/runs/{run}/events"},
	{Name: "details-focus", Path: "/runs/{run}/events?at={call}"},
	{Name: "details-errors", Path: "/runs/{run}/events?f=errors"},
	{Name: "details-none", Path: "/runs/{run}/events?f=over:1h"},
	{Name: "tree", Path: "/runs/{run}/tree"},
	{Name: "tree-focus", Path: "/runs/{run}/tree?at={call}"},
	{Name: "call", Path: "/runs/{run}/call/{call}"},
	{Name: "statistics", Path: "/runs/{run}/statistics"},
	{Name: "statistics-none", Path: "/runs/{run}/statistics?f=nothing+is+called+so"},
	{Name: "function", Path: "/runs/{run}/function/{function}"},
	{Name: "graph", Path: "/runs/{run}/graph"},
	{Name: "graph-packages", Path: "/runs/{run}/graph?by=package"},
	{Name: "flame", Path: "/runs/{run}/flame"},
	{Name: "goroutines", Path: "/runs/{run}/goroutines"},
	{Name: "timeline", Path: "/runs/{run}/timeline"},
	{Name: "timeline-focus", Path: "/runs/{run}/timeline?at={call}"},
	{Name: "timeline-none", Path: "/runs/{run}/timeline?after=999999999"},
	{Name: "files", Path: "/runs/{run}/files"},
	{Name: "file", Path: "/runs/{run}/files/{file}?at={call}"},
	{Name: "losses", Path: "/runs/{run}/losses"},
	{Name: "compare-nothing", Path: "/compare", Problem: "400"},
	{Name: "missing-run", Path: "/runs/ffffffff", Problem: "404"},
	{Name: "missing-call", Path: "/runs/{run}/call/999999999", Problem: "404"},
	{Name: "bad-filter", Path: "/runs/{run}/events?f=over:never", Problem: "400"},
}

// TestEveryAddressHasAPage checks that the table of pages has a line for every page that the server has.
func TestEveryAddressHasAPage(t *testing.T) {
	for _, a := range web.Addresses() {
		if a.Method != "GET" || a.JSON == "" || strings.HasSuffix(a.Path, "/go") {
			continue
		}
		found := false
		for _, p := range pages {
			path, _, _ := strings.Cut(p.Path, "?")
			found = found || path == a.Path
		}
		if !found {
			t.Errorf("no line of the table of pages is about %s", a.Path)
		}
	}
}

// screenshots is where pictures of all pages go, for people to look at. git ignores it.
const screenshots = root + "/bin/screenshots"

var (
	themes = []string{"light", "dark"}
	widths = []int64{1280, 360}
)

// TestPages looks at every page, light and dark, wide and narrow: nothing of a recording runs as a script, nothing sticks
// out, every control has a name, the browser and axe have nothing to complain about. It leaves pictures in bin/screenshots.
func TestPages(t *testing.T) {
	file, example, hostile := newSubjects(t)
	check(t, os.MkdirAll(screenshots, 0o777))
	for _, s := range []subject{example, hostile} {
		t.Run(s.Kind, func(t *testing.T) {
			t.Parallel()
			b := openFor(t, file, nil, 9*time.Minute)
			for _, p := range pages {
				t.Run(p.Name, func(t *testing.T) {
					b.t = t
					b.look(&s, &p)
				})
			}
			b.t = t
		})
	}
}

// look looks at a page in all shapes, which it takes on while it is open. Each theme and each width is shown to axe once, the example's the other way round
// than the hostile run's.
func (b *browser) look(s *subject, p *onePage) {
	b.t.Helper()
	b.expect(p.Problem)
	b.theme(themes[0])
	b.do(chromedp.EmulateViewport(widths[0], 800))
	b.goTo(s.address(p.Path))
	b.await(`document.querySelectorAll("[data-island]:not([data-mounted])").length`, 0)
	for i, theme := range themes {
		b.theme(theme)
		for j, width := range widths {
			b.do(chromedp.EmulateViewport(width, 800))
			at := fmt.Sprintf("%s %s %s %d", s.Kind, p.Name, theme, width)
			b.checkPage(at)
			if (i == j) == (s.Kind == "example") {
				b.checkAccessibility(at)
			}
			if s.Kind == "example" || i == 0 {
				b.picture(strings.ReplaceAll(at, " ", "-"))
			}
		}
	}
}

func (b *browser) theme(name string) {
	b.t.Helper()
	b.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	}))
}

func (b *browser) picture(name string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	check(b.t, err)
	check(b.t, os.WriteFile(filepath.Join(screenshots, name+".png"), png, 0o644))
}

func (b *browser) checkPage(at string) {
	b.t.Helper()
	type findings struct {
		Wide      float64
		Widest    []string
		Scripts   int
		Headings  int
		Nameless  []string
		Duplicate []string
	}
	found := evaluate[findings](b, `(() => {
		const named = (e) => (e.textContent.trim() || e.getAttribute("aria-label") || e.title || (e.labels && e.labels.length)) ? true : false;
		const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
		const wide = document.documentElement.scrollWidth - window.innerWidth;
		return {
			Wide: wide,
			Widest: wide <= 0 ? [] : [...document.querySelectorAll("main *, header *")].filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1).map((e) => e.outerHTML.slice(0, 80)).slice(0, 5),
			Scripts: [...document.scripts].filter((s) => !s.src.startsWith(location.origin + "/static/")).length,
			Headings: document.querySelectorAll("h1").length,
			Nameless: [...document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, summary")].filter((e) => !named(e)).map((e) => e.outerHTML.slice(0, 120)),
			Duplicate: ids.filter((id, i) => ids.indexOf(id) !== i),
		};
	})()`)
	if found.Wide > 0 {
		b.t.Errorf("%s: the page is %v px wider than the window: %q", at, found.Wide, found.Widest)
	}
	if found.Scripts != 0 || found.Headings != 1 {
		b.t.Errorf("%s: %d foreign scripts, %d main headings", at, found.Scripts, found.Headings)
	}
	if len(found.Nameless) > 0 || len(found.Duplicate) > 0 {
		b.t.Errorf("%s: controls without a name: %q, ids twice: %q", at, found.Nameless, found.Duplicate)
	}
}

//go:embed testdata/axe/axe.min.js
var axe string

// checkAccessibility lets axe look at the page. It must find nothing that it calls serious or critical.
func (b *browser) checkAccessibility(at string) {
	b.t.Helper()
	if !evaluate[bool](b, `typeof window.axe === "object"`) {
		b.do(chromedp.Evaluate[chromedp.Void](axe))
	}
	type violation struct {
		ID, Impact, Help string
		Nodes            []string
	}
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]violation](`axe.run(document, {resultTypes: ["violations"]}).then((result) =>
		result.violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => ({
			ID: v.id, Impact: v.impact, Help: v.help,
			Nodes: v.nodes.slice(0, 3).map((n) => (n.html + " " + n.failureSummary).slice(0, 500)),
		})))`, chromedp.EvalAwaitPromise))
	check(b.t, err)
	for _, v := range found {
		b.t.Errorf("%s: %s (%s): %s\n%s", at, v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n"))
	}
}

// TestAxeFinds checks that the check finds something where there is something to find.
func TestAxeFinds(t *testing.T) {
	b := open(t)
	b.goTo("/help")
	b.do(chromedp.Evaluate[chromedp.Void](axe))
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](`(() => {
		document.querySelector("main").insertAdjacentHTML("beforeend", "<input><img src='/static/smiley.svg'>");
		return axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.map((v) => v.id));
	})()`, chromedp.EvalAwaitPromise))
	check(t, err)
	for _, want := range []string{"image-alt", "label"} {
		if !regexp.MustCompile(`\b` + want + `\b`).MatchString(strings.Join(found, " ")) {
			t.Errorf("axe does not find %s: %q", want, found)
		}
	}
}
