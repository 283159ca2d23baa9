package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"smiley/recording"
	"smiley/store"
	"smiley/web/webtest"
)

// parseReport reads the pages of a report by their files' names.
func parseReport(t *testing.T, folder string) map[string]*html.Node {
	t.Helper()
	entries, err := os.ReadDir(folder)
	check(t, err)
	pages := map[string]*html.Node{}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".html" {
			continue
		}
		body, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		check(t, err)
		pages[entry.Name()], err = html.Parse(bytes.NewReader(body))
		check(t, err)
	}
	return pages
}

// elements are the elements of a page by id; an id must not be there twice.
func elements(t *testing.T, page *html.Node) map[string]*html.Node {
	t.Helper()
	byID := map[string]*html.Node{}
	for n := range page.Descendants() {
		if id := attribute(n, "id"); n.Type == html.ElementNode && id != "" {
			if byID[id] != nil {
				t.Errorf("two elements have the id %s", id)
			}
			byID[id] = n
		}
	}
	return byID
}

// checkHarmless checks that a page runs nothing but our scripts and leads nowhere but to its neighbours.
func checkHarmless(t *testing.T, name string, page *html.Node) {
	t.Helper()
	for n := range page.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script":
			checkScript(t, name, n)
		case "form", "iframe", "object", "embed", "base":
			t.Errorf("%s: a %s", name, n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Errorf("%s: attribute %s", name, a.Key)
			}
			if (a.Key == "href" || a.Key == "src") && (strings.HasPrefix(a.Val, "/") || strings.Contains(a.Val, ":") && !strings.HasPrefix(a.Val, "data:image/svg+xml;")) {
				t.Errorf("%s: leads to %q", name, a.Val)
			}
		}
	}
}

// checkScript checks that a script is one of ours, or data that nothing runs.
func checkScript(t *testing.T, name string, n *html.Node) {
	t.Helper()
	text := ""
	if n.FirstChild != nil {
		text = n.FirstChild.Data
	}
	switch src := attribute(n, "src"); {
	case attribute(n, "type") == "application/json":
		if src != "" || !json.Valid([]byte(text)) || strings.Contains(text, "<") {
			t.Errorf("%s: data that is more than data: %s", name, shorten(text, 200))
		}
	case src == "keys.js", src == "islands.js", src == "calls.js":
		if text != "" {
			t.Errorf("%s: %s has a text of its own", name, src)
		}
	case src == "" && name == "report.html" && text == string(readAssets()["islands.js"].body):
	default:
		t.Errorf("%s: a script: %v", name, n.Attr)
	}
}

// reportRuns makes a file with a friendly run, whose details are two pages, and a hostile one.
func reportRuns(t *testing.T) (file string, runs []webtest.Recorded) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "smiley.db")
	s, err := store.Open(t.Context(), file)
	check(t, err)
	runs = []webtest.Recorded{webtest.Record(t, s, &webtest.Friendly, 1, 80, true), webtest.Record(t, s, &webtest.Hostile, 2, 12, true)}
	check(t, s.Close())
	return file, runs
}

func TestReport(t *testing.T) {
	file, runs := reportRuns(t)
	for i, what := range []string{"friendly", "hostile"} {
		t.Run(what, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "report")
			pages := 0
			summary, err := Report(t.Context(), file, runs[i].ID.String(), folder, ReportOptions{
				Title: `A <b>title</b>`, Progress: func(n int) { pages = n },
			})
			check(t, err)
			report := parseReport(t, folder)
			if len(report) != summary.Pages || pages != summary.Pages || len(summary.LeftOut) != 0 || uint64(summary.Calls) != summary.CallsInRun {
				t.Errorf("%d files, %d pages told, %+v", len(report), pages, summary)
			}
			byID := map[string]map[string]*html.Node{}
			for name, page := range report {
				byID[name] = elements(t, page)
			}
			links := 0
			for name, page := range report {
				checkHarmless(t, name, page)
				for n := range page.Descendants() {
					href := attribute(n, "href")
					if n.Data != "a" || href == "" {
						continue
					}
					to, fragment, _ := strings.Cut(href, "#")
					if report[to] == nil {
						t.Fatalf("%s leads to %s, which is not there", name, href)
					}
					// A return at once is part of its call's row.
					if fragment != "" && byID[to][fragment] == nil && !strings.HasPrefix(fragment, "e") {
						t.Errorf("%s leads to %s, which is not on that page", name, href)
					}
					links++
				}
			}
			if links < 500 {
				t.Errorf("%d links", links)
			}
			checkReportDetails(t, report, summary)
			if body, _ := os.ReadFile(filepath.Join(folder, "index.html")); !bytes.Contains(body, []byte("A &lt;b&gt;title&lt;/b&gt;")) {
				t.Error("the title is missing, or is markup")
			}
		})
	}
}

