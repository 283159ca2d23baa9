package web

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"smiley/recording"
	"smiley/store"
	"smiley/web/webtest"
)

// site is a server under test.
type site struct {
	t      testing.TB
	server *Server
}

func newSite(t testing.TB, file string, options Options) *site {
	t.Helper()
	if options.SearchTime == 0 {
		options.SearchTime = time.Hour // one request finds all, on a busy machine too
	}
	s := New(file, options)
	t.Cleanup(func() { check(t, s.Close()) })
	return &site{t, s}
}

// get asks for a page as a browser on this machine would.
func (s *site) get(address string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	s.t.Helper()
	r := requestTo(s.t, address)
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w
}

func requestTo(t testing.TB, address string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	r.Host = "127.0.0.1:8080"
	return r
}

// post sends a form.
func (s *site) post(address string, form url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Host = "127.0.0.1:8080"
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w
}

// ask reads the JSON of a page.
func (s *site) ask(address string, into any) {
	s.t.Helper()
	w := s.get(address)
	if w.Code != http.StatusOK {
		s.t.Fatalf("%s: %d %s", address, w.Code, w.Body)
	}
	check(s.t, json.Unmarshal(w.Body.Bytes(), into))
}

var (
	linkPattern   = regexp.MustCompile(`(?:href|action)="([^"]*)"`)
	scriptPattern = regexp.MustCompile(`<script src="/static/[a-z]+\.js\?v=[0-9a-f]+" defer></script>`)
	twinPattern   = regexp.MustCompile(`<a href="([^"]*)" title="The same as JSON"`)
)

// checkPage checks what must hold for every page, whatever the recording holds.
func checkPage(t *testing.T, address, body string) {
	t.Helper()
	if all, own := strings.Count(strings.ToLower(body), "<script"), len(scriptPattern.FindAllString(body, -1)); own == 0 || all != own {
		t.Errorf("%s: %d scripts, %d of them the page's own", address, all, own)
	}
	if strings.Contains(body, "<img src=x") || strings.Contains(strings.ToLower(body), `href="javascript:`) {
		t.Errorf("%s: the recording's text became a part of the page", address)
	}
	if found := inlineOf(body); found != "" {
		t.Errorf("%s: inline handler or style: %s", address, found)
	}
	if !utf8.ValidString(body) {
		t.Errorf("%s: not UTF-8", address)
	}
	if i := strings.IndexFunc(body, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == 0x7f
	}); i >= 0 {
		t.Errorf("%s: unseen character at %d: %q", address, i, body[max(0, i-40):i+4])
	}
}

// TestEveryLinkLeadsSomewhere walks through all pages of a friendly and of a hostile run, from the list on.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	db, err := store.Open(t.Context(), file)
	check(t, err)
	webtest.Record(t, db, &webtest.Friendly, 1, 160, true) // more events than one page has
	webtest.Record(t, db, &webtest.Hostile, 2, 40, true)
	check(t, db.Close())
	s := newSite(t, file, Options{})
	const most, ofAKind = 700, 3
	seen, pending := map[string]bool{"/": true}, []string{"/"}
	kinds, numbers := map[string]int{}, regexp.MustCompile(`[0-9]+`)
	templates := map[string]bool{}
	for n := 0; len(pending) > 0 && n < most; n++ {
		address := pending[0]
		pending = pending[1:]
		w := s.get(address)
		body := w.Body.String()
		switch {
		case w.Code == http.StatusSeeOther:
			pending = append(pending, w.Header().Get("Location"))
			continue
		case w.Code == http.StatusNotFound && strings.Contains(address, "/go?"):
			// A step may lead nowhere, and says so.
		case w.Code != http.StatusOK:
			t.Errorf("%s: %d\n%s", address, w.Code, body)
		}
		if w.Header().Get("Content-Security-Policy") != policy {
			t.Errorf("%s: no policy", address)
		}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: bad JSON", address)
			}
			continue
		}
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			continue
		}
		checkPage(t, address, body)
		templates[regexp.MustCompile(`/[0-9a-f-]{20,}|\d+`).ReplaceAllString(strings.SplitN(address, "?", 2)[0], "/*")] = true
		for _, match := range linkPattern.FindAllStringSubmatch(body, -1) {
			link, _, _ := strings.Cut(html.UnescapeString(match[1]), "#")
			if link == "" || seen[link] || strings.HasSuffix(link, "/delete") || link == "/compare" { // forms, which need what is in them
				continue
			}
			if !strings.HasPrefix(link, "/") || strings.HasPrefix(link, "//") {
				t.Errorf("%s: leads away: %s", address, link)
			}
			seen[link] = true
			kind := link // addresses that differ in numbers lead to pages that are alike
			if run := strings.SplitN(link, "/", 4); len(run) == 4 {
				kind = run[2] + numbers.ReplaceAllString(run[3], "*")
			}
			if kinds[kind]++; kinds[kind] > ofAKind {
				continue
			}
			pending = append(pending, link)
		}
	}
	for _, kind := range []string{
		"/", "/help", "/runs/*", "/runs/*/events", "/runs/*/tree", "/runs/*/call//*", "/runs/*/statistics", "/runs/*/function//*",
		"/runs/*/graph", "/runs/*/flame", "/runs/*/goroutines", "/runs/*/timeline", "/runs/*/files", "/runs/*/files//*", "/runs/*/losses",
	} {
		if !templates[kind] {
			t.Errorf("no link led to a page like %s; pages seen: %v", kind, templates)
		}
	}
}

