//go:build linux && amd64

package tracer

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"smiley/recording"
	"smiley/tracer/probe/install"
)

// TestGoroutines checks that every goroutine is known with its parent, with the call and the line that started it, and
// with its start and end.
func TestGoroutines(t *testing.T) {
	r := record(t, Options{Target: fixture(t, "goroutines")})
	calls := map[uint64]recording.Event{}
	for _, e := range r.of(recording.KindCall) {
		calls[e.Seq] = e
	}
	if len(r.started) != 7 {
		t.Errorf("%d goroutines, want main and 2 for each of 3 depths", len(r.started))
	}
	starts, ends := map[int64]int{}, map[int64]int{}
	for _, e := range r.of(recording.KindGoroutineStart) {
		starts[e.Goroutine]++
	}
	for _, e := range r.of(recording.KindGoroutineEnd) {
		ends[e.Goroutine]++
	}
	var main int64
	for id, g := range r.started {
		if starts[id] != 1 {
			t.Errorf("goroutine %d starts %d times", id, starts[id])
		}
		if g.Parent == 0 {
			main = id
			if name := r.functions[g.StartFunction].Name; name != "runtime.main" || ends[id] != 0 {
				t.Errorf("main goroutine: %+v, starts at %s, ends %d times", g, name, ends[id])
			}
			continue
		}
		if _, ok := r.started[g.Parent]; !ok {
			t.Errorf("goroutine %d has an unknown parent %d", id, g.Parent)
		}
		if ends[id] != 1 {
			t.Errorf("goroutine %d ends %d times", id, ends[id])
		}
		creator := calls[g.Creator]
		if r.functions[creator.Function].Name != "main.start" || creator.Goroutine != g.Parent {
			t.Errorf("goroutine %d was started by call %+v", id, creator)
		}
		if r.functions[g.CreatedIn].Name != "main.start" {
			t.Errorf("goroutine %d was created in %s", id, r.functions[g.CreatedIn].Name)
		}
		line := sourceLine(t, "goroutines", g.CreatedLine)
		start := r.functions[g.StartFunction].Name
		switch {
		case strings.Contains(line, "go worker(") && strings.HasPrefix(start, "main.start.gowrap"):
		case strings.Contains(line, "go func()") && start == "main.start.func1":
		default:
			t.Errorf("goroutine %d starts at %s, created by %q", id, start, line)
		}
	}
	for _, e := range r.events {
		if g := r.started[e.Goroutine]; e.Time < g.Start {
			t.Errorf("event %+v before the start of its goroutine", e)
		}
	}
	if main == 0 {
		t.Error("no main goroutine")
	}
}

