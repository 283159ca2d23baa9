package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"smiley/analysis"
	"smiley/store"
	"smiley/web/webtest"
)

// TestFilterForm checks that a filter put together in a form leads to the address of that filter, which the form takes apart again.
func TestFilterForm(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	base := "/runs/" + runs[0].ID.String() + "/events"
	for _, c := range [][2]string{
		{"only=", base},
		{"only=errors&function=&over=&depth=&g=", base + "?f=errors"},
		{"only=&function=+main.leaf+&over=1us&g=1", base + "?f=main.leaf+over%3A1us&g=1"},
		{"only=output&function=&over=&depth=3&g=7", base + "?f=output+depth%3A3&g=7"},
		// This one's page says what is wrong with it.
		{"only=&over=never", base + "?f=over%3Anever"},
		{"only=&function=%26at%3D5%23", base + "?f=%26at%3D5%23"},
	} {
		form, want := c[0], c[1]
		if w := s.get(base + "?" + form); w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
			t.Errorf("%s leads to %d %s, want %s", form, w.Code, w.Header().Get("Location"), want)
		}
	}
	body := s.get(base + "?f=main.leaf+errors+over:1us+depth:3&g=1").Body.String()
	for _, want := range []string{`name="function" value="main.leaf"`, "<option selected>errors", `name="over" value="1us"`, `name="depth" value="3"`, `name="g" value="1"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the form does not show the filter: no %s", want)
		}
	}
}

// TestTypicalCall checks that a typical call is one of the function, and took about the median.
func TestTypicalCall(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	base := "/runs/" + runs[0].ID.String()
	for _, id := range []string{"1", "2", "3", "4"} {
		var function struct{ Statistics analysis.Statistics }
		s.ask(base+"/function/"+id+".json", &function)
		var step struct{ Call uint64 }
		s.ask(base+"/go.json?to=typical&function="+id, &step)
		var one struct{ Call analysis.Event }
		s.ask(base+"/call/"+count64(step.Call)+".json", &one)
		median := *function.Statistics.P50
		if d := *one.Call.Duration; one.Call.Function != function.Statistics.Function || d < median-median/8-1 || d > median+median/8+1 {
			t.Errorf("typical call of %s: %s with %d ns, the median is %d", function.Statistics.Function, one.Call.Function, d, median)
		}
	}
	for address, want := range map[string]int{
		"/go?to=typical": 404, "/go?to=typical&function=5": 404, "/go?to=typical&function=99": 404, "/go?to=typical&function=x": 400,
	} {
		if w := s.get(base + address); w.Code != want {
			t.Errorf("%s: %d, want %d", address, w.Code, want)
		}
	}
}

func count64(n uint64) string { return strings.ReplaceAll(count(n), ",", "") }

// TestCompare checks that two runs stand side by side with what their own pages say, and what happens without two.
func TestCompare(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{Undo: 1 << 40})
	a, b := runs[0].ID.String(), runs[1].ID.String()
	var both compareJSON
	s.ask("/compare.json?run="+a+"&run="+b, &both)
	for i, id := range []string{a, b} {
		var one analysis.Summary
		s.ask("/runs/"+id+".json", &one)
		if x, y := plain(t, one), plain(t, both.Runs[i]); !equalJSON(t, x, y) {
			t.Errorf("run %d: %v, want %v", i, y, x)
		}
	}
	body := s.get("/compare?run=" + a + "&run=" + b).Body.String()
	for _, want := range []string{"<bdi>433</bdi>", "<bdi>61</bdi>", "−372", "/runs/" + a, "/runs/" + b} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not show %s", want)
		}
	}
	for address, want := range map[string]int{
		"/compare": 400, "/compare?run=" + a: 400, "/compare?run=" + a + "&run=" + b + "&run=" + a: 400,
		"/compare?run=ffffffff&run=" + a: 404, "/compare?run=x&run=" + a: 400, "/compare?run=last&run=" + a: 200,
	} {
		w := s.get(address)
		if w.Code != want || !strings.Contains(w.Body.String(), `href="/"`) {
			t.Errorf("%s: %d, want %d", address, w.Code, want)
		}
	}
	s.post("/runs/"+a+"/delete", url.Values{"token": {s.server.formToken}})
	if w := s.get("/compare?run=" + a + "&run=" + b); w.Code != http.StatusNotFound {
		t.Errorf("a deleted run: %d", w.Code)
	}
}

func equalJSON(t *testing.T, a, b any) bool {
	t.Helper()
	x, err := json.Marshal(a)
	check(t, err)
	y, err := json.Marshal(b)
	check(t, err)
	return string(x) == string(y)
}

// TestRunsByProgram checks the filters of the list of runs.
func TestRunsByProgram(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	db, err := store.Open(t.Context(), file)
	check(t, err)
	for n, v := range []*webtest.Vocabulary{&webtest.Friendly, &webtest.Hostile, &webtest.Friendly} {
		webtest.Record(t, db, v, n, 5, n != 2)
	}
	check(t, db.Close())
	s := newSite(t, file, Options{})
	for query, want := range map[string]int{
		"": 3, "program=shop": 2, "program=nothing": 0, "q=two+words": 2, "q=words+shop": 2, "q=script": 1, "status=failed": 2,
		"status=broken": 1, "status=ok": 0, "program=shop&status=broken": 1, "program=shop&n=1": 1,
	} {
		var list runsJSON
		if s.ask("/runs.json?"+query, &list); len(list.Runs) != want {
			t.Errorf("%s: %d runs, want %d", query, len(list.Runs), want)
		}
	}
	if body := s.get("/?program=shop").Body.String(); !strings.Contains(body, `<option value="shop" selected>`) {
		t.Error("the list does not say which program it shows")
	}
}

// TestCopies checks what a call's page offers to copy: Go of all arguments, and JSON that says the same as the page's twin.
func TestCopies(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	for _, run := range runs {
		address := "/runs/" + run.ID.String() + "/call/5"
		page := s.document(t, address)
		if got := page.labelled("Arguments as Go"); got != "n := 0" {
			t.Errorf("arguments as Go: %q", got)
		}
		var twin struct{ Args, Results json.RawMessage }
		s.ask(address+".json", &twin)
		for label, want := range map[string]json.RawMessage{"Arguments as JSON": twin.Args, "Results as JSON": twin.Results} {
			var a, b any
			check(t, json.Unmarshal([]byte(page.labelled(label)), &a))
			check(t, json.Unmarshal(want, &b))
			if !equalJSON(t, a, b) {
				t.Errorf("%s: %v, want %v", label, a, b)
			}
		}
	}
}
