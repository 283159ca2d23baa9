package web

import (
	"context"
	"strings"

	"smiley/recording"
	"smiley/store"
)

// goView finds the call that a step leads to, and goes to a view with that call in focus:
//
//	to=previous, next   call of the same function
//	to=into, out        first call made by the one in focus, its caller
//	to=error, panic     next one from seq from on
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
		return q.goEvent(step, from, view)
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
	}
	return 0, recording.Errorf(recording.CodeInvalid, "there is no step %q", shorten(step, 40)).
		WithHint("steps are next, previous, into and out")
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
	wanted := &filter{depth: -1, errors: what == "error"}
	if what == "panic" {
		wanted.allow(recording.KindPanic)
	}
	for {
		at, err := q.blockWith(q.Context(), what, from)
		if err != nil {
			return nil, err
		}
		if at == 0 {
			return nil, recording.Errorf(recording.CodeNotFound, "there is no further %s", what).
				WithHint("the search began at event %s", count(from))
		}
		found, err := q.forward(max(at, from), 1, wanted)
		if err != nil {
			return nil, err
		}
		if len(found.events) > 0 {
			e := &found.events[0]
			if e.Call == 0 || view == "events" {
				return &page{Redirect: q.links.to("events", "at", e.Call, "from", e.Seq-min(e.Seq-1, eventsContext))}, nil
			}
			return q.goTo(e.Call, view), nil
		}
		if found.next == 0 {
			from = q.info.Events + 1
		} else {
			from = found.next
		}
	}
}

// blockWith returns the first seq of the first block that ends at from or later and holds an error or panic; 0: none.
func (q *request) blockWith(ctx context.Context, what string, from uint64) (uint64, error) {
	const n = 1000
	for number := uint32(0); ; number += n {
		blocks, err := q.reader.BlockTimeline(ctx, q.info.ID, number, n)
		if err != nil {
			return 0, err
		}
		for i := range blocks {
			b := &blocks[i]
			holds := what == "error" && b.Errors > 0 || what == "panic" && b.Panics > 0
			if holds && b.FirstSeq+b.Events > from {
				return b.FirstSeq, nil
			}
		}
		if len(blocks) < n {
			return 0, nil
		}
	}
}
