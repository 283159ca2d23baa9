//go:build linux && amd64

package tracer

import (
	"slices"
	"strings"
	"testing"

	"smiley/recording"
)

// TestPanicValues: what a program panicked with is shown, whichever engine records it, with what pointers in it lead to.
func TestPanicValues(t *testing.T) {
	path := fixture(t, "panics")
	values := map[Engine][]string{}
	for _, engine := range []Engine{EngineBreakpoint, EngineProbe} {
		r := record(t, Options{Target: path, Engine: engine})
		types := recording.NewTypes(nil)
		types.Add(r.types...)
		decoder := recording.ValueDecoder{
			Types: types, Bounds: recording.DefaultBounds(),
			FunctionName: func(id recording.FunctionID) string { return r.functions[id].Name },
		}
		for _, e := range r.of(recording.KindPanic) {
			value := decoder.Any(e.Data)
			values[engine] = append(values[engine], value.String())
		}
	}
	if !slices.Equal(values[EngineProbe], values[EngineBreakpoint]) {
		t.Errorf("probes read\n%q\nbreakpoints\n%q", values[EngineProbe], values[EngineBreakpoint])
	}
	for _, want := range []string{"plain", "own", "by value", "inner", "text", "6"} {
		n := 0
		for _, got := range values[EngineProbe] {
			if strings.Contains(got, want) {
				n++
			}
		}
		if n != 3 {
			t.Errorf("%q was shown %d times in %q", want, n, values[EngineProbe])
		}
	}
}
