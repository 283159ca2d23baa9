//go:build linux && amd64

package tracer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"smiley/internal/stress"
	"smiley/recording"
)

// TestStressRandomPrograms records programs that nobody has thought of with both engines: the same events with the same values in
// every goroutine, the same output, the same end. A failure names the seed of its program, and keeps it.
func TestStressRandomPrograms(t *testing.T) {
	times := stress.Times(3, 100)
	first := uint64(1)
	if stress.Full() {
		first = uint64(time.Now().UnixNano())
	}
	events, values, unknown, templated := 0, 0, 0, 0
	for i := range times {
		seed := first + uint64(i)
		path, source := buildRandom(t, seed, i%2 == 1)
		b := record(t, Options{Target: path, Engine: EngineBreakpoint})
		p := record(t, Options{Target: path, Engine: EngineProbe, templated: func() { templated++ }})
		sameStory(t, "probes", p, b)
		if len(p.result.Untraced) == 0 {
			v, u := sameValues(t, p, b)
			values, unknown = values+v, unknown+u
		}
		events += len(p.events)
		if t.Failed() {
			kept := filepath.Join(os.TempDir(), fmt.Sprintf("random-%d.go", seed))
			_ = os.WriteFile(kept, []byte(source), 0o600)
			t.Fatalf("seed %d; the program is in %s", seed, kept)
		}
	}
	stress.Row(t, "random programs under both engines", times,
		fmt.Sprintf("%d events alike, %d of them by templates, %d values alike, %d values (%.1f %%) that only breakpoints could read",
			events, templated, values, unknown, 100*float64(unknown)/float64(max(values, 1))))
}

// buildRandom builds the program of a seed.
func buildRandom(t *testing.T, seed uint64, unoptimized bool) (path, source string) {
	t.Helper()
	dir := t.TempDir()
	source = randomProgram(seed)
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := "-gcflags=-l"
	if unoptimized {
		flags = "-gcflags=all=-N -l"
	}
	path = filepath.Join(dir, "program")
	if out, err := exec.Command("go", "build", flags, "-o", path, file).CombinedOutput(); err != nil {
		t.Fatalf("seed %d: %v\n%s\n%s", seed, err, out, source)
	}
	return path, source
}

// pointers differ from run to run.
var pointers = regexp.MustCompile(`0x[0-9a-f]{5,}`)

// told is every value of a run by goroutine-independent place: the calls and returns of each goroutine in order.
func (r *recorded) told() map[string][]string {
	decoder := recording.ValueDecoder{
		Types: recording.NewTypes(r.types), Bounds: recording.DefaultBounds(),
		FunctionName: func(id recording.FunctionID) string { return r.functions[id].Name },
	}
	all := map[string][]string{}
	for _, e := range r.events {
		f := r.functions[e.Function]
		var params []recording.Param
		switch e.Kind {
		case recording.KindCall:
			params = f.Params
		case recording.KindReturn:
			params = f.Results
		default:
			continue
		}
		key := fmt.Sprint(e.Kind, " ", f.Name)
		var shown []string
		for _, v := range decoder.Values(params, e.Data) {
			shown = append(shown, pointers.ReplaceAllString(v.String(), "0x"))
		}
		all[key] = append(all[key], strings.Join(shown, " | "))
	}
	return all
}

// sameValues compares the values of two runs of a program that does one thing after the other. What probes could not read is
// counted.
func sameValues(t *testing.T, p, b *recorded) (values, unknown int) {
	t.Helper()
	got, want := p.told(), b.told()
	for key, list := range want {
		if len(got[key]) != len(list) {
			t.Errorf("%s: %d times, with breakpoints %d", key, len(got[key]), len(list))
			continue
		}
		for i := range list {
			values++
			switch g := got[key][i]; {
			case g == list[i]:
			case strings.Contains(g, "<unreadable: "):
				if unknown++; unknown <= 3 {
					t.Logf("%s, time %d: only breakpoints read all of\n%s\n%s", key, i+1, list[i], g)
				}
			default:
				t.Errorf("%s, time %d:\n%s\nwith breakpoints\n%s", key, i+1, g, list[i])
				return values, unknown
			}
		}
	}
	return values, unknown
}
