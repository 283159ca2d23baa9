package web

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"path"
	"slices"
	"strings"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

// fileRow is a file in the list.
type fileRow struct {
	Name, Dir, Base, Href string
	Functions, Reached    int
	Share                 int
	Calls                 uint64
	CallsText             string
	Missing               string
	Untraced              string // functions of it that could not be traced
}

type filesContent struct{ Rows []fileRow }

type fileJSON struct {
	analysis.File
	ID        recording.FileID `json:"id"`
	Functions int              `json:"functions"`
	Reached   int              `json:"reached"`  // functions that were called
	Untraced  int              `json:"untraced"` // functions whose calls could not be seen
	Calls     uint64           `json:"calls"`
}

// filesView lists the source files with how much of them was reached.
func filesView(q *request) (*page, error) {
	stats, err := q.statsByFunction()
	if err != nil {
		return nil, err
	}
	list := make([]fileJSON, len(q.names.files))
	for i := range q.names.files {
		f := &q.names.files[i]
		list[i] = fileJSON{File: analysis.File{Name: f.Name, Missing: f.Missing}, ID: f.ID}
		if f.Missing == "" {
			list[i].SHA256 = hex.EncodeToString(f.Hash[:])
		}
	}
	for i := range q.names.functions {
		f := &q.names.functions[i]
		if f.File == 0 || int(f.File) > len(list) || f.Trace == recording.TraceReferenced {
			continue
		}
		file := &list[f.File-1]
		file.Functions++
		if d := stats[f.ID]; d != nil && d.Calls > 0 {
			file.Reached++
			file.Calls += d.Calls
		} else if f.Trace == recording.TraceNot {
			file.Untraced++
		}
	}
	c := &filesContent{}
	for i := range list {
		f := &list[i]
		name := shown(strings.ReplaceAll(f.Name, `\`, "/"), 300)
		row := fileRow{
			Name: name, Dir: path.Dir(name), Base: path.Base(name), Href: q.links.source(f.ID, 0), Functions: f.Functions,
			Reached: f.Reached, Share: share(int64(f.Reached), int64(f.Functions)), Calls: f.Calls, CallsText: count(f.Calls),
			Missing: shown(f.Missing, 200),
		}
		if f.Untraced > 0 {
			row.Untraced = count(uint64(f.Untraced)) + " not traced"
		}
		c.Rows = append(c.Rows, row)
	}
	slices.SortStableFunc(c.Rows, func(a, b fileRow) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Name, b.Name))
	})
	return &page{
		Template: "files", Title: "Files", View: "files", Content: c,
		JSON: map[string]any{"run": q.links.run, "files": list},
	}, nil
}

// fileLine is a line of a file with the function that begins on it.
type fileLine struct {
	codeLine
	Calls    string // how often the function was called; "" on other lines
	Href     string // its calls
	Heat     int    // 0…4
	Dim      bool   // in a function that was never called
	Failures string
	Unknown  string     // why its calls could not be seen
	Values   []valueRow // of the call in focus
	Results  []valueRow
	Returned bool
	CallHref string
}

type fileContent struct {
	Name    string
	Lines   []fileLine
	Missing string
	Cut     bool // a report ends the file here
	List    string

	// Of a file that is too long for one page.
	Shown             string // which lines these are
	Previous, Further string // addresses of the lines before and behind
}

type fileLineJSON struct {
	Line     int    `json:"line"`
	Function string `json:"function"`
	Calls    uint64 `json:"calls"`
}

// A page shows so many lines of a file and those around them, which its neighbours show, too: what is at an edge has
// something beside it.
const (
	windowLines  = 1400
	overlapLines = 50
	maxFileLines = 20_000 // in a report, where a file is one page
)

// fileView is a source file as it was when the program ran.
func fileView(q *request) (*page, error) {
	id, err := parseSeq(map[string][]string{"file": {q.PathValue("file")}}, "file")
	if err != nil {
		return nil, err
	}
	line, err := parseSeq(q.query, "line")
	if err != nil {
		return nil, err
	}
	var file *recording.File
	if id <= uint64(len(q.names.files)) {
		file = q.names.file(recording.FileID(id))
	}
	if file == nil {
		return nil, recording.Errorf(recording.CodeNotFound, "the run has no file %d", id).WithHint("the files page lists them")
	}
	stats, err := q.statsByFunction()
	if err != nil {
		return nil, err
	}
	c := &fileContent{Name: shown(file.Name, 300), Missing: shown(file.Missing, 200), List: q.links.to("files")}
	p := &page{Template: "file", Title: shown(path.Base(file.Name), 80), View: "files", Content: c}
	var body []byte
	if file.Missing == "" {
		if body, err = q.reader.FileBody(q.Context(), file.Hash); err != nil {
			return nil, err
		}
	}
	starts := q.functionsIn(file.ID)
	if q.wantsJSON() {
		p.JSON = q.fileJSON(file, body, starts, stats)
		return p, nil
	}
	if file.Missing != "" {
		return p, nil
	}
	focused, err := q.focusedCall(file.ID)
	if err != nil {
		return nil, err
	}
	if line == 0 && focused != nil {
		line = uint64(max(0, q.names.function(focused.Function).Line))
	}
	text := splitLines(body)
	first, last := q.window(c, file.ID, text.count(), line)
	for i, spans := range highlightLines(body, isGo(file.Name), first, last) {
		c.Lines = append(c.Lines, fileLine{codeLine: codeLine{Number: first + i, Spans: spans}})
	}
	q.annotate(c.Lines, text, starts, stats)
	if focused != nil {
		q.inline(c.Lines, focused)
	}
	return p, nil
}

// window chooses the lines of a file that a page shows: all of a short file, and of a long one those around a line. They are
// the same for all lines of a stretch, so that the pages of a file are as many as it needs.
func (q *request) window(c *fileContent, file recording.FileID, count int, line uint64) (first, last int) {
	if q.server.patient {
		c.Cut = count > maxFileLines
		return 1, min(count, maxFileLines)
	}
	if count <= windowLines+2*overlapLines {
		return 1, count
	}
	at := int(min(max(line, 1), uint64(count))-1) / windowLines
	first, last = max(1, at*windowLines+1-overlapLines), min(count, (at+1)*windowLines+overlapLines)
	c.Shown = "lines " + export.Count(uint64(first)) + " to " + export.Count(uint64(last)) + " of " + export.Count(uint64(count))
	// Each leads to where this page begins or ends, and not to the top of its neighbour.
	address := func(stretch, line int) string {
		return q.links.to("files/"+itoa(int(file)), "line", stretch*windowLines+1) + "#L" + itoa(line)
	}
	if at > 0 {
		c.Previous = address(at-1, first)
	}
	if (at+1)*windowLines < count {
		c.Further = address(at+1, last)
	}
	return first, last
}

// textLines finds the lines of a text.
type textLines struct {
	body   []byte
	starts []int // where each begins
}

func splitLines(body []byte) textLines {
	starts := []int{0}
	for at := 0; ; {
		next := bytes.IndexByte(body[at:], '\n')
		if next < 0 {
			return textLines{body, starts}
		}
		at += next + 1
		starts = append(starts, at)
	}
}

func (t textLines) count() int { return len(t.starts) }

// line returns a line, counted from 1.
func (t textLines) line(number int) []byte {
	line, _, _ := bytes.Cut(t.body[t.starts[number-1]:], []byte("\n"))
	return line
}

// closing returns the last line of the function that begins on a line, but not more than last. Its closing brace is where gofmt
// puts it: at a line's beginning, unless all of the function is on one line.
func (t textLines) closing(first, last int) int {
	if bytes.HasSuffix(bytes.TrimSpace(t.line(first)), []byte("}")) {
		return first
	}
	for number := first; number < last; number++ {
		if bytes.HasPrefix(t.line(number), []byte("}")) {
			return number
		}
	}
	return last
}

func (q *request) fileJSON(file *recording.File, body []byte, starts []*recording.Function, stats map[recording.FunctionID]*recording.FunctionDelta) any {
	lines := []fileLineJSON{}
	for _, f := range starts {
		line := fileLineJSON{Line: f.Line, Function: f.Name}
		if d := stats[f.ID]; d != nil {
			line.Calls = d.Calls
		}
		lines = append(lines, line)
	}
	return map[string]any{
		"run": q.links.run, "id": file.ID, "name": file.Name, "missing": file.Missing, "source": string(body), "functions": lines,
	}
}

// functionsIn returns the functions of a file that were to be traced, by line.
func (q *request) functionsIn(id recording.FileID) []*recording.Function {
	var found []*recording.Function
	for i := range q.names.functions {
		if f := &q.names.functions[i]; f.File == id && f.Trace != recording.TraceReferenced {
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b *recording.Function) int { return cmp.Compare(a.Line, b.Line) })
	return found
}

// annotate writes call counts into the margin, and dims functions that were never called. starts are in the order of their lines.
func (q *request) annotate(lines []fileLine, text textLines, starts []*recording.Function, stats map[recording.FunctionID]*recording.FunctionDelta) {
	if len(lines) == 0 {
		return
	}
	first, last := lines[0].Number, lines[len(lines)-1].Number
	var before fileLine // stands for a line before the first: its function may reach into what is shown
	dimmed := 0         // so far, to this line
	for _, f := range starts {
		if f.Line < 1 || f.Line > last {
			continue
		}
		line := &before
		if f.Line >= first {
			line = &lines[f.Line-first]
		} else if before.Number != f.Line {
			before = fileLine{codeLine: codeLine{Number: f.Line}}
		}
		d := stats[f.ID]
		if line == &before && d != nil && d.Calls > 0 {
			line.Calls = count(d.Calls) // nobody sees more of it
			continue
		}
		if f.Trace == recording.TraceNot && d == nil {
			if line.Calls == "" {
				line.Calls, line.Unknown = "?", "its calls could not be seen: "+shown(f.Reason, 200)
			}
			continue
		}
		if d == nil || d.Calls == 0 {
			if line.Calls == "" {
				line.Calls = "0"
				from := max(f.Line, first, dimmed+1)
				if f.Line > dimmed {
					dimmed = text.closing(f.Line, last)
				}
				for number := from; number <= dimmed; number++ {
					lines[number-first].Dim = true
				}
			}
			continue
		}
		line.Calls, line.Href, line.Heat = count(d.Calls), q.links.to("events", "at", 0, "g", 0, "f", q.names.functionWord(f)), heat(d.Calls)
		if d.Errors > 0 {
			line.Failures = export.Plural(d.Errors, "error")
		}
	}
}

// heat grades a number of calls by powers of ten.
func heat(calls uint64) int {
	h := 0
	for ; calls >= 10 && h < 4; calls /= 10 {
		h++
	}
	return h
}

// focusedCall returns the call in focus when its function is in a file, and nil otherwise.
func (q *request) focusedCall(file recording.FileID) (*store.CallData, error) {
	if q.focus.At == 0 {
		return nil, nil //nolint:nilnil // there is none
	}
	call, err := q.reader.Call(q.Context(), q.info.ID, q.focus.At)
	if err != nil {
		return nil, webHints(err)
	}
	if f := q.names.function(call.Function); f == nil || f.File != file {
		return nil, nil //nolint:nilnil // it is elsewhere
	}
	return call, nil
}

// inline writes the values of a call beside its function.
func (q *request) inline(lines []fileLine, call *store.CallData) {
	f, n := q.names.function(call.Function), q.namer()
	if len(lines) == 0 || f.Line < lines[0].Number || f.Line > lines[len(lines)-1].Number {
		return
	}
	line := &lines[f.Line-lines[0].Number]
	line.Focus, line.CallHref = true, q.links.call(call.Seq)
	line.Values = valueRows(n.values(f.Params, call.Args), nil)
	if call.Returned {
		line.Returned, line.Results = true, resultRows(n.values(f.Results, call.Results), call.Failed)
	}
}
