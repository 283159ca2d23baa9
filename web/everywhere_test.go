package web

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"smiley/recording"
	"smiley/store"
	"smiley/web/webtest"
)

// everywhere are requests for all addresses that the server has, as pages and as JSON, so that a new one cannot be forgotten.
func everywhere(run string) []addressed {
	var all []addressed
	for _, a := range Addresses() {
		path := fillIn(a.Path, run)
		switch {
		case strings.HasSuffix(a.Path, "/go"):
			path += "?to=next&at=5"
		case a.Path == "/compare":
			path += "?run=" + run + "&run=" + run
		case a.Path == "/live":
			path += "?run=" + run
		}
		all = append(all, addressed{a, path})
		if a.JSON != "" {
			all = append(all, addressed{a, twinOf(path)})
		}
	}
	return all
}

// addressed is an address and a path that is one of it.
type addressed struct {
	Address
	path string
}

func fillIn(path, run string) string {
	return strings.NewReplacer("{run}", run, "{call}", "5", "{function}", "2", "{file}", "1", "{name}", "keys.js").Replace(path)
}

func twinOf(path string) string {
	path, query, _ := strings.Cut(path, "?")
	if path == "/" {
		path = "/runs"
	}
	if path += ".json"; query != "" {
		path += "?" + query
	}
	return path
}

// send makes a request as a page of ours would.
func (s *site) send(r addressed) *httptest.ResponseRecorder {
	s.t.Helper()
	if r.Method == http.MethodPost {
		return s.post(r.path, url.Values{"token": {s.server.formToken}})
	}
	return s.get(r.path)
}

// rawError is what people never see: names of what smiley is made of, places in its source, and codes.
var rawError = regexp.MustCompile(`(?i)sqlite|sql:|\.go:\d|runtime error|goroutine \d+ \[|panic:|no such table|syscall|errno|0x[0-9a-f]{6}|<nil>|%!|something went wrong inside`)

// inWords checks that an answer is a page, or one that says in words what is wrong, and leads back. It returns the error's code
// when it is JSON.
func (s *site) inWords(t *testing.T, path string, w *httptest.ResponseRecorder) recording.Code {
	t.Helper()
	body, kind := w.Body.String(), w.Header().Get("Content-Type")
	if w.Code < http.StatusBadRequest {
		return ""
	}
	switch {
	case strings.HasPrefix(kind, "application/json"):
		var e errorJSON
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Error.Message == "" || e.Error.Code == "" {
			t.Errorf("%s: %d %s: no error that programs understand (%v)", path, w.Code, body, err)
		}
		if raw := rawError.FindString(e.Error.Message + " " + e.Error.Hint); raw != "" {
			t.Errorf("%s: %d says %q: %s", path, w.Code, raw, body)
		}
		return e.Error.Code
	case strings.HasPrefix(kind, "text/html"):
		checkPage(t, path, body)
		d := document{t, parse(t, body)}
		heading, back := find(d.root, named("h1")), find(d.root, named("main"))
		if heading == nil || textOf(heading) == "" || back == nil || !strings.Contains(body, `<a class="button" href="/">`) {
			t.Errorf("%s: %d says nothing, or does not lead back\n%s", path, w.Code, body)
			return ""
		}
		if raw := rawError.FindString(textOf(back)); raw != "" {
			t.Errorf("%s: %d says %q: %s", path, w.Code, raw, textOf(back))
		}
	default:
		t.Errorf("%s: %d is answered with %s: %s", path, w.Code, kind, body)
	}
	return ""
}

// newSmallDatabase makes a file with a run of a few calls: what is asked of it is asked very often.
func newSmallDatabase(t *testing.T) (file, run string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "smiley.db")
	db, err := store.Open(t.Context(), file)
	check(t, err)
	recorded := webtest.Record(t, db, &webtest.Friendly, 1, 6, true)
	check(t, db.Close())
	return file, recorded.ID.String()
}

