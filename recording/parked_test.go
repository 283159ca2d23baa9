package recording

import "testing"

// TestFramesAreParked goes so deep that frames are parked, unwinds half of them at once and the others one by one. Blocks and memory stay
// small meanwhile, and all is paired.
func TestFramesAreParked(t *testing.T) {
	const depth, kept = 600_000, 300_000
	c := newCollector(t)
	b := NewBuilder(testRun(), c.emit)
	must(t, b.Define(plainTables(1)))
	now := int64(0)
	appendEvent := func(kind Kind, level int) {
		now++
		must(t, b.Append(&Raw{Kind: kind, Function: 1, Goroutine: 1, Time: now, Frame: uint64(level + 1)}))
	}
	few := func(when string) {
		t.Helper()
		// What is open beside the parked frames is of some blocks at most.
		if g := b.live[1]; cap(g.frames) > 4*BlockEvents || g.parked.count == 0 {
			t.Errorf("%s there is room for %d frames, and %d are parked", when, cap(g.frames), g.parked.count)
		}
	}
	for level := range depth {
		appendEvent(KindCall, level)
	}
	few("at the bottom")
	appendEvent(KindRecovered, kept-1)
	must(t, b.Cut(now))
	few("half way up")
	for level := kept - 1; level >= 0; level-- {
		appendEvent(KindReturn, level)
	}
	if n := b.Depth(1); n != 0 {
		t.Errorf("%d calls are open in the end", n)
	}
	must(t, b.Finish(RunEnd{Duration: now}))
	must(t, c.checks.Finish())
	ended, returned, lost := 0, 0, 0
	for i, block := range c.blocks {
		closed := block.Summary.Closed
		ended += len(closed)
		for j := range closed {
			switch closed[j].Outcome {
			case OutcomeReturned:
				returned++
				if want := closed[j].Seq; closed[j].Depth != int(want)-1 || closed[j].Parent != want-1 {
					t.Fatalf("%+v is out of place", closed[j])
				}
			case OutcomeLost:
				lost++
			}
		}
		if n := len(closed); n > cutClosed && n < depth-kept-BlockEvents {
			t.Errorf("%d calls of earlier blocks end in block %d", n, i)
		}
	}
	if ended != returned+lost || returned != kept || lost < depth-kept-BlockEvents || lost > depth-kept {
		t.Errorf("%d calls of earlier blocks ended, %d by returning, %d were lost", ended, returned, lost)
	}
}
