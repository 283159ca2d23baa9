//go:build linux && amd64

package install

import (
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"smiley/internal/child"
	"smiley/recording"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// TestFilteredProgram attaches to a program that its own filter of system calls would end if it did what smiley asks it to: either the
// kernel suspends the filter, or smiley refuses. The program goes on in both cases.
func TestFilteredProgram(t *testing.T) {
	path := fixture(t, "filtered")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	suspend := suspendFilters
	defer func() { suspendFilters = suspend }()
	for _, refused := range []bool{false, true} {
		if refused {
			suspendFilters = func(int) error { return unix.EPERM }
		}
		program := child.Start(t, exec.Command(path))
		p, err := Attach(program.Pid, img, mainProbes(img, twoWords), Options{Rings: 8, RingBytes: 1 << 20})
		switch {
		case err == nil && !refused:
			follow(t, p, 1000, func(*ring.Record) error { return nil })
			if err := p.Remove(); err != nil {
				t.Error(err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		case recording.CodeOf(err) != recording.CodeUnsupported || !strings.Contains(err.Error(), "seccomp"):
			t.Errorf("refused: %t; attached with %v", refused, err)
		}
		if rest := program.End(); rest != "over\n" {
			t.Errorf("refused: %t; the program says %q", refused, rest)
		}
	}
}
