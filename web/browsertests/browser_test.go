// Package browsertests looks at the pages with a real browser. It is a module of its own, so that browsers never enter
// smiley's requirements.
package browsertests

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

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
	expected string   // a problem that is none, by a part of its text
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
	return openFor(t, file, runs, patience)
}

func openFor(t *testing.T, file string, runs []webtest.Recorded, patience time.Duration) *browser {
	t.Helper()
	server := web.New(file, web.Options{})
	return openHandler(t, file, runs, server, nil, patience)
}

// openHandler opens a window on a server, or on a handler in front of it.
func openHandler(t *testing.T, file string, runs []webtest.Recorded, server *web.Server, front http.Handler, patience time.Duration) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if path, err = exec.LookPath("google-chrome"); err != nil {
			t.Skip("there is no chromium on this machine: apt-get install chromium")
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		if front == nil {
			ended <- server.Serve(ctx, listener)
			return
		}
		s := &http.Server{Handler: front, ReadHeaderTimeout: patience}
		context.AfterFunc(ctx, func() { _ = s.Close() })
		if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			ended <- err
		}
		close(ended)
	}()
	t.Cleanup(func() {
		stop()
		check(t, <-ended)
		check(t, server.Close())
	})
	// The browser's directory is chromedp's own: it ends the processes that outlive the browser before it removes it, and tries again. One of the
	// test's is still written to when the test removes it, now and then, and that fails the test.
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true),
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
			t.Error(p[:min(len(p), 2000)])
		}
	})
	return b
}

func (b *browser) listen(event any) {
	problem := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = "script failed: " + e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			problem += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		problem = "console: " + string(e.Type)
		for _, a := range e.Args {
			problem += " " + a.Description + string(a.Value)
		}
	case *log.EventEntryAdded:
		problem = "log: " + e.Entry.Text + " " + e.Entry.URL
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, b.home) && !strings.HasPrefix(e.Request.URL, "data:") {
			problem = "request to another place: " + e.Request.URL
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if problem != "" && (b.expected == "" || !strings.Contains(problem, b.expected)) {
		b.problems = append(b.problems, problem)
	}
}

// expect makes a problem none, by a part of its text.
func (b *browser) expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = text
}

// action is a step that returns nothing.
type action = chromedp.Action[chromedp.Void]

func (b *browser) do(actions ...action) {
	b.t.Helper()
	check(b.t, chromedp.Do(b.ctx, actions...))
}

// click clicks in a page that watches for changes, and takes over what is new as soon as it is there: what the browser's protocol finds to
// click on may be gone when it comes to it.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector(%q).click()", selector)))
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
