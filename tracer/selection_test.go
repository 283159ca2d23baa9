//go:build linux && amd64

package tracer

import (
	"slices"
	"strings"
	"testing"

	"smiley/recording"
)

// TestUntraced records a binary as go build makes it: functions that were inlined everywhere are listed with the reason,
// in the result and in the recording.
func TestUntraced(t *testing.T) {
	r := record(t, Options{Target: fixture(t, "library", "-gcflags=")})
	var names []string
	for _, f := range r.result.Untraced {
		names = append(names, f.Name)
		if f.Trace != recording.TraceNot || !strings.Contains(f.Reason, "inlined") {
			t.Errorf("%+v", f)
		}
		if defined := r.functions[f.ID]; defined.Name != f.Name || defined.Reason != f.Reason {
			t.Errorf("%s is defined as %+v", f.Name, defined)
		}
	}
	slices.Sort(names)
	if want := []string{"main.tinier", "main.tiny", "main.upper"}; !slices.Equal(names, want) {
		t.Errorf("untraced %q, want %q", names, want)
	}
	if r.result.Ledger.Untraced != 3 || r.calls()["main.main"] != 1 {
		t.Errorf("ledger %+v, calls %v", r.result.Ledger, r.calls())
	}
}

// TestStandardLibrary records the standard library too, and a single function of it.
func TestStandardLibrary(t *testing.T) {
	r := record(t, Options{Target: fixture(t, "library"), IncludeStdlib: true})
	calls := r.calls()
	for _, name := range []string{"main.upper", "strings.ToUpper", "bytes.Count", "fmt.Fprintln", "internal/poll.(*FD).Write"} {
		if calls[name] != 1 {
			t.Errorf("%d calls of %s", calls[name], name)
		}
	}
	for name := range calls {
		if strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "syscall.") {
			t.Errorf("calls of %s", name)
		}
	}
	if r.stdout != "ABC 2 0 3\n" || r.output(1) != r.stdout {
		t.Errorf("printed %q, recorded %q", r.stdout, r.output(1))
	}
	r = record(t, Options{Target: fixture(t, "library"), Include: []string{"strings.ToUpper"}})
	if got := r.calls(); len(got) != 1 || got["strings.ToUpper"] != 1 {
		t.Errorf("calls %v", got)
	}
}

// TestCrowd checks that the engine forgets goroutines that have ended.
func TestCrowd(t *testing.T) {
	r := record(t, Options{Target: fixture(t, "crowd")})
	if n := len(r.of(recording.KindGoroutineStart)); n != 151 {
		t.Errorf("%d goroutines start", n)
	}
	if r.calls()["main.visit"] != 150 {
		t.Errorf("calls %v", r.calls())
	}
	if r.result.living != 1 { // main
		t.Errorf("the engine knows %d goroutines at the end", r.result.living)
	}
}
