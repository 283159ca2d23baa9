package bench

import (
	"testing"
	"time"

	"smiley/bench/synthetic"
	"smiley/recording"
)

// benchEvents are made ahead, so that a benchmark does not measure their making, and repeated.
const benchEvents = 8 * recording.BlockEvents

var mixes = []synthetic.Mix{synthetic.None, synthetic.Ints, synthetic.Values}

// feed gives events to a fresh builder again and again, at later times, until n are appended.
func feed(b *testing.B, m synthetic.Mix, list []recording.Raw, n int, emit func(*recording.Draft) error) {
	builder := recording.NewBuilder(recording.Run{Settings: recording.Settings{Bounds: recording.DefaultBounds()}}, emit)
	if err := builder.Define(m.Definitions()); err != nil {
		b.Fatal(err)
	}
	span := list[len(list)-1].Time
	for i := range n {
		r := list[i%len(list)]
		r.Time += span * int64(i/len(list))
		if err := builder.Append(&r); err != nil {
			b.Fatal(err)
		}
	}
	if err := builder.Finish(recording.RunEnd{End: time.Unix(0, 0)}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAppend measures Builder.Append alone, per event. Drafts are encoded with the clock stopped.
func BenchmarkAppend(b *testing.B) {
	for _, m := range mixes {
		b.Run(m.Name, func(b *testing.B) {
			list := synthetic.Prepare(m, benchEvents)
			var encoded []byte
			b.ReportAllocs()
			b.ResetTimer()
			feed(b, m, list, b.N, func(d *recording.Draft) error {
				b.StopTimer()
				defer b.StartTimer()
				var err error
				encoded, err = d.Encode(encoded[:0])
				return err
			})
		})
	}
}

// BenchmarkEncode measures Draft.Encode alone, per event, and the size of what comes out per call.
func BenchmarkEncode(b *testing.B) {
	for _, m := range mixes {
		b.Run(m.Name, func(b *testing.B) {
			list := synthetic.Prepare(m, benchEvents)
			var encoded []byte
			bytes, events := 0, 0
			b.ReportAllocs()
			b.ResetTimer()
			b.StopTimer()
			feed(b, m, list, max(b.N, benchEvents), func(d *recording.Draft) error {
				n := int(d.Header().Events)
				if events < b.N {
					b.StartTimer()
				}
				var err error
				encoded, err = d.Encode(encoded[:0])
				b.StopTimer()
				bytes, events = bytes+len(encoded), events+n
				return err
			})
			b.ReportMetric(2*float64(bytes)/float64(events), "B/call")
		})
	}
}

// BenchmarkDecode measures a whole block: its structure only, and with the data.
func BenchmarkDecode(b *testing.B) {
	for _, m := range mixes {
		var block []byte
		feed(b, m, synthetic.Prepare(m, 2*recording.BlockEvents), 2*recording.BlockEvents, func(d *recording.Draft) error {
			encoded, err := d.Encode(nil)
			if len(encoded) > len(block) {
				block = encoded
			}
			return err
		})
		for _, parts := range []recording.Parts{recording.Structure, recording.WithData} {
			name := m.Name + "/structure"
			if parts == recording.WithData {
				name = m.Name + "/data"
			}
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for range b.N {
					decoded, err := recording.Decode(block)
					if err != nil {
						b.Fatal(err)
					}
					for _, err := range decoded.Events(parts) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
		b.Run(m.Name+"/summary", func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if _, err := recording.Decode(block); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
