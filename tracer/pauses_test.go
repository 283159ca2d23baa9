//go:build linux && amd64

package tracer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"smiley/internal/stress"
)

// pauseFigures are what the program that measures its own pauses prints, in µs.
func pauseFigures(t *testing.T, stdout string) (p50, p95 float64) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var name string
		var value float64
		if n, _ := fmt.Sscanf(line, "%s %g", &name, &value); n != 2 {
			continue
		}
		switch name {
		case "p50":
			p50 = value
		case "p95":
			p95 = value
		}
	}
	if p50 == 0 || p95 == 0 {
		t.Fatalf("the program printed %q", stdout)
	}
	return p50, p95
}

// TestStressPauses records a program that collects garbage while tight loops call a leaf function: the world stands still about as
// long as without smiley, pair by pair in turn. The ratio is checked at full length only, where there are enough of them.
func TestStressPauses(t *testing.T) {
	times := stress.Times(1, 20)
	path := fixture(t, installs+"pauses")
	var halves, tails []float64
	for range times {
		alone50, alone95 := func() (float64, float64) { out, _, _ := alone(t, path); return pauseFigures(t, out) }()
		r := tally(t, Options{Target: path, Engine: EngineProbe, Include: []string{"main.leaf"}})
		p50, p95 := pauseFigures(t, r.stdout)
		if r.result.Status() != 0 || r.calls["main.leaf"] == 0 {
			t.Errorf("status %d, %v", r.result.Status(), r.calls)
		}
		halves, tails = append(halves, p50/alone50), append(tails, p95/alone95)
	}
	slices.Sort(halves)
	slices.Sort(tails)
	half, tail := halves[len(halves)/2], tails[len(tails)/2]
	if stress.Full() && (half > 3 || tail > 3) {
		t.Errorf("the world stands still %.1f times as long in the median, %.1f times at p95", half, tail)
	}
	stress.Row(t, "pauses of collections in a program of tight loops over a probed leaf function", times,
		fmt.Sprintf("%.2f times as long as without smiley in the median, %.2f times at p95 (goal 3)", half, tail))
}
