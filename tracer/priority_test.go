//go:build linux && amd64

package tracer

import (
	"fmt"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"smiley/internal/stress"
)

// niceness is that of the calling thread.
func niceness(t *testing.T) int {
	t.Helper()
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - n
}

// TestPrecedence gives way, is starved, takes it back, and gives way again.
func TestPrecedence(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own := niceness(t)
	way := giveWay()
	defer func() {
		way.end()
		if got := niceness(t); way.revocable && got != own {
			t.Errorf("niceness %d in the end, and %d before", got, own)
		}
	}()
	if !way.revocable {
		if got := niceness(t); got != min(own+lastingNiceness, 19) {
			t.Errorf("niceness %d, and %d before", got, own)
		}
		t.Skip("this user may not take back what it gives away")
	}
	nicer := min(own+revocableNiceness, 19)
	now, waited := way.looked, time.Duration(0)
	for _, step := range []struct {
		what           string
		passes, waited time.Duration
		niceness       int
	}{
		{"nobody waits", time.Hour, 0, nicer},
		{"the program waits, and the tracer hardly ran", time.Hour, time.Hour, own},
		{"too early to give way again", firstAbsence / 2, 0, own},
		{"later", firstAbsence, 0, nicer},
		{"the program waits again", time.Hour, time.Hour, own},
		{"not as early as the first time", firstAbsence * 3 / 2, 0, own},
		{"much later", time.Hour, 0, nicer},
	} {
		now, waited = now.Add(step.passes), waited+step.waited
		way.look(now, waited)
		if got := niceness(t); got != step.niceness {
			t.Fatalf("%s: niceness %d, want %d", step.what, got, step.niceness)
		}
	}
}

// TestStressBusyMachine records a program that writes faster than anybody can read, on a machine on which others want the
// processors as much: it waits, and nothing is lost.
func TestStressBusyMachine(t *testing.T) {
	times := stress.Times(1, 20)
	path := fixture(t, installs+"count")
	others := runtime.NumCPU() * stress.Times(4, 10)
	var calls uint64
	for range times {
		var busy []*exec.Cmd
		for range others {
			other := exec.CommandContext(t.Context(), "yes") // ends with the test, however that ends
			if err := other.Start(); err != nil {
				t.Fatal(err)
			}
			busy = append(busy, other)
		}
		r := tally(t, Options{Target: path, Args: []string{"400", "6"}, Engine: EngineProbe, RingBytes: MinRingBytes})
		for _, other := range busy {
			_ = other.Process.Kill()
			_ = other.Wait()
		}
		counts := countsIn(r.stderr)
		if len(counts) == 0 || r.result.Status() != 0 {
			t.Errorf("status %d, printed %q", r.result.Status(), r.stderr)
		}
		for name, n := range counts {
			if r.calls[name] != n {
				t.Errorf("%s: %d calls of %d", name, r.calls[name], n)
			}
			calls += n
		}
		if l := r.result.Ledger; !l.Balances() || l.Dropped != 0 {
			t.Errorf("%+v", l)
		}
	}
	stress.Row(t, fmt.Sprintf("a machine with %d times as much work as processors", others/runtime.NumCPU()), times,
		fmt.Sprintf("%d calls, each once, nothing lost", calls))
}
