package recording

import (
	"bytes"
	"testing"
)

// TestScalar holds that values whose bytes are copied as they are have the records that a Capturer makes of them.
func TestScalar(t *testing.T) {
	types := &Types{}
	for kind := KindBool; int(kind) < len(scalarSizes); kind++ {
		id := TypeID(types.Len() + 1)
		types.Add(Type{ID: id, Name: "T", Kind: kind, Size: 16, Elem: 1})
	}
	scalars := 0
	for id := TypeID(1); int(id) <= types.Len(); id++ {
		typ, _ := types.Get(id)
		for size := range 17 {
			if !typ.Scalar(size) {
				continue
			}
			scalars++
			value := []byte("0123456789abcdef")[:size]
			c := Capturer{Types: types, Bounds: DefaultBounds()}
			want, counts := c.Append(nil, []Param{{Type: id}}, []Root{{Bytes: value}})
			if got := append(AppendScalars(nil), value...); !bytes.Equal(got, want) || counts != (Counts{}) {
				t.Errorf("kind %v: %q, a Capturer has %q and %+v", typ.Kind, got, want, counts)
			}
		}
	}
	if scalars != 17 { // bool, ten integers, uintptr, two floats, two complex, unsafe.Pointer
		t.Errorf("%d kinds are scalar", scalars)
	}
}
