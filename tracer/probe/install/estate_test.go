//go:build linux && amd64

package install

import (
	"encoding/binary"
	"reflect"
	"testing"

	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// TestEstateKeepsWhatItSays: what a tracer writes down is what its successor reads.
func TestEstateKeepsWhatItSays(t *testing.T) {
	p := plan{probes: []Probe{
		{
			Function: &site.Function{Addr: 4711},
			Args:     routine.Capture{Words: make([]routine.Word, 3), Copies: []routine.Copy{{Nested: 2}, {Dynamic: true, Nested: 1}, {}}},
			Events:   true,
		},
		{Function: &site.Function{Addr: 1 << 40}, Results: routine.Capture{Words: make([]routine.Word, 200)}},
	}}
	b := estate(&p, []byte("a note"))
	fitEstate(b, ring.Layout{Base: 1, Rings: 2, Count: 3, DataSize: 4096})
	held := ring.Shape{Words: 1, Copies: []ring.CopyShape{{Nested: 1}, {}}}
	size := uint64(len(b))
	b = appendShape(binary.AppendUvarint(b, 99), held)
	var e Estate
	ok := e.parse(b, size)
	if !ok || string(e.Note) != "a note" || !reflect.DeepEqual(e.types, []ring.Shape{held}) ||
		!reflect.DeepEqual(e.events, []bool{true, false}) || !reflect.DeepEqual(e.Held, []uint64{99}) ||
		!reflect.DeepEqual(e.Functions, []uint64{4711, 1 << 40}) {
		t.Fatalf("%v %q %+v", ok, e.Note, e)
	}
	for i, want := range []ring.Shape{shape(p.probes[0].Args), {}, {}, {Words: 200}} {
		if !reflect.DeepEqual(e.shapes[i], want) {
			t.Errorf("shape %d is %+v, not %+v", i, e.shapes[i], want)
		}
	}
}

// FuzzEstate: whatever a program makes of what lies in its memory, reading it ends.
func FuzzEstate(f *testing.F) {
	f.Add(estate(&plan{probes: []Probe{{Function: &site.Function{}}, {Function: &site.Function{}}}}, []byte("note")), uint16(0))
	f.Add(make([]byte, estateHead), uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, held uint16) {
		if len(b) < estateHead || int(held) > len(b)-estateHead {
			return
		}
		var e Estate
		if e.parse(b, uint64(len(b)-int(held))) && ((len(e.shapes)+1)/2 != len(e.events) || len(e.types) != len(e.Held)) {
			t.Fatal("sites without a shape")
		}
	})
}
