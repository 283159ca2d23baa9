package web

import (
	"go/scanner"
	"go/token"
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

// maxLine is how much of a line is shown.
const maxLine = 2000

// highlight splits source into lines of coloured spans. Go's own scanner does it: it is exact for Go, linear, and anything
// else comes out plain.
func highlight(body []byte, isGo bool) [][]span {
	h := &highlighter{lines: [][]span{nil}}
	if !isGo {
		h.add("", string(body))
		return h.lines
	}
	files := token.NewFileSet()
	file := files.AddFile("", -1, len(body))
	var s scanner.Scanner
	s.Init(file, body, func(token.Position, string) {}, scanner.ScanComments)
	last, done := 0, 0
	var before token.Token
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			break
		}
		offset := file.Offset(pos)
		if tok == token.SEMICOLON && literal != ";" || offset < last {
			continue // inserted by the scanner
		}
		end := offset + len(literal)
		if literal == "" {
			end = offset + len(tok.String())
		}
		// The scanner drops carriage returns from literals, so its length can be short; the rest comes as plain text.
		end = min(end, len(body))
		h.add("", string(body[done:offset]))
		h.add(tokenClass(tok, before, literal), string(body[offset:end]))
		last, done, before = offset, end, tok
	}
	h.add("", string(body[min(done, len(body)):]))
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

type highlighter struct{ lines [][]span }

func (h *highlighter) add(class, text string) {
	for i, part := range strings.Split(text, "\n") {
		if i > 0 {
			h.lines = append(h.lines, nil)
		}
		if part = strings.TrimSuffix(part, "\r"); part == "" {
			continue
		}
		line := &h.lines[len(h.lines)-1]
		*line = append(*line, visible(class, shorten(part, maxLine))...)
	}
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

// excerptLines is how many lines of a function are shown beside one of its calls.
const excerptLines = 24

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
	lines := highlight(body, isGo(file.Name))
	if f.Line > len(lines) {
		return nil, nil
	}
	first := f.Line
	for first > 1 && isComment(lines[first-2]) {
		first--
	}
	var out []codeLine
	for n := first; n <= len(lines) && n < f.Line+excerptLines; n++ {
		out = append(out, codeLine{Number: n, Spans: lines[n-1], Focus: n == f.Line})
		if n > f.Line && len(lines[n-1]) > 0 && strings.HasPrefix(lines[n-1][0].Text, "}") {
			break
		}
	}
	return out, nil
}

func isComment(line []span) bool { return len(line) == 1 && line[0].Class == "c" }

func isGo(name string) bool { return strings.HasSuffix(name, ".go") }
