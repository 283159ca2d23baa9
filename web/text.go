package web

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"smiley/export"
)

// shorten cuts text to n runes and says that it did.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	at := 0
	for i := range text {
		if at++; at > n {
			return text[:i] + "…"
		}
	}
	return text
}

// shown makes text from a recording fit for a page: nothing in it is unseen, and it has an end.
func shown(text string, n int) string {
	cut := 4 * n
	if len(text) <= cut {
		return shorten(export.Escape(text), n)
	}
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strings.TrimSuffix(shorten(export.Escape(text[:cut]), n-1), "…") + "…"
}

// shownLines is shown for text of several lines, which stay lines.
func shownLines(text string, n int) string {
	lines := strings.Split(strings.TrimSuffix(shorten(text, n), "\n"), "\n")
	for i := range lines {
		lines[i] = export.Escape(strings.ReplaceAll(strings.TrimSuffix(lines[i], "\r"), "\t", "    "))
	}
	return strings.Join(lines, "\n")
}

// noun is what a number counts, in the plural unless the number is 1: it stands beside a number that is written on its own.
func noun(count, thing string) string {
	if count == "1" {
		return thing
	}
	return thing + "s"
}

func itoa(n int) string { return strconv.Itoa(n) }

// since is a moment of a run: "+1.234567s". It is not rounded, so that what is shown from it on begins with what happened then.
func since(ns int64) string { return moment(ns, 10_000) }

// durationText is a duration, or a dash while it is not known.
func durationText(ns *int64) string {
	if ns == nil {
		return "–"
	}
	return export.Duration(*ns)
}

// clock is a moment of the world, in this machine's time zone.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
