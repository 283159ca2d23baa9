//go:build linux && amd64

package tracer

import (
	"bytes"
	"strings"

	"smiley/recording"
)

// crash gathers the report that the runtime prints when it ends a program.
type crash struct {
	begun     bool
	text      []byte
	cut       bool
	goroutine int64 // whose panic ended the program; 0: no panic did
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

// onCrash runs at the entry of the functions that end a program.
func (e *engine) onCrash(*hit) error { return e.beginCrash(0) }

// beginCrash says that what is printed from here on is the report. goroutine is the one whose panic ended the program, 0 when
// no panic did.
func (e *engine) beginCrash(goroutine int64) error {
	if e.crash.begun {
		return nil
	}
	if err := e.flushPrinted(); err != nil {
		return err
	}
	e.crash.begun, e.crash.goroutine = true, goroutine
	return nil
}

// onFatalPanic runs at the entry of runtime.fatalpanic, on the goroutine whose panic nobody recovered.
func (e *engine) onFatalPanic(h *hit) error {
	g, err := e.goroutineOf(h.regs.G, h.now)
	if err != nil {
		return err
	}
	if g == nil {
		return e.beginCrash(0)
	}
	return e.beginCrash(g.id)
}

// endCrashed writes down the end of the goroutine whose panic ended the program: its calls are not open, the panic ended them.
// The caller holds the pipeline's lock.
func (e *engine) endCrashed() error {
	if e.crash.goroutine == 0 {
		return nil
	}
	raw := recording.Raw{Kind: recording.KindGoroutineEnd, Goroutine: e.crash.goroutine, Time: e.out.now()}
	g := e.lookup(e.crash.goroutine)
	if g == nil {
		return e.out.append(&raw)
	}
	return e.append(g, &raw)
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
