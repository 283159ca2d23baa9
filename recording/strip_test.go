package recording

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"
)

// A block without the bodies of its files is smaller by them and says the same otherwise.
func TestWithoutFileBodies(t *testing.T) {
	body := bytes.Repeat([]byte("package main // an unusual sentence, 0123456789\n"), 50)
	var blocks [][]byte
	b := NewBuilder(Run{Program: "/p", Start: time.Unix(1, 0).UTC()}, func(d *Draft) error {
		encoded, err := d.Encode(nil)
		blocks = append(blocks, encoded)
		return err
	})
	defs := Definitions{
		Files: []File{
			{ID: 1, Name: "/p/main.go", Body: body, Hash: sha256.Sum256(body)}, {ID: 2, Name: "/p/gone.go", Missing: "not found"},
		},
		Functions: []Function{{ID: 1, Name: "main.main", File: 1}},
	}
	if err := b.Define(defs); err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		kind := KindCall
		if i%2 == 1 {
			kind = KindReturn
		}
		if err := b.Append(&Raw{Kind: kind, Function: 1, Goroutine: 1, Time: int64(i), Frame: 64}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Finish(RunEnd{End: time.Unix(2, 0).UTC()}); err != nil {
		t.Fatal(err)
	}
	whole, err := Decode(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	encoded := whole.WithoutFileBodies(blocks[0])
	if len(encoded) >= len(blocks[0]) {
		t.Errorf("%d bytes of %d are left", len(encoded), len(blocks[0]))
	}
	stripped, err := Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if again := stripped.WithoutFileBodies(encoded); !bytes.Equal(again, encoded) {
		t.Error("a second time changes the block")
	}
	for i, f := range stripped.Definitions.Files {
		want := defs.Files[i]
		want.Body = nil
		if f.Body = nil; fmt.Sprint(f) != fmt.Sprint(want) || len(stripped.Definitions.Files[i].Body) > 0 {
			t.Errorf("file %v, want %v", f, want)
		}
	}
	stripped.Definitions.Files = whole.Definitions.Files
	describe := func(b *Block) string {
		text := fmt.Sprintf("%+v %+v %+v %+v %+v\n", b.Header, b.Start, b.End, b.Definitions, b.Summary)
		for e, err := range b.Events(WithData) {
			text += fmt.Sprintf("%+v %v\n", e, err)
		}
		return text
	}
	if describe(stripped) != describe(whole) {
		t.Error("the blocks differ in more than the bodies")
	}
}
