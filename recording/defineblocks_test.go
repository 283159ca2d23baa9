package recording

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
)

// What is encoded as definition blocks is what decodes, however many blocks it takes, and from whatever id it begins.
func TestDefinitionBlocks(t *testing.T) {
	d, _ := story()
	for i := range 3 {
		d.Files = append(d.Files, File{ID: FileID(3 + i), Name: fmt.Sprintf("f%d.go", i), Body: bytes.Repeat([]byte{byte(i)}, maxFileBody)})
	}
	run := testRun()
	for name, part := range map[string]Definitions{
		"all": d, "none": {}, "the last": {Types: d.Types[2:], Functions: d.Functions[3:], Files: d.Files[1:2]},
	} {
		blocks, err := DefinitionBlocks(&run, part)
		must(t, err)
		var got Definitions
		for i, encoded := range blocks {
			b, err := Decode(encoded)
			must(t, err)
			if int(b.Number) != i || b.Run != run.ID || b.Header.Events != 0 || b.Final || i == 0 && !reflect.DeepEqual(b.Start, &run) {
				t.Errorf("%s: block %d is %+v, %+v", name, i, b.Header, b.Start)
			}
			got.Types = append(got.Types, b.Definitions.Types...)
			got.Functions = append(got.Functions, b.Definitions.Functions...)
			got.Files = append(got.Files, b.Definitions.Files...)
			got.Goroutines = append(got.Goroutines, b.Definitions.Goroutines...)
		}
		for i := range part.Files {
			if len(got.Files) > i && len(got.Files[i].Body) == 0 {
				got.Files[i].Body = part.Files[i].Body
			}
		}
		if !reflect.DeepEqual(got, part) {
			t.Errorf("%s: %d blocks decode to something else", name, len(blocks))
		}
		if name == "all" && len(blocks) < 3 {
			t.Errorf("%d blocks for 24 MiB", len(blocks))
		}
	}
}
