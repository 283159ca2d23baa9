//go:build linux && amd64

package tracer

import (
	"fmt"
	"strings"
	"testing"

	"smiley/recording"
)

// TestBudgetThatIsKept runs a program whose probes cost next to nothing: nothing is switched off.
func TestBudgetThatIsKept(t *testing.T) {
	r := record(t, Options{
		Target: fixture(t, "hot"), Args: []string{"30000000"}, Include: []string{"main.cool"}, MaxOverhead: 0.3,
	})
	if calls := r.calls(); calls["main.cool"] != 300 || len(r.result.Untraced) != 0 {
		t.Errorf("calls %v, untraced %v", calls, r.result.Untraced)
	}
}

// TestBudget runs a program of which one function costs more than all others: it is switched off while the program runs, named
// with the number of its calls that were recorded, and the others stay.
func TestBudget(t *testing.T) {
	const n = 30_000_000
	r := record(t, Options{
		Target: fixture(t, "hot"), Args: []string{fmt.Sprint(n)}, Exclude: []string{"main.work", "main.outer"}, MaxOverhead: 0.3, RingBytes: MinRingBytes,
	})
	if want := fmt.Sprintf("hot %d cool %d ", n, n/100_000); !strings.HasPrefix(r.stdout, want) || r.result.Status() != 0 {
		t.Errorf("printed %q, status %d", r.stdout, r.result.Status())
	}
	calls := r.calls()
	if calls["main.cool"] != n/100_000 || calls["main.main"] != 1 {
		t.Errorf("calls %v", calls)
	}
	if len(r.result.Untraced) != 1 {
		t.Fatalf("untraced: %v", r.result.Untraced)
	}
	off := r.functions[r.result.Untraced[0].ID]
	if off.Name != "main.hot" || off.Trace != recording.TraceNot || !strings.Contains(off.Reason, fmt.Sprintf(" and %d recorded calls: ", calls["main.hot"])) {
		t.Errorf("%d calls of main.hot were recorded, and it is %+v", calls["main.hot"], off)
	}
	if got := calls["main.hot"]; got == 0 || got >= 2*n {
		t.Errorf("%d calls of main.hot", got)
	}
	returns := 0
	for _, e := range r.of(recording.KindReturn) {
		if r.functions[e.Function].Name == "main.hot" {
			returns++
		}
	}
	t.Logf("%s: %s", off.Name, off.Reason)
	if returns != calls["main.hot"] || r.result.Ledger.Dropped != 0 || r.result.Ledger.Untraced != 1 {
		t.Errorf("%d calls of main.hot returned %d times, %+v", calls["main.hot"], returns, r.result.Ledger)
	}
}
