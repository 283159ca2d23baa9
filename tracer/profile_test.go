//go:build linux && amd64

package tracer

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/pprof/profile"

	"smiley/internal/stress"
)

// TestStressProfiles records a program that profiles itself: its profile names the functions that it spends its time in, though
// most of that time goes into probes. It does not wait for whoever reads: that would be time of nobody's.
func TestStressProfiles(t *testing.T) {
	times, least := stress.Times(1, 20), 100.0
	for range times {
		file := filepath.Join(t.TempDir(), "profile")
		r := tally(t, Options{Target: fixture(t, installs+"profile"), Args: []string{file, "25"}, Engine: EngineProbe, DropWhenFull: true})
		if l := r.result.Ledger; r.result.Status() != 0 || r.calls["main.hot"] == 0 || !l.Balances() {
			t.Fatalf("status %d, %v, %+v", r.result.Status(), r.calls, l)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := profile.Parse(f)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		var all, own, unknown int64
		for _, s := range p.Sample {
			all += s.Value[0]
			name := ""
			if len(s.Location) > 0 && len(s.Location[0].Line) > 0 {
				name = s.Location[0].Line[0].Function.Name
			}
			switch name {
			case "main.hot", "main.warm":
				own += s.Value[0]
			case "", "runtime._ExternalCode":
				unknown += s.Value[0]
			}
		}
		share := 100 * float64(own) / float64(max(all, 1))
		least = min(least, share)
		if all < 10 || share < 60 || unknown*20 > all {
			t.Errorf("of %d samples %d are in the program's functions and %d in unknown code", all, own, unknown)
		}
	}
	stress.Row(t, "CPU profile of a program that does nothing but probed calls", times, fmt.Sprintf("at least %.0f %% of the samples name the right functions", least))
}
