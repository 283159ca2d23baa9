//go:build linux && amd64

package install

import (
	"strconv"
	"testing"

	"smiley/internal/stress"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// exact runs fixture count and compares what was recorded with what the program counted itself.
func exact(t *testing.T, path string, env []string, args ...string) (run, *pairing) {
	t.Helper()
	for _, e := range env {
		k, v, _ := cut(e)
		t.Setenv(k, v)
	}
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want, _, wantStatus := untraced(t, env, append([]string{path}, args...)...)
	p := newPairing()
	probes := mainProbes(img, twoWords)
	plan := planned(img, probes, nil)
	name := func(f uint32) string { return displayName(plan.probes[f].Function) }
	see := p.see(name)
	r := record(t, img, probes, Options{Command: append([]string{path}, args...)}, func(rec *ring.Record) error { return see(rec) })
	if r.status != wantStatus || r.stdout != want {
		t.Errorf("status %v, untraced %v; output\n%s\nuntraced\n%s\nstderr\n%s", r.status, wantStatus, r.stdout, want, r.stderr)
	}
	compared := 0
	for name, n := range counts(t, r.stderr) {
		if p.calls[name] != n {
			t.Errorf("%s: recorded %d calls, the program counted %d", name, p.calls[name], n)
		}
		compared++
	}
	if compared < 16 {
		t.Errorf("only %d functions compared:\n%s", compared, r.stderr)
	}
	if p.wrong > 0 || p.late > 0 || r.dropped > 0 {
		t.Errorf("%d returns without a call, %d steps back in time, %d dropped", p.wrong, p.late, r.dropped)
	}
	for name, n := range p.lost {
		if name != "main.panics" && name != "main.exits" && name != "main.main.func1" {
			t.Errorf("%s: %d calls without a return", name, n)
		}
	}
	return r, p
}

func cut(s string) (k, v string, ok bool) {
	for i := range s {
		if s[i] == '=' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func TestCountsAreExact(t *testing.T) {
	r, _ := exact(t, fixture(t, "count"), nil, "2000", "4")
	t.Logf("%d events, rings taken %d times, %+v", r.events, r.process.Reader.Taken(), r.process.Report)
}

// TestStressCounts is rules R5 to R10 and F1 together: collections and stack checks of every kind, many and few
// processors, preemption by signals all the time.
func TestStressCounts(t *testing.T) {
	path := fixture(t, "count")
	for _, env := range [][]string{
		{"GOGC=1"},
		{"GODEBUG=gcstoptheworld=1"},
		{"GODEBUG=gcstoptheworld=2", "GOGC=5"},
		{"GODEBUG=gccheckmark=1"},
		{"GODEBUG=clobberfree=1", "GOGC=5"},
		{"GODEBUG=asyncpreemptoff=1"},
		{"GOMAXPROCS=1"},
		{"GOMAXPROCS=4", "GOGC=10"},
		{"GOMAXPROCS=8"},
	} {
		t.Run(env[len(env)-1]+" "+env[0], func(t *testing.T) {
			r, _ := exact(t, path, env, strconv.Itoa(stress.Times(60, 400)), "6")
			t.Logf("%d events, rings taken %d times", r.events, r.process.Reader.Taken())
		})
	}
}

// TestR13PositionIndependent is rule R13: the text runs somewhere else than its file says.
func TestR13PositionIndependent(t *testing.T) {
	r, _ := exact(t, fixture(t, "count", "-buildmode=pie"), nil, "100", "4")
	t.Logf("%d events", r.events)
}

// TestUnoptimized: -N -l binaries have other prologues and spill everything.
func TestUnoptimized(t *testing.T) {
	r, _ := exact(t, fixture(t, "count", "-gcflags=all=-N -l"), nil, "60", "4")
	t.Logf("%d events", r.events)
}

// TestNewerInstructionSet: GOAMD64=v3 programs hold VEX instructions.
func TestNewerInstructionSet(t *testing.T) {
	t.Setenv("GOAMD64", "v3")
	r, _ := exact(t, fixture(t, "count", "-tags=v3"), nil, "100", "4")
	t.Logf("%d events", r.events)
}

// TestRaceDetector: programs built with -race carry C code and other prologues.
func TestRaceDetector(t *testing.T) {
	r, _ := exact(t, fixture(t, "count", "-race"), nil, "40", "4")
	t.Logf("%d events", r.events)
}