func sourceLine(t *testing.T, fixture string, line int) string {
	t.Helper()
	source, err := os.ReadFile("testdata/" + fixture + "/main.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(source), "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	return lines[line-1]
}

// byEachGo runs a test with a fixture as the versions of Go build it whose panics are laid out differently.
func byEachGo(t *testing.T, name string, test func(t *testing.T, path string)) {
	for _, toolchain := range []string{"", "go1.25.3", "go1.27.0"} {
		t.Run(toolchain, func(t *testing.T) {
			path := built(t, toolchain, name)
			if path == "" {
				t.Skip(toolchain, "cannot be had here")
			}
			test(t, path)
		})
	}
}

// TestStrippedByEachGo: what is known of a version of Go for programs without debug information is what those that have some say, and probes
// record them.
func TestStrippedByEachGo(t *testing.T) {
	for _, toolchain := range []string{"", "go1.25.3", "go1.27.0"} {
		whole, stripped := built(t, toolchain, "goexit"), built(t, toolchain, "goexit", "-ldflags=-s -w")
		if whole == "" {
			t.Logf("%s cannot be had here", toolchain)
			continue
		}
		p := openProgram(t, whole)
		version := p.info.GoVersion
		said, err := p.Offsets()
		if known, ok := knownOffsets(version); err != nil || !ok || known != said {
			t.Errorf("of %s %+v is known, %t; a program says %+v, %v", version, known, ok, said, err)
		}
		probes, err := install.RuntimeOf(p.debug.data, version)
		if err != nil {
			t.Fatal(err)
		}
		if known, err := install.RuntimeOf(nil, version); err != nil || known.Offsets != probes.Offsets {
			t.Errorf("of %s %+v is known to probes, %v; a program says %+v", version, known, err, probes)
		}
		sameStory(t, "stripped, "+version, record(t, Options{Target: stripped, Engine: EngineProbe}), record(t, Options{Target: whole}))
	}
}

// TestRecover compares the whole story of panics and recoveries with what must happen.
func TestRecover(t *testing.T) { byEachGo(t, "recover", testRecover) }

func testRecover(t *testing.T, path string) {
	r := record(t, Options{Target: path, Exclude: []string{"main.main.func..."}})
	alone, err := exec.Command(path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if r.stdout != string(alone) {
		t.Errorf("output %q, alone %q", r.stdout, alone)
	}
	guarded := func(lines ...string) []string {
		return append(append([]string{"  call main.guarded"}, lines...), "  recovered", "  return main.guarded")
	}
	var want []string
	want = append(want, "call main.main")
	add := func(output string, lines ...string) {
		want = append(want, lines...)
		want = append(want, "output "+output)
	}
	fail := []string{
		"    call main.fail", "    panic main.fail",
		"      call main.guarded.func1", "      return main.guarded.func1",
	}
	add("recovered fail", guarded(fail...)...)
	add("recovered runtime error: index out of range [5] with length 1", guarded(
		"    call main.index", "    panic main.index", "      call main.guarded.func1", "      return main.guarded.func1")...)
	add("recovered runtime error: invalid memory address or nil pointer dereference", guarded(
		"    call main.deref", "    panic main.deref", "      call main.guarded.func1", "      return main.guarded.func1")...)
	var deep []string
	indent := "    "
	for range 6 {
		deep = append(deep, indent+"call main.deep")
		indent += "  "
	}
	deep = append(deep, indent[2:]+"panic main.deep", indent+"call main.guarded.func1", indent+"return main.guarded.func1")
	add("recovered bottom", guarded(deep...)...)
	add("recovered fail", guarded(
		"    call main.repanic",
		"      call main.fail", "      panic main.fail",
		"        call main.repanic.func1", "        panic main.repanic.func1",
		"          call main.guarded.func1", "          return main.guarded.func1")...)
	add("recovered fail", guarded(
		"    call main.replace", "    panic main.replace",
		"      call main.replace.func1",
		"        call main.fail", "        panic main.fail",
		"          call main.guarded.func1", "          return main.guarded.func1")...)
	add(strings.Split(string(alone), "\n")[6], guarded( // versions of Go word it differently
		"  panic main.main.func5", "    call main.guarded.func1", "    return main.guarded.func1")...)
	want = append(want, "  call main.middle")
	for n := range 3 {
		want = append(want, "    call main.survive")
		indent := "      "
		for range n + 1 {
			want = append(want, indent+"call main.deep")
			indent += "  "
		}
		want = append(want, indent[2:]+"panic main.deep", indent+"call main.survive.func1", indent+"return main.survive.func1",
			"    recovered", "    return main.survive")
	}
	want = append(want, "  return main.middle", "output 3")
	for range 3 {
		add("recovered fail", guarded(fail...)...)
	}
	want = append(want, "return main.main")
	compareStories(t, r.story(1), want)
}

// TestQuietGoroutines checks that a goroutine in which nothing is recorded is counted and not listed, unless it started others.
func TestQuietGoroutines(t *testing.T) {
	for _, engine := range []Engine{EngineProbe, EngineBreakpoint} {
		t.Run(string(engine), func(t *testing.T) {
			r := record(t, Options{Target: fixture(t, "crowd"), Include: []string{"main.main"}, Engine: engine})
			if len(r.started) != 1 || r.quiet != 150 || len(r.of(recording.KindGoroutineStart)) != 1 {
				t.Errorf("%d goroutines listed, %d counted, want main alone and 150", len(r.started), r.quiet)
			}
			r = record(t, Options{Target: fixture(t, "goroutines"), Include: []string{"main.leaf"}, Engine: engine})
			// main; three that call leaf; of the three that run worker, the two that started others.
			if len(r.started) != 6 || r.quiet != 1 {
				t.Errorf("%d goroutines listed, %d counted, want 6 and 1", len(r.started), r.quiet)
			}
			for id, g := range r.started {
				if _, ok := r.started[g.Parent]; !ok && id != mainGoroutine {
					t.Errorf("goroutine %d was started by %d, which is not there", id, g.Parent)
				}
			}
		})
	}
}

// compareStories ignores the goroutine's start.
func compareStories(t *testing.T, story string, want []string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(strings.TrimPrefix(story, "goroutine_start\n"), "\n"), "\n")
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("line %d is %q, want %q; the whole story:\n%s", i, g, w, story)
		}
	}
}

