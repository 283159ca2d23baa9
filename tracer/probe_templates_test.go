//go:build linux && amd64

package tracer

import "testing"

// TestTemplates: records that templates make are those that breakpoints make, whatever calls have in common.
func TestTemplates(t *testing.T) {
	path := fixture(t, "alike")
	b := record(t, Options{Target: path, Engine: EngineBreakpoint})
	made := 0
	p := record(t, Options{Target: path, Engine: EngineProbe, templated: func() { made++ }})
	sameStory(t, "templates", p, b)
	values, unknown := sameValues(t, p, b)
	t.Logf("%d of %d records were made by templates, %d values, %d only by breakpoints", made, len(p.events), values, unknown)
	if unknown > 0 {
		t.Errorf("%d of %d values could only be read by breakpoints", unknown, values)
	}
	if made < len(p.events)/4 {
		t.Errorf("only %d of %d records were made by templates", made, len(p.events))
	}
	usual := record(t, Options{Target: path, Engine: EngineProbe})
	sameStory(t, "as usual", usual, b)
	sameValues(t, usual, b)
}
