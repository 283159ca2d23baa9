package export

import (
	"math"
	"slices"
	"unicode/utf8"
)

// fewest is how many characters of a text Fit leaves at least, however many texts there are.
const fewest = 24

// Fit makes room for several texts in a line of width characters: when they have more, the longest are cut to one length, which says so
// with "…" at the end, and the others stay as they are.
func Fit(texts []string, width int) {
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	if size <= width {
		return
	}
	lengths := make([]int, len(texts))
	for i, text := range texts {
		lengths[i] = utf8.RuneCountInString(text)
	}
	longest := max(fewest, room(lengths, width))
	for i, text := range texts {
		texts[i] = cut(text, longest)
	}
}

// room returns how long the longest of several texts may be for all together to have width characters: what short ones leave over is for
// the others.
func room(lengths []int, width int) int {
	slices.Sort(lengths)
	for i, n := range lengths {
		share := width / (len(lengths) - i)
		if n > share {
			return share
		}
		width -= n
	}
	return math.MaxInt
}

// cut cuts text to n characters, the last of which says that it did.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	end, count := 0, 0
	for at := range text {
		if count++; count == n {
			end = at
		}
		if count > n {
			return text[:end] + "…"
		}
	}
	return text
}
