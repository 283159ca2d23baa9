package recording

import (
	"bytes"
	"crypto/sha256"
	"reflect"
	"testing"
	"time"
)

// TestEncodeNear: a block for the same process says the same, and a store keeps the same of it.
func TestEncodeNear(t *testing.T) {
	body := bytes.Repeat([]byte("package main // 0123456789\n"), 5000)
	blocks := func(encode func(*Draft, []byte) ([]byte, error)) (list [][]byte) {
		b := NewBuilder(Run{Program: "/p", Start: time.Unix(1, 0).UTC()}, func(d *Draft) error {
			encoded, err := encode(d, nil)
			list = append(list, encoded)
			return err
		})
		err := b.Define(Definitions{
			Files: []File{
				{ID: 1, Name: "/p/main.go", Body: body, Hash: sha256.Sum256(body)}, {ID: 2, Name: "/p/gone.go", Missing: "not found"},
			},
			Functions: []Function{{ID: 1, Name: "main.main", File: 1}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.CutDefinitions(3); err != nil {
			t.Fatal(err)
		}
		if err := b.CutDefinitions(4); err != nil { // nothing is left
			t.Fatal(err)
		}
		if err := b.Append(&Raw{Kind: KindCall, Function: 1, Goroutine: 1, Time: 5, Frame: 64}); err != nil {
			t.Fatal(err)
		}
		if err := b.Finish(RunEnd{End: time.Unix(2, 0).UTC()}); err != nil {
			t.Fatal(err)
		}
		return list
	}
	far, near := blocks((*Draft).Encode), blocks((*Draft).EncodeNear)
	if len(far) != 2 || len(near) != 2 {
		t.Fatalf("%d and %d blocks, not a block of definitions and one of events", len(far), len(near))
	}
	if len(near[0]) < len(body) || len(far[0]) > len(body)/2 {
		t.Errorf("%d bytes near and %d far, of which %d are a file", len(near[0]), len(far[0]), len(body))
	}
	for i := range far {
		a, err := Decode(far[i])
		if err != nil {
			t.Fatal(err)
		}
		b, err := Decode(near[i])
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a.Definitions, b.Definitions) || !reflect.DeepEqual(a.Header, b.Header) || !reflect.DeepEqual(a.Summary, b.Summary) {
			t.Errorf("block %d says something else", i)
		}
		if !bytes.Equal(a.WithoutFileBodies(far[i]), b.WithoutFileBodies(near[i])) {
			t.Errorf("of block %d something else is kept", i)
		}
	}
}
