package recording

import "testing"

// TestPanicThatEndsTheProgram: the calls of the goroutine that panicked ended by it; those of others stay open, and so do all
// when another panic was under way and nothing tells them apart.
func TestPanicThatEndsTheProgram(t *testing.T) {
	for _, test := range []struct {
		name      string
		err       string
		both      bool
		panicked  uint64
		wantEnded bool
	}{
		{name: "a panic", err: "panic: boom", panicked: 1, wantEnded: true},
		{name: "two goroutines were panicking", err: "panic: boom", both: true},
		{name: "a fatal error", err: "fatal error: all goroutines are asleep - deadlock!"},
		{name: "no error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var blocks []*Block
			b := NewBuilder(Run{}, func(d *Draft) error {
				encoded, err := d.Encode(nil)
				if err != nil {
					return err
				}
				block, err := Decode(encoded)
				blocks = append(blocks, block)
				return err
			})
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(b.Define(Definitions{Functions: []Function{{ID: 1, Name: "main.f"}}}))
			must(b.Append(&Raw{Kind: KindCall, Function: 1, Goroutine: 1, Frame: 100, Time: 10}))
			must(b.Append(&Raw{Kind: KindCall, Function: 1, Goroutine: 2, Frame: 100, Time: 20}))
			must(b.Append(&Raw{Kind: KindPanic, Goroutine: 1, Time: 30}))
			if test.both {
				must(b.Append(&Raw{Kind: KindPanic, Goroutine: 2, Time: 40}))
			}
			must(b.Finish(RunEnd{Duration: 100, Error: test.err}))
			v, ended, panicked := NewValidator(), false, uint64(0)
			for _, block := range blocks {
				must(v.Block(block))
				for _, f := range block.Summary.Functions {
					panicked += f.Panics
				}
				for e, err := range block.Events(Structure) {
					must(err)
					if e.Kind == KindGoroutineEnd {
						ended = true
						if e.Goroutine != 1 || e.Time != 100 || e.Unwound != 1 || e.UnwoundBy != OutcomePanicked {
							t.Errorf("the goroutine's end is %+v", e)
						}
					}
				}
			}
			must(v.Finish())
			if ended != test.wantEnded || panicked != test.panicked {
				t.Errorf("ended %v, %d calls panicked; want %v, %d", ended, panicked, test.wantEnded, test.panicked)
			}
		})
	}
}