// TestPagesHaveTwins checks that every page names its JSON twin, and that the twin answers.
func TestPagesHaveTwins(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	for _, run := range runs {
		base := "/runs/" + run.ID.String()
		for _, address := range []string{
			"/", "/help", base, base + "/events?f=errors", base + "/tree?at=4", base + "/call/4", base + "/statistics?sort=calls",
			base + "/function/2", base + "/graph?by=package", base + "/flame?weight=calls&at=4", base + "/goroutines", base + "/timeline?at=4&from=1us", base + "/files",
			base + "/files/1", base + "/losses",
		} {
			match := twinPattern.FindStringSubmatch(s.get(address).Body.String())
			if match == nil {
				t.Errorf("%s names no twin", address)
				continue
			}
			w := s.get(html.UnescapeString(match[1]))
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: twin %s: %d %s", address, match[1], w.Code, w.Body)
			}
		}
	}
}

// TestBadInput checks that whatever is wrong, a page says so, says what to do, and leads back.
func TestBadInput(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	base := "/runs/" + runs[0].ID.String()
	for address, want := range map[string]int{
		"/nowhere":                             404,
		"/runs/ffffffff":                       404,
		"/runs/not-an-id":                      400,
		"/runs/0":                              400, // both runs begin so
		base + "/nowhere":                      404,
		base + "/call/0":                       404,
		base + "/call/999999999":               404,
		base + "/call/x":                       400,
		base + "/call/-1":                      400,
		base + "/call/5/../../..":              404,
		base + "/function/99":                  404,
		base + "/function/18446744073709551":   404,
		base + "/files/99":                     404,
		base + "/files/..%2f..%2fetc%2fpasswd": 400,
		base + "/tree?at=x":                    400,
		base + "/tree?at=999999":               404,
		base + "/tree?at=3":                    404, // not a call
		base + "/tree?after=4&at=2":            400,
		base + "/events?g=x":                   400,
		base + "/events?g=-1":                  400,
		base + "/events?g=999":                 404,
		base + "/events?from=-1":               400,
		base + "/events?n=100000":              400,
		base + "/events?t=yesterday":           400,
		base + "/events?f=over:never":          400,
		base + "/events?f=no.such.function":    400,
		base + "/statistics?sort=beauty":       400,
		base + "/graph?by=colour":              400,
		base + "/flame?weight=feather":         400,
		base + "/go?to=next":                   400,
		base + "/timeline?from=1s&to=1ms":      400,
		base + "/go?to=sideways&at=4":          400,
		"/?before=zzz":                         400,
		"/static/..%2fserver.go":               404,
		"/static/nothing.css":                  404,
	} {
		w := s.get(address)
		if w.Code == http.StatusMovedPermanently || w.Code == http.StatusTemporaryRedirect { // a path with dots in it
			w = s.get(w.Header().Get("Location"))
		}
		if w.Code != want {
			t.Errorf("%s: %d, want %d\n%s", address, w.Code, want, w.Body)
			continue
		}
		checkPage(t, address, w.Body.String())
		if !strings.Contains(w.Body.String(), `href="/"`) || !strings.Contains(w.Body.String(), "<h1>") {
			t.Errorf("%s: no way back", address)
		}
		twin := strings.SplitN(address, "?", 2)
		twin[0] += ".json"
		var e errorJSON
		if w := s.get(strings.Join(twin, "?")); !strings.Contains(address, "..") && (json.Unmarshal(w.Body.Bytes(), &e) != nil || w.Code != want || e.Error.Message == "") {
			if !strings.HasPrefix(address, "/?") && !strings.HasPrefix(address, "/static") {
				t.Errorf("%s.json: %d %s", address, w.Code, w.Body)
			}
		}
	}
}

