//go:build linux && amd64

package tracer

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"smiley/internal/child"
	"smiley/recording"
	places "smiley/tracer/probe/site"
)

// guesses are what tracebacks show of arguments that may not be there any more.
var guesses = regexp.MustCompile(`0x[0-9a-f]+\?`)

// stories renders what each goroutine did, sorted: goroutines are numbered differently in every run.
func (r *recorded) stories() []string {
	seen := map[int64]bool{}
	var all []string
	for _, e := range r.events {
		if !seen[e.Goroutine] {
			seen[e.Goroutine] = true
			all = append(all, guesses.ReplaceAllString(r.story(e.Goroutine), "0x?"))
		}
	}
	slices.Sort(all)
	return all
}

// TestEnginesAgree records programs with both engines: the same events in the same order in every goroutine, the same
// output, the same end.
func TestEnginesAgree(t *testing.T) {
	for _, c := range []struct {
		fixture string
		args    []string
	}{
		{"concurrent", nil},
		{"recover", nil},
		{"panics", []string{"nested"}},
		{"goexit", nil},
		{"goroutines", nil},
		{"output", nil},
		{"crash", []string{"panic"}},
		{"exit", []string{"7"}},
		{"morestack", nil},
		{"crash", []string{"nested"}},
		{"crash", []string{"nil"}},
	} {
		t.Run(strings.Join(append([]string{c.fixture}, c.args...), "-"), func(t *testing.T) {
			path := fixture(t, c.fixture)
			b := record(t, Options{Target: path, Args: c.args, Engine: EngineBreakpoint})
			p := record(t, Options{Target: path, Args: c.args, Engine: EngineProbe})
			sameStory(t, "probes", p, b)
			both := record(t, everySecond(t, path, c.args))
			sameStory(t, "both", both, b)
			if used := both.traces(); len(used) < min(2, len(b.calls())) {
				t.Errorf("both engines were to record, and did %v", used)
			}
			t.Logf("%d events", len(p.events))
		})
	}
}

