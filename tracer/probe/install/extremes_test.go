//go:build linux && amd64

package install

import (
	"os/exec"
	"testing"

	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// counted runs a program that prints its own counts and compares.
func counted(t *testing.T, path string, args ...string) (run, *pairing) {
	t.Helper()
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want, _, status := untraced(t, nil, append([]string{path}, args...)...)
	plan := planned(img, mainProbes(img, twoWords), nil)
	p := newPairing()
	see := p.see(func(f uint32) string { return plan.probes[f].Function.Name })
	r := record(t, img, plan.probes, Options{Command: append([]string{path}, args...)}, func(rec *ring.Record) error { return see(rec) })
	if r.stdout != want || r.status != status {
		t.Errorf("status %v, untraced %v; output %q, untraced %q\n%.2000s", r.status, status, r.stdout, want, r.stderr)
	}
	for name, n := range counts(t, r.stderr) {
		if p.calls[name] != n {
			t.Errorf("%s: recorded %d calls, the program counted %d", name, p.calls[name], n)
		}
	}
	if p.wrong > 0 || p.late > 0 || r.dropped > 0 {
		t.Errorf("%d returns without a call, %d steps back in time, %d dropped", p.wrong, p.late, r.dropped)
	}
	return r, p
}

// TestR6FramesAtTheLimits: a million frames on one stack, ten thousand goroutines in the same function at once, panics in
// deferred functions of panics, goroutines that end in the middle of their calls.
func TestR6FramesAtTheLimits(t *testing.T) {
	for _, mode := range []string{"deep", "goroutines", "panics", "goexit"} {
		t.Run(mode, func(t *testing.T) {
			r, _ := counted(t, fixture(t, "extremes"), mode)
			t.Logf("%d events", r.events)
		})
	}
}

// TestThreadsOfC: threads that C started call Go functions; their m goes from one to the next, and with it the ring.
func TestThreadsOfC(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("gcc is not installed:", err)
	}
	r, _ := counted(t, fixture(t, "callback"))
	t.Logf("%d events, rings taken %d times", r.events, r.process.Reader.Taken())
}