// checkReportDetails checks that the details show every call once, and lead to its page.
func checkReportDetails(t *testing.T, report map[string]*html.Node, summary *ReportSummary) {
	t.Helper()
	calls := map[string]bool{}
	for name, page := range report {
		if !strings.HasPrefix(name, "events") || strings.HasPrefix(name, "events-g") {
			continue
		}
		for id, row := range elements(t, page) {
			if row.Data != "tr" || !hasClass(row, "call") {
				continue
			}
			if calls[id] {
				t.Errorf("call %s is on two pages", id)
			}
			calls[id] = true
			if report["call-"+id[1:]+".html"] == nil {
				t.Errorf("call %s has no page", id)
			}
		}
	}
	if uint64(len(calls)) != summary.CallsInRun {
		t.Errorf("the details show %d calls of %d", len(calls), summary.CallsInRun)
	}
}

func TestReportIsBounded(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	folder := filepath.Join(t.TempDir(), "report")
	const most = 20
	summary, err := Report(t.Context(), file, runs[0].ID.String(), folder, ReportOptions{MaxCalls: most})
	check(t, err)
	report := parseReport(t, folder)
	calls := 0
	for name := range report {
		if strings.HasPrefix(name, "call-") && !strings.Contains(name, "after") {
			calls++
		}
	}
	if calls > most || summary.Calls != most || len(summary.LeftOut) < 2 || summary.Events >= summary.EventsIn {
		t.Errorf("%d calls, %+v", calls, summary)
	}
	index, err := os.ReadFile(filepath.Join(folder, "index.html"))
	check(t, err)
	for _, left := range summary.LeftOut {
		if !bytes.Contains(index, []byte(left)) {
			t.Errorf("the first page does not say: %s", left)
		}
	}
	for name, page := range report {
		for n := range page.Descendants() {
			if to, _, _ := strings.Cut(attribute(n, "href"), "#"); n.Data == "a" && to != "" && report[to] == nil {
				t.Fatalf("%s leads to %s, which is not there", name, to)
			}
		}
	}
}

// recordFiles stores a run of a program with some files, a function in each, of which the last two are called.
func recordFiles(t *testing.T, files int) (database string, id recording.RunID) {
	t.Helper()
	database = filepath.Join(t.TempDir(), "smiley.db")
	s, err := store.Open(t.Context(), database)
	check(t, err)
	id, err = recording.NewRunID()
	check(t, err)
	b := recording.NewBuilder(recording.Run{ID: id, Program: "/wide", GoOS: "linux", GoArch: "amd64", Start: time.Unix(1_700_000_000, 0)}, func(d *recording.Draft) error {
		encoded, err := d.Encode(nil)
		if err == nil {
			_, err = s.Append(t.Context(), encoded)
		}
		return err
	})
	defined := recording.Definitions{Goroutines: []recording.Goroutine{{ID: 1}}}
	for i := 1; i <= files; i++ {
		body := fmt.Appendf(nil, "package main\n\nfunc f%d() {}\n", i)
		defined.Files = append(defined.Files, recording.File{ID: recording.FileID(i), Name: fmt.Sprintf("/f%d.go", i), Body: body, Hash: sha256.Sum256(body)})
		defined.Functions = append(defined.Functions, recording.Function{
			ID: recording.FunctionID(i), Name: fmt.Sprintf("main.f%d", i), Package: "main", File: recording.FileID(i), Line: 3, Trace: recording.TraceProbe,
		})
	}
	check(t, b.Define(defined))
	now := int64(0)
	for _, f := range []int{files, files - 1, files} {
		for _, kind := range []recording.Kind{recording.KindCall, recording.KindReturn} {
			now++
			check(t, b.Append(&recording.Raw{Kind: kind, Function: recording.FunctionID(f), Goroutine: 1, Frame: 1, Time: now}))
		}
	}
	check(t, b.Finish(recording.RunEnd{End: time.Unix(1_700_000_001, 0), Duration: now}))
	check(t, s.Close())
	return database, id
}

// Source files and lists of calls are as bounded as calls are, and what was called comes first: a program that is recorded with the
// standard library has hundreds of files, of most of which nothing is called.
func TestReportBoundsFilesAndLists(t *testing.T) {
	file, run := recordFiles(t, 7)
	folder := filepath.Join(t.TempDir(), "report")
	const most = 3
	summary, err := Report(t.Context(), file, run.String(), folder, ReportOptions{MaxCalls: most})
	check(t, err)
	pages := parseReport(t, folder)
	counts := map[string]int{}
	for name := range pages {
		kind, _, _ := strings.Cut(name, "-")
		counts[kind]++
	}
	left := strings.Join(summary.LeftOut, "; ")
	if counts["files"] != most || counts["list"] != most || !strings.Contains(left, "some lists") || !strings.Contains(left, "4 files") {
		t.Errorf("%v, without %s", counts, left)
	}
	// The list of files has all, those with the most calls first; it leads to the first ones.
	row := 0
	for n := range pages["files.html"].Descendants() {
		if n.Data != "a" || !hasClass(n, "fn") {
			continue
		}
		row++
		if leads := attribute(n, "href") != ""; leads != (row <= most) {
			t.Errorf("row %d of the files: %v", row, n.Attr)
		}
	}
	if row != 7 {
		t.Errorf("%d files in the list", row)
	}
}

