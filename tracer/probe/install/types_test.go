//go:build linux && amd64

package install

import (
	"runtime"
	"strings"
	"testing"

	"github.com/go-delve/delve/pkg/proc"
)

// TestKnownOffsets compares the table for programs without debug information with a program that has some.
func TestKnownOffsets(t *testing.T) {
	path := fixture(t, "pointers")
	bi := proc.NewBinaryInfo("linux", "amd64", false)
	if err := bi.LoadBinaryInfo(path, 0x400000, nil); err != nil {
		t.Fatal(err)
	}
	defer bi.Close()
	got, err := runtimeOffsets(bi)
	if err != nil {
		t.Fatal(err)
	}
	version := strings.Join(strings.SplitN(runtime.Version(), ".", 3)[:2], ".")
	if want, ok := offsetsOf[version]; ok && got != want {
		t.Errorf("%s: the program says %+v, the table %+v", version, got, want)
	}
}
