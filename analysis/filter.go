package analysis

import (
	"strconv"
	"strings"
	"time"

	"smiley/recording"
)

// Filter chooses events of a run. The zero value chooses all.
type Filter struct {
	Goroutine int64              // only of this goroutine; 0: of all
	Function  *recording.Pattern // only of these functions; nil: of all
	From, To  Moment             // both included
	MaxDepth  int                // only the outermost so many calls of each goroutine, and what happened in them; 0: all

	// What is left of the above, when any of these is set: events by what they say; of Calls, calls by how they ended.
	Failed bool          // returns with an error that is not nil
	Panics bool          // panics and recoveries; calls that a panic unwound
	Over   time.Duration // returns of calls that took at least so long; 0: of any
	Open   bool          // calls that did not end, of which no event tells
}

// wantsDepth reports whether the filter chooses what happens so deep.
func (f *Filter) wantsDepth(e *recording.Event) bool { return f.MaxDepth <= 0 || e.Depth < f.MaxDepth }

// wantsEnd reports whether the filter chooses a call for how it ended.
func (f *Filter) wantsEnd(c *recording.Call) bool {
	known := c.Outcome != recording.OutcomeOpen && c.Outcome != recording.OutcomeLost
	return (!f.Failed || c.Failed) && (!f.Panics || c.Outcome == recording.OutcomePanicked) &&
		(!f.Open || c.Outcome == recording.OutcomeOpen) &&
		(f.Over <= 0 || known && c.End-c.Start >= int64(f.Over))
}

// wantsEvent reports whether the filter chooses an event for what it says.
func (f *Filter) wantsEvent(e *recording.Event) bool {
	return f.wantsDepth(e) && (!f.Failed || e.Kind == recording.KindReturn && e.Failed) &&
		(!f.Panics || e.Kind == recording.KindPanic || e.Kind == recording.KindRecovered) &&
		(f.Over <= 0 || e.Kind == recording.KindReturn && e.Duration >= int64(f.Over))
}

// Moment is a place in a run: an event, or a time.
type Moment struct {
	Seq  uint64 // 0: Time counts
	Time int64  // ns since the run's start
	Set  bool   // false: the beginning, or the end
}

// ParseFilter makes a Filter of what a person wrote; empty texts and 0 choose all. A moment is a duration since the run's start
// ("1.5s", "0") or "#" and an event's seq. Errors: CodeInvalid.
func ParseFilter(goroutine int64, function, from, to string) (Filter, error) {
	f := Filter{Goroutine: goroutine}
	if goroutine < 0 {
		return f, recording.Errorf(recording.CodeInvalid, "bad goroutine %d", goroutine).WithHint("smiley goroutines RUN lists them")
	}
	if function != "" {
		pattern, err := recording.ParsePattern(function)
		if err != nil {
			return f, err
		}
		f.Function = &pattern
	}
	var err error
	if f.From, err = parseMoment(from); err != nil {
		return f, err
	}
	f.To, err = parseMoment(to)
	return f, err
}

func parseMoment(text string) (Moment, error) {
	if text == "" {
		return Moment{}, nil
	}
	if digits, ok := strings.CutPrefix(text, "#"); ok {
		seq, err := strconv.ParseUint(digits, 10, 64)
		if err == nil && seq > 0 {
			return Moment{Seq: seq, Set: true}, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return Moment{Time: int64(d), Set: true}, nil
	}
	return Moment{}, recording.Errorf(recording.CodeInvalid, "bad moment %q", text).
		WithHint(`write a time since the run's start ("1.5s", "250ms") or the number of an event ("#1204")`)
}
