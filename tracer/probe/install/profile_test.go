package install

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/pprof/profile"

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
	shares := func(keep bool) (own, unknown float64, samples int64) {
		out := filepath.Join(t.TempDir(), "profile")
		r := record(t, img, mainProbes(img, twoWords), Options{Command: []string{path, out}, KeepHandler: keep}, nil)
		if r.status != 0 {
			t.Fatalf("status %v\n%s", r.status, r.stderr)
		}
		f, err := os.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p, err := profile.Parse(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Sample {
			samples += s.Value[0]
			if len(s.Location) == 0 || len(s.Location[0].Line) == 0 {
				continue
			}
			switch s.Location[0].Line[0].Function.Name {
			case "main.hot", "main.warm":
				own += float64(s.Value[0])
			case "runtime._ExternalCode":
				unknown += float64(s.Value[0])
			}
		}
		return own / float64(samples), unknown / float64(samples), samples
	}
	own, unknown, n := shares(false)
	t.Logf("with the shim, of %d samples: %.1f%% in the program's functions, %.1f%% in unknown code", n, 100*own, 100*unknown)
	if n < 20 || own < 0.7 || unknown > 0.05 {
		t.Errorf("of %d samples only %.2f name the program's functions, %.2f unknown code", n, own, unknown)
	}
	own, unknown, n = shares(true)
	t.Logf("without it, of %d samples: %.1f%% in the program's functions, %.1f%% in unknown code", n, 100*own, 100*unknown)
}
