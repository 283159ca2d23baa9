package web

import (
	"bytes"
	"go/scanner"
	"go/token"
	"html/template"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"smiley/export"
	"smiley/recording"
)

// span is a piece of source with a class for its colour.
type span struct{ Class, Text string }

// codeLine is a line of a source file.
type codeLine struct {
	Number int
	Spans  []span
	Focus  bool
}

// Code is the line as a part of a page. A page of source has tens of thousands of spans, which is more than a template
// would write in time.
func (l *codeLine) Code() template.HTML {
	var b strings.Builder
	for _, s := range l.Spans {
		if s.Class == "" {
			template.HTMLEscape(&b, []byte(s.Text))
			continue
		}
		b.WriteString(`<span class="` + s.Class + `">`) // the classes are ours
		template.HTMLEscape(&b, []byte(s.Text))
		b.WriteString("</span>")
	}
	return template.HTML(b.String())
}

// maxLine is how much of a line is shown.
const maxLine = 2000

// highlight splits source into lines of coloured spans. Go's own scanner does it: it is exact for Go, linear, and anything
// else comes out plain.
func highlight(body []byte, isGo bool) [][]span { return highlightLines(body, isGo, 1, math.MaxInt) }

// highlightLines is highlight for the lines from first to last, counted from 1; a source with fewer gives those it has. It
// reads the source from its beginning, because a comment or a string may begin long before what is shown, and stops behind last.
func highlightLines(body []byte, isGo bool, first, last int) [][]span {
	h := &highlighter{first: first, last: last}
	h.begin(1)
	if !isGo {
		h.add("", body)
		return h.lines
	}
	files := token.NewFileSet()
	file := files.AddFile("", -1, len(body))
	var s scanner.Scanner
	s.Init(file, body, func(token.Position, string) {}, scanner.ScanComments)
	read, done := 0, 0
	var before token.Token
	for h.number <= last {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			break
		}
		offset := file.Offset(pos)
		if tok == token.SEMICOLON && literal != ";" || offset < read {
			continue // inserted by the scanner
		}
		end := offset + len(literal)
		if literal == "" {
			end = offset + len(tok.String())
		}
		if tok == token.ILLEGAL { // a character; where there is none but a byte, the literal has another length
			_, size := utf8.DecodeRune(body[offset:])
			end = offset + size
		}
		// The scanner drops carriage returns from literals, so its length can be short; the rest comes as plain text.
		end = min(end, len(body))
		h.add("", body[done:offset])
		h.add(tokenClass(tok, before, literal), body[offset:end])
		read, done, before = offset, end, tok
	}
	h.add("", body[min(done, len(body)):])
	return h.lines
}

// tokenClass is the class of a token; before is the token it follows.
func tokenClass(tok, before token.Token, literal string) string {
	switch {
	case tok == token.COMMENT:
		return "c"
	case tok == token.STRING, tok == token.CHAR:
		return "s"
	case tok == token.INT, tok == token.FLOAT, tok == token.IMAG:
		return "n"
	case tok.IsKeyword():
		return "k"
	case tok == token.IDENT && before == token.FUNC:
		return "f"
	case tok == token.IDENT && predeclared[literal]:
		return "b"
	}
	return ""
}

var predeclared = map[string]bool{
	"any": true, "bool": true, "byte": true, "comparable": true, "complex64": true, "complex128": true, "error": true,
	"float32": true, "float64": true, "int": true, "int8": true, "int16": true, "int32": true, "int64": true, "rune": true,
	"string": true, "uint": true, "uint8": true, "uint16": true, "uint32": true, "uint64": true, "uintptr": true,
	"true": true, "false": true, "iota": true, "nil": true, "append": true, "cap": true, "clear": true, "close": true,
	"complex": true, "copy": true, "delete": true, "imag": true, "len": true, "make": true, "max": true, "min": true,
	"new": true, "panic": true, "print": true, "println": true, "real": true, "recover": true,
}

// highlighter gathers the lines from first to last.
type highlighter struct {
	first, last int
	lines       [][]span
	number      int // of the line that is being read
	runes       int // that it shows so far
}

// begin goes on to a line.
func (h *highlighter) begin(number int) {
	h.number, h.runes = number, 0
	if number >= h.first && number <= h.last {
		h.lines = append(h.lines, nil)
	}
}

func (h *highlighter) add(class string, text []byte) {
	for len(text) > 0 && h.number <= h.last {
		part, rest, ended := bytes.Cut(text, []byte("\n"))
		if h.number >= h.first {
			h.show(class, string(bytes.TrimSuffix(part, []byte("\r"))))
		}
		if ended {
			h.begin(h.number + 1)
		}
		text = rest
	}
}

// show appends text to the line that is being read, as far as there is room.
func (h *highlighter) show(class, text string) {
	if text == "" || h.runes > maxLine {
		return
	}
	text = shorten(text, maxLine-h.runes)
	h.runes += utf8.RuneCountInString(text)
	line := &h.lines[len(h.lines)-1]
	*line = append(*line, visible(class, text)...)
}

// visible makes characters that cannot be seen stand out: text that changes direction can hide what code does.
func visible(class, text string) []span {
	hidden := func(r rune) bool { return r == utf8.RuneError || r != '\t' && !unicode.IsPrint(r) && r != '\u00a0' }
	if strings.IndexFunc(text, hidden) < 0 {
		return []span{{class, text}}
	}
	var spans []span
	for len(text) > 0 {
		at := strings.IndexFunc(text, hidden)
		if at < 0 {
			return append(spans, span{class, text})
		}
		if at > 0 {
			spans = append(spans, span{class, text[:at]})
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		spans = append(spans, span{"hidden-char", export.Escape(text[at : at+size])})
		text = text[at+size:]
	}
	return spans
}

// What is shown of a function beside one of its calls: so many lines of it, and of the comment above it.
const (
	excerptLines        = 24
	excerptCommentLines = 100
)

// excerpt returns the first lines of a function's source, with the comment above it.
func (q *request) excerpt(id recording.FunctionID) ([]codeLine, error) {
	f := q.names.function(id)
	if f == nil {
		return nil, nil
	}
	file := q.names.file(f.File)
	if file == nil || file.Missing != "" || f.Line < 1 {
		return nil, nil
	}
	body, err := q.reader.FileBody(q.Context(), file.Hash)
	if err != nil {
		return nil, err
	}
	start := max(1, f.Line-excerptCommentLines)
	lines := highlightLines(body, isGo(file.Name), start, f.Line+excerptLines-1)
	first := f.Line - start // from here on, numbers are places in lines
	if first >= len(lines) {
		return nil, nil
	}
	for first > 0 && isComment(lines[first-1]) {
		first--
	}
	var out []codeLine
	for i := first; i < len(lines); i++ {
		number := start + i
		out = append(out, codeLine{Number: number, Spans: lines[i], Focus: number == f.Line})
		if number > f.Line && len(lines[i]) > 0 && strings.HasPrefix(lines[i][0].Text, "}") {
			break
		}
	}
	return out, nil
}

// isComment reports whether a line holds a comment and nothing else, not even space before it.
func isComment(line []span) bool {
	return len(line) > 0 && line[0].Class == "c" && !slices.ContainsFunc(line, func(s span) bool { return s.Class != "c" && s.Class != "hidden-char" })
}

func isGo(name string) bool { return strings.HasSuffix(name, ".go") }
