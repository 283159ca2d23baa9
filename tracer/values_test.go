//go:build linux && amd64

package tracer

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smiley/recording"
)

// shownValues renders the arguments and results of every call of a run, by call.
type shownValues struct {
	function      string
	args, results []string
	returned      bool
}

// recordValues runs a program and decodes every value of its calls.
func recordValues(t *testing.T, target string, engine Engine) (calls []*shownValues, stdout string, unreadable uint64) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	sink := &blocks{}
	opt := Options{
		Target: target, Stdout: out, Bounds: recording.DefaultBounds(),
		Exclude: []string{"main.work", "main.scatter"}, // they are only in the way
	}
	opt.Engine, opt.templated = engine, func() {}
	result, err := Run(context.Background(), opt, sink)
	if err != nil {
		t.Fatal(err)
	}
	if result.ExitCode != 0 || result.Signal != "" {
		t.Fatalf("the program ended with %d %s: %s", result.ExitCode, result.Signal, result.Error)
	}
	r := readBack(t, sink.all)
	types := recording.NewTypes(nil)
	for _, encoded := range sink.all {
		b, err := recording.Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		types.Add(b.Definitions.Types...)
	}
	decoder := recording.ValueDecoder{
		Types: types, Bounds: opt.Bounds,
		FunctionName: func(id recording.FunctionID) string { return r.functions[id].Name },
	}
	show := func(params []recording.Param, data []byte) []string {
		texts := []string{}
		for _, v := range decoder.Values(params, data) {
			texts = append(texts, v.String())
		}
		return texts
	}
	bySeq := map[uint64]*shownValues{}
	for _, e := range r.events {
		f := r.functions[e.Function]
		switch e.Kind {
		case recording.KindCall:
			c := &shownValues{function: f.Name, args: show(f.Params, e.Data)}
			bySeq[e.Seq] = c
			calls = append(calls, c)
		case recording.KindReturn:
			if c := bySeq[e.Call]; c != nil {
				c.results, c.returned = show(f.Results, e.Data), true
			}
		}
	}
	return calls, contents(t, out), result.Ledger.Unreadable
}

// TestValues compares what is recorded of values of every kind with what the program prints.
func TestValues(t *testing.T) {
	for name, flags := range map[string][]string{
		"optimized":   nil,
		"unoptimized": {"-gcflags=all=-N -l"},
		"inlining":    {"-gcflags="},
		"pie":         {"-buildmode=pie"},
	} {
		t.Run(name, func(t *testing.T) {
			calls, stdout, unreadable := recordValues(t, fixture(t, "values", flags...), EngineBreakpoint)
			byFunction := map[string][]*shownValues{}
			for _, c := range calls {
				byFunction[c.function] = append(byFunction[c.function], c)
			}
			lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
			if len(lines) < 120 {
				t.Fatalf("the program printed %d lines", len(lines))
			}
			for _, line := range lines {
				compareCall(t, byFunction, line)
			}
			if unreadable != 0 {
				t.Errorf("%d values were unreadable", unreadable)
			}
		})
	}
}

// compareCall compares a line of the program with the first call of its function that was not compared yet.
func compareCall(t *testing.T, calls map[string][]*shownValues, line string) {
	t.Helper()
	function, rest, _ := strings.Cut(line, "\t")
	args, results, ok := strings.Cut(rest, "\t")
	if !ok {
		t.Fatalf("a line that cannot be understood: %q", line)
	}
	if len(calls[function]) == 0 {
		t.Errorf("%s: no call was recorded", function)
		return
	}
	c := calls[function][0]
	calls[function] = calls[function][1:]
	if got := strings.Join(c.args, " | "); got != args {
		t.Errorf("%s, arguments:\ngot  %s\nwant %s", function, got, args)
	}
	if got := strings.Join(c.results, " | "); got != results || !c.returned {
		t.Errorf("%s, results (returned: %v):\ngot  %s\nwant %s", function, c.returned, got, results)
	}
}
