//go:build linux && amd64

package tracer

import (
	"bytes"
	"strings"
)

// crash gathers the report that the runtime prints when it ends a program.
type crash struct {
	begun bool
	text  []byte
	cut   bool
}

// maxCrash bounds the report: every piece of it is a stop of the program.
const maxCrash = 256 << 10

func (c *crash) add(text []byte) {
	room := maxCrash - len(c.text)
	if room < len(text) {
		c.cut = true
		text = text[:max(room, 0)]
	}
	c.text = append(c.text, text...)
}

// onCrash runs at the entry of the functions that end a program: what is printed from here on is their report.
func (e *engine) onCrash(*hit) error {
	if e.crash.begun {
		return nil
	}
	if err := e.flushPrinted(); err != nil {
		return err
	}
	e.crash.begun = true
	return nil
}

// report splits a crash report into what went wrong and the stacks, as Go prints them. Both are "" when the program did
// not crash.
func (c *crash) report() (message, stack string) {
	text := string(bytes.TrimRight(c.text, "\n"))
	head, rest := text, ""
	for _, mark := range []string{"\n[signal ", "\n\ngoroutine ", "\n\nruntime stack:", "\ngoroutine ", "\nPC="} {
		if i := strings.Index(head, mark); i >= 0 {
			head, rest = text[:i], strings.TrimLeft(text[i:], "\n")
		}
	}
	if c.cut {
		rest += "\n[the report is longer]"
	}
	return strings.TrimRight(head, "\n"), rest
}