// TestNoAddressTakesNonsense gives every parameter of every address, and every part of its path, what nobody would write: the
// answer is a page or says in words what is wrong with it, and nothing fails inside.
func TestNoAddressTakesNonsense(t *testing.T) {
	file, run := newSmallDatabase(t)
	s := newSite(t, file, Options{Undo: 1 << 40})
	nonsense := []string{
		"", "x", "-1", "0", "1", "99999999999999999999999", "4294967296", "\u202e", "\x00", "<script>\xff", strings.Repeat("1.", 600), strings.Repeat("x ", 1500),
	}
	ofFocus := nonsense[1:9] // all pages of a run read the focus in one place
	for _, a := range everywhere(run) {
		if a.Method != http.MethodGet || a.Path == "/live" {
			continue
		}
		parameters := a.Parameters
		if strings.HasPrefix(a.Path, "/runs/{run}") {
			parameters = append(slices.Clone(parameters), FocusParameters()...)
		}
		for i, p := range parameters {
			values := nonsense
			if i >= len(a.Parameters) {
				values = ofFocus
			}
			for _, value := range values {
				path, query, _ := strings.Cut(a.path, "?")
				others, err := url.ParseQuery(query)
				check(t, err)
				others.Set(p.Name, value)
				address := path + "?" + others.Encode()
				w := s.get(address)
				s.inWords(t, address[:min(len(address), 200)], w)
				if w.Code >= http.StatusInternalServerError {
					t.Errorf("%s: %d", address[:min(len(address), 200)], w.Code)
				}
			}
		}
		for _, part := range []string{"{run}", "{call}", "{function}", "{file}"} {
			if !strings.Contains(a.Path, part) {
				continue
			}
			for _, value := range nonsense {
				if value == "" {
					continue // another address
				}
				address := fillIn(strings.Replace(a.Path, part, url.PathEscape(value), 1), run)
				if strings.HasSuffix(strings.SplitN(a.path, "?", 2)[0], ".json") {
					address = twinOf(address)
				}
				w := s.get(address)
				s.inWords(t, address[:min(len(address), 200)], w)
				if wrong := value != "1" && value != "0"; wrong && (w.Code != http.StatusBadRequest && w.Code != http.StatusNotFound) {
					t.Errorf("%s: %d", address[:min(len(address), 200)], w.Code)
				}
			}
		}
	}
}

// mishap is something that happens to the file of recordings under a server, after it was read.
type mishap struct {
	name   string
	happen func(t *testing.T, file string)
	// ok says which statuses pages of a run may have then; those of no run may always be there.
	ok []int
	// kept says that it is the same file still, and becomes what it was by being written again.
	kept bool
}

func mishaps() []mishap {
	cut := func(share float64) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			t.Helper()
			info, err := os.Stat(file)
			check(t, err)
			check(t, os.Truncate(file, int64(float64(info.Size())*share)))
		}
	}
	replace := func(body []byte) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			t.Helper()
			check(t, os.Remove(file))
			check(t, os.WriteFile(file, body, 0o600))
		}
	}
	overwrite := func(body func(old []byte) []byte) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			t.Helper()
			old, err := os.ReadFile(file)
			check(t, err)
			check(t, os.WriteFile(file, body(old), 0o600)) // it stays the same file
		}
	}
	all := []mishap{
		{"missing", func(t *testing.T, file string) { check(t, os.Remove(file)) }, []int{404}, false},
		{"a folder in its place", func(t *testing.T, file string) { check(t, os.Remove(file)); check(t, os.Mkdir(file, 0o700)) }, []int{400, 404, 500}, false},
		{"empty", replace(nil), []int{404}, false},
		{"a text in its place", replace([]byte(strings.Repeat("not a database ", 1000))), []int{400, 404, 500}, false},
		{"other recordings in its place", func(t *testing.T, file string) {
			other := filepath.Join(t.TempDir(), "other.db")
			db, err := store.Open(t.Context(), other)
			check(t, err)
			webtest.Record(t, db, &webtest.Friendly, 9, 5, true)
			check(t, db.Close())
			check(t, os.Rename(other, file))
		}, []int{404}, false},
		{"cut in the middle", cut(0.5), []int{200, 303, 404, 500}, true},
		{"cut after a page", cut(0.05), []int{200, 303, 404, 500}, true},
		{"nothing left of it", cut(0), []int{200, 303, 404, 500}, true},
		{"a text written over it", overwrite(func([]byte) []byte { return []byte(strings.Repeat("not a database ", 1000)) }), []int{200, 303, 404, 500}, true},
	}
	for seed := range uint64(3) {
		all = append(all, mishap{fmt.Sprintf("damaged %d", seed), overwrite(func(old []byte) []byte {
			rng, body := rand.New(rand.NewPCG(seed, 1)), slices.Clone(old)
			for at := 4096; at < len(body); at += 1 + rng.IntN(4096) {
				for i := at; i < min(len(body), at+16); i++ {
					body[i] = byte(rng.Uint32())
				}
			}
			return body
		}), []int{200, 303, 400, 404, 500}, true})
	}
	return all
}

