package store

import (
	"fmt"
	"sync"
	"testing"

	"smiley/recording"
)

// The functions of two runs that grow, asked for in turns and by several at once, are each time those that a reader finds that comes anew.
func TestFunctionsOfRunsThatGrow(t *testing.T) {
	const defined = 6
	fixtures := make([]*fixture, 2)
	for n := range fixtures {
		fixtures[n] = build(t, newRun(t, n), true, func(b *recording.Builder) {
			w := newWorld(t, b, 3)
			for i := range defined {
				w.steps(10)
				f := recording.Function{ID: recording.FunctionID(tracedFunctions + 2 + i), Name: fmt.Sprintf("main.late%d_%d", n, i), Package: "main", File: 1}
				check(t, b.Define(recording.Definitions{Functions: []recording.Function{f}}))
				check(t, b.Cut(w.now))
			}
		})
	}
	s := openStore(t)
	for i := range fixtures[0].blocks {
		for _, f := range fixtures {
			_, err := s.Append(t.Context(), f.blocks[min(i, len(f.blocks)-1)])
			check(t, err)
		}
		anew, err := OpenReader(t.Context(), s.file)
		check(t, err)
		var all sync.WaitGroup
		for range 4 {
			for _, f := range fixtures {
				want, err := anew.Functions(t.Context(), f.run.ID)
				check(t, err)
				all.Go(func() {
					got, err := s.Functions(t.Context(), f.run.ID)
					if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); err != nil || a != b {
						t.Errorf("after %d blocks: %v\n%s\n%s", i+1, err, a, b)
					}
				})
			}
		}
		all.Wait()
		check(t, anew.Close())
	}
}
