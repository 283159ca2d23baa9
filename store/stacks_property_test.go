package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"smiley/recording"
)

// stackSum is what the oracle knows of a stack.
type stackSum struct {
	Calls, Open, Within uint64
	Total, Self         int64
	Longest             uint64
	Took                int64
}

// pathKey names a stack by its functions, the outermost first.
func pathKey(path []recording.FunctionID) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(path), " ", "/"), "[]")
}

func splitPath(key string) []string { return strings.Split(key, "/") }

// path returns the functions of a call's stack, the outermost first.
func (o *oracle) path(c *recording.Call) []recording.FunctionID {
	path := []recording.FunctionID{c.Function}
	for p := c.Parent; p != 0; p = o.calls[p].Parent {
		path = append(path, o.calls[p].Function)
	}
	slices.Reverse(path)
	return path
}

// took is how long calls were open up to the run's last moment, and how long in themselves alone.
func (o *oracle) took(last int64) (total, self map[uint64]int64) {
	total, self = make(map[uint64]int64, len(o.calls)), make(map[uint64]int64, len(o.calls))
	for _, seq := range o.order {
		c := o.calls[seq]
		took := c.End - c.Start
		if c.Outcome == recording.OutcomeOpen {
			took = max(0, last-c.Start)
		}
		total[seq] = took
		self[seq] += took
		if c.Parent != 0 {
			self[c.Parent] -= took
		}
	}
	return total, self
}

// stackSums adds up all calls by the name that key gives to their stack; "" leaves the call out.
func (o *oracle) stackSums(last int64, key func(path []recording.FunctionID) string) map[string]stackSum {
	return o.stackSumsOf(0, last, key)
}

// stackSumsOf is stackSums of one goroutine; 0: of all.
func (o *oracle) stackSumsOf(goroutine, last int64, key func(path []recording.FunctionID) string) map[string]stackSum {
	sums := map[string]stackSum{}
	totals, selfs := o.took(last)
	for _, seq := range o.order {
		c := o.calls[seq]
		if goroutine != 0 && c.Goroutine != goroutine {
			continue
		}
		path := o.path(c)
		total, self := totals[seq], max(0, selfs[seq])
		if k := key(path); k != "" {
			s := sums[k]
			s.Calls++
			s.Total += total
			s.Self += self
			if c.Outcome == recording.OutcomeOpen {
				s.Open++
			} else if total > s.Took || s.Longest == 0 {
				s.Longest, s.Took = seq, total
			}
			sums[k] = s
		}
		for n := range path {
			if k := key(path[:n+1]); k != "" {
				s := sums[k]
				s.Within++
				sums[k] = s
			}
		}
	}
	return sums
}

func compareStacks(t *rapid.T, r *Reader, id recording.RunID, o *oracle) {
	ctx := context.Background()
	run, err := r.Run(ctx, id)
	check(t, err)
	last := run.Last
	sums := o.stackSums(last, pathKey)
	focus := StackQuery{Limit: 1 << 20, By: rapid.SampledFrom([]StackWeight{ByTime, ByCalls}).Draw(t, "weight")}
	if len(o.order) > 0 && rapid.Bool().Draw(t, "focus") {
		path := o.path(o.calls[rapid.SampledFrom(o.order).Draw(t, "focused call")])
		focus.Path = path[:rapid.IntRange(1, len(path)).Draw(t, "levels")]
	}
	got, err := r.Stacks(ctx, id, focus)
	check(t, err)
	if !got.Complete() {
		t.Fatalf("it covers %+v", got.Coverage)
	}
	seen := checkStacks(t, got, focus.Path, sums)
	prefix := pathKey(focus.Path)
	for key := range sums {
		if below := prefix == "" || strings.HasPrefix(key, prefix+"/"); below && !seen[key] {
			t.Fatalf("the stack %s is missing", key)
		}
	}
	if len(o.order) > 0 {
		c := o.calls[rapid.SampledFrom(o.order).Draw(t, "whose goroutine")]
		only, err := r.Stacks(ctx, id, StackQuery{Limit: 1 << 20, Goroutine: c.Goroutine})
		check(t, err)
		seen := checkStacks(t, only, nil, o.stackSumsOf(c.Goroutine, last, pathKey))
		if !seen[pathKey(o.path(c))] || !only.Complete() {
			t.Fatalf("the stack of call %d is missing on its goroutine", c.Seq)
		}
		callers, err := r.Callers(ctx, id, c.Seq, 1000)
		check(t, err)
		for p := c; ; p = o.calls[p.Parent] {
			equal(t, "caller", callers[0], *p)
			if callers = callers[1:]; p.Parent == 0 {
				break
			}
		}
		equal(t, "further callers", len(callers), 0)
	}
	compareInverted(t, r, id, o, last)
	compareFunction(t, r, id, o, last)
}

