package web

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"smiley/export"
	"smiley/recording"
	"smiley/store"
	"smiley/web/webtest"
)

// Lines of the long file. A function that is never called, a comment and a string each reach over the edge of a window.
const (
	longFirst   = 3
	longNever   = 7
	longClosing = 2001 // of never
	longComment = 2003
	longEnd     = 4150 // of the comment
	longLast    = 4160
	longString  = 4170
	longUnseen  = 4490
	longLines   = 4500
)

func longSource() string {
	attack := func(i int) string {
		if i%50 == 0 {
			return webtest.Attack
		}
		return "<i>"
	}
	lines := make([]string, longLines)
	for i := range lines {
		switch number := i + 1; {
		case number == 1:
			lines[i] = "package main"
		case number == longFirst || number == longNever || number == longLast:
			lines[i] = fmt.Sprintf("func f%d() {", number)
		case number == longFirst+2 || number == longClosing || number == longLast+2:
			lines[i] = "}"
		case number == longComment:
			lines[i] = "/* it begins here"
		case number == longEnd:
			lines[i] = "and ends here */"
		case number == longLast-1:
			lines[i] = "// The last function. " + webtest.Attack
		case number == longString:
			lines[i] = "const text = `"
		case number == longUnseen-1:
			lines[i] = "`"
		case number > longString && number < longUnseen:
			lines[i] = "} " + strings.ReplaceAll(attack(i), "`", "")
		case number == longUnseen:
			lines[i] = "func unseen() {}"
		case number > longNever && number < longClosing:
			lines[i] = fmt.Sprintf("\tuse(%d, \"%d\") // %s\r", number, number, attack(i))
		case number > longComment && number < longEnd:
			lines[i] = "func } " + attack(i)
		}
	}
	return strings.Join(lines, "\n")
}

// recordLong stores a run of a program with one long file: 3 calls of the function at longFirst, 12 of that at longLast. It
// returns the seq of the last call.
func recordLong(t *testing.T, file, source string) (run recording.RunID, last uint64) {
	t.Helper()
	s, err := store.Open(t.Context(), file)
	check(t, err)
	run, err = recording.NewRunID()
	check(t, err)
	b := recording.NewBuilder(recording.Run{ID: run, Program: "/long", GoOS: "linux", GoArch: "amd64", Start: time.Unix(1_700_000_000, 0)}, func(d *recording.Draft) error {
		encoded, err := d.Encode(nil)
		if err == nil {
			_, err = s.Append(t.Context(), encoded)
		}
		return err
	})
	function := func(id recording.FunctionID, line int, trace recording.Trace) recording.Function {
		return recording.Function{ID: id, Name: fmt.Sprintf("main.f%d", line), Package: "main", File: 1, Line: line, Trace: trace, Reason: "inlined"}
	}
	body := []byte(source)
	check(t, b.Define(recording.Definitions{
		Files: []recording.File{{ID: 1, Name: "/long.go", Body: body, Hash: sha256.Sum256(body)}},
		Functions: []recording.Function{
			function(1, longFirst, recording.TraceProbe), function(2, longNever, recording.TraceProbe),
			function(3, longLast, recording.TraceProbe), function(4, longUnseen, recording.TraceNot),
		},
		Goroutines: []recording.Goroutine{{ID: 1}},
	}))
	now := int64(0)
	add := func(kind recording.Kind, f recording.FunctionID) {
		now++
		check(t, b.Append(&recording.Raw{Kind: kind, Function: f, Goroutine: 1, Frame: 1, Time: now}))
	}
	for i := range 15 {
		f := recording.FunctionID(1)
		if i >= 3 {
			f = 3
		}
		add(recording.KindCall, f)
		add(recording.KindReturn, f)
	}
	check(t, b.Finish(recording.RunEnd{End: time.Unix(1_700_000_001, 0), Duration: now}))
	for e, err := range s.Events(t.Context(), run, store.EventQuery{FromSeq: 1, Limit: 100}) {
		check(t, err)
		if e.Kind == recording.KindCall {
			last = e.Seq
		}
	}
	check(t, s.Close())
	return run, last
}

// codeRow is a line of a source page.
type codeRow struct {
	Class, Calls, Number, Text, First string // First is the class of the line's first span
}

