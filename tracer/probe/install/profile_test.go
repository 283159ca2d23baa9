//go:build linux && amd64

package install

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"smiley/internal/stress"
	"smiley/tracer/probe/site"
)

// TestF1ProfilesNameTheFunctions: a profile of a program whose time goes into routines names the functions they belong to.
// Without the shim it names code that nobody knows.
func TestF1ProfilesNameTheFunctions(t *testing.T) {
	path := fixture(t, "profile")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	shares := func(keep bool) (own, unknown, all float64) {
		out := filepath.Join(t.TempDir(), "profile")
		r := record(t, img, mainProbes(img, twoWords), Options{Command: []string{path, out}, KeepHandler: keep}, nil)
		if r.status != 0 {
			t.Fatalf("status %v\n%s", r.status, r.stderr)
		}
		text, err := exec.Command("go", "tool", "pprof", "-top", "-nodecount=1000", "-nodefraction=0", path, out).Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line) // flat flat% sum% cum cum% name
			if len(fields) < 6 || !strings.HasSuffix(fields[1], "%") {
				continue
			}
			share, err := strconv.ParseFloat(strings.TrimSuffix(fields[1], "%"), 64)
			if err != nil {
				continue
			}
			all += share
			switch fields[5] {
			case "main.hot", "main.warm":
				own += share
			case "runtime._ExternalCode":
				unknown += share
			}
		}
		return own, unknown, all
	}
	own, unknown, all := shares(false)
	t.Logf("with the shim %.1f%% of %.1f%% in the program's functions, %.1f%% in unknown code", own, all, unknown)
	if all < 90 || own < 70 || unknown > 5 {
		t.Errorf("only %.1f%% of %.1f%% name the program's functions, %.1f%% unknown code", own, all, unknown)
	}
	if stress.Full() { // what the shim is for; there is nothing here to be held to
		own, unknown, all = shares(true)
		t.Logf("without it %.1f%% of %.1f%% in the program's functions, %.1f%% in unknown code", own, all, unknown)
	}
}
