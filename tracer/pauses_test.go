//go:build linux && amd64

package tracer

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"smiley/internal/stress"
	"smiley/recording"
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

// TestStressPauses records a program that collects garbage while tight loops call a leaf function, launched and attached to: the world stands
// still about as long as without smiley, turn by turn. The ratio is checked at full length only, where there are enough of them.
func TestStressPauses(t *testing.T) {
	times := stress.Times(1, 20)
	path := fixture(t, installs+"pauses")
	var launched, attached pauseRatios
	for range times {
		out, _, _ := alone(t, path)
		p50, p95 := pauseFigures(t, out)
		r := tally(t, Options{Target: path, Engine: EngineProbe, Include: []string{"main.leaf"}})
		if r.result.Status() != 0 || r.calls["main.leaf"] == 0 {
			t.Errorf("status %d, %v", r.result.Status(), r.calls)
		}
		launched.add(t, r.stdout, p50, p95)

		program := exec.CommandContext(t.Context(), path)
		var stdout strings.Builder
		program.Stdout = &stdout
		if err := program.Start(); err != nil {
			t.Fatal(err)
		}
		sink := &counting{names: map[recording.FunctionID]string{}, calls: map[string]uint64{}}
		_, err := Attach(t.Context(), program.Process.Pid, Options{Include: []string{"main.leaf"}, Bounds: recording.DefaultBounds()}, sink)
		if ended := program.Wait(); err != nil || ended != nil || sink.calls["main.leaf"] == 0 {
			t.Errorf("%v; %v; %v", err, ended, sink.calls)
		}
		attached.add(t, stdout.String(), p50, p95)
	}
	launched.check(t, "pauses of collections in a program of tight loops over a probed leaf function")
	attached.check(t, "the same, attached to")
}

// pauseRatios are how many times as long as alone the world stood still.
type pauseRatios struct{ halves, tails []float64 }

// add adds a turn of a program that printed that; alone it had those figures.
func (r *pauseRatios) add(t *testing.T, stdout string, alone50, alone95 float64) {
	p50, p95 := pauseFigures(t, stdout)
	r.halves, r.tails = append(r.halves, p50/alone50), append(r.tails, p95/alone95)
}

func (r *pauseRatios) check(t *testing.T, name string) {
	slices.Sort(r.halves)
	slices.Sort(r.tails)
	half, tail := r.halves[len(r.halves)/2], r.tails[len(r.tails)/2]
	if stress.Full() && (half > 3 || tail > 3) {
		t.Errorf("%s: the world stands still %.2f times as long in the median, %.2f times at p95", name, half, tail)
	}
	stress.Row(t, name, len(r.halves), fmt.Sprintf("%.2f times as long as without smiley in the median, %.2f times at p95 (goal 3)", half, tail))
}
