package web

import (
	"cmp"
	"encoding/hex"
	"path"
	"slices"
	"strings"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
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

// statsByFunction returns the statistics of the functions that were called.
func (q *request) statsByFunction() (map[recording.FunctionID]*recording.FunctionDelta, error) {
	stats, err := q.reader.FunctionStats(q.Context(), q.info.ID)
	if err != nil {
		return nil, err
	}
	byID := make(map[recording.FunctionID]*recording.FunctionDelta, len(stats))
	for i := range stats {
		byID[stats[i].Function] = &stats[i]
	}
	return byID, nil
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
	Cut     bool
	List    string
}

type fileLineJSON struct {
	Line     int    `json:"line"`
	Function string `json:"function"`
	Calls    uint64 `json:"calls"`
}

const maxFileLines = 20_000

// fileView is a source file as it was when the program ran.
func fileView(q *request) (*page, error) {
	id, err := parseSeq(map[string][]string{"file": {q.PathValue("file")}}, "file")
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
	p.JSON = q.fileJSON(file, body, starts, stats)
	if q.wantsJSON() {
		return p, nil
	}
	for i, spans := range highlight(body, isGo(file.Name)) {
		if i == maxFileLines {
			c.Cut = true
			break
		}
		c.Lines = append(c.Lines, fileLine{codeLine: codeLine{Number: i + 1, Spans: spans}})
	}
	if file.Missing != "" {
		c.Lines = nil
	}
	q.annotate(c.Lines, starts, stats)
	return p, q.inline(c.Lines)
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

// annotate writes call counts into the margin, and dims functions that were never called.
func (q *request) annotate(lines []fileLine, starts []*recording.Function, stats map[recording.FunctionID]*recording.FunctionDelta) {
	for _, f := range starts {
		if f.Line < 1 || f.Line > len(lines) {
			continue
		}
		line := &lines[f.Line-1]
		d := stats[f.ID]
		if f.Trace == recording.TraceNot && d == nil {
			if line.Calls == "" {
				line.Calls, line.Unknown = "?", "its calls could not be seen: "+shown(f.Reason, 200)
			}
			continue
		}
		if d == nil || d.Calls == 0 {
			if line.Calls == "" {
				line.Calls = "0"
				dim(lines[f.Line-1:])
			}
			continue
		}
		line.Calls, line.Href, line.Heat = count(d.Calls), q.links.to("events", "at", 0, "g", 0, "f", q.names.functionWord(f)), heat(d.Calls)
		if d.Errors > 0 {
			line.Failures = export.Plural(d.Errors, "error")
		}
	}
}

// dim marks the lines of a function up to its closing brace, which gofmt puts at the line's beginning.
func dim(lines []fileLine) {
	for i := range lines {
		lines[i].Dim = true
		if spans := lines[i].Spans; len(spans) > 0 && strings.HasPrefix(spans[0].Text, "}") {
			return
		}
		if i == 0 && len(lines[0].Spans) > 0 {
			last := lines[0].Spans[len(lines[0].Spans)-1].Text
			if strings.HasSuffix(strings.TrimSpace(last), "}") {
				return // all of it on one line
			}
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

// inline writes the values of the call in focus beside its function.
func (q *request) inline(lines []fileLine) error {
	if q.focus.At == 0 {
		return nil
	}
	call, err := q.reader.Call(q.Context(), q.info.ID, q.focus.At)
	if err != nil {
		return webHints(err)
	}
	f := q.names.function(call.Function)
	if f == nil || f.Line < 1 || f.Line > len(lines) || "/runs/"+q.links.run+"/files/"+itoa(int(f.File)) != q.URL.Path {
		return nil
	}
	n := q.namer()
	line := &lines[f.Line-1]
	line.Focus, line.CallHref = true, q.links.call(call.Seq)
	line.Values = valueRows(n.values(f.Params, call.Args), nil)
	if call.Returned {
		line.Returned, line.Results = true, resultRows(n.values(f.Results, call.Results), call.Failed)
	}
	return nil
}
