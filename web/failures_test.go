package web

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"smiley/recording"
	"smiley/store"
	"smiley/web/webtest"
)

// TestRunDeletedWhileViewed deletes a run behind the back of somebody who looks at it: every page and step of it says so and
// leads back, and the other run is as it was.
func TestRunDeletedWhileViewed(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	fill := func(path string) string {
		return strings.NewReplacer("{run}", runs[0].ID.String(), "{call}", "5", "{function}", "2", "{file}", "1").Replace(path)
	}
	var paths []string
	for _, a := range Addresses() {
		if a.view != nil && strings.HasPrefix(a.Path, "/runs/{run}") {
			path := fill(a.Path) + "?at=5"
			if strings.HasSuffix(a.Path, "/go") {
				path += "&to=next"
			}
			paths = append(paths, path)
		}
	}
	for _, path := range paths {
		if w := s.get(path); w.Code >= http.StatusBadRequest {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	db, err := store.Open(t.Context(), file)
	check(t, err)
	check(t, db.Delete(t.Context(), runs[0].ID))
	check(t, db.Close())
	for _, path := range paths {
		w := s.get(path)
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `href="/"`) || !strings.Contains(w.Body.String(), runs[0].ID.String()) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		checkPage(t, path, w.Body.String())
		var e errorJSON
		if w := s.get(strings.Replace(path, "?", ".json?", 1)); json.Unmarshal(w.Body.Bytes(), &e) != nil || e.Error.Code != recording.CodeNotFound {
			t.Errorf("%s as JSON: %s", path, w.Body)
		}
	}
	if w := s.get("/runs/" + runs[1].ID.String() + "/events"); w.Code != http.StatusOK {
		t.Errorf("the other run: %d", w.Code)
	}
}

// TestRequestsAreBounded checks that an answer which takes too long is stopped and says what to do, and that nobody waits for
// more of a request than its bounds allow.
func TestRequestsAreBounded(t *testing.T) {
	file, _ := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	s.server.mux.HandleFunc("GET /endless", s.server.global(func(q *request) (*page, error) {
		if _, bounded := q.Context().Deadline(); !bounded {
			return nil, recording.Errorf(recording.CodeInternal, "nothing ends this request")
		}
		return nil, recording.Errorf(recording.CodeCanceled, "canceled")
	}))
	w := s.get("/endless")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "took too long") || !strings.Contains(w.Body.String(), `href="/"`) {
		t.Errorf("an answer that takes too long: %d %s", w.Code, w.Body)
	}
	home, stop := serve(t, s.server)
	defer stop()
	for name, request := range map[string]string{
		"a long line":   "GET /" + strings.Repeat("x", 2*headerBytes) + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"a long header": "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("x", 2*headerBytes) + "\r\n\r\n",
	} {
		if line := raw(t, home, request); !strings.Contains(line, " 431 ") {
			t.Errorf("%s: %q", name, line)
		}
	}
}

// serve starts a server on a port of its own; the caller stops it.
func serve(t *testing.T, s *Server) (address string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	return listener.Addr().String(), func() {
		cancel()
		check(t, <-ended)
	}
}

// raw sends bytes and returns the first line of the answer.
func raw(t *testing.T, address, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	check(t, err)
	defer func() { check(t, c.Close()) }()
	_, _ = io.WriteString(c, request) // the server may hang up before it has read all of it
	line, err := bufio.NewReader(c).ReadString('\n')
	check(t, err)
	return line
}

// TestSlowReadersHoldNobody lets clients ask for more than the network's buffers take and read none of it: others get their
// answers, and the end of the server is the end of all its goroutines.
func TestSlowReadersHoldNobody(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	db, err := store.Open(t.Context(), file)
	check(t, err)
	endless := webtest.Record(t, db, &webtest.Endless, 3, 3, true)
	check(t, db.Close())
	before := goleak.IgnoreCurrent()
	s := New(file, Options{})
	home, stop := serve(t, s)
	const readers = 3
	var slow []net.Conn
	for range readers {
		c, err := net.Dial("tcp", home)
		check(t, err)
		check(t, c.(*net.TCPConn).SetReadBuffer(4096))
		_, err = io.WriteString(c, "GET /runs/"+endless.ID.String()+"/events.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		check(t, err)
		first := make([]byte, 1) // the answer is made, and on its way
		_, err = io.ReadFull(c, first)
		check(t, err)
		slow = append(slow, c)
	}
	line := raw(t, home, "GET /runs/"+runs[0].ID.String()+"/statistics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
	if !strings.Contains(line, " 200 ") {
		t.Errorf("answer beside slow readers: %q", line)
	}
	for _, c := range slow {
		check(t, c.Close())
	}
	stop()
	check(t, s.Close())
	goleak.VerifyNone(t, before)
}
