package browsertests

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "renew the pictures of docs/tutorial/tour.md")

// tour are the pictures of the tour.
var tour = []struct{ name, path, theme string }{
	{"runs", "/", "light"},
	{"run", "/runs/{run}", "light"},
	{"details", "/runs/{run}/events", "light"},
	{"tree", "/runs/{run}/tree?at={call}", "dark"},
	{"call", "/runs/{run}/call/{call}", "light"},
	{"timeline", "/runs/{run}/timeline", "dark"},
	{"statistics", "/runs/{run}/statistics", "light"},
	{"flame", "/runs/{run}/flame", "light"},
	{"file", "/runs/{run}/files/{file}?at={call}", "light"},
}

// TestTour makes the pictures when it is asked to, and checks otherwise that the tour shows each of them.
func TestTour(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/tutorial/tour.md")
	check(t, err)
	for _, p := range tour {
		if !strings.Contains(string(text), "(tour/"+p.name+".webp)") {
			t.Errorf("the tour does not show %s", p.name)
		}
	}
	if !*update {
		return
	}
	file, example, _ := newSubjects(t)
	here, err := filepath.Abs(root)
	check(t, err)
	host, err := os.Hostname()
	check(t, err)
	b := openFile(t, file, nil)
	b.do(chromedp.EmulateViewport(960, 560))
	for _, p := range tour {
		b.theme(p.theme)
		path := example.address(p.path)
		if p.name == "runs" {
			path = "/?status=ok"
		}
		b.goTo(path)
		b.await(`document.readyState === "complete" ? 1 : 0`, 1)
		// Where the pictures were made is of no interest.
		b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
			const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
			while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replaceAll(%q, "/home/gopher/smiley").replaceAll(%q, "den");
		})()`, here, host)))
		picture, err := chromedp.Run(b.ctx, chromedp.Action[[]byte](func(ctx context.Context, target *chromedp.Target) ([]byte, error) {
			quality := int64(70)
			r, err := cdp.Call(ctx, target, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality})
			if err != nil {
				return nil, err
			}
			return r.Data, nil
		}))
		check(t, err)
		check(t, os.MkdirAll(root+"/docs/tutorial/tour", 0o755))
		check(t, os.WriteFile(root+"/docs/tutorial/tour/"+p.name+".webp", picture, 0o644))
	}
}
