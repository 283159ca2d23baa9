//go:build linux && amd64

package tracer

import (
	"testing"

	"smiley/recording"
)

// TestTextWithLargeBounds: when more bytes of strings are wanted than fit into a record, those that fit are copied.
func TestTextWithLargeBounds(t *testing.T) {
	types := recording.NewTypes(nil)
	types.Add(recording.Type{ID: 1, Name: "string", Kind: recording.KindString, Size: 16})
	all := &captures{types: types, bounds: recording.Bounds{StringBytes: 100_000, Elements: 8, Follow: 1}}
	c := all.compile([]recording.Param{{Type: 1}}, []location{{size: 16, stack: -1, pieces: []piece{{0, 8, 0, false}, {8, 8, 1, false}}}})
	if len(c.Copies) != 1 || c.Copies[0].Max < 1024 {
		t.Errorf("copies %+v", c.Copies)
	}
}
