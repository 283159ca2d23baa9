package analysis

import "bytes"

// source is the text of a file, split into lines once.
type source struct{ lines [][]byte }

func newSource(body []byte) *source {
	return &source{lines: bytes.Split(body, []byte("\n"))}
}

// line returns line n, from 1, without the white space around it; "" when there is none.
func (s *source) line(n int) string {
	if s == nil || n < 1 || n > len(s.lines) {
		return ""
	}
	return string(bytes.TrimSpace(s.lines[n-1]))
}
