//go:build linux && amd64

package install

import (
	"reflect"
	"testing"

	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
)

// TestEstateKeepsWhatItSays: what a tracer writes down is what its successor reads.
func TestEstateKeepsWhatItSays(t *testing.T) {
	p := plan{probes: []Probe{
		{
			Args:    routine.Capture{Words: make([]routine.Word, 3), Copies: []routine.Copy{{Nested: 2}, {Dynamic: true, Nested: 1}, {}}},
			Entries: true,
		},
		{Results: routine.Capture{Words: make([]routine.Word, 200)}, Returns: true},
	}}
	b := estate(p, []byte("a note"))
	fitEstate(b, ring.Layout{Base: 1, Rings: 2, Count: 3, DataSize: 4096})
	held := ring.Shape{Words: 1, Copies: []ring.CopyShape{{Nested: 1}, {}}}
	size := uint64(len(b))
	b = appendShape(b, held, false)
	var e Estate
	shapes, types, ok := e.parse(b, size)
	if !ok || string(e.Note) != "a note" || !reflect.DeepEqual(types, []ring.Shape{held}) ||
		!reflect.DeepEqual(e.events, []bool{true, false, false, true}) {
		t.Fatalf("%v %q %v %v", ok, e.Note, types, e.events)
	}
	for i, want := range []ring.Shape{shape(p.probes[0].Args), {}, {}, {Words: 200}} {
		if !reflect.DeepEqual(shapes[i], want) {
			t.Errorf("shape %d is %+v, not %+v", i, shapes[i], want)
		}
	}
}

// FuzzEstate: whatever a program makes of what lies in its memory, reading it ends.
func FuzzEstate(f *testing.F) {
	f.Add(estate(plan{probes: make([]Probe, 2)}, []byte("note")), uint16(0))
	f.Add(make([]byte, estateHead), uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, held uint16) {
		if len(b) < estateHead || int(held) > len(b)-estateHead {
			return
		}
		var e Estate
		shapes, _, ok := e.parse(b, uint64(len(b)-int(held)))
		if ok && len(shapes) != len(e.events) {
			t.Fatal("sites without a shape")
		}
	})
}
