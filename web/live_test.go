package web

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"smiley/store"
	"smiley/web/webtest"
)

// watch opens a stream of changes, and returns its lines once it has begun.
func watch(ctx context.Context, t *testing.T, address string) (*bufio.Scanner, func()) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	check(t, err)
	response, err := http.DefaultClient.Do(request)
	check(t, err)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s: %s %s", address, response.Status, response.Header)
	}
	lines := bufio.NewScanner(response.Body)
	if !lines.Scan() || lines.Text() != ": watching" {
		t.Fatalf("%s: began with %q", address, lines.Text())
	}
	return lines, func() { check(t, response.Body.Close()) }
}

// next is the next event of a stream, "" at its end.
func next(lines *bufio.Scanner) string {
	for lines.Scan() {
		if event, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			return event
		}
	}
	return ""
}

// TestLiveChanges watches a run that grows and ends, and the list that it is in.
func TestLiveChanges(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	file := filepath.Join(t.TempDir(), "smiley.db")
	db, err := store.Open(t.Context(), file)
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	run := webtest.Begin(t, db, &webtest.Friendly, 1)
	site := newSite(t, file, Options{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- site.server.Serve(ctx, listener) }()
	home := "http://" + listener.Addr().String()

	of, closeOf := watch(t.Context(), t, home+"/live?run="+run.ID.String())
	defer closeOf()
	all, closeAll := watch(t.Context(), t, home+"/live")
	defer closeAll()
	page := site.get("/runs/" + run.ID.String() + "/events").Body.String()
	if !strings.Contains(page, `data-live="/live?run=`+run.ID.String()+`"`) || strings.Contains(page, ">main.leaf<") {
		t.Error("the page of a live run does not watch it, or shows what has not happened")
	}
	run.Call(3)
	if a, b := next(of), next(all); a != "change" || b != "change" {
		t.Errorf("when the run grew: %q %q", a, b)
	}
	if page := site.get("/runs/" + run.ID.String() + "/events").Body.String(); !strings.Contains(page, ">main.leaf<") {
		t.Error("the page does not show what is new")
	}
	run.Finish()
	for _, want := range []string{"change", "end", ""} {
		if got := next(of); got != want {
			t.Errorf("when the run ended: %q, want %q", got, want)
		}
	}
	if got := next(all); got != "change" {
		t.Errorf("the list, when the run ended: %q", got)
	}
	if page := site.get("/runs/" + run.ID.String() + "/events").Body.String(); strings.Contains(page, "data-live") {
		t.Error("the page of a run that has ended watches it")
	}
	stop() // who watches does not hold the server
	check(t, <-ended)
	if got := next(all); got != "" {
		t.Errorf("after the end: %q", got)
	}
}

func TestLiveWatchersAreBounded(t *testing.T) {
	file, _ := webtest.NewDatabase(t)
	site := newSite(t, file, Options{})
	for range liveWatchers {
		site.server.watchers.enter()
	}
	if w := site.get("/live"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: %d %v", w.Code, w.Header())
	}
	site.server.watchers.leave()
	if !site.server.watchers.enter() {
		t.Error("a place that was left is not free")
	}
	for range liveWatchers {
		site.server.watchers.leave()
	}
	if w := site.get("/live?run=x"); w.Code != http.StatusBadRequest {
		t.Errorf("no such run: %d", w.Code)
	}
}
