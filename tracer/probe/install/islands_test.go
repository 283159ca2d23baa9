//go:build linux && amd64

package install

import (
	"testing"

	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// TestSitesWithoutRoom: functions whose sites have no five bytes of their own jump to an island in code that gives way, while
// signals find threads there. Every call and return is recorded once, the program does what it always did, and a fault among
// the moved instructions is traced back to where it would have been.
func TestSitesWithoutRoom(t *testing.T) {
	path := fixture(t, "islands")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var probes []Probe
	for i := range img.Functions {
		switch f := &img.Functions[i]; f.Name {
		case "unicode/utf8.Valid", "unicode/utf8.ValidString", "strconv.IsPrint", "unicode.SimpleFold", "sync.(*RWMutex).TryRLock",
			"main.triangle", "main.last":
			args, results := twoWords(f)
			probes = append(probes, Probe{Function: f, Args: &args, Results: &results})
		}
	}
	plan := planned(img, probes, nil)
	hosts, entries, padded := 0, 0, 0
	for _, s := range plan.sites {
		hosts += len(s.Hosts)
		switch {
		case s.Entry.Form != site.FormIsland:
		case len(s.Hosts) > 0:
			entries++
		default:
			padded++
		}
	}
	if len(plan.skipped) > 0 || hosts < 5 || entries == 0 || padded != 2 {
		t.Fatalf("%d functions without room, %d hosts, %d entries with an island in one and %d in padding: nothing to try",
			len(plan.skipped), hosts, entries, padded)
	}
	command := []string{path, "20000"}
	want, _, _ := untraced(t, nil, command...)
	p := newPairing()
	see := p.see(func(f uint32) string { return plan.probes[f].Function.Name })
	r := record(t, img, probes, Options{Command: command}, func(rec *ring.Record) error { return see(rec) })
	if r.status != 0 || r.stdout != want {
		t.Errorf("status %v, output\n%s\nuntraced\n%s\n%s", r.status, r.stdout, want, r.stderr)
	}
	for name, n := range counts(t, r.stderr) {
		ended := n
		if name == "sync.(*RWMutex).TryRLock" || name == "main.last" {
			ended-- // one faults
		}
		if p.calls[name] != n || p.ended[name] != ended {
			t.Errorf("%s: recorded %d calls and %d returns, the program counted %d", name, p.calls[name], p.ended[name], n)
		}
	}
	if p.wrong > 0 || p.late > 0 || r.dropped > 0 {
		t.Errorf("%d returns without a call, %d steps back in time, %d dropped", p.wrong, p.late, r.dropped)
	}
	t.Logf("%d events, %d hosts, %+v", r.events, hosts, r.process.Reader.Signals())
}
