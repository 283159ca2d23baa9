// Package browsertests looks at the pages with a real browser. It is a module of its own, so that browsers never enter
// smiley's requirements.
package browsertests

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"smiley/web"
	"smiley/web/webtest"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// browser is a window of a browser on pages of recordings.
type browser struct {
	t    *testing.T
	ctx  context.Context
	home string
	file string
	runs []webtest.Recorded

	mu       sync.Mutex
	problems []string // what the browser's console complained about, and requests that left the machine
}

// patience is how long a test waits for the browser to do what it was asked to. It decides only how a failure ends.
const patience = 2 * time.Minute

// open opens a window on a friendly and a hostile run.
func open(t *testing.T) *browser {
	t.Helper()
	file, runs := webtest.NewDatabase(t)
	return openFile(t, file, runs)
}

func openFile(t *testing.T, file string, runs []webtest.Recorded) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if path, err = exec.LookPath("google-chrome"); err != nil {
			t.Skip("there is no chromium on this machine: apt-get install chromium")
		}
	}
	server := web.New(file, web.Options{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		check(t, <-ended)
		check(t, server.Close())
	})
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, closeAll := chromedp.NewExecAllocator(context.Background(), flags...)
	t.Cleanup(closeAll)
	window, closeWindow := chromedp.NewContext(allocator)
	t.Cleanup(closeWindow)
	check(t, chromedp.Do(window)) // the browser lives as long as the context of this first call
	limited, cancel := context.WithTimeout(window, patience)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: limited, home: "http://" + listener.Addr().String(), file: file, runs: runs}
	check(t, chromedp.Listen(window, b.listen))
	b.do(command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}), command(runtime.Enable, cdp.Empty{}))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, p := range b.problems {
			t.Error(p)
		}
	})
	return b
}

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, "script failed: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.problems = append(b.problems, fmt.Sprintf("console: %s %v", e.Type, e.Args))
	case *log.EventEntryAdded:
		b.problems = append(b.problems, "log: "+e.Entry.Text+" "+e.Entry.URL)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, b.home) && !strings.HasPrefix(e.Request.URL, "data:") {
			b.problems = append(b.problems, "request to another place: "+e.Request.URL)
		}
	}
}

// action is a step that returns nothing.
type action = chromedp.Action[chromedp.Void]

func (b *browser) do(actions ...action) {
	b.t.Helper()
	check(b.t, chromedp.Do(b.ctx, actions...))
}

// command is a command of the browser's protocol as a step.
func command[P, R any](c cdp.Command[P, R], params P) action {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (b *browser) goTo(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.home+path), chromedp.WaitReady(chromedp.CSS("main")))
}

// press types keys and waits for the page they lead to.
func (b *browser) press(keys, path string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys))
	b.arrive(path)
}

// arrive waits until the window is at an address and its page is there.
func (b *browser) arrive(path string) {
	b.t.Helper()
	script := fmt.Sprintf("location.pathname + location.search === %q && document.readyState === 'complete'", path)
	for {
		// While the window is on its way there is nobody to ask; that is no failure.
		at, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](script))
		if err == nil && at {
			return
		}
		if b.ctx.Err() != nil {
			b.t.Fatalf("did not come to %s: %v", path, err)
		}
	}
}

// await waits until a script's value is what it should become.
func (b *browser) await(script string, want int) {
	b.t.Helper()
	for {
		// While a page loads there is nobody to ask.
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](script))
		if err == nil && got == want {
			return
		}
		if b.ctx.Err() != nil {
			b.t.Fatalf("%s: %d, want %d: %v", script, got, want, err)
		}
	}
}

// evaluate returns what a script does.
func evaluate[T any](b *browser, script string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script))
	check(b.t, err)
	return value
}

// pages are the addresses of all kinds of pages of a run.
func pages(run webtest.Recorded) map[string]string {
	base := "/runs/" + run.ID.String()
	return map[string]string{
		"runs": "/", "help": "/help", "missing": base + "/call/999999", "run": base, "details": base + "/events",
		"details-errors": base + "/events?f=errors", "tree": base + "/tree", "tree-focus": base + "/tree?at=5", "call": base + "/call/5",
		"statistics": base + "/statistics", "function": base + "/function/2", "graph": base + "/graph", "flame": base + "/flame",
		"goroutines": base + "/goroutines", "files": base + "/files", "file": base + "/files/1?at=5", "losses": base + "/losses",
	}
}

// TestPages looks at every page of a friendly and of a hostile run, light and dark, narrow and wide: nothing of a recording
// runs as a script, nothing sticks out, every control has a name. With SCREENSHOTS it writes pictures there.
func TestPages(t *testing.T) {
	b := open(t)
	pictures := os.Getenv("SCREENSHOTS")
	for kind, run := range map[string]webtest.Recorded{"friendly": b.runs[0], "hostile": b.runs[1]} {
		for name, path := range pages(run) {
			if name == "missing" { // the log of the browser names pages that are missing, as it should
				continue
			}
			for _, theme := range []string{"light", "dark"} {
				for _, width := range []int64{360, 1280} {
					b.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}),
						chromedp.EmulateViewport(width, 800))
					b.goTo(path)
					at := fmt.Sprintf("%s %s %s %d", kind, name, theme, width)
					b.checkPage(at)
					if pictures != "" && kind == "friendly" {
						png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
						check(t, err)
						check(t, os.WriteFile(filepath.Join(pictures, strings.ReplaceAll(strings.TrimPrefix(at, "friendly "), " ", "-")+".png"), png, 0o644))
					}
				}
			}
		}
	}
}

func (b *browser) checkPage(at string) {
	b.t.Helper()
	type findings struct {
		Wide      float64
		Scripts   int
		Headings  int
		Nameless  []string
		Duplicate []string
	}
	found := evaluate[findings](b, `(() => {
		const named = (e) => (e.textContent.trim() || e.getAttribute("aria-label") || e.title || (e.labels && e.labels.length)) ? true : false;
		const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
		return {
			Wide: document.documentElement.scrollWidth - window.innerWidth,
			Scripts: [...document.scripts].filter((s) => !s.src.startsWith(location.origin + "/static/")).length,
			Headings: document.querySelectorAll("h1").length,
			Nameless: [...document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, summary")].filter((e) => !named(e)).map((e) => e.outerHTML.slice(0, 120)),
			Duplicate: ids.filter((id, i) => ids.indexOf(id) !== i),
		};
	})()`)
	if found.Wide > 0 {
		b.t.Errorf("%s: the page is %v px wider than the window", at, found.Wide)
	}
	if found.Scripts != 0 || found.Headings != 1 {
		b.t.Errorf("%s: %d foreign scripts, %d main headings", at, found.Scripts, found.Headings)
	}
	if len(found.Nameless) > 0 || len(found.Duplicate) > 0 {
		b.t.Errorf("%s: controls without a name: %q, ids twice: %q", at, found.Nameless, found.Duplicate)
	}
}

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
