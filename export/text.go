package export

import (
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"smiley/analysis"
)

// Text writes events for people, one line each:
//
//	time  goroutine  file:line  what happened, indented by depth  // the source line
//
// Functions are named without the directories of their packages; the source line is that of a call's function.
// It is not safe for concurrent use.
type Text struct {
	w          io.Writer
	style      Style
	goroutines bool
	width      int // characters of all arguments, or results, of a line; 0: as many as there are
	place      int // columns of file:line, grows with what was seen
	line       []byte
}

// NewText returns a Text that writes to w, one Write a line. goroutines says whether to name each event's goroutine, which
// only helps when there are several.
func NewText(w io.Writer, style Style, goroutines bool) *Text {
	return &Text{w: w, style: style, goroutines: goroutines, place: 16}
}

// Shorten makes lines that people can read of values that are long, such as an *http.Request: when the arguments of a call, its results
// or a line's variables have more characters than a line is for, the longest are cut, and end in "…". What a program wrote is cut where it
// is many lines.
func (t *Text) Shorten() { t.width = 300 }

const (
	maxWritten = 2000 // characters of one write, when lines are shortened

	maxPlace  = 32 // columns of file:line before the rest moves to the right
	maxIndent = 40 // levels of indentation; deeper ones are numbered
)

// Event writes an event. Calls of a tree, which have an outcome, come with their results and duration.
func (t *Text) Event(e *analysis.Event) error {
	t.begin(e)
	t.add(t.what(e))
	if e.Source != "" && e.Outcome == "" && (e.Kind == analysis.EventCall || e.Kind == analysis.EventLine) {
		t.add("  " + t.style.Faint("// "+Escape(e.Source)))
	}
	t.line = append(t.line, '\n')
	_, err := t.w.Write(t.line)
	return err
}

func (t *Text) add(text string) { t.line = append(t.line, text...) }

// begin writes the columns on the left and the indentation.
func (t *Text) begin(e *analysis.Event) {
	t.line = t.line[:0]
	// Not rounded, so that what --from is given begins with this event.
	t.add(t.style.Faint(fmt.Sprintf("%4d.%06ds", e.Time/1e9, e.Time%1e9/1e3)))
	if t.goroutines {
		goroutine := "g" + strconv.FormatInt(e.Goroutine, 10)
		if e.Goroutine == 0 {
			goroutine = ""
		}
		t.add(fmt.Sprintf("  %-4s", goroutine))
	}
	position := Position(e.File, e.Line)
	t.place = max(t.place, min(len(position), maxPlace))
	t.add("  " + t.style.Faint(fmt.Sprintf("%-*s", t.place, position)) + "  ")
	depth := e.Depth
	if e.Call != 0 && inside(e.Kind) {
		depth++
	}
	t.add(strings.Repeat("  ", min(depth, maxIndent)))
	if depth > maxIndent {
		t.add(t.style.Faint("[" + strconv.Itoa(depth) + "] "))
	}
}

// inside reports whether an event of this kind happens in its call, rather than being the call's own beginning or end.
func inside(kind string) bool {
	return kind != analysis.EventCall && kind != analysis.EventReturn
}

