package main

import (
	"fmt"
	"io"
	"time"

	"smiley/export"
	"smiley/tracer"
)

// counter shows how far a run has come while it runs, on the terminal that is standard error.
//
// The program's own output is sacred, and it may go to the same terminal at any moment. When standard output is
// elsewhere, the counter is a line that leaves the cursor at its beginning, so that what the program writes to standard
// error goes over it, and that is cleared in the end. When both are the terminal, the counter is in its title, where it
// cannot touch what the program writes.
type counter struct {
	terminal io.Writer
	title    bool
	shown    bool

	before time.Time
	events uint64
}

// newCounter returns nil when standard error is no terminal.
func newCounter(f files) *counter {
	if f.stderr == nil || !isTerminal(f.stderr) {
		return nil
	}
	return &counter{terminal: f.stderr, title: f.stdout != nil && isTerminal(f.stdout), before: time.Now()}
}

const (
	clearLine    = "\r\x1b[K"
	pushTitle    = "\x1b[22;2t"
	popTitle     = "\x1b[23;2t"
	titleBegins  = "\x1b]2;"
	titleEnds    = "\x07"
	counterWidth = 79
)

func (c *counter) show(p tracer.Progress) {
	now := time.Now()
	rate := float64(p.Events-c.events) / max(now.Sub(c.before).Seconds(), 1e-3)
	c.before, c.events = now, p.Events
	text := counterText(p, rate)
	switch {
	case !c.title:
		text = clearLine + clip(text, counterWidth) + "\r"
	case !c.shown:
		text = pushTitle + titleBegins + text + titleEnds
	default:
		text = titleBegins + text + titleEnds
	}
	c.shown = true
	_, _ = io.WriteString(c.terminal, text) // a counter that cannot be shown is not worth a word
}

func counterText(p tracer.Progress, rate float64) string {
	text := fmt.Sprintf("smiley: %s, %s events/s, %s lost", export.Plural(p.Calls, "call"), export.Count(uint64(rate)),
		export.Count(p.Ledger.Dropped))
	if p.Probes {
		text += fmt.Sprintf(", probes cost %.0f%%", 100*p.Overhead)
	}
	if n := len(p.SwitchedOff); n > 0 {
		text += fmt.Sprintf(", %s switched off", export.Plural(uint64(n), "function"))
	}
	return text
}

// clear takes away what show has shown.
func (c *counter) clear() {
	switch {
	case !c.shown:
	case c.title:
		_, _ = io.WriteString(c.terminal, popTitle)
	default:
		_, _ = io.WriteString(c.terminal, clearLine)
	}
}
