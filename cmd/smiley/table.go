package main

import (
	"io"
	"strings"
	"unicode/utf8"

	"smiley/export"
)

// table prints rows in columns that are as wide as their widest cell. Cells are escaped; colours come from paint, so that
// they do not count as width.
type table struct {
	header []string
	right  []bool // columns that are aligned to the right: numbers
	rows   [][]string
	paint  func(row, column int, text string) string // may be nil
}

// newTable makes a table. A header that begins with ">" belongs to a column of numbers.
func newTable(header ...string) *table {
	t := &table{right: make([]bool, len(header))}
	for i, text := range header {
		text, t.right[i] = strings.CutPrefix(text, ">")
		t.header = append(t.header, text)
	}
	return t
}

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = export.Escape(cells[i])
	}
	t.rows = append(t.rows, cells)
}

const columnGap = "  "

func (t *table) write(w io.Writer, style export.Style) error {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	t.line(&out, widths, t.header, func(_ int, text string) string { return style.Faint(text) })
	for n, row := range t.rows {
		t.line(&out, widths, row, func(column int, text string) string {
			if t.paint == nil {
				return text
			}
			return t.paint(n, column, text)
		})
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (t *table) line(out *strings.Builder, widths []int, cells []string, paint func(int, string) string) {
	last := len(cells) - 1
	for last > 0 && cells[last] == "" {
		last-- // no blanks at the end of a line
	}
	for i, cell := range cells[:last+1] {
		padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if i > 0 {
			out.WriteString(columnGap)
		}
		if t.right[i] {
			out.WriteString(padding)
		}
		out.WriteString(paint(i, cell))
		if !t.right[i] && i < last {
			out.WriteString(padding)
		}
	}
	out.WriteByte('\n')
}