// Position writes a place in a source file, short: the file with its directory, and the line.
func Position(file string, line int) string {
	if file == "" {
		return ""
	}
	file = strings.ReplaceAll(file, `\`, "/")
	dir, base := path.Split(file)
	short := path.Join(path.Base(dir), base)
	if dir == "" {
		short = base
	}
	if line > 0 {
		short += ":" + strconv.Itoa(line)
	}
	return Escape(short)
}

func (t *Text) what(e *analysis.Event) string {
	switch e.Kind {
	case analysis.EventCall:
		if e.Outcome != "" {
			return t.whole(e)
		}
		return t.style.paint(cyan, "→ ") + t.call(e)
	case analysis.EventReturn:
		return t.style.paint(cyan, "← ") + t.name(e) + t.results(e) + t.duration(e.Duration)
	case analysis.EventPanic:
		return t.style.Alarm("panic: " + Escape(e.Text))
	case analysis.EventRecovered:
		return t.style.Warn("recovered")
	case analysis.EventOutput:
		return t.output(e)
	case analysis.EventGap:
		return t.style.Alarm(fmt.Sprintf("… %s missing: %s", Plural(e.Missing, "event"), Escape(e.Text)))
	case analysis.EventSkipped:
		return t.style.Warn(fmt.Sprintf("… %s skipped: %s", Plural(e.Missing, "event"), Escape(e.Text)))
	case analysis.EventGoroutineStart:
		return t.goroutineStart(e)
	case analysis.EventGoroutineEnd:
		return t.style.Faint(fmt.Sprintf("goroutine %d ended", e.Goroutine))
	}
	return t.style.paint(cyan, "· ") + t.named(e.Locals)
}

func (t *Text) name(e *analysis.Event) string {
	if e.Function == "" {
		return "an unknown function"
	}
	return Escape(analysis.ShortName(e.Function))
}

func (t *Text) call(e *analysis.Event) string {
	return t.style.Strong(t.name(e)) + "(" + t.named(e.Args) + ")"
}

// whole writes a call with its end.
func (t *Text) whole(e *analysis.Event) string {
	text := t.call(e)
	switch e.Outcome {
	case analysis.OutcomeReturned:
		text += t.results(e)
	case analysis.OutcomePanicked:
		text += t.style.Alarm(" panicked")
	case analysis.OutcomeExited:
		text += t.style.Warn(" ended by runtime.Goexit")
	case analysis.OutcomeLost:
		text += t.style.Alarm(" end not seen")
	case analysis.OutcomeOpen:
		text += t.style.Warn(" did not end")
	}
	return text + t.duration(e.Duration)
}

func (t *Text) named(values []analysis.Value) string {
	parts := t.values(values)
	for i, v := range values {
		if v.Name != "" {
			parts[i] = Escape(v.Name) + "=" + parts[i]
		}
	}
	return strings.Join(parts, ", ")
}

func (t *Text) results(e *analysis.Event) string {
	if len(e.Results) == 0 {
		return ""
	}
	text := " = " + strings.Join(t.values(e.Results), ", ")
	if e.Failed {
		return t.style.Alarm(text)
	}
	return text
}

// values writes the values of a line, each as long as the line has room for.
func (t *Text) values(values []analysis.Value) []string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = Escape(v.Value)
	}
	if t.width > 0 {
		Fit(parts, t.width)
	}
	return parts
}

func (t *Text) duration(ns *int64) string {
	if ns == nil {
		return ""
	}
	return t.style.Faint(" (" + Duration(*ns) + ")")
}

// output shows what one write wrote. Its last line end, which nearly every write has, goes without saying.
func (t *Text) output(e *analysis.Event) string {
	text := Escape(strings.TrimSuffix(e.Text, "\n"))
	if t.width > 0 {
		text = cut(text, maxWritten)
	}
	if e.Descriptor == 2 {
		return t.style.paint(yellow, "stderr: "+text)
	}
	return t.style.paint(green, "stdout: "+text)
}

func (t *Text) goroutineStart(e *analysis.Event) string {
	text := fmt.Sprintf("goroutine %d started", e.Goroutine)
	if e.ParentGoroutine != 0 {
		text += fmt.Sprintf(" by goroutine %d", e.ParentGoroutine)
	}
	if e.CreatedIn != "" {
		text += " in " + Escape(analysis.ShortName(e.CreatedIn))
		if e.CreatedLine > 0 {
			text += ", line " + strconv.Itoa(e.CreatedLine)
		}
	}
	if e.Function != "" {
		text += ": " + Escape(analysis.ShortName(e.Function))
	}
	return t.style.Faint(text)
}
