package web

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"smiley/recording"
	"smiley/web/webtest"
)

// TestLayout checks what makes a drawing readable: nodes of a layer do not touch, callers stand above their callees unless
// the call closes a cycle, and everything is on the canvas.
func TestLayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "nodes")
		nodes := make([]graphNode, n)
		for i := range nodes {
			nodes[i].Width = rapid.IntRange(20, 250).Draw(t, "width")
		}
		node := rapid.IntRange(0, n-1)
		edges := make([]graphEdge, rapid.IntRange(0, 60).Draw(t, "edges"))
		for i := range edges {
			edges[i] = graphEdge{node.Draw(t, "from"), node.Draw(t, "to")}
		}
		forward := rapid.Bool().Draw(t, "acyclic")
		if forward {
			for i, e := range edges {
				edges[i] = graphEdge{min(e.From, e.To), max(e.From, e.To)}
			}
		}
		width, height, bends := layoutGraph(nodes, edges)
		for i, a := range nodes {
			if a.X-a.Width/2 < 0 || a.X+a.Width/2 > width || a.Y-nodeHeight/2 < 0 || a.Y+nodeHeight/2 > height {
				t.Fatalf("node %d is off the canvas of %d × %d: %+v", i, width, height, a)
			}
			for j, b := range nodes[:i] {
				if a.Layer == b.Layer && abs(a.X-b.X) < (a.Width+b.Width)/2 {
					t.Fatalf("nodes %d and %d of layer %d touch: %+v %+v", i, j, a.Layer, a, b)
				}
			}
		}
		for _, e := range edges {
			down := nodes[e.To].Layer - nodes[e.From].Layer
			if forward && e.From != e.To && down <= 0 {
				t.Fatalf("edge %v leads up", e)
			}
			if forward && e.From != e.To && len(bends[e])%max(down-1, 1) != 0 {
				t.Fatalf("edge %v over %d layers has %d bends", e, down, len(bends[e]))
			}
		}
	})
}

func abs(n int) int { return max(n, -n) }

// joined is what a page shows of highlighted source.
func joined(lines [][]span) string {
	var out []string
	for _, line := range lines {
		var b strings.Builder
		for _, s := range line {
			b.WriteString(s.Text)
		}
		out = append(out, b.String())
	}
	return strings.Join(out, "\n")
}

// TestHighlightKeepsTheSource checks that colours change nothing of a source, Go or not.
func TestHighlightKeepsTheSource(t *testing.T) {
	pieces := rapid.SampledFrom([]string{
		"func", " ", "\n", "\t", "x", "main", "`raw\nstring`", `"text"`, "'c'", "// comment\n", "/* two\nlines */", "1.5e3", "0x", "{", "}",
		"(", ")", ":=", "<-", "…", "`open", `"open`, "/* open", "'", "\\", "return", "nil", "#", "é", "世界", ";",
	})
	rapid.Check(t, func(t *rapid.T) {
		source := strings.Join(rapid.SliceOfN(pieces, 0, 40).Draw(t, "pieces"), "")
		for _, isGo := range []bool{true, false} {
			if got := joined(highlight([]byte(source), isGo)); got != source {
				t.Fatalf("Go %v: %q became %q", isGo, source, got)
			}
		}
	})
}

// FuzzHighlight checks that no source breaks a page: nothing unseen gets through, and lines stay lines.
func FuzzHighlight(f *testing.F) {
	for _, seed := range []string{"", "package main\nfunc main() {}\n", webtest.Attack, "`\r\n`", "\x00\xff", "\ufeffpackage x", "a\r\nb", "\"\n", "/*\r*/", "\xff func f"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		lines := highlight(source, true)
		if want := strings.Count(string(source), "\n") + 1; len(lines) != want {
			t.Fatalf("%d lines, want %d", len(lines), want)
		}
		for _, line := range lines {
			for _, s := range line {
				if !utf8.ValidString(s.Text) || strings.ContainsFunc(s.Text, func(r rune) bool { return r != '\t' && r != '\u00a0' && !unicode.IsPrint(r) }) {
					t.Fatalf("unseen characters in %q", s.Text)
				}
			}
		}
	})
}

// FuzzFilter checks that whatever stands in an address, a filter is understood or refused, and matching it does not fail.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"main.leaf errors", "over:1ms depth:3", "function:2", "over:", "depth:-1", "...", "(*Cart)", "function:99999999999", "a*b"} {
		f.Add(seed)
	}
	d := webtest.Friendly.Definitions()
	n := &names{functions: d.Functions, files: d.Files}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := parseFilter(text, n)
		if err != nil {
			if recording.CodeOf(err) != recording.CodeInvalid {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for kind := range recording.KindGoroutineEnd + 2 {
			e := recording.Event{Kind: kind, Function: webtest.Leaf, Duration: 5, Failed: true, Depth: 2}
			if filter.all() && !filter.matchRest(&e) {
				t.Fatalf("%q chooses all, but not %v", text, kind)
			}
		}
	})
}

// TestShown checks that what a page shows of a text is bounded and has nothing unseen in it.
func TestShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		n := rapid.IntRange(2, 50).Draw(t, "n")
		got := shown(text, n)
		if utf8.RuneCountInString(got) > n+1 || strings.ContainsFunc(got, func(r rune) bool { return r != '\u00a0' && !unicode.IsPrint(r) }) {
			t.Fatalf("shown(%q, %d) = %q", text, n, got)
		}
	})
}
