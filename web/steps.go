package web

import (
	"strings"

	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

// goView finds the call that a step leads to, and goes to a view with that call in focus:
//
//	to=previous, next   call of the same function
//	to=before, after    call by the same caller
//	to=into, out        first call made by the one in focus, its caller
//	to=typical          call of a function that took about as long as half of them do
//	to=error, panic     next one from seq from on, or the last one before seq before
func goView(q *request) (*page, error) {
	view := q.query.Get("view")
	switch {
	case strings.HasPrefix(view, "call/"), view == "":
		view = "call"
	case strings.Contains(view, ".."), strings.Contains(view, "?"):
		view = "events"
	}
	step := q.query.Get("to")
	if step == "error" || step == "panic" {
		from, err := parseSeq(q.query, "from")
		if err != nil {
			return nil, err
		}
		before, err := parseSeq(q.query, "before")
		if err != nil {
			return nil, err
		}
		if before > 0 {
			return q.goEventBefore(step, before, view)
		}
		return q.goEvent(step, from, view)
	}
	if step == "typical" {
		at, err := q.typical()
		if err != nil {
			return nil, err
		}
		return q.goTo(at, view), nil
	}
	if q.focus.At == 0 {
		return nil, recording.Errorf(recording.CodeInvalid, "no call is in focus").WithHint("choose a call, then step from it")
	}
	call, err := q.reader.Call(q.Context(), q.info.ID, q.focus.At)
	if err != nil {
		return nil, webHints(err)
	}
	at, err := q.step(step, call)
	if err != nil {
		return nil, err
	}
	return q.goTo(at, view), nil
}

// goTo leads to a view with another call in focus.
func (q *request) goTo(call uint64, view string) *page {
	p := &page{JSON: map[string]uint64{"call": call}}
	if view == "call" {
		p.Redirect = q.links.call(call)
	} else {
		p.Redirect = q.links.to(view, "at", call)
	}
	if q.wantsJSON() {
		p.Redirect = ""
	}
	return p
}

func (q *request) step(step string, call *store.CallData) (uint64, error) {
	switch step {
	case "out":
		if call.Parent == 0 {
			return 0, recording.Errorf(recording.CodeNotFound, "nothing that was recorded called this").WithHint("it is an outermost call")
		}
		return call.Parent, nil
	case "into":
		children, err := q.reader.Children(q.Context(), q.info.ID, call.Seq, 0, 1)
		if err != nil {
			return 0, err
		}
		if len(children) == 0 {
			return 0, recording.Errorf(recording.CodeNotFound, "this call made no recorded calls").WithHint("step to the next call instead")
		}
		return children[0].Seq, nil
	case "next", "previous":
		return q.sameFunction(step, call)
	case "before", "after":
		return q.sibling(step, call)
	}
	return 0, recording.Errorf(recording.CodeInvalid, "there is no step %q", shorten(step, 40)).
		WithHint("steps are next, previous, before, after, into and out")
}

// sibling finds the call that the same caller made before or after a call, or the goroutine's outermost call.
func (q *request) sibling(step string, call *store.CallData) (uint64, error) {
	none := recording.Errorf(recording.CodeNotFound, "the caller made no recorded call %s this one", step).
		WithHint("it is the %s one", map[string]string{"before": "first", "after": "last"}[step])
	var siblings []recording.Call
	var err error
	switch {
	case step == "after" && call.Parent == 0:
		siblings, err = q.reader.Roots(q.Context(), q.info.ID, call.Goroutine, call.Seq, 1)
	case step == "after":
		siblings, err = q.reader.Children(q.Context(), q.info.ID, call.Parent, call.Seq, 1)
	case call.Parent == 0:
		siblings, err = q.reader.RootsBefore(q.Context(), q.info.ID, call.Goroutine, call.Seq, 1)
	default:
		siblings, err = q.reader.ChildrenBefore(q.Context(), q.info.ID, call.Parent, call.Seq, 1)
	}
	if err != nil {
		return 0, err
	}
	if len(siblings) == 0 {
		return 0, none
	}
	return siblings[0].Seq, nil
}

// typical finds a call of a function that took about as long as half of its calls at most do.
func (q *request) typical() (uint64, error) {
	id, err := parseSeq(q.query, "function")
	if err != nil {
		return 0, err
	}
	var f *recording.Function
	if id <= uint64(len(q.names.functions)) {
		f = q.names.function(recording.FunctionID(id))
	}
	if f == nil {
		return 0, recording.Errorf(recording.CodeNotFound, "the run has no function %d", id).WithHint("the statistics list them")
	}
	stats, err := q.statsByFunction()
	if err != nil {
		return 0, err
	}
	d := stats[f.ID]
	if d == nil || d.Duration.Count == 0 {
		return 0, recording.Errorf(recording.CodeNotFound, "no call of %s has ended", q.names.shortName(f.ID)).WithHint("the statistics list what was called")
	}
	// Histograms are exact to one part in sixteen.
	median := d.Duration.Quantile(0.5)
	q.focus.Goroutine = 0
	found, err := q.forward(1, 1, &filter{
		depth: -1, functions: map[recording.FunctionID]bool{f.ID: true},
		only: func(e *recording.Event) bool {
			return e.Kind == recording.KindReturn && e.Duration >= median-median/8 && e.Duration <= median+median/8
		},
	})
	switch {
	case err != nil:
		return 0, err
	case len(found.events) > 0:
		return found.events[0].Call, nil
	}
	return 0, recording.Errorf(recording.CodeNotFound, "no call of %s that took about %s up to event %s", q.names.shortName(f.ID), export.Duration(median), count(found.next)).
		WithHint("it may lie further away: the statistics lead to all calls of the function")
}

// sameFunction finds the next or previous call of a call's function.
func (q *request) sameFunction(step string, call *store.CallData) (uint64, error) {
	calls := &filter{
		depth: -1, functions: map[recording.FunctionID]bool{call.Function: true},
		kinds: map[recording.Kind]bool{recording.KindCall: true},
	}
	var found scan
	var err error
	if step == "next" {
		found, err = q.forward(call.Seq+1, 1, calls)
	} else {
		found, err = q.backward(call.Seq, 1, calls)
	}
	if err != nil {
		return 0, err
	}
	if len(found.events) > 0 {
		return found.events[0].Seq, nil
	}
	name := q.names.shortName(call.Function)
	if step == "next" && found.next == 0 || step == "previous" && found.next <= 1 {
		return 0, recording.Errorf(recording.CodeNotFound, "there is no %s call of %s", step, name).WithHint("this is the last one that way")
	}
	return 0, recording.Errorf(recording.CodeNotFound, "no %s call of %s up to event %s", step, name, count(found.next)).
		WithHint("it may lie further away: the statistics lead to all calls of the function")
}

// goEvent leads to the next error or panic from a seq on. Blocks know how many they hold, so it is found wherever it is.
func (q *request) goEvent(what string, from uint64, view string) (*page, error) {
	query := eventFilter(what).query()
	query.FromSeq, query.Goroutine, query.Limit = from, q.focus.Goroutine, 1
	for e, err := range q.reader.Events(q.Context(), q.info.ID, query) {
		if err != nil {
			return nil, err
		}
		return q.goToEvent(&e, view), nil
	}
	return nil, recording.Errorf(recording.CodeNotFound, "there is no further %s", what).
		WithHint("the search began at event %s", count(from))
}

// eventFilter chooses errors or panics.
func eventFilter(what string) *filter {
	f := &filter{depth: -1, errors: what == "error"}
	if what == "panic" {
		f.allow(recording.KindPanic)
	}
	return f
}

// goToEvent leads to a view of an event, with its call in focus.
func (q *request) goToEvent(e *recording.Event, view string) *page {
	if !q.wantsJSON() && (e.Call == 0 || view == "events") {
		return &page{Redirect: q.links.to("events", "at", e.Call, "from", e.Seq-min(e.Seq-1, eventsContext))}
	}
	p := q.goTo(e.Call, view)
	p.JSON = map[string]uint64{"call": e.Call, "event": e.Seq}
	return p
}

// goEventBefore leads to the last error or panic before a seq.
func (q *request) goEventBefore(what string, before uint64, view string) (*page, error) {
	for low := before; ; {
		b, err := q.reader.LastTrouble(q.Context(), q.info.ID, what == "panic", low)
		if err != nil {
			return nil, err
		}
		if b == nil {
			return nil, recording.Errorf(recording.CodeNotFound, "there is no %s before event %s", what, count(before)).
				WithHint("this is the first one")
		}
		found, err := q.stretch(b.FirstSeq, min(low, b.FirstSeq+b.Events), eventFilter(what))
		if err != nil {
			return nil, err
		}
		if n := len(found); n > 0 {
			return q.goToEvent(&found[n-1], view), nil
		}
		low = b.FirstSeq
	}
}

// firstFrom returns the seq of the first event at a time or later; 0 when there is none.
func (q *request) firstFrom(ns int64) (uint64, error) {
	for e, err := range q.reader.Events(q.Context(), q.info.ID, store.EventQuery{FromTime: ns, Limit: 1}) {
		return e.Seq, err
	}
	return 0, nil
}

// firstShown returns the time of the first event that a time line shows something of, in ns since the run's start; 0 when it is not near the
// start of the recording.
func (q *request) firstShown() (ns int64, err error) {
	const most = 4 // blocks that are looked at
	looked := 0
	query := store.EventQuery{Kinds: map[recording.Kind]bool{
		recording.KindCall: true, recording.KindReturn: true, recording.KindPanic: true, recording.KindLine: true, recording.KindOutput: true, recording.KindGap: true,
	}, Limit: 1, Passed: func(uint64) bool {
		looked++
		return looked < most
	}}
	for e, err := range q.reader.Events(q.Context(), q.info.ID, query) {
		return e.Time, err
	}
	return 0, nil
}