func TestReportInOneFile(t *testing.T) {
	file, runs := reportRuns(t)
	for i, most := range []int{50, 1000} {
		output := filepath.Join(t.TempDir(), "report.html")
		summary, err := Report(t.Context(), file, runs[i].ID.String(), output, ReportOptions{SingleFile: true, MaxCalls: most})
		check(t, err)
		body, err := os.ReadFile(output)
		check(t, err)
		page, err := html.Parse(bytes.NewReader(body))
		check(t, err)
		checkHarmless(t, "report.html", page)
		byID, sections := elements(t, page), 0
		for n := range page.Descendants() {
			if hasClass(n, "report-page") {
				sections++
			}
			if n.Data == "script" && attribute(n, "src") != "" || n.Data == "link" {
				t.Errorf("it needs another file: %v", n.Attr)
			}
			fragment, ok := strings.CutPrefix(attribute(n, "href"), "#")
			if n.Data != "a" || !ok {
				continue
			}
			if _, row, _ := strings.Cut(fragment, ".e"); byID[fragment] == nil && parseNumber(row) == 0 {
				t.Errorf("a link leads to %s, which is not there", fragment)
			}
		}
		if sections != summary.Pages || int64(len(body)) != summary.Bytes {
			t.Errorf("%d pages in %d bytes, %+v", sections, len(body), summary)
		}
		if info, err := os.Stat(output); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
}

// A page of a report takes as long as it needs, and a report that lacks one that there is does not pass for a whole one.
func TestReportPagesAreMade(t *testing.T) {
	server := New(filepath.Join(t.TempDir(), "smiley.db"), Options{ReadOnly: true})
	defer func() { check(t, server.Close()) }()
	server.mux.HandleFunc("/answer/{status}", func(w http.ResponseWriter, r *http.Request) {
		if until, ok := r.Context().Deadline(); ok {
			t.Errorf("it has to be made until %v", until)
		}
		w.WriteHeader(int(parseNumber(r.PathValue("status"))))
		_, _ = w.Write([]byte("page"))
	})
	for status, want := range map[int]struct {
		body string
		code recording.Code
	}{
		http.StatusOK: {body: "page"}, http.StatusNotFound: {}, http.StatusBadRequest: {},
		http.StatusInternalServerError: {code: recording.CodeInternal}, http.StatusServiceUnavailable: {code: recording.CodeInternal},
	} {
		body, err := server.page(t.Context(), fmt.Sprintf("/answer/%d", status))
		if string(body) != want.body || recording.CodeOf(err) != want.code {
			t.Errorf("%d: %q, %v", status, body, err)
		}
	}
}

func TestReportHarmsNothing(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	run := runs[1].ID.String()
	place := t.TempDir()
	check(t, os.WriteFile(filepath.Join(place, "letter"), []byte("dear"), 0o600))
	for _, options := range []ReportOptions{{}, {Replace: true}} {
		if _, err := Report(t.Context(), file, run, place, options); recording.CodeOf(err) != recording.CodeInvalid {
			t.Errorf("a folder that is no report: %v", err)
		}
	}
	report := filepath.Join(place, "report")
	for _, options := range []ReportOptions{{MaxCalls: 3}, {MaxCalls: 3, Replace: true}, {MaxCalls: 3, Replace: true, SingleFile: true}} {
		if _, err := Report(t.Context(), file, run, report, options); err != nil {
			t.Errorf("%+v: %v", options, err)
		}
	}
	if _, err := Report(t.Context(), file, run, report, ReportOptions{}); recording.CodeOf(err) != recording.CodeInvalid {
		t.Errorf("a report that is there: %v", err)
	}
	if _, err := Report(t.Context(), file, "ffffffff", report+"2", ReportOptions{}); recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("no such run: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Report(ctx, file, run, report+"3", ReportOptions{Progress: func(n int) {
		if n == 5 {
			cancel()
		}
	}})
	if recording.CodeOf(err) != recording.CodeCanceled {
		t.Errorf("stopped: %v", err)
	}
	entries, err := os.ReadDir(place)
	check(t, err)
	if fmt.Sprint(entries) != fmt.Sprint([]string{"- letter", "- report"}) {
		t.Errorf("left behind: %v", entries)
	}
}