// TestDatabaseComesAndGoes checks that a server outlives what happens to its file.
func TestDatabaseComesAndGoes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	s := newSite(t, file, Options{})
	if w := s.get("/"); w.Code != 200 || !strings.Contains(w.Body.String(), "smiley run") {
		t.Errorf("without a file: %d %s", w.Code, w.Body)
	}
	var list runsJSON
	if s.ask("/runs.json", &list); len(list.Runs) != 0 {
		t.Errorf("runs without a file: %v", list)
	}
	first, runs := webtest.NewDatabase(t)
	check(t, os.Rename(first, file))
	if s.ask("/runs.json", &list); len(list.Runs) != len(runs) {
		t.Errorf("%d runs when the file came, want %d", len(list.Runs), len(runs))
	}
	other := filepath.Join(t.TempDir(), "other.db")
	db, err := store.Open(t.Context(), other)
	check(t, err)
	webtest.Record(t, db, &webtest.Friendly, 3, 5, true)
	check(t, db.Close())
	check(t, os.Rename(other, file))
	if s.ask("/runs.json", &list); len(list.Runs) != 1 {
		t.Errorf("%d runs when another file took its place, want 1", len(list.Runs))
	}
	check(t, os.Remove(file))
	check(t, os.WriteFile(file, []byte(strings.Repeat("not a database ", 1000)), 0o600))
	if w := s.get("/"); w.Code != 500 || !strings.Contains(w.Body.String(), "not a smiley database") {
		t.Errorf("with a foreign file: %d %s", w.Code, w.Body)
	}
}

// TestLiveRun checks that a run shows while it is recorded, and cannot be deleted.
func TestLiveRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	db, err := store.Open(t.Context(), file)
	check(t, err)
	defer func() { check(t, db.Close()) }()
	run := webtest.Record(t, db, &webtest.Friendly, 1, 30, false)
	s := newSite(t, file, Options{})
	if body := s.get("/runs/" + run.ID.String()).Body.String(); !strings.Contains(body, ">recording<") {
		t.Error("a run that is being recorded does not say so")
	}
	w := s.post("/runs/"+run.ID.String()+"/delete", url.Values{"token": {s.server.formToken}})
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "is being recorded") {
		t.Errorf("delete of a live run: %d %s", w.Code, w.Body)
	}
}

// TestDeleteAndUndo checks that a deleted run is out of sight, comes back when asked, and is gone in the end.
func TestDeleteAndUndo(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := New(file, Options{Undo: 1 << 40})
	at := &site{t, s}
	address := "/runs/" + runs[0].ID.String()
	form := url.Values{"token": {s.formToken}}
	listed := func() int {
		var list runsJSON
		at.ask("/runs.json", &list)
		return len(list.Runs)
	}
	if w := at.post(address+"/delete", form); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" {
		t.Fatalf("delete: %d %s", w.Code, w.Body)
	}
	if listed() != 1 || at.get(address).Code != http.StatusNotFound {
		t.Error("the deleted run is still in sight")
	}
	if body := at.get("/").Body.String(); !strings.Contains(body, address+"/restore") || !strings.Contains(body, "Undo") {
		t.Error("the list offers no way to undo")
	}
	if w := at.post(address+"/restore", form); w.Code != http.StatusSeeOther {
		t.Fatalf("restore: %d %s", w.Code, w.Body)
	}
	if listed() != 2 || at.get(address).Code != http.StatusOK {
		t.Error("the restored run is not back")
	}
	if w := at.post(address+"/restore", form); w.Code != http.StatusNotFound {
		t.Errorf("restore of a run that is there: %d", w.Code)
	}
	at.post(address+"/delete", form)
	check(t, s.Close())
	r, err := store.OpenReader(t.Context(), file)
	check(t, err)
	defer func() { check(t, r.Close()) }()
	if _, err := r.Run(t.Context(), runs[0].ID); recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("after the end the deleted run is there: %v", err)
	}
	if _, err := r.Run(t.Context(), runs[1].ID); err != nil {
		t.Errorf("the other run: %v", err)
	}
}
