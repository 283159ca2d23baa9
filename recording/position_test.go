package recording

import (
	"testing"
	"time"
)

// TestContinueAfterADeadBuilder: a gap in place of what a builder had not handed over makes the run balance, and the whole agrees with
// itself, whether the builder had handed over blocks or none.
func TestContinueAfterADeadBuilder(t *testing.T) {
	for _, stored := range []int{0, 1, 2} {
		id, err := NewRunID()
		if err != nil {
			t.Fatal(err)
		}
		run := Run{ID: id, Program: "/p", Start: time.Unix(1, 0), Settings: Settings{Bounds: DefaultBounds()}}
		var blocks []*Block
		keep := func(d *Draft) error {
			encoded, err := d.Encode(nil)
			if err != nil {
				return err
			}
			b, err := Decode(encoded)
			blocks = append(blocks, b)
			return err
		}
		builder := NewBuilder(run, keep)
		for i := range 3 {
			if i == 0 {
				if err := builder.Define(Definitions{Functions: []Function{{ID: 1, Name: "main.f"}}}); err != nil {
					t.Fatal(err)
				}
			}
			for k := range 10 {
				if err := builder.Append(&Raw{Kind: KindCall, Function: 1, Goroutine: 1, Time: int64(100*i + k), Frame: uint64(8 * (10*i + k))}); err != nil {
					t.Fatal(err)
				}
			}
			if err := builder.Cut(int64(100 * (i + 1))); err != nil {
				t.Fatal(err)
			}
		}
		blocks = blocks[:stored]
		var at Position
		if stored > 0 {
			h := blocks[stored-1].Header
			at = Position{uint32(stored), h.FirstSeq + uint64(h.Events) - 1, h.Captured, h.Dropped, h.Last}
		}
		next := Continue(run, at, keep)
		if err := next.Drop(30-at.Captured, 0, at.Last, "lost"); err != nil {
			t.Fatal(err)
		}
		if err := next.Cut(at.Last); err != nil {
			t.Fatal(err)
		}
		v := NewValidator()
		for _, b := range blocks {
			if err := v.Block(b); err != nil {
				t.Fatalf("%d stored: %v", stored, err)
			}
		}
		last := blocks[len(blocks)-1]
		if last.Captured != 30+1 || last.Dropped != 30-uint64(10*stored) {
			t.Errorf("%d stored: %d captured, %d dropped", stored, last.Captured, last.Dropped)
		}
	}
}
