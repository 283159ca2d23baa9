package recording

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// AppendText appends the text form of a block: a line for its head, for each definition and event, and for each part of
// its summary. It is for goldens and bug reports; [ParseText] reads its event lines. The error is the one of Events.
func AppendText(dst []byte, b *Block) ([]byte, error) {
	dst = fmt.Appendf(dst, "block %d run %s events %d first %d time %d to %d captured %d dropped %d", b.Number, b.Run,
		b.Header.Events, b.FirstSeq, b.First, b.Last, b.Captured, b.Dropped)
	if b.Final {
		dst = append(dst, " final"...)
	}
	dst = append(dst, '\n')
	if r := b.Start; r != nil {
		dst = fmt.Appendf(dst, "start program %q args %q cwd %q host %q pid %d go %q %s/%s module %q revision %q at %s settings %+v\n",
			r.Program, r.Args, r.Cwd, r.Host, r.PID, r.GoVersion, r.GoOS, r.GoArch, r.Module, r.Revision,
			r.Start.Format("2006-01-02T15:04:05.000000000Z07:00"), r.Settings)
	}
	dst = b.Definitions.appendText(dst)
	for e, err := range b.Events(WithData) {
		if err != nil {
			return dst, err
		}
		dst = e.AppendText(dst)
	}
	dst = b.Summary.appendText(dst)
	if r := b.End; r != nil {
		dst = fmt.Appendf(dst, "end after %d exit %d signal %q error %q stack %q\n", r.Duration, r.ExitCode, r.Signal, r.Error, r.Stack)
	}
	return dst, nil
}

func (d *Definitions) appendText(dst []byte) []byte {
	for i := range d.Files {
		f := &d.Files[i]
		dst = fmt.Appendf(dst, "file %d %q %d bytes %x missing %q\n", f.ID, f.Name, len(f.Body), f.Hash[:4], f.Missing)
	}
	for i := range d.Types {
		t := &d.Types[i]
		dst = fmt.Appendf(dst, "type %d %q package %q kind %d size %d elem %d key %d len %d methods %t", t.ID, t.Name, t.Package,
			t.Kind, t.Size, t.Elem, t.Key, t.Len, t.Methods)
		for _, f := range t.Fields {
			dst = fmt.Appendf(dst, " field %q type %d at %d embedded %t", f.Name, f.Type, f.Offset, f.Embedded)
		}
		dst = append(dst, '\n')
	}
	for i := range d.Functions {
		f := &d.Functions[i]
		dst = fmt.Appendf(dst, "function %d %q package %q file %d line %d trace %d reason %q variadic %t", f.ID, f.Name, f.Package,
			f.File, f.Line, f.Trace, f.Reason, f.Variadic)
		for _, p := range f.Params {
			dst = fmt.Appendf(dst, " param %q type %d unreadable %q", p.Name, p.Type, p.Unreadable)
		}
		for _, p := range f.Results {
			dst = fmt.Appendf(dst, " result %q type %d unreadable %q", p.Name, p.Type, p.Unreadable)
		}
		dst = append(dst, '\n')
	}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		dst = fmt.Appendf(dst, "goroutine %d parent %d creator %d in %d line %d starts %d at %d\n", g.ID, g.Parent, g.Creator,
			g.CreatedIn, g.CreatedLine, g.StartFunction, g.Start)
	}
	return dst
}

func (s *Summary) appendText(dst []byte) []byte {
	dst = fmt.Appendf(dst, "summary calls %d errors %d panics %d truncated %d unreadable %d\n", s.Calls, s.Errors, s.Panics,
		s.Truncated, s.Unreadable)
	if s.Quiet > 0 {
		dst = fmt.Appendf(dst, "quiet %d\n", s.Quiet)
	}
	for i := range s.Functions {
		f := &s.Functions[i]
		dst = fmt.Appendf(dst, "delta f%d calls %d ended %d errors %d panics %d total %d self %d min %d max %d\n", f.Function,
			f.Calls, f.Ended, f.Errors, f.Panics, f.Total, f.Self, f.Duration.Min, f.Duration.Max)
	}
	for _, e := range s.Edges {
		dst = fmt.Appendf(dst, "edge f%d f%d calls %d total %d\n", e.Caller, e.Callee, e.Calls, e.Total)
	}
	for _, c := range s.Opened {
		dst = fmt.Appendf(dst, "opened %d g%d f%d parent %d position %d depth %d start %d\n", c.Seq, c.Goroutine, c.Function,
			c.Parent, c.Position, c.Depth, c.Start)
	}
	for i := range s.Closed {
		c := &s.Closed[i]
		dst = fmt.Appendf(dst, "closed %d g%d f%d parent %d depth %d start %d end %d by %d self %d %s failed %t\n", c.Seq,
			c.Goroutine, c.Function, c.Parent, c.Depth, c.Start, c.End, c.EndSeq, c.Self, c.Outcome, c.Failed)
	}
	for _, g := range s.Goroutines {
		dst = fmt.Appendf(dst, "activity g%d events %d calls %d seq %d to %d time %d to %d ended %t\n", g.ID, g.Events, g.Calls,
			g.FirstSeq, g.LastSeq, g.First, g.Last, g.Ended)
	}
	return dst
}

