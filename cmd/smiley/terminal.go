package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"smiley/export"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && file != nil && term.IsTerminal(int(file.Fd()))
}

// styleFor says how to write to file: with colours on a terminal, unless NO_COLOR is set to anything or the terminal is
// too dumb for them.
func styleFor(file *os.File) export.Style {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return export.Style{}
	}
	return export.Style{Color: file != nil && isTerminal(file)}
}
