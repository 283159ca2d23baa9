package export

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestDuration(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0ns", 850: "850ns", 999: "999ns", 1_000: "1.00µs", 12_345: "12.3µs", 99_960: "100µs", 999_499: "999µs",
		999_500: "1.00ms", 1_500_000: "1.50ms", 250_000_000: "250ms", 1_500_000_000: "1.50s", 59_990_000_000: "60.0s",
		60_000_000_000: "1m0s", 125_400_000_000: "2m5s", -12_345: "-12.3µs",
	} {
		if got := Duration(ns); got != want {
			t.Errorf("Duration(%d) = %q, want %q", ns, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1_000: "1,000", 1_204: "1,204", 123_456: "123,456", 1_000_000: "1,000,000", 18446744073709551615: "18,446,744,073,709,551,615"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestEscape(t *testing.T) {
	for text, want := range map[string]string{
		"plain":             "plain",
		"grüße 世界":          "grüße 世界",
		"\x1b[2J\x1b]0;x\a": `\x1b[2J\x1b]0;x\a`,
		"two\nlines\r":      `two\nlines\r`,
		"\x9b31m":           `\x9b31m`,
		"\u009b31m":         `\u009b31m`,
		"abc\u202edef":      `abc\u202edef`,
		"bad \xff byte":     `bad \xff byte`,
		"zero\x00\u200b":    `zero\x00\u200b`,
		`back\slash "q"`:    `back\slash "q"`,
		"\ufffd":            "\ufffd",
	} {
		if got := Escape(text); got != want {
			t.Errorf("Escape(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestEscapeIsSafe says what Escape promises: whatever goes in, one line of printable UTF-8 comes out.
func TestEscapeIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		escaped := Escape(text)
		if !utf8.ValidString(escaped) {
			t.Fatalf("not UTF-8: %q", escaped)
		}
		if i := strings.IndexFunc(escaped, func(r rune) bool { return !unicode.IsPrint(r) && r != '\u00a0' }); i >= 0 {
			t.Fatalf("not printable at %d: %q", i, escaped)
		}
	})
}
