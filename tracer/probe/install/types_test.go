//go:build linux && amd64

package install

import (
	"runtime"
	"strings"
	"testing"
)

// TestKnownOffsets compares the table for programs without debug information with a program that has some.
func TestKnownOffsets(t *testing.T) {
	path := fixture(t, "pointers")
	got, err := readRuntime(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.SchedSP == 0 || got.AllLink == 0 {
		t.Errorf("the program does not say enough to attach to it: %+v", got)
	}
	version := strings.Join(strings.SplitN(runtime.Version(), ".", 3)[:2], ".")
	if want, ok := offsetsOf[version]; ok && got.Offsets != want {
		t.Errorf("%s: the program says %+v, the table %+v", version, got, want)
	}
}
