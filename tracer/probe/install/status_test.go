//go:build linux && amd64

package install

import (
	"os"
	"path/filepath"
	"testing"
)

// TestStatusOfSignals: a set of signals has all 64 bits.
func TestStatusOfSignals(t *testing.T) {
	status := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(status, []byte("Name:\tbusy\nSigPnd:\t0000000000000010\nSigBlk:\tffffffff00000000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint64{"SigPnd": 1 << 4, "SigBlk": 0xFFFFFFFF << 32, "SigIgn": 0} {
		if got := uint64(statusNumber(status, name, 16)); got != want {
			t.Errorf("%s is %#x, not %#x", name, got, want)
		}
	}
}