// TestGoexit checks goroutines that end by runtime.Goexit, one of them through a panic that it outlives.
func TestGoexit(t *testing.T) { byEachGo(t, "goexit", testGoexit) }

func testGoexit(t *testing.T, path string) {
	r := record(t, Options{Target: path})
	if r.stdout != "deferred\nin defer\noutermost\nend\n" || r.result.ExitCode != 0 {
		t.Errorf("output %q, status %d", r.stdout, r.result.ExitCode)
	}
	ends := r.of(recording.KindGoroutineEnd)
	if len(ends) != 3 {
		t.Fatalf("%d goroutines end, want 3", len(ends))
	}
	for _, e := range ends {
		// run.func1, the function it called and leave.
		if e.Unwound != 3 {
			t.Errorf("the end of goroutine %d unwinds %d calls", e.Goroutine, e.Unwound)
		}
	}
	story := r.story(ends[2].Goroutine)
	compareStories(t, trimWrappers(story), []string{
		"call main.run.func1",
		"  call main.recovering",
		"    call main.leave",
		"      call main.fail",
		"      panic main.fail",
		"        call main.recovering.func1",
		"          call main.note",
		"          output in defer",
		"          return main.note",
		"        return main.recovering.func1",
		"    recovered",
		"      call main.note",
		"      output outermost",
		"      return main.note",
		"goroutine_end",
	})
}

// trimWrappers removes what the compiler puts around deferred calls with arguments, should a program show it.
func trimWrappers(story string) string {
	var lines []string
	for line := range strings.Lines(story) {
		if !strings.Contains(line, "deferwrap") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestEnvironment gives a program a directory and an environment of its own.
func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	r := record(t, Options{Target: fixture(t, "environment"), Dir: dir, Env: []string{"ONLY=this"}, Args: []string{"x", ""}})
	if want := fmt.Sprintf("%q %q [\"x\" \"\"]\n", dir, []string{"ONLY=this", "PWD=" + dir}); !slices.Contains([]string{want, strings.Replace(want, fmt.Sprintf(" %q", "PWD="+dir), "", 1)}, r.stdout) {
		t.Errorf("%s, want %s", r.stdout, want)
	}
	if r.run.Cwd != dir || !slices.Equal(r.run.Args, []string{"x", ""}) {
		t.Errorf("%+v", r.run)
	}
}

// TestMaxDepth records the outer calls only, with their returns.
func TestMaxDepth(t *testing.T) {
	r := record(t, Options{Target: fixture(t, "recover"), MaxDepth: 2})
	for _, e := range r.of(recording.KindCall) {
		if e.Depth > 1 {
			t.Fatalf("a call of %s at depth %d", r.functions[e.Function].Name, e.Depth)
		}
	}
	got := r.calls()
	if got["main.guarded"] != 10 || got["main.middle"] != 1 || len(got) != 3 {
		t.Errorf("calls %v", got)
	}
	if returns := len(r.of(recording.KindReturn)); returns != int(r.result.Calls) {
		t.Errorf("%d returns of %d calls", returns, r.result.Calls)
	}
}

// TestReplacedProgram lets a program become another one: that runs unharmed and its status counts, and the recording says
// where it ends.
func TestReplacedProgram(t *testing.T) {
	r := record(t, Options{Target: fixture(t, "replace")})
	if r.stdout != "before\nno such file or directory\nafter\n" || r.result.Status() != 4 {
		t.Errorf("printed %q, status %d", r.stdout, r.result.Status())
	}
	if r.output(1) != "before\nno such file or directory\n" {
		t.Errorf("recorded output %q", r.output(1))
	}
	gaps := r.of(recording.KindGap)
	if len(gaps) != 1 || !strings.Contains(string(gaps[0].Data), "exec") || r.result.Ledger.Dropped != 1 {
		t.Errorf("gaps %v, ledger %+v", gaps, r.result.Ledger)
	}
}

// TestGenericMethods: a call of a generic type's method through an interface is one call, although the compiler puts a function of the same
// name before it, which hands over the type arguments.
func TestGenericMethods(t *testing.T) {
	for _, engine := range []Engine{EngineBreakpoint, EngineProbe} {
		r := record(t, Options{Target: fixture(t, "generic"), Engine: engine})
		want := map[string]int{"main.main": 1, "main.use[...]": 1, "main.(*box[...]).set": 1, "main.box[...].String": 3}
		if got := r.calls(); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", engine, got, want)
		}
	}
}