// TestFileComesToHarm lets something happen to the file under a server that has read it, and under one that has not: every
// address answers, in words and with a way back, and none hangs. When the file is as it was, so are the answers.
func TestFileComesToHarm(t *testing.T) {
	good, run := newSmallDatabase(t)
	body, err := os.ReadFile(good)
	check(t, err)
	all := everywhere(run)
	for _, m := range mishaps() {
		for _, warm := range []bool{true, false} {
			if !warm && m.ok[0] == http.StatusNotFound {
				continue // a server that has read nothing yet is like one that never will
			}
			t.Run(fmt.Sprintf("%s, read before %v", m.name, warm), func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "smiley.db")
				check(t, os.WriteFile(file, body, 0o600))
				s := newSite(t, file, Options{Undo: 1 << 40})
				s.t = t
				if warm {
					for _, a := range all {
						if a.Method == http.MethodGet && !strings.Contains(a.path, ".json") {
							s.send(a)
						}
					}
				}
				m.happen(t, file)
				for _, a := range all {
					w := s.send(a)
					s.inWords(t, a.path, w)
					if strings.HasPrefix(a.Path, "/runs/{run}") && a.Method == http.MethodGet && !slices.Contains(m.ok, w.Code) {
						t.Errorf("%s: %d, want one of %d: %s", a.path, w.Code, m.ok, w.Body)
					}
					if a.Path == "/help" && w.Code != http.StatusOK {
						t.Errorf("%s: %d, though it needs no recordings", a.path, w.Code)
					}
				}
				back := file + ".back"
				if m.kept {
					back = file
				}
				check(t, os.WriteFile(back, body, 0o600))
				if !m.kept {
					check(t, os.RemoveAll(file))
					check(t, os.Rename(back, file))
				}
				for _, a := range all {
					if a.view == nil {
						continue
					}
					w := s.send(a)
					if w.Code >= http.StatusBadRequest { // the first one may learn that the file is another
						w = s.send(a)
					}
					if w.Code >= http.StatusBadRequest {
						t.Errorf("%s, when the file is back: %d %s", a.path, w.Code, w.Body)
					}
				}
			})
		}
	}
}

// TestEmptyStatesLeadOn checks that a page which has nothing to show says where to go, or what to do.
func TestEmptyStatesLeadOn(t *testing.T) {
	file, run := newSmallDatabase(t)
	s := newSite(t, file, Options{})
	nothing := newSite(t, filepath.Join(t.TempDir(), "none.db"), Options{})
	base := "/runs/" + run
	for address, want := range map[string]string{
		"/?q=nobody": `href="/"`, base + "/events?f=over:1h": `href="` + base + `/events"`, base + "/statistics?f=nobody": `href="` + base + `/statistics"`,
		base + "/timeline?after=99999": `href="` + base + `/timeline"`, base + "/goroutines?after=99999": `href="` + base + `/goroutines"`,
		base + "/tree?g=5555": `href="` + base + `"`, base + "/call/99999": `href="` + base + `"`,
	} {
		w := s.get(address)
		d := document{t, parse(t, w.Body.String())}
		empty := d.classed("empty")
		if len(empty) != 1 {
			t.Errorf("%s: %d, %d parts say that there is nothing", address, w.Code, len(empty))
			continue
		}
		links := ""
		for n := range empty[0].Descendants() {
			if n.Data == "a" {
				links += `href="` + attribute(n, "href") + `" `
			}
		}
		if !strings.Contains(links, want) {
			t.Errorf("%s leads to %q, want %s", address, links, want)
		}
	}
	if body := nothing.get("/").Body.String(); !strings.Contains(body, "smiley run ./your/program") {
		t.Error("without recordings, the list does not say how to make one")
	}
}
