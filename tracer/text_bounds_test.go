//go:build linux && amd64

package tracer

import (
	"testing"

	"smiley/recording"
)

// TestNothingOfTexts: a text of which nothing is to be copied is left alone, wherever in a page it lies.
func TestNothingOfTexts(t *testing.T) {
	for _, bytes := range []int{0, 1, 2, 3, 4} {
		bounds := recording.Bounds{StringBytes: bytes, Elements: 1}
		r := record(t, Options{Target: fixture(t, "offsets"), Engine: EngineProbe, Bounds: bounds})
		if r.stdout != "12288\n" || r.result.ExitCode != 0 || r.calls()["main.text"] != 4096 || !r.result.Ledger.Balances() {
			t.Errorf("%d bytes of a text: %q, status %d %s, %d calls, ledger %+v", bytes, r.stdout, r.result.ExitCode, r.result.Signal, r.calls()["main.text"], r.result.Ledger)
		}
	}
}
