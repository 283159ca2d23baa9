package bench

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"smiley/bench/synthetic"
	"smiley/recording"
	"smiley/store"
)

// encodedRun is the blocks of a run with about n events.
func encodedRun(b *testing.B, m synthetic.Mix, n int) [][]byte {
	b.Helper()
	id, err := recording.NewRunID()
	if err != nil {
		b.Fatal(err)
	}
	var blocks [][]byte
	run := recording.Run{ID: id, Start: time.Unix(0, 0), Settings: recording.Settings{Bounds: recording.DefaultBounds()}}
	builder := recording.NewBuilder(run, func(d *recording.Draft) error {
		encoded, err := d.Encode(nil)
		blocks = append(blocks, encoded)
		return err
	})
	if err := builder.Define(m.Definitions()); err != nil {
		b.Fatal(err)
	}
	p := synthetic.NewProgram(m)
	var r recording.Raw
	for range n {
		p.Next(&r)
		if err := builder.Append(&r); err != nil {
			b.Fatal(err)
		}
	}
	return blocks
}

// BenchmarkStoreAppend measures Store.Append alone, per event: check, roll up, commit.
func BenchmarkStoreAppend(b *testing.B) {
	for _, m := range mixes {
		b.Run(m.Name, func(b *testing.B) {
			blocks := encodedRun(b, m, 40*recording.BlockEvents)
			b.ReportAllocs()
			b.ResetTimer()
			b.StopTimer()
			for events, round := 0, 0; events < b.N; round++ {
				s, err := store.Open(b.Context(), filepath.Join(b.TempDir(), fmt.Sprint(round, ".db")))
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				for i := 0; i < len(blocks) && events < b.N; i++ {
					h, err := s.Append(b.Context(), blocks[i])
					if err != nil {
						b.Fatal(err)
					}
					events += int(h.Events)
				}
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