// everySecond records a program with both engines at once: breakpoints for every second of its functions.
func everySecond(t *testing.T, path string, args []string) Options {
	t.Helper()
	p, err := OpenProgram(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	opt := Options{Target: path, Args: args}
	stopping := map[string]bool{}
	for i, sym := range p.Functions() {
		if sym.Origin != OriginMain || sym.Reason != "" || sym.NotCode || strings.Contains(sym.Name, "...") {
			continue
		}
		opt.Include = append(opt.Include, sym.Name)
		stopping[sym.Name] = i%2 == 0
	}
	opt.Include = append(opt.Include, "main...")
	opt.unprobed = func(function string) bool { return stopping[function] }
	return opt
}

// traces counts the calls by how they were traced.
func (r *recorded) traces() map[recording.Trace]int {
	counts := map[recording.Trace]int{}
	for _, e := range r.of(recording.KindCall) {
		counts[r.functions[e.Function].Trace]++
	}
	return counts
}

func sameStory(t *testing.T, how string, p, b *recorded) {
	t.Helper()
	want, got := b.stories(), p.stories()
	if !slices.Equal(got, want) {
		for i := range max(len(got), len(want)) {
			var g, w string
			if i < len(got) {
				g = got[i]
			}
			if i < len(want) {
				w = want[i]
			}
			if g != w {
				t.Errorf("%s:\n%.3000s\nbreakpoints:\n%.3000s", how, g, w)
				break
			}
		}
	}
	if p.stdout != b.stdout || p.result.ExitCode != b.result.ExitCode || p.result.Signal != b.result.Signal || p.result.Error != b.result.Error {
		t.Errorf("%s %+v %q, breakpoints %+v %q", how, p.result, p.stdout, b.result, b.stdout)
	}
}

// TestBreakpointsByName records a program with functions that take no probe: they are named with the reason, unless an include
// gives their names; then breakpoints record them beside the probes.
func TestBreakpointsByName(t *testing.T) {
	path := fixture(t, "loop")
	b := record(t, Options{Target: path, Engine: EngineBreakpoint})
	without := record(t, Options{Target: path})
	if len(without.result.Untraced) == 0 {
		t.Skip("probes fit every function of the fixture")
	}
	names := []string{"main.main", "main.empty", "main.countdown"}
	for _, f := range without.result.Untraced {
		names = append(names, f.Name)
		if defined := without.functions[f.ID]; defined.Trace != recording.TraceNot || defined.Reason != f.Reason {
			t.Errorf("recorded as %+v", defined)
		}
		if !strings.Contains(f.Reason, "named by --include") || without.calls()[f.Name] > 0 {
			t.Errorf("%s: %q, %d calls", f.Name, f.Reason, without.calls()[f.Name])
		}
	}
	with := record(t, Options{Target: path, Include: names})
	sameStory(t, "both", with, b)
	if used := with.traces(); used[recording.TraceProbe] == 0 || used[recording.TraceBreakpoint] == 0 || len(with.result.Untraced) > 0 {
		t.Errorf("traced %v, not %v", used, with.result.Untraced)
	}
	only := record(t, Options{Target: path, Include: names, Engine: EngineProbe})
	if used := only.traces(); used[recording.TraceBreakpoint] > 0 || len(only.result.Untraced) != len(without.result.Untraced) {
		t.Errorf("traced %v, not %v", used, only.result.Untraced)
	}
}

// TestProbeValues compares what probes record of values of every kind with what the program prints.
func TestProbeValues(t *testing.T) {
	for name, flags := range map[string][]string{"optimized": nil, "unoptimized": {"-gcflags=all=-N -l"}, "pie": {"-buildmode=pie"}} {
		t.Run(name, func(t *testing.T) {
			calls, stdout, unreadable := recordValues(t, fixture(t, "values", flags...), EngineProbe)
			byFunction := map[string][]*shownValues{}
			for _, c := range calls {
				byFunction[c.function] = append(byFunction[c.function], c)
			}
			lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
			if len(lines) < 120 {
				t.Fatalf("the program printed %d lines", len(lines))
			}
			// What the innermost of errors that are wrapped four deep refers to is missing, which only their number says: three values.
			missing := 0
			for _, line := range lines {
				if !compareProbed(t, byFunction, line) {
					missing++
				}
			}
			if missing > 0 || unreadable > 3 {
				t.Errorf("%d calls with unreadable values, %d values in all", missing, unreadable)
			}
		})
	}
}

// compareProbed compares like compareCall, but takes unreadable parts for what they are.
func compareProbed(t *testing.T, calls map[string][]*shownValues, line string) bool {
	t.Helper()
	function := strings.SplitN(line, "\t", 2)[0]
	if c := calls[function]; len(c) > 0 && strings.Contains(strings.Join(append(c[0].args, c[0].results...), " "), "<unreadable: not copied: beyond the bounds>") {
		calls[function] = c[1:]
		t.Log("missing:", c[0].args)
		return false
	}
	compareCall(t, calls, line)
	return true
}

// TestHeldTypesAreLearned checks that what lies in interfaces in what interfaces hold is whole, once its types were met: the program goes on
// until the rings were read some times.
func TestHeldTypesAreLearned(t *testing.T) {
	in, stop, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	last, reads := uint64(0), 0
	r := record(t, Options{
		Target: fixture(t, "held"), Stdin: in, Engine: EngineProbe,
		Progress: func(p Progress) {
			if p.Events > last {
				last = p.Events
				reads++
			}
			if reads == 5 { // one for each depth would do
				_ = stop.Close()
			}
		},
	})
	decoder := recording.ValueDecoder{
		Types: recording.NewTypes(r.types), Bounds: recording.DefaultBounds(),
		FunctionName: func(id recording.FunctionID) string { return r.functions[id].Name },
	}
	shown := ""
	for _, e := range r.of(recording.KindCall) {
		if f := r.functions[e.Function]; f.Name == "main.show" {
			shown = ""
			for _, v := range decoder.Values(f.Params, e.Data) {
				shown += v.String() + "\n"
			}
		}
	}
	const reason = "no such file, and a reason that is longer than sixty-four bytes, as reasons sometimes are"
	want := `any(&main.holder{Value: any(main.point{X: 7, Name: "inner"}), Small: any(uint8(3)), Err: error(*errors.errorString: "` + reason +
		`")})` + "\n" + `error(*fmt.wrapError: "open: ` + reason + `")` + "\n"
	if shown != want {
		t.Errorf("the last call shows\n%s, not\n%s", shown, want)
	}
}

// BenchmarkProbesToBlocks records twelve million events from probes to encoded blocks: how many calls a second arrive when
// nothing is lost.
func BenchmarkProbesToBlocks(b *testing.B) {
	path := filepath.Join(b.TempDir(), "cost")
	if out, err := exec.Command("go", "build", "-o", path, "./probe/install/testdata/cost").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	for b.Loop() {
		sink := &discard{}
		opt := Options{
			Target: path, Args: []string{"2000000", "1"}, Engine: EngineProbe, Bounds: recording.DefaultBounds(),
			Include: []string{"main.pair", "main.text", "main.nothing"}, Stdin: null, Stdout: null, Stderr: null,
		}
		result, err := Run(context.Background(), opt, sink)
		if err != nil {
			b.Fatal(err)
		}
		if result.Ledger.Dropped > 0 || result.Calls < 6_000_000 {
			b.Fatalf("%+v", result)
		}
		b.ReportMetric(float64(result.Calls), "calls/op")
		b.ReportMetric(float64(sink.bytes)/float64(result.Calls), "B/call")
	}
}

// discard counts what it is sent.
type discard struct{ bytes int }

func (d *discard) Send(encoded []byte) error { d.bytes += len(encoded); return nil }
func (d *discard) Close() error              { return nil }

// TestAttach records a running program for a while: what arrives is a valid recording of it, and the program goes on.
func TestAttach(t *testing.T) {
	path := filepath.Join(t.TempDir(), "busy")
	if out, err := exec.Command("go", "build", "-o", path, "./probe/install/testdata/busy").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program := child.Start(t, exec.Command(path))
	for range 2 {
		ctx, cancel := context.WithCancel(context.Background())
		sink := &enough{blocks: &blocks{}, want: 3, reached: cancel}
		result, err := Attach(ctx, program.Pid, Options{Bounds: recording.DefaultBounds(), RingBytes: MinRingBytes, MaxOverhead: 2.5}, sink)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		r := readBack(t, sink.all)
		names := r.calls()
		// A goroutine that stands in the wrong place keeps a function out.
		if !result.Ledger.Balances() || len(names)+len(result.Untraced) < 7 || len(names) < 4 || r.end == nil {
			t.Errorf("%+v, calls %v", result, names)
		}
		if result.Calls == 0 || result.Ledger.Stored != uint64(len(r.events)) {
			t.Errorf("%d events in the blocks, %+v", len(r.events), result)
		}
		source, err := filepath.Abs("probe/install/testdata/busy/main.go")
		if err != nil {
			t.Fatal(err)
		}
		if want, err := os.ReadFile(source); err != nil || !bytes.Equal(r.sources[source], want) {
			t.Errorf("%d bytes of %s are there, of %d, %v", len(r.sources[source]), source, len(want), err)
		}
		if s := r.run.Settings; s.OnFull != "wait" || s.RingBytes != MinRingBytes || s.MaxOverhead != 2.5 || s.Lines != nil || s.Engine != "probe" {
			t.Errorf("settings %+v", s)
		}
		t.Logf("%d events, %+v", len(r.events), result.Ledger)
	}
	if rest := program.End(); rest != "wrong results: 0\n" {
		t.Errorf("the program says %q", rest)
	}
}

// TestAttachToChanged: functions whose code the program has replaced are named as untraced, and what the others behind it call is theirs.
func TestAttachToChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replaced")
	if out, err := exec.Command("go", "build", "-o", path, "./probe/install/testdata/replaced").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program := child.Start(t, exec.Command(path))
	if _, err := program.In.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if line := program.Line(); line != "replaced\n" {
		t.Fatalf("the program says %q", line)
	}
	ctx, cancel := context.WithCancel(context.Background())
	sink := &enough{blocks: &blocks{}, want: 3, reached: cancel}
	opt := Options{
		Include: []string{"main.double", "main.half"}, Bounds: recording.DefaultBounds(), RingBytes: MinRingBytes,
		MaxTime: 10 * time.Second, // when nothing is recorded
	}
	result, err := Attach(ctx, program.Pid, opt, sink)
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	var untraced []string
	for _, f := range result.Untraced {
		if !strings.Contains(f.Reason, "has changed its code") {
			t.Errorf("%s: %s", f.Name, f.Reason)
		}
		untraced = append(untraced, f.Name)
	}
	if want := []string{"main.double", "runtime.Goexit"}; !slices.Equal(untraced, want) { // smiley has probes in Goexit for itself
		t.Errorf("untraced are %q, want %q", untraced, want)
	}
	if names := readBack(t, sink.all).calls(); len(names) != 1 || names["main.half"] == 0 {
		t.Errorf("calls %v", names)
	}
	if rest := program.End(); rest != "wrong results: 0\n" {
		t.Errorf("the program says %q", rest)
	}
}