// checkStacks compares an answer with the oracle's sums, and with itself.
func checkStacks(t *rapid.T, got *Stacks, focus []recording.FunctionID, sums map[string]stackSum) map[string]bool {
	seen := map[string]bool{}
	paths := make([][]recording.FunctionID, len(got.Stacks))
	for i := range got.Stacks {
		s := &got.Stacks[i]
		above := focus
		if s.Parent >= 0 {
			above = paths[s.Parent]
		}
		paths[i] = append(slices.Clone(above), s.Function)
		key := pathKey(paths[i])
		if seen[key] {
			t.Fatalf("the stack %s is there twice", key)
		}
		seen[key] = true
		have := stackSum{s.Calls, s.Open, s.Within, s.Total, s.Self, s.Longest, s.Took}
		equal(t, "stack "+key, have, sums[key])
	}
	checkSums(t, got)
	return seen
}

// checkSums checks that every stack is the sum of what is in it.
func checkSums(t *rapid.T, got *Stacks) {
	rest := append(slices.Clone(got.Stacks), got.Focus)
	for i := range got.Stacks {
		s := &got.Stacks[i]
		parent := &rest[len(got.Stacks)]
		if s.Parent >= 0 {
			parent = &rest[s.Parent]
		}
		parent.Total -= s.Total
		parent.Within -= s.Within
	}
	for i := range rest {
		s := &rest[i]
		if s.Total != s.Self+s.CutTotal || s.Within != s.Calls+s.CutCalls {
			t.Fatalf("what is below stack %d does not add up: %+v is left", i, s)
		}
	}
}

// Inverted stacks hold, for every function and every way to it, the self time and the calls of the function.
func compareInverted(t *rapid.T, r *Reader, id recording.RunID, o *oracle, last int64) {
	type sum struct {
		Calls uint64
		Self  int64
	}
	want := map[string]sum{}
	_, selfs := o.took(last)
	for _, seq := range o.order {
		c := o.calls[seq]
		path := o.path(c)
		slices.Reverse(path)
		self := max(0, selfs[seq])
		for n := range path {
			s := want[pathKey(path[:n+1])]
			s.Calls++
			s.Self += self
			want[pathKey(path[:n+1])] = s
		}
	}
	got, err := r.Stacks(context.Background(), id, StackQuery{Inverted: true, Limit: 1 << 20})
	check(t, err)
	equal(t, "inverted stacks", len(got.Stacks), len(want))
	paths := make([][]recording.FunctionID, len(got.Stacks))
	for i := range got.Stacks {
		s := &got.Stacks[i]
		if s.Parent >= 0 {
			paths[i] = slices.Clone(paths[s.Parent])
		}
		paths[i] = append(paths[i], s.Function)
		equal(t, "inverted stack "+pathKey(paths[i]), sum{s.Calls, s.Self}, want[pathKey(paths[i])])
	}
}

// The stacks below a function, wherever it was called, are the sums of those below each of its outermost calls.
func compareFunction(t *rapid.T, r *Reader, id recording.RunID, o *oracle, last int64) {
	const function = 2
	sums := o.stackSums(last, func(path []recording.FunctionID) string {
		if at := slices.Index(path, function); at >= 0 {
			return pathKey(path[at:])
		}
		return ""
	})
	got, err := r.Stacks(context.Background(), id, StackQuery{Function: function, Limit: 1 << 20, Match: map[recording.FunctionID]bool{function: true}})
	if len(sums) == 0 {
		equal(t, "code", recording.CodeOf(err), recording.CodeNotFound)
		return
	}
	check(t, err)
	seen := checkStacks(t, got, []recording.FunctionID{function}, sums)
	equal(t, "stacks below the function", len(seen), len(sums)-1)
	have := stackSum{got.Focus.Calls, got.Focus.Open, got.Focus.Within, got.Focus.Total, got.Focus.Self, got.Focus.Longest, got.Focus.Took}
	equal(t, "the function", have, sums["2"])
	equal(t, "matched time", got.MatchedTotal, got.Focus.Total)
	equal(t, "matched calls", got.MatchedCalls, got.Focus.Within)
}
