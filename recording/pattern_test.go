package recording

import (
	"strings"
	"testing"
)

// What patterns match is tested where they choose something: the functions to trace, the calls to show.
func TestBadPatterns(t *testing.T) {
	for _, text := range []string{
		"", " ", "two words", "main.*", "main.(*Cart).*", "main.(*Cart", "main.)(", "./cmd", "/abs", "main.....f", "[...]", "[", "main.Map[",
	} {
		_, err := ParsePattern(text)
		if CodeOf(err) != CodeInvalid || !strings.Contains(err.Error(), "bad pattern") || err.(*Error).Hint == "" {
			t.Errorf("pattern %q: %v", text, err)
		}
	}
}

// FuzzPattern parses any text: an error or a pattern that can be matched, never a panic. A name without special signs
// matches itself.
func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"main.leaf", "example.com/m/...", "main.(*T).M", "main....", "[...]", "..../...", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePattern(text)
		if err != nil {
			if CodeOf(err) != CodeInvalid {
				t.Fatal(err)
			}
			return
		}
		if !p.Match("x", text) && !strings.Contains(text, "\xff") && strings.ToValidUTF8(text, "") == text {
			t.Fatalf("%q does not match itself", text)
		}
	})
}
