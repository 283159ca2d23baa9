package recording

import "testing"

// TestEncodingBesideTheBuilder encodes drafts on another goroutine while the builder goes on, as recorders do. Under the
// race detector it shows that drafts are independent; the blocks are checked besides.
func TestEncodingBesideTheBuilder(t *testing.T) {
	drafts := make(chan *Draft, 2)
	done := make(chan error, 1)
	go func() {
		checks := NewValidator()
		for d := range drafts {
			encoded, err := d.Encode(nil)
			if err == nil {
				var b *Block
				if b, err = Decode(encoded); err == nil {
					err = checks.Block(b)
				}
			}
			if err != nil {
				done <- err
				for range drafts { // the builder must not wait for ever
				}
				return
			}
		}
		done <- checks.Finish()
	}()
	b := NewBuilder(testRun(), func(d *Draft) error { drafts <- d; return nil })
	must(t, b.Define(plainTables(4)))
	for i := range int64(20_000) {
		g, f := i%7+1, FunctionID(i%4+1)
		must(t, b.Append(&Raw{Kind: KindCall, Function: f, Goroutine: g, Time: 2 * i, Frame: 64, Data: []byte{0, byte(i)}}))
		if i%3 == 0 {
			must(t, b.Append(&Raw{Kind: KindCall, Function: 1, Goroutine: g, Time: 2*i + 1, Frame: 128}))
		}
		must(t, b.Append(&Raw{Kind: KindReturn, Function: f, Goroutine: g, Time: 2*i + 1, Frame: 64, Data: make([]byte, 17)}))
		if i%500 == 0 {
			must(t, b.Cut(2*i))
		}
	}
	must(t, b.Finish(RunEnd{}))
	close(drafts)
	must(t, <-done)
}

// TestBlocksAreCut shows where blocks end without being asked to: by events, by time and by data.
func TestBlocksAreCut(t *testing.T) {
	for _, c := range []struct {
		name   string
		events int
		step   int64
		data   int
		blocks int
	}{
		{"events", 2*BlockEvents + 1, 1, 0, 3},
		{"time", 10, BlockNanoseconds/2 + 1, 0, 5},
		{"data", 9, 1, cutData / 4, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var raws []Raw
			for i := range c.events {
				raws = append(raws, Raw{Kind: KindOutput, Goroutine: 1, Time: int64(i) * c.step, Data: make([]byte, c.data)})
			}
			if got := len(recorded(t, Definitions{}, raws).blocks); got != c.blocks {
				t.Errorf("%d blocks, not %d", got, c.blocks)
			}
		})
	}
}
