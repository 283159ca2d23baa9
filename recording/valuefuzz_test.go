package recording

import (
	"encoding/json"
	"reflect"
	"testing"
)

// damagedTypes makes a type table of arbitrary bytes: types that contain themselves, sizes and ids that mean nothing.
func damagedTypes(data []byte) *Types {
	types := NewTypes(nil)
	for id := TypeID(1); len(data) >= 8 && id < 64; id++ {
		t := Type{
			ID: id, Kind: TypeKind(data[0] % 32), Elem: TypeID(data[1] % 64), Key: TypeID(data[2]), Len: uint64(data[3]) << (data[4] % 64),
			Size: uint32(data[5]), Methods: data[6]&1 != 0, Name: []string{"error", "x.T", "[]uint8", "errors.errorString", "time.Time"}[data[6]%5],
		}
		if data[6]&2 != 0 {
			t.Package = []string{"time", "errors", "runtime"}[data[6]%3]
		}
		for i := range data[7] % 16 {
			t.Fields = append(t.Fields, Field{Name: "s", Type: TypeID(data[i%8] % 64), Offset: uint32(i) * 8})
		}
		types.Add(t)
		data = data[8:]
	}
	return types
}

// size counts the values of a tree and the bytes of their texts.
func (v *Value) size() (parts, texts int) {
	parts, texts = 1, len(v.Text)
	for i := range v.Children {
		p, t := v.Children[i].size()
		parts, texts = parts+p, texts+t
	}
	return parts, texts
}

// FuzzValueDecoder: no type table and no record makes the decoder panic or take memory that the record does not pay for.
func FuzzValueDecoder(f *testing.F) {
	l := newLive(f)
	for _, r := range goRows() {
		r.value(l, DefaultBounds())
	}
	row := any(shape{point{1, 2}, "name", []string{"a", "b"}})
	p := &[]any{row, 1, "x", error(&codeErr{1}), []byte("bytes"), handler, map[string]int{}, &row}
	_, record, _ := l.capture(reflect.ValueOf(p), DefaultBounds())
	f.Add([]byte{}, record, uint8(l.ids[reflect.TypeFor[[]any]()]), 64, 8, 1)
	f.Add([]byte{20, 1, 0, 255, 60, 0, 0, 0}, []byte{4, 0, 0, 0, 0, 0, 0, 0, 1}, uint8(1), 1<<30, 1<<30, 1<<30)
	f.Add([]byte{21, 1, 0, 0, 0, 0, 0, 15}, []byte{0}, uint8(1), -1, -1, -1)
	f.Add([]byte{19, 2, 0, 0, 0, 24, 0, 0, 21, 0, 0, 0, 0, 0, 0, 0}, []byte("\x00\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), uint8(1), 64, 1<<20, 1)
	f.Fuzz(func(t *testing.T, table, record []byte, id uint8, stringBytes, elements, follow int) {
		types := l.types
		if len(table) > 0 {
			types = damagedTypes(table)
		}
		bounds := Bounds{StringBytes: stringBytes, Elements: elements, Follow: follow}
		decoder := ValueDecoder{Types: types, Bounds: bounds}
		params := []Param{{Name: "a", Type: TypeID(id)}, {Name: "b", Type: TypeID(id) + 1}}
		values := append(decoder.Values(params, record), decoder.Any(record))
		for i := range values {
			parts, texts := values[i].size()
			if limit := 2 * (4096 + len(record)); parts > limit || texts > len(record)+1024 {
				t.Fatalf("%d values with %d bytes of text from a record of %d bytes", parts, texts, len(record))
			}
			if s := values[i].String(); s == "" {
				t.Fatalf("a value without a text: %+v", values[i])
			}
			if _, err := json.Marshal(values[i]); err != nil {
				t.Fatal(err)
			}
		}
		if size := ImageSize(types, bounds, params); size > 1+2*maxImage {
			t.Fatalf("images of %d bytes", size)
		}
	})
}
