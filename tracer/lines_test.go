//go:build linux && amd64

package tracer

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"smiley/recording"
)

// lineSeen is a line event with its variables.
type lineSeen struct {
	function string
	line     int
	locals   map[string]string
}

// linesOf decodes the line events of a recording, in order.
func linesOf(t *testing.T, r *recorded) []lineSeen {
	t.Helper()
	decoder := recording.ValueDecoder{
		Types: recording.NewTypes(r.types), Bounds: recording.DefaultBounds(),
		FunctionName: func(id recording.FunctionID) string { return r.functions[id].Name },
	}
	var list []lineSeen
	for _, e := range r.of(recording.KindLine) {
		f := r.functions[e.Function]
		l := lineSeen{f.Name, int(e.Line), map[string]string{}}
		for i, v := range decoder.Values(f.Params, e.Data) {
			if v.Unreadable == recording.NotInScope {
				continue
			}
			if _, twice := l.locals[f.Params[i].Name]; twice {
				t.Errorf("%s:%d: %s is there twice", f.Name, e.Line, f.Params[i].Name)
			}
			l.locals[f.Params[i].Name] = v.String()
		}
		list = append(list, l)
	}
	return list
}

// TestLines compares the variables of lines with what the program printed there itself. Optimized code may have lost some,
// and must not invent any.
func TestLines(t *testing.T) {
	source, err := os.ReadFile("testdata/lines/main.go")
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Split(source, []byte("\n"))
	for _, build := range []struct {
		name   string
		target string
		lost   bool
	}{{"package", "./testdata/lines", false}, {"optimized", fixture(t, "lines"), true}} {
		t.Run(build.name, func(t *testing.T) {
			r := record(t, Options{
				Target: build.target, Exclude: []string{"main.seen"},
				Lines: []string{"main.loop", "main.shadow", "main.escape", "main.recurse", "main.one"},
			})
			var got []lineSeen
			for _, l := range linesOf(t, r) {
				if bytes.Contains(text[l.line-1], []byte("seen(")) {
					got = append(got, l)
				}
			}
			checkSeen(t, got, strings.Split(r.stdout, "\n"), build.lost)
			if s := r.run.Settings; s.OnFull != "wait" || len(s.Lines) != 5 || s.Lines[4] != "main.one" || s.MaxOverhead != 0 {
				t.Errorf("settings %+v", s)
			}
			if r.result.Ledger.Dropped != 0 || r.result.unmatched != 0 || r.result.repeated != 0 {
				t.Errorf("%+v", r.result)
			}
		})
	}
}

// checkSeen compares the lines that called seen with what that printed. Goroutines come in any order.
func checkSeen(t *testing.T, got []lineSeen, printed []string, lost bool) {
	t.Helper()
	var want []map[string]string
	for _, row := range printed {
		if !strings.Contains(row, "=") {
			continue
		}
		variables := map[string]string{}
		for _, part := range strings.Split(strings.TrimSuffix(row, ";"), ";") {
			name, value, _ := strings.Cut(part, "=")
			variables[name] = value
		}
		want = append(want, variables)
	}
	if len(got) != len(want) || len(want) < 16 {
		t.Fatalf("%d lines were seen, the program printed %d", len(got), len(want))
	}
	known, all := 0, 0
	for _, l := range got {
		fits := func(variables map[string]string) bool {
			for name, value := range variables {
				shown, there := l.locals[name]
				if !there || shown != value && !(lost && strings.Contains(shown, optimizedAway)) {
					return false
				}
			}
			return true
		}
		i := slices.IndexFunc(want, fits)
		if i < 0 {
			t.Errorf("%s:%d: %v, and the program printed nothing like it", l.function, l.line, l.locals)
			continue
		}
		for name := range want[i] {
			if all++; !strings.Contains(l.locals[name], optimizedAway) {
				known++
			}
		}
		want = slices.Delete(want, i, i+1)
	}
	if !lost && known != all {
		t.Errorf("%d of %d variables are known", known, all)
	}
	t.Logf("%d of %d variables are known", known, all)
}

// TestLinesAreThere checks that a line is one event each time that it runs, in order.
func TestLinesAreThere(t *testing.T) {
	r := record(t, Options{Target: "./testdata/lines", Include: []string{"main.main"}, Lines: []string{"main.loop"}})
	count := map[int]int{}
	for _, l := range linesOf(t, r) {
		if l.function != "main.loop" {
			t.Errorf("a line of %s", l.function)
		}
		count[l.line]++
	}
	want := map[int]int{30: 4, 31: 4, 32: 4, 34: 1, 35: 1} // and the head of the loop, once for each time or so
	head := count[29]
	delete(count, 29)
	if !maps.Equal(count, want) || head < 1 || head > 6 {
		t.Errorf("lines ran %v times, the loop's head %d; want %v", count, head, want)
	}
	if calls := r.calls(); calls["main.loop"] != 1 || calls["main.main"] != 1 || len(calls) != 2 {
		t.Errorf("calls %v", calls)
	}
}

func TestLinesThatAreNotThere(t *testing.T) {
	_, err := tryRecord(t, Options{Target: "./testdata/lines", Lines: []string{"main.nothing"}})
	if recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("no such function: %v", err)
	}
	var warnings []string
	r := record(t, Options{
		Target: fixture(t, "lines", "-ldflags=-w"), Lines: []string{"main.loop"},
		Warn: func(e *recording.Error) { warnings = append(warnings, e.Error()) },
	})
	if r.calls()["main.loop"] != 1 || len(r.of(recording.KindLine)) != 0 || !strings.Contains(strings.Join(warnings, "\n"), "the lines of main.loop cannot be recorded") {
		t.Errorf("without debug information: %v, %q", r.calls(), warnings)
	}
}