// TestProgramWithUprobe: of a program that begins with a breakpoint of the kernel's, only the function that has it is left out, and named, whatever
// the others are recorded with.
func TestProgramWithUprobe(t *testing.T) {
	const tracing = "/sys/kernel/tracing/"
	path := filepath.Join(t.TempDir(), "replaced")
	if out, err := exec.Command("go", "build", "-o", path, "./probe/install/testdata/replaced").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	img, err := places.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	plan := img.Plan([]*places.Function{img.Lookup("main.half")})
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	text := file.Section(".text")
	event := fmt.Sprintf("smiley_test/half_%d", os.Getpid())
	tell := func(name, text string) error {
		f, err := os.OpenFile(tracing+name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		return errors.Join(err, f.Close())
	}
	if err := tell("uprobe_events", fmt.Sprintf("p:%s %s:%#x\n", event, path, plan[0].Entry.Addr-text.Addr+text.Offset)); err != nil {
		t.Skip("uprobes cannot be had here: ", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(tell("events/"+event+"/enable", "0"), tell("uprobe_events", "-:"+event+"\n")); err != nil {
			t.Error(err)
		}
	})
	if err := tell("events/"+event+"/enable", "1"); err != nil {
		t.Skip("uprobes cannot be had here: ", err)
	}
	for engine, trace := range map[Engine]recording.Trace{EngineAuto: recording.TraceProbe, EngineBreakpoint: recording.TraceBreakpoint} {
		r := record(t, Options{Target: path, Engine: engine, Include: []string{"main.double", "main.half"}})
		if u := r.result.Untraced; len(u) != 1 || u[0].Name != "main.half" || !strings.Contains(u[0].Reason, "has changed its code") {
			t.Errorf("%s: untraced are %+v", engine, u)
		}
		if names := r.calls(); len(names) != 1 || names["main.double"] == 0 || r.traces()[trace] != names["main.double"] {
			t.Errorf("%s: calls %v, %v", engine, names, r.traces())
		}
		if r.stdout != "ready\nwrong results: 0\n" {
			t.Errorf("%s: it says %q", engine, r.stdout)
		}
	}
}

// TestAttachThatCannotBeKept: when the sink takes no more, the program is left at once and not when somebody asks for it.
func TestAttachThatCannotBeKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "busy")
	if out, err := exec.Command("go", "build", "-o", path, "./probe/install/testdata/busy").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program := child.Start(t, exec.Command(path))
	sink := &finite{blocks: &blocks{}, most: 3}
	result, err := Attach(t.Context(), program.Pid, Options{Bounds: recording.DefaultBounds(), RingBytes: MinRingBytes}, sink)
	if recording.CodeOf(err) != recording.CodeFull || !result.Ledger.Balances() || result.Ledger.Dropped == 0 {
		t.Errorf("%v, %+v", err, result)
	}
	if cleaned, err := Detach(program.Pid, nil); err != nil || cleaned.Bytes != 0 {
		t.Errorf("%+v was left in the program, %v", cleaned, err)
	}
	if rest := program.End(); rest != "wrong results: 0\n" {
		t.Errorf("the program says %q", rest)
	}
}

// finite has room for some blocks.
type finite struct {
	*blocks
	most int
}

func (f *finite) Send(encoded []byte) error {
	if len(f.all) >= f.most {
		return recording.Errorf(recording.CodeFull, "no room")
	}
	return f.blocks.Send(encoded)
}

// enough calls reached when it has got some blocks.
type enough struct {
	*blocks
	want    int
	reached func()
}

func (e *enough) Send(encoded []byte) error {
	err := e.blocks.Send(encoded)
	if len(e.all) >= e.want {
		e.reached()
	}
	return err
}
