//go:build linux && amd64

package install

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"smiley/internal/stress"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// TestRealPrograms probes every function that rule R1 leaves of programs nobody here wrote: their output and status are
// what they are without probes.
func TestRealPrograms(t *testing.T) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	goroot := strings.TrimSpace(string(out))
	formatted := "net/url" // a million and a half records, which the race detector reads within seconds
	if stress.Full() {
		formatted = "net"
	}
	for _, command := range [][]string{
		{filepath.Join(goroot, "bin", "gofmt"), "-l", filepath.Join(goroot, "src", formatted)},
		{filepath.Join(goroot, "bin", "go"), "list", "-deps", "net/http"},
	} {
		t.Run(filepath.Base(command[0]), func(t *testing.T) {
			img, err := site.Load(command[0])
			if err != nil {
				t.Fatal(err)
			}
			var probes []Probe
			for i := range img.Functions {
				if f := &img.Functions[i]; f.Skip == "" {
					args, results := twoWords(f)
					probes = append(probes, Probe{Function: f, Args: &args, Results: &results})
				}
			}
			want, wantErr, status := untraced(t, nil, command...)
			p := newPairing()
			plan := planned(img, probes, nil)
			see := p.see(func(n uint32) string { return plan.probes[n].Function.Name })
			r := record(t, img, probes, Options{Command: command}, func(rec *ring.Record) error { return see(rec) })
			if r.stdout != want || r.stderr != wantErr || r.status != status {
				t.Errorf("status %v, untraced %v; %d bytes of output, untraced %d; stderr %.2000s", r.status, status, len(r.stdout), len(want), r.stderr)
			}
			if p.wrong > 0 || p.late > 0 || r.dropped > 0 {
				t.Errorf("%d returns without a call, %d steps back in time, %d dropped", p.wrong, p.late, r.dropped)
			}
			var names []string
			lost := 0
			for name, n := range p.lost {
				names = append(names, name)
				lost += n
			}
			t.Logf("%d events, %d calls without a return in %d functions (%.300s), %d functions skipped, %+v, %+v", r.events, lost, len(names),
				strings.Join(names, " "), len(plan.skipped), r.process.Report, r.process.Reader.Signals())
		})
	}
}
