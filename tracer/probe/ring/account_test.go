//go:build linux && amd64

package ring

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestAccountIsExactAtAnyMoment lets a tracer die at a drawn record: what its successor finds in its accounts, and what it reads itself, are
// all events, once.
func TestAccountIsExactAtAnyMoment(t *testing.T) {
	weights := []uint64{1, 0, 2} // events that a record of each site becomes
	shapes := []Shape{{}, {Words: 3}, {Words: 1, Copies: true}}
	shapeOf := func(n uint32) (Shape, bool) {
		if int(n) >= len(shapes) {
			return Shape{}, false
		}
		return shapes[n], true
	}
	rapid.Check(t, func(t *rapid.T) {
		l := Layout{Base: 0x7000_0000, Rings: 0x5000_0000_0000, Count: rapid.IntRange(1, 3).Draw(t, "rings"), DataSize: 128 << 10}
		memory := region(l.Size())
		Init(memory, l, 1)
		p := producer{l, memory}
		p.set(l.Base+SharedNext, uint64(l.Count))
		captured, written, dropped := uint64(0), uint64(0), uint64(0)
		r := NewReader(memory, l, shapeOf)
		r.Account(&captured)
		death := rapid.IntRange(0, 5000).Draw(t, "death")
		var corpse []byte
		for step := 0; corpse == nil; step++ {
			for range rapid.IntRange(1, 400).Draw(t, "burst") {
				i := rapid.IntRange(0, l.Count-1).Draw(t, "ring")
				site := uint32(rapid.IntRange(0, 2).Draw(t, "site"))
				now := Ticks()
				ok := false
				switch site {
				case 0:
					ok = p.write(i, now, 1, site, nil, nil)
				case 1:
					ok = p.write(i, now, 1, site, []uint64{1, 2, 3}, nil)
				case 2:
					ok = p.write(i, now, 1, site, []uint64{7}, [][]byte{make([]byte, 2000)})
				}
				if ok {
					written += weights[site]
				} else {
					dropped++
					p.set(l.Ring(i)+Drops, p.word(l.Ring(i)+Drops)+1)
				}
			}
			if _, err := r.Drain(func(rec *Record) error {
				if death == 0 {
					corpse = slices.Clone(memory)
				}
				death--
				captured += weights[rec.Site]
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if corpse != nil {
				break
			}
			if rapid.Bool().Draw(t, "gap") { // an event that no record is
				captured++
				written++
			}
			r.Other(captured, 0)
			if step > 40 {
				corpse = slices.Clone(memory)
			}
		}
		words := region(l.Size())
		copy(words, corpse)
		heir, events, err := Resume(words, l, shapeOf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := heir.Drain(func(rec *Record) error {
			events += weights[rec.Site]
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if events != written || heir.Dropped() != dropped {
			t.Fatalf("%d events were made, %d are accounted for; %d dropped, %d said", written, events, dropped, heir.Dropped())
		}
	})
}
