//go:build linux && amd64

package tracer

import (
	"testing"

	places "smiley/tracer/probe/site"
)

// TestRefusedByProbesIsNotRefused: a function that probes cannot be tried on may still get a breakpoint.
func TestRefusedByProbesIsNotRefused(t *testing.T) {
	symbols := []Symbol{{Name: "main.a", Entry: 16}}
	p := &probes{engine: &engine{opt: &Options{}}}
	list, refused := p.candidates(&places.Image{}, symbols)
	if len(list) != 0 || len(refused) != 1 || refused[0].Reason == "" {
		t.Errorf("tried on %v, refused %+v", list, refused)
	}
	if symbols[0].Reason != "" {
		t.Errorf("who asks for it is told %q", symbols[0].Reason)
	}
}
