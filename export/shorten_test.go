package export_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"smiley/analysis"
	"smiley/export"
)

// line is how a call is shown.
func line(t *rapid.T, args []string, shorten bool) string {
	var out bytes.Buffer
	w := export.NewText(&out, export.Style{}, false)
	if shorten {
		w.Shorten()
	}
	e := analysis.Event{Kind: analysis.EventCall, Function: "main.f"}
	for _, arg := range args {
		e.Args = append(e.Args, analysis.Value{Value: arg})
	}
	if err := w.Event(&e); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	return strings.TrimSuffix(text[strings.Index(text, "(")+1:], ")\n")
}

// A line that is shortened has room for every value: short ones stay whole, the others are cut to one length, and no more than needed.
func TestShorten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letter := rapid.SampledFrom([]string{"a", "é", "日"}).Draw(t, "letter")
		var args []string
		sum := 0
		for range rapid.IntRange(1, 6).Draw(t, "values") {
			n := rapid.IntRange(1, 400).Draw(t, "length")
			args = append(args, strings.Repeat(letter, n))
			sum += n
		}
		whole := strings.Join(args, ", ")
		if got := line(t, args, false); got != whole {
			t.Fatalf("a line that is not shortened is %q, not %q", got, whole)
		}
		got := line(t, args, true)
		if sum <= 300 {
			if got != whole {
				t.Fatalf("there is room, and the line is %q", got)
			}
			return
		}
		left, longest := 0, 0
		for i, part := range strings.Split(got, ", ") {
			n := utf8.RuneCountInString(part)
			left += n
			if before, cut := strings.CutSuffix(part, "…"); cut {
				if longest != 0 && n != longest || !strings.HasPrefix(args[i], before) {
					t.Fatalf("%q is cut to %q in %q", args[i], part, got)
				}
				longest = n
			} else if part != args[i] {
				t.Fatalf("%q became %q", args[i], part)
			}
		}
		for i, part := range strings.Split(got, ", ") {
			if n := utf8.RuneCountInString(part); part == args[i] && n > longest {
				t.Fatalf("a value of %d characters is whole, others were cut to %d: %q", n, longest, got)
			}
		}
		if left > 300 || left < 300-len(args) {
			t.Fatalf("%d characters of 300 are used: %q", left, got)
		}
	})
}