// codeRows returns the lines of a source page by their ids, in order.
func (d *document) codeRows() (ids []string, rows map[string]codeRow) {
	rows = map[string]codeRow{}
	for n := range d.root.Descendants() {
		if n.Data != "tr" || !strings.HasPrefix(attribute(n, "id"), "L") {
			continue
		}
		row := codeRow{Class: strings.TrimSpace(attribute(n, "class"))}
		for cell := range n.ChildNodes() {
			switch {
			case hasClass(cell, "calls"):
				row.Calls = allText(cell)
			case hasClass(cell, "ln"):
				row.Number = allText(cell)
			case hasClass(cell, "src"):
				code := cell.FirstChild
				row.Text = allText(code)
				if code.FirstChild != nil {
					row.First = attribute(code.FirstChild, "class")
				}
			}
		}
		ids = append(ids, attribute(n, "id"))
		rows[attribute(n, "id")] = row
	}
	return ids, rows
}

// allText is the text of an element as it is.
func allText(n *html.Node) string {
	var b strings.Builder
	for child := range n.Descendants() {
		if child.Type == html.TextNode {
			b.WriteString(child.Data)
		}
	}
	return b.String()
}

// link returns where a page's link with a rel leads; "" when there is none.
func (d *document) link(rel string) string {
	if n := find(d.root, func(n *html.Node) bool { return n.Data == "a" && attribute(n, "rel") == rel }); n != nil {
		return attribute(n, "href")
	}
	return ""
}

// TestLongFile walks through a file that is too long for one page: every page shows of its lines what a page with all of them
// would, together they show all, and links and the call in focus choose the right one.
func TestLongFile(t *testing.T) {
	file, source := filepath.Join(t.TempDir(), "smiley.db"), longSource()
	run, last := recordLong(t, file, source)
	s := newSite(t, file, Options{})
	address := "/runs/" + run.String() + "/files/1"

	whole := newSite(t, file, Options{})
	whole.server.patient = true // as a report is made
	ids, all := whole.document(t, address).codeRows()
	if len(ids) != longLines {
		t.Fatalf("all of the file is %d lines, want %d", len(ids), longLines)
	}
	for i, line := range strings.Split(source, "\n") {
		row := all[ids[i]]
		if want := export.Escape(strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "TAB")); ids[i] != "L"+row.Number || row.Number != itoa(i+1) ||
			strings.ReplaceAll(row.Text, "\t", "TAB") != want {
			t.Fatalf("line %d is %+v, want %q", i+1, row, want)
		}
	}

	var pages []string
	seen := 0
	for at := address; at != ""; {
		at, _, _ = strings.Cut(at, "#")
		checkPage(t, at, s.get(at).Body.String())
		d := s.document(t, at)
		part, rows := d.codeRows()
		start := int(parseNumber(part[0][1:]))
		if len(part) > windowLines+2*overlapLines || start > seen+1 {
			t.Fatalf("%s: %d lines from %s, behind line %d", at, len(part), part[0], seen)
		}
		for i, id := range part {
			if id != ids[start-1+i] || !reflect.DeepEqual(rows[id], all[id]) {
				t.Fatalf("%s: %s is %+v, want %+v", at, id, rows[id], all[id])
			}
		}
		if before := d.link("prev"); (before == "") != (len(pages) == 0) || before != "" && !strings.HasSuffix(before, "#"+part[0]) {
			t.Errorf("%s: the lines before are at %q", at, before)
		} else if before != "" {
			before, _, _ = strings.Cut(before, "#")
			earlier, _ := s.document(t, before).codeRows()
			same, _ := s.document(t, pages[len(pages)-1]).codeRows()
			if !reflect.DeepEqual(earlier, same) {
				t.Errorf("%s: the way back leads to %s", at, before)
			}
		}
		pages, seen = append(pages, at), start+len(part)-1
		at = d.link("next")
	}
	if seen != longLines || len(pages) != (longLines+windowLines-1)/windowLines {
		t.Errorf("%d pages that end with line %d", len(pages), seen)
	}

	for name, want := range map[string]codeRow{
		itoa(longFirst):       {Calls: "3"},
		itoa(longNever):       {Calls: "0", Class: "never"},
		itoa(longClosing):     {Class: "never"},
		itoa(longClosing + 1): {},
		itoa(longEnd - 1):     {First: "c"},
		itoa(longLast):        {Calls: "12", First: "k"},
		itoa(longUnseen - 2):  {First: "s"},
		itoa(longUnseen):      {Calls: "?", First: "k"},
	} {
		at := address + "?line=" + name
		_, rows := s.document(t, at).codeRows()
		row, ok := rows["L"+name]
		if !ok || row.Calls != want.Calls || row.Class != want.Class || want.First != "" && row.First != want.First {
			t.Errorf("%s: %+v, want %+v", at, row, want)
		}
	}

	// The places of the last function and of its call lead to the third window, and what is in focus is written there.
	for _, at := range []string{"/function/3", "/call/" + fmt.Sprint(last)} {
		d := s.document(t, "/runs/"+run.String()+at)
		link := find(d.root, func(n *html.Node) bool { return strings.HasSuffix(attribute(n, "href"), "#L"+itoa(longLast)) })
		if link == nil {
			t.Fatalf("%s does not lead to the source", at)
		}
		to, _, _ := strings.Cut(attribute(link, "href"), "#")
		if _, rows := s.document(t, to).codeRows(); rows["L"+itoa(longLast)].Calls != "12" {
			t.Errorf("%s leads to %s", at, to)
		}
		code := find(d.root, func(n *html.Node) bool { return n.Data == "table" && hasClass(n, "code") })
		if text := allText(code); !strings.HasPrefix(text, itoa(longLast-1)+"// The last function. ") || !strings.HasSuffix(text, itoa(longLast+2)+"}") {
			t.Errorf("%s shows %q", at, text)
		}
	}
	focused := s.document(t, address+"?at="+fmt.Sprint(last))
	if _, rows := focused.codeRows(); rows["L"+itoa(longLast)].Class != "focus-line" {
		t.Errorf("the call in focus: %+v", rows["L"+itoa(longLast)])
	}
	if find(focused.root, func(n *html.Node) bool { return hasClass(n, "inline-values") }) == nil {
		t.Error("the values of the call in focus are missing")
	}

	if part, _ := s.document(t, address+"?line=9223372036854775807").codeRows(); part[len(part)-1] != "L"+itoa(longLines) {
		t.Errorf("a line behind the end leads to %s", part[0])
	}
	if w := s.get(address + "?line=-1"); w.Code != http.StatusBadRequest {
		t.Errorf("line -1: %d", w.Code)
	}
	var twin struct {
		Source    string
		Functions []struct{ Calls uint64 }
	}
	s.ask(address+".json?line="+itoa(longLast), &twin)
	if len(twin.Functions) != 4 || len(strings.Split(twin.Source, "\n")) != longLines {
		t.Errorf("the JSON has %d functions and %d lines", len(twin.Functions), strings.Count(twin.Source, "\n")+1)
	}
}

