package web

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"smiley/web/webtest"
)

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// TestStrangersAreRefused checks that pages of other sites learn nothing: neither by a name of theirs for our address, nor
// by asking in a person's browser.
func TestStrangersAreRefused(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{Hosts: []string{"den.example"}})
	address := "/runs/" + runs[0].ID.String() + ".json"
	for _, name := range []string{"127.0.0.1:8080", "127.9.9.9", "localhost", "LOCALHOST:1", "[::1]:8080", "den.example:8080"} {
		if w := s.get(address, host(name)); w.Code != http.StatusOK {
			t.Errorf("host %s: %d", name, w.Code)
		}
	}
	for _, name := range []string{"", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "10.0.0.1:8080", "[fe80::1]:80", "den.example.evil"} {
		w := s.get(address, host(name))
		if w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "shop") {
			t.Errorf("host %q: %d %s", name, w.Code, w.Body)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"origin":      header("Origin", "http://evil.example"),
		"null origin": header("Origin", "null"),
		"other port":  header("Origin", "http://127.0.0.1:9999"),
		"embedded": func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "no-cors")
		},
	} {
		if w := s.get(address, change); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "shop") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	// Following a link from an issue is no attack.
	follow := func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
	}
	if w := s.get(address, follow); w.Code != http.StatusOK {
		t.Errorf("link from elsewhere: %d", w.Code)
	}
}

// TestChangesNeedAForm checks that nothing but a form of our own pages deletes a run.
func TestChangesNeedAForm(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	address := "/runs/" + runs[0].ID.String()
	good := url.Values{"token": {s.server.formToken}}
	if w := s.get(address + "/delete"); w.Code != http.StatusNotFound {
		t.Errorf("delete by GET: %d", w.Code)
	}
	for name, w := range map[string]int{
		"no token":    s.post(address+"/delete", nil).Code,
		"wrong token": s.post(address+"/delete", url.Values{"token": {"x"}}).Code,
		"in address":  s.post(address+"/delete?"+good.Encode(), nil).Code,
		"origin":      s.post(address+"/delete", good, header("Origin", "http://evil.example")).Code,
		"cross-site":  s.post(address+"/delete", good, header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate")).Code,
		"same-site":   s.post(address+"/delete", good, header("Sec-Fetch-Site", "same-site")).Code,
		"too long":    s.post(address+"/delete", url.Values{"x": {strings.Repeat("x", 2*requestBytes)}, "token": good["token"]}).Code,
	} {
		if w != http.StatusForbidden {
			t.Errorf("delete with %s: %d", name, w)
		}
	}
	if s.get(address).Code != http.StatusOK {
		t.Fatal("the run is gone")
	}
	if w := s.post(address+"/delete", good, header("Origin", "http://127.0.0.1:8080"), header("Sec-Fetch-Site", "same-origin")); w.Code != http.StatusSeeOther {
		t.Errorf("delete by our own form: %d %s", w.Code, w.Body)
	}
	if w := s.post("/", good); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST to a page: %d", w.Code)
	}

	reading := newSite(t, file, Options{ReadOnly: true})
	if w := reading.post(address+"/delete", url.Values{"token": {reading.server.formToken}}); w.Code != http.StatusForbidden {
		t.Errorf("delete where only reading is allowed: %d", w.Code)
	}
	if body := reading.get("/").Body.String(); strings.Contains(body, "/delete") {
		t.Error("a page that only reads offers to delete")
	}
}

// TestToken checks that a server with a token tells nothing without it, and takes it out of the address at once.
func TestToken(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{Token: "open sesame"})
	address := "/runs/" + runs[0].ID.String()
	for _, a := range []string{"/", address, address + ".json", address + "?token=guess", "/static/keys.js"} {
		if w := s.get(a); w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "shop") {
			t.Errorf("%s without token: %d", a, w.Code)
		}
	}
	w := s.get(address + "/events?token=open+sesame&f=errors")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != address+"/events?f=errors" {
		t.Fatalf("with token: %d %s", w.Code, w.Header().Get("Location"))
	}
	cookie := w.Result().Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode {
		t.Errorf("cookie: %v", cookie)
	}
	if w := s.get(address, func(r *http.Request) { r.AddCookie(cookie) }); w.Code != http.StatusOK {
		t.Errorf("with cookie: %d", w.Code)
	}
	if w := s.get("//evil.example/?token=open+sesame"); strings.HasPrefix(w.Header().Get("Location"), "//") {
		t.Errorf("leads to another site: %s", w.Header().Get("Location"))
	}
}

// TestHeaders checks what every answer says about itself.
func TestHeaders(t *testing.T) {
	file, _ := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	for _, address := range []string{"/", "/runs.json", "/nowhere", "/static/smiley.css", "/runs/x"} {
		h := s.get(address).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s = %q", address, name, h.Get(name))
			}
		}
		if h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may be read by other sites", address)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Error("the policy allows what stands in pages")
	}
}

// TestSlowClientsHoldNobody checks that a client which sends half a request does not keep others from being answered, and
// that the end of the server is the end of all its goroutines.
func TestSlowClientsHoldNobody(t *testing.T) {
	file, _ := webtest.NewDatabase(t)
	before := goleak.IgnoreCurrent()
	s := New(file, Options{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	var slow []net.Conn
	for range 50 {
		c, err := net.Dial("tcp", listener.Addr().String())
		check(t, err)
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
		check(t, err)
		slow = append(slow, c)
	}
	c, err := net.Dial("tcp", listener.Addr().String())
	check(t, err)
	_, err = io.WriteString(c, "GET /runs.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
	check(t, err)
	line, err := bufio.NewReader(c).ReadString('\n')
	check(t, err)
	if !strings.Contains(line, "200") {
		t.Errorf("answer beside slow clients: %s", line)
	}
	check(t, c.Close())
	for _, c := range slow {
		check(t, c.Close())
	}
	stop()
	check(t, <-ended)
	check(t, s.Close())
	goleak.VerifyNone(t, before)
}
