package web

import (
	"path/filepath"
	"slices"
	"testing"

	"smiley/internal/sample"
	"smiley/recording"
)

// TestFewNodesHangTogether: of a graph that is cut, the callers are left, down to where most time went; a function that took time of its own
// far away from them is not. main.main did not end.
func TestFewNodesHangTogether(t *testing.T) {
	blocks, err := sample.Record(sample.ID, func(b *recording.Builder) error {
		if err := b.Define(recording.Definitions{Goroutines: []recording.Goroutine{{ID: 1, StartFunction: sample.Main}}}); err != nil {
			return err
		}
		for _, raw := range []recording.Raw{
			{Kind: recording.KindCall, Function: sample.Main, Time: 0, Frame: 100, Data: sample.Ints()},
			{Kind: recording.KindCall, Function: sample.Work, Time: 10, Frame: 200, Data: sample.Ints(1)},
			{Kind: recording.KindCall, Function: sample.Add, Time: 20, Frame: 300, Data: sample.Ints(1, 2)},
			{Kind: recording.KindReturn, Function: sample.Add, Time: 9000, Frame: 300, Data: sample.Ints(3)},
			{Kind: recording.KindReturn, Function: sample.Work, Time: 9010, Frame: 200, Data: sample.Ints(0, 0)},
			{Kind: recording.KindCall, Function: sample.Risky, Time: 9020, Frame: 200, Data: sample.Ints(1)},
			{Kind: recording.KindReturn, Function: sample.Risky, Time: 9920, Frame: 200, Data: sample.Ints(0, 0)},
		} {
			raw.Goroutine = 1
			if err := b.Append(&raw); err != nil {
				return err
			}
		}
		return nil
	})
	check(t, err)
	file := filepath.Join(t.TempDir(), "graph.db")
	check(t, sample.Keep(t.Context(), file, blocks))
	page := newSite(t, file, Options{}).document(t, "/runs/"+sample.ID.String()+"/graph?n=3")
	var names []string
	for _, node := range page.classed("node") {
		names = append(names, titleOf(node))
	}
	slices.Sort(names)
	if want := []string{"main.add", "main.main", "main.work"}; !slices.Equal(names, want) {
		t.Errorf("%q are drawn, want %q", names, want)
	}
	if edges := page.classed("edge"); len(edges) != 2 {
		t.Errorf("%d lines hold them together", len(edges))
	}
}