// TestHighlightPart checks that a part of a source looks as it does in all of it.
func TestHighlightPart(t *testing.T) {
	pieces := rapid.SampledFrom([]string{"func f", "\n", "\n\n", "\r\n", "`", "/*", "*/", "//", `"`, "'", "\\", "x", " ", "}", "\u202e", "\xff", "1", "é"})
	rapid.Check(t, func(t *rapid.T) {
		source := []byte(strings.Join(rapid.SliceOfN(pieces, 0, 60).Draw(t, "pieces"), ""))
		first := rapid.IntRange(1, 30).Draw(t, "first")
		last := first + rapid.IntRange(0, 20).Draw(t, "more")
		for _, isGo := range []bool{true, false} {
			all := highlight(source, isGo)
			want := all[min(first-1, len(all)):min(last, len(all))]
			if got := highlightLines(source, isGo, first, last); len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Fatalf("Go %v: lines %d to %d of %q are %v, want %v", isGo, first, last, source, got, want)
			}
		}
	})
}

// TestLongLine checks that a line has an end, whatever it is made of.
func TestLongLine(t *testing.T) {
	for _, piece := range []string{"x", "x+", "世+", "\x00", "`` "} {
		lines := highlight([]byte("\n"+strings.Repeat(piece, 100_000)+"\n//"), true)
		runes := 0
		for _, s := range lines[1] {
			if s.Class != "hidden-char" {
				runes += len([]rune(s.Text))
			} else {
				runes++
			}
		}
		if len(lines) != 3 || runes < maxLine || runes > maxLine+1 {
			t.Errorf("%q: %d lines, %d characters", piece, len(lines), runes)
		}
	}
}
