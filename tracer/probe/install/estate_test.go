//go:build linux && amd64

package install

import (
	"reflect"
	"testing"

	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// TestEstateKeepsWhatItSays: what a tracer writes down is what its successor reads.
func TestEstateKeepsWhatItSays(t *testing.T) {
	var none routine.Capture
	p := plan{probes: []Probe{
		{
			Function: &site.Function{Addr: 4711},
			Args:     &routine.Capture{Words: make([]routine.Word, 3), Node: 7},
			Results:  &none,
			Events:   true,
		},
		{Function: &site.Function{Addr: 1 << 40}, Args: &none, Results: &routine.Capture{Words: make([]routine.Word, 200)}},
	}}
	b := estate(&p, []byte("a note"))
	fitEstate(b, ring.Layout{Base: 1, Rings: 2, Count: 3, DataSize: 4096})
	var e Estate
	ok := e.parse(b)
	if !ok || string(e.Note) != "a note" || !reflect.DeepEqual(e.events, []bool{true, false}) ||
		!reflect.DeepEqual(e.Functions, []uint64{4711, 1 << 40}) {
		t.Fatalf("%v %q %+v", ok, e.Note, e)
	}
	for i, want := range []ring.Shape{{Words: 3, Copies: true}, {}, {}, {Words: 200}} {
		if e.shapes[i] != want {
			t.Errorf("shape %d is %+v, not %+v", i, e.shapes[i], want)
		}
	}
}

// FuzzEstate: whatever a program makes of what lies in its memory, reading it ends.
func FuzzEstate(f *testing.F) {
	empty := Probe{Function: &site.Function{}, Args: &routine.Capture{}, Results: &routine.Capture{}}
	f.Add(estate(&plan{probes: []Probe{empty, empty}}, []byte("note")))
	f.Add(make([]byte, estateHead))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Estate
		if len(b) >= estateHead && e.parse(b) && (len(e.shapes)+1)/2 != len(e.events) {
			t.Fatal("sites without a shape")
		}
	})
}