// AppendText appends the event's line of the text form, with its end:
//
//	event SEQ TIME gGOROUTINE KIND [fFUNCTION] call=SEQ parent=SEQ depth=N [duration=NS self=NS] [failed] [line=N]
//	    [unwound=N lost=N by=OUTCOME] [data=HEX]
func (e *Event) AppendText(dst []byte) []byte {
	dst = fmt.Appendf(dst, "event %d %d g%d %s", e.Seq, e.Time, e.Goroutine, e.Kind)
	if e.Function != 0 {
		dst = fmt.Appendf(dst, " f%d", e.Function)
	}
	dst = fmt.Appendf(dst, " call=%d parent=%d depth=%d", e.Call, e.Parent, e.Depth)
	if e.Duration >= 0 {
		dst = fmt.Appendf(dst, " duration=%d self=%d", e.Duration, e.Self)
	}
	if e.Failed {
		dst = append(dst, " failed"...)
	}
	if e.Line != 0 {
		dst = fmt.Appendf(dst, " line=%d", e.Line)
	}
	if e.Unwound != 0 {
		dst = fmt.Appendf(dst, " unwound=%d lost=%d by=%s", e.Unwound, e.UnwoundLost, e.UnwoundBy)
	}
	if len(e.Data) > 0 {
		dst = append(dst, " data="...)
		dst = hex.AppendEncode(dst, e.Data)
	}
	return append(dst, '\n')
}

// textFrame is the stack a call takes in the Raws that ParseText makes.
const textFrame = 16

// ParseText reads the event lines of the text form, of any number of blocks, back into Raws that a Builder pairs to the
// same calls. Frames, which events do not keep, are made up from depths. Other lines are ignored. The error is
// CodeInvalid and says which line.
func ParseText(text []byte) ([]Raw, error) {
	var raws []Raw
	number := 0
	for line := range bytes.Lines(text) {
		number++
		words := strings.Fields(string(line))
		if len(words) == 0 || words[0] != "event" {
			continue
		}
		r, err := parseEvent(words[1:])
		if err != nil {
			return nil, Errorf(CodeInvalid, "line %d of the text form: %w", number, err)
		}
		raws = append(raws, r)
	}
	return raws, nil
}

func parseEvent(words []string) (Raw, error) {
	var r Raw
	if len(words) < 4 {
		return r, fmt.Errorf("%d words after the first, not at least 4", len(words))
	}
	var err error
	if r.Time, err = strconv.ParseInt(words[1], 10, 64); err != nil {
		return r, err
	}
	if r.Goroutine, err = strconv.ParseInt(strings.TrimPrefix(words[2], "g"), 10, 64); err != nil {
		return r, err
	}
	r.Kind = KindCall
	for r.Kind <= KindGoroutineEnd && r.Kind.String() != words[3] {
		r.Kind++
	}
	if r.Kind > KindGoroutineEnd {
		return r, fmt.Errorf("unknown kind %q", words[3])
	}
	var call, depth uint64
	for _, word := range words[4:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "call":
			call, err = strconv.ParseUint(value, 10, 64)
		case "depth":
			depth, err = strconv.ParseUint(value, 10, 31)
		case "line":
			var n uint64
			n, err = strconv.ParseUint(value, 10, 32)
			r.Line = uint32(n)
		case "by":
			if value == OutcomeExited.String() {
				r.Flags |= FlagGoexit
			}
		case "data":
			r.Data, err = hex.DecodeString(value)
		case "parent", "duration", "self", "failed", "unwound", "lost":
		default:
			var n uint64
			n, err = strconv.ParseUint(strings.TrimPrefix(word, "f"), 10, 32)
			r.Function = FunctionID(n)
		}
		if err != nil {
			return r, fmt.Errorf("%q: %w", word, err)
		}
	}
	r.Frame = frameOf(r.Kind, call, depth)
	return r, nil
}

// frameOf makes up the frame of an event from its place.
func frameOf(kind Kind, call, depth uint64) uint64 {
	switch {
	case kind == KindReturn && call == 0:
		return textFrame*depth + textFrame/2 // beyond the innermost open call, and not that of another
	case kind <= KindReturn, kind == KindRecovered && call != 0:
		return textFrame * (depth + 1)
	}
	return 0
}
