//go:build linux && amd64

package install

import (
	"os/exec"
	"testing"

	"smiley/internal/child"
	"smiley/tracer/probe/site"
)

// TestOwnSharedMemory attaches to a program that shares memory with itself, in files as ours: it keeps them, and what an attach has left is
// found among them and taken out.
func TestOwnSharedMemory(t *testing.T) {
	path := fixture(t, "memfd")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	program := child.Start(t, exec.Command(path))
	for round := range 3 {
		p, err := Attach(program.Pid, img, mainProbes(img, twoWords), Options{Rings: 8, RingBytes: 1 << 18})
		if err != nil {
			t.Fatal(err)
		}
		follow(t, p, 1000, nil)
		if err := p.Remove(); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if mapped, err := sharedMappings(program.Pid); err != nil || len(mapped) < sharedParts || len(mapped) > 3*sharedParts {
			t.Errorf("round %d: %d mappings are left, %v", round, len(mapped), err)
		}
		if err := Abandon(program.Pid); err != nil { // as when we had died
			t.Error(err)
		}
		if _, whole, err := Settle(program.Pid, img); err != nil || !whole {
			t.Errorf("round %d: whole %v, %v", round, whole, err)
		}
	}
	if out := program.End(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}
