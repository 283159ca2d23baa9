package store

import (
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"smiley/recording"
)

// TestParamsJSON: parameters are written as encoding/json writes them, without what is empty, and read as what they were.
func TestParamsJSON(t *testing.T) {
	w := &writeTx{}
	rapid.Check(t, func(t *rapid.T) {
		params := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) recording.Param {
			text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z~_. ]*`), rapid.SampledFrom([]string{"\xff", "<a>", `"`, `\`, "a&b", "\x7f", "é", "\u2028"}))
			return recording.Param{Name: text.Draw(t, "name"), Type: recording.TypeID(rapid.Uint32().Draw(t, "type")), Unreadable: text.Draw(t, "unreadable")}
		}), 0, 4).Draw(t, "params")
		if rapid.Bool().Draw(t, "nil") {
			params = nil
		}
		want := "null"
		if params != nil {
			var err error
			if want, err = asJSON(storedParams(params)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := w.paramsJSON(params)
		if err != nil || got != want {
			t.Fatalf("%s, %v\nis not %s", got, err, want)
		}
		var back, plain []recording.Param
		whole, err := asJSON(params)
		if err != nil || json.Unmarshal([]byte(got), &back) != nil || json.Unmarshal([]byte(whole), &plain) != nil || !slices.Equal(back, plain) {
			t.Fatalf("%s\nis read as %+v, not as %+v (%v)", got, back, plain, err)
		}
	})
}

// TestTypesJSON: types are written as encoding/json writes them.
func TestTypesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z~_. \[\]*{}]*`), rapid.SampledFrom([]string{"\xff", "<-chan int", `struct { a int "b" }`, "a&b", "é"}))
		number := rapid.Uint32()
		types := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) recording.Type {
			typ := recording.Type{
				ID: recording.TypeID(number.Draw(t, "id")), Name: text.Draw(t, "name"), Package: text.Draw(t, "package"),
				Kind: recording.TypeKind(rapid.Uint8().Draw(t, "kind")), Size: number.Draw(t, "size"), Elem: recording.TypeID(number.Draw(t, "elem")),
				Key: recording.TypeID(number.Draw(t, "key")), Len: rapid.Uint64().Draw(t, "len"), Methods: rapid.Bool().Draw(t, "methods"),
			}
			typ.Fields = rapid.OneOf(rapid.Just([]recording.Field(nil)), rapid.SliceOfN(rapid.Custom(func(t *rapid.T) recording.Field {
				return recording.Field{
					Name: text.Draw(t, "field"), Type: recording.TypeID(number.Draw(t, "type")), Offset: number.Draw(t, "offset"),
					Embedded: rapid.Bool().Draw(t, "embedded"),
				}
			}), 0, 3)).Draw(t, "fields")
			return typ
		}), 0, 4).Draw(t, "types")
		want, err := json.Marshal(types)
		if err != nil {
			t.Fatal(err)
		}
		got, err := typesJSON(types)
		if err != nil || string(got) != string(want) {
			t.Fatalf("%s, %v\nis not %s", got, err, want)
		}
	})
}
