package analysis

import (
	"context"
	"maps"
	"slices"

	"smiley/recording"
	"smiley/store"
)

// Stack is a call stack of a run with what happened in its innermost call. Stacks form a tree: Parent is the stack that
// the innermost function was called from.
type Stack struct {
	Parent   *Stack
	Function recording.FunctionID
	Calls    uint64
	Self     int64 // ns in the innermost function without the recorded ones it called, of calls that ended

	children map[recording.FunctionID]*Stack
}

// child returns the stack one call further in.
func (s *Stack) child(function recording.FunctionID) *Stack {
	c := s.children[function]
	if c == nil {
		if s.children == nil {
			s.children = map[recording.FunctionID]*Stack{}
		}
		c = &Stack{Parent: s, Function: function}
		s.children[function] = c
	}
	return c
}

// Each calls visit for every stack below s, parents before their children and siblings in the order of their functions'
// numbers, so that what is made of the same run is the same each time.
func (s *Stack) Each(visit func(*Stack)) {
	pending := []*Stack{s}
	for len(pending) > 0 {
		next := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		for _, function := range slices.Sorted(maps.Keys(next.children)) {
			c := next.children[function]
			visit(c)
			pending = append(pending, c)
		}
	}
}

// frame is an open call.
type frame struct {
	stack    *Stack
	start    int64
	children int64 // ns in the direct callees that ended
}

// Stacks sums up the run by call stack. It reads all events; memory is bounded by the number of distinct stacks and of
// calls open at a time. The returned stack is the root, which stands for no call.
func (r *Run) Stacks(ctx context.Context) (*Stack, error) {
	root := &Stack{}
	open := map[int64][]frame{}
	s := stream{run: r, ctx: ctx}
	for e, err := range s.raw(Filter{}, store.EventQuery{Parts: recording.Structure}) {
		if err != nil {
			return nil, err
		}
		frames := open[e.Goroutine]
		for n := e.Unwound; n > 0; n-- {
			frames = endFrame(frames, e.Time)
		}
		switch {
		case e.Kind == recording.KindCall:
			from := root
			if n := len(frames); n > 0 {
				from = frames[n-1].stack
			}
			stack := from.child(e.Function)
			stack.Calls++
			frames = append(frames, frame{stack: stack, start: e.Time})
		case e.Kind == recording.KindReturn && e.Call != 0:
			frames = endFrame(frames, e.Time)
		}
		if e.Kind == recording.KindGoroutineEnd {
			delete(open, e.Goroutine)
		} else {
			open[e.Goroutine] = frames
		}
	}
	return root, nil
}

// endFrame pops the innermost call.
func endFrame(frames []frame, time int64) []frame {
	n := len(frames) - 1
	if n < 0 {
		return frames
	}
	f := &frames[n]
	duration := time - f.start
	f.stack.Self += duration - f.children
	if n > 0 {
		frames[n-1].children += duration
	}
	return frames[:n]
}
