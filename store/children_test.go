package store

import (
	"fmt"
	"path/filepath"
	"testing"

	"smiley/recording"
)

// wide makes a run in which one call makes n others, a few to a block.
func wide(t tb, run recording.Run, n int) *fixture {
	t.Helper()
	return build(t, run, false, func(b *recording.Builder) {
		const toABlock = 10
		now := int64(0)
		add := func(kind recording.Kind, f recording.FunctionID, frame uint64) {
			now += 10
			check(t, b.Append(&recording.Raw{Kind: kind, Function: f, Goroutine: 1, Time: now, Frame: frame, Data: make([]byte, 17)}))
		}
		add(recording.KindCall, 1, 64)
		for i := range n {
			add(recording.KindCall, 2, 128)
			add(recording.KindReturn, 2, 128)
			if i%toABlock == toABlock-1 {
				check(t, b.Cut(now))
			}
		}
		add(recording.KindReturn, 1, 64)
	})
}

// A call with a hundred thousand times as many children opens as fast as another: a page of them, the first or any other,
// reads the same few blocks.
func TestChildrenReadAsManyBlocksHoweverManyThereAre(t *testing.T) {
	read := func(n int, after uint64, back bool) int {
		file := filepath.Join(t.TempDir(), "smiley.db")
		s, err := Open(t.Context(), file)
		check(t, err)
		f := wide(t, newRun(t, 0), n)
		keep(t, s, f)
		check(t, s.Close())
		r, err := OpenReader(t.Context(), file)
		check(t, err)
		defer r.Close() //nolint:errcheck // only read
		first := uint64(2)
		var page []recording.Call
		if back {
			page, err = r.ChildrenBefore(t.Context(), f.run.ID, 1, after, 5)
			if first = after - 10; after == 0 {
				first = uint64(2*n) - 8
			}
		} else {
			page, err = r.Children(t.Context(), f.run.ID, 1, after, 5)
			if after > 0 {
				first = after + 2
			}
		}
		check(t, err)
		equal(t, "children", len(page), 5)
		equal(t, "the first of them", page[0].Seq, first)
		return r.structures.order.Len()
	}
	few := read(5, 0, false)
	const many = 5000 // in 500 blocks
	for _, after := range []uint64{0, 2, many / 3 * 2, 2*many - 20} {
		if got := read(many, after, false); got > few+2 { // the parent lies in one of its own, and a page may begin in one and end in the next
			t.Errorf("a page behind %d of %d children reads %d blocks; one of five reads %d", after, many, got, few)
		}
	}
	for _, before := range []uint64{0, 2 * many, many / 3 * 2, 12} {
		if got := read(many, before, true); got > few+2 {
			t.Errorf("a page before %d of %d children reads %d blocks; one of five reads %d", before, many, got, few)
		}
	}
}

// Every call of a recursion is there, with what it calls, however many are written at once.
func TestRecursionIsThereCallByCall(t *testing.T) {
	const depth = 3*rowsAtOnce + 5
	s := openStore(t)
	f := build(t, newRun(t, 0), false, func(b *recording.Builder) {
		for i := range uint64(depth) {
			check(t, b.Append(&recording.Raw{
				Kind: recording.KindCall, Function: 5, Goroutine: 1, Time: int64(10 * i), Frame: 64 * (i + 1), Data: make([]byte, 17),
			}))
		}
		check(t, b.Cut(10*depth))
		check(t, b.Append(&recording.Raw{
			Kind: recording.KindReturn, Function: 5, Goroutine: 1, Time: 10 * depth, Frame: 64 * depth, Data: make([]byte, 17),
		}))
	})
	keep(t, s, f)
	var rows, first, last int
	check(t, s.w.QueryRow(`SELECT count(*), min(seq), max(seq) FROM long_calls`).Scan(&rows, &first, &last))
	equal(t, "rows", fmt.Sprint(rows, first, last), fmt.Sprint(depth, 1, depth))
	for seq := range uint64(depth) {
		page, err := s.Children(t.Context(), f.run.ID, seq+1, 0, 5)
		check(t, err)
		if seq == depth-1 {
			equal(t, "calls of the innermost", len(page), 0)
			break
		}
		equal(t, fmt.Sprint("calls of ", seq+1), len(page), 1)
		c := page[0]
		equal(t, "call", fmt.Sprint(c.Seq, c.Parent, c.Depth, c.Start, c.Outcome == recording.OutcomeOpen),
			fmt.Sprint(seq+2, seq+1, seq+1, int64(10*(seq+1)), seq+2 < depth))
	}
}
