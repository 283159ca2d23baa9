package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"smiley/recording"
)

// Stacks that are too deep or too many are cut, and counted where they were: the sums of what is left are those of the
// whole run, and a stack that was never cut has its own sums.
func TestCutStacksAreCounted(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		file := filepath.Join(dir, fmt.Sprint(n, ".db"))
		defer os.Remove(file) //nolint:errcheck // the directory goes anyway
		levels := rapid.IntRange(1, 6).Draw(t, "levels")
		nodes := rapid.SampledFrom([]int{4, 10, 40, StackNodes}).Draw(t, "nodes")
		s, err := Open(context.Background(), file, withTuning(3, 2), func(o *options) { o.stackLevels, o.stackNodes = levels, nodes })
		check(t, err)
		defer func() { _ = s.Close() }() // checked below; rapid may end a try anywhere
		f := randomRun(t)
		for _, block := range f.blocks {
			_, err := s.Append(context.Background(), block)
			check(t, err)
			if rapid.IntRange(0, 9).Draw(t, "look") == 0 {
				_, err := s.Stacks(context.Background(), f.run.ID, StackQuery{})
				check(t, err)
			}
		}
		compareCut(t, s.Reader, f, levels, nodes)
		check(t, s.Close())
	})
}

func compareCut(t *rapid.T, r *Reader, f *fixture, levels, nodes int) {
	got, err := r.Stacks(context.Background(), f.run.ID, StackQuery{Limit: 1 << 20})
	check(t, err)
	o := newOracle(t, f.blocks)
	run, err := r.Run(context.Background(), f.run.ID)
	check(t, err)
	sums := o.stackSums(run.Last, pathKey)
	var total int64
	totals, _ := o.took(run.Last)
	for seq, c := range o.calls {
		if c.Parent == 0 {
			total += totals[seq]
		}
	}
	equal(t, "time of the run", got.Focus.Total, total)
	equal(t, "calls of the run", got.Focus.Within, uint64(len(o.calls)))
	cut := got.Focus.CutCalls
	paths := make([][]recording.FunctionID, len(got.Stacks))
	have := map[string]stackSum{}
	for i := range got.Stacks {
		s := &got.Stacks[i]
		if s.Parent >= 0 {
			paths[i] = append(paths[i], paths[s.Parent]...)
		}
		paths[i] = append(paths[i], s.Function)
		if len(paths[i]) > levels {
			t.Fatalf("stack %v is deeper than %d", paths[i], levels)
		}
		key := pathKey(paths[i])
		have[key] = stackSum{s.Calls, s.Open, s.Within, s.Total, s.Self, s.Longest, s.Took}
		want := sums[key]
		if s.Calls > want.Calls || s.Within > want.Within || s.Total > want.Total {
			t.Fatalf("stack %s is more than it can be: %+v of %+v", key, s, want)
		}
		cut += s.CutCalls
	}
	equal(t, "cut calls", got.CutCalls, cut)
	checkSums(t, got)
	for _, c := range o.calls { // every call's stack leads to where it is counted
		path := o.path(c)
		part, err := r.Stacks(context.Background(), f.run.ID, StackQuery{Path: path, Limit: 1})
		check(t, err)
		kept := path[:len(path)-part.Short]
		want := uint64(len(o.calls))
		if len(kept) > 0 {
			want = have[pathKey(kept)].Within
		}
		for _, inverted := range []bool{false, true} {
			merged, err := r.Stacks(context.Background(), f.run.ID, StackQuery{Function: c.Function, Inverted: inverted, Limit: 1})
			check(t, err)
			if merged.Focus.Function != c.Function || merged.Focus.Calls == 0 && merged.Short == 0 {
				t.Fatalf("function %d, inverted %v: %+v", c.Function, inverted, merged.Focus)
			}
		}
		if part.Focus.Within != want || part.Short > 0 && part.Focus.CutCalls == 0 || len(kept) > 0 && part.Focus.Function != kept[len(kept)-1] {
			t.Fatalf("the stack %v leads to %+v, short of %d", path, part.Focus, part.Short)
		}
	}
	if nodes < StackNodes {
		return
	}
	for key, want := range sums { // only depth was cut
		if n := len(splitPath(key)); n <= levels {
			if n == levels { // its own time is known; what is below is cut
				want.Self = have[key].Self
			}
			equal(t, "stack "+key, have[key], want)
		}
	}
}
