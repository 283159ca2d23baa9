package store

import (
	"testing"

	"pgregory.net/rapid"

	"smiley/recording"
)

// TestParamsJSON: parameters are written as encoding/json writes them.
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
		want, err := asJSON(params)
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.paramsJSON(params)
		if err != nil || got != want {
			t.Fatalf("%s, %v\nis not %s", got, err, want)
		}
	})
}
