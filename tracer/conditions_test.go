//go:build linux && amd64

package tracer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"smiley/internal/stress"
	"smiley/recording"
)

// condition is something that is hard on probes: how a program is built or run, or what it does.
type condition struct {
	name      string
	program   string // in testdata, or that of package install's tests
	args      []string
	short     []string // args of the short pass, where they are others
	env       []string
	flags     []string // of go build
	buildEnv  []string
	toolchain string // Go version that builds it
	same      func(string) string
	full      bool // only in make stress: the short pass has others like it
	few       bool // it counts fewer functions than main.main and one more
	include   []string
	replaced  bool // its end is that of another program
}

const installs = "../probe/install/testdata/"

// differing is what a crash report says otherwise in each run: addresses, arguments, numbers of goroutines and threads.
var differing = regexp.MustCompile(`\+?0x[0-9a-f]+|\([^)]*\)|\{[^}]*\}|goroutine \d+|\b(gp|mp|m|pc|fp|sp|sigcode)=\S+`)

// repeatable is what a crash report says of the program's own goroutines, in an order of its own.
func repeatable(text string) string {
	var own []string
	for i, part := range strings.Split(differing.ReplaceAllString(text, "X"), "\n\n") {
		if i == 0 || strings.Contains(part, "main.") && !strings.Contains(part, "runtime.main\n") || strings.Contains(part, "main.main") {
			own = append(own, part)
		}
	}
	slices.Sort(own)
	return strings.Join(own, "\n\n")
}

// waiting is what a dump of all goroutines says of those that wait in functions of the program: the others are where they happen to
// be.
func waiting(text string) string {
	var own []string
	for _, part := range strings.Split(differing.ReplaceAllString(text, "X"), "\n\n") {
		if strings.Contains(part, "main.held") {
			own = append(own, part)
		}
	}
	slices.Sort(own)
	return strings.Join(own, "\n\n")
}

var conditions = []condition{
	{name: "GOGC=1", program: installs + "count", env: []string{"GOGC=1"}},
	{name: "gcstoptheworld=1", program: installs + "count", env: []string{"GODEBUG=gcstoptheworld=1"}},
	{name: "gcstoptheworld=2", program: installs + "count", env: []string{"GODEBUG=gcstoptheworld=2", "GOGC=5"}},
	{name: "clobberfree", program: installs + "count", env: []string{"GODEBUG=clobberfree=1", "GOGC=5"}},
	{name: "gccheckmark", program: installs + "count", env: []string{"GODEBUG=gccheckmark=1"}},
	{name: "asyncpreemptoff", program: installs + "count", env: []string{"GODEBUG=asyncpreemptoff=1"}},
	{name: "GOMAXPROCS=1", program: installs + "count", env: []string{"GOMAXPROCS=1"}},
	{name: "GOMAXPROCS=2", program: installs + "count", env: []string{"GOMAXPROCS=2"}},
	{name: "GOMAXPROCS=3", program: installs + "count", env: []string{"GOMAXPROCS=3"}, full: true},
	{name: "GOMAXPROCS=4", program: installs + "count", env: []string{"GOMAXPROCS=4", "GOGC=10"}},
	{name: "GOMAXPROCS=5", program: installs + "count", env: []string{"GOMAXPROCS=5"}, full: true},
	{name: "GOMAXPROCS=6", program: installs + "count", env: []string{"GOMAXPROCS=6"}, full: true},
	{name: "GOMAXPROCS=7", program: installs + "count", env: []string{"GOMAXPROCS=7"}, full: true},
	{name: "GOMAXPROCS=8", program: installs + "count", env: []string{"GOMAXPROCS=8"}},
	{name: "PIE", program: installs + "count", flags: []string{"-buildmode=pie"}},
	{name: "-N -l", program: installs + "count", flags: []string{"-gcflags=all=-N -l"}},
	{name: "-race", program: installs + "count", flags: []string{"-race"}},
	{name: "GOAMD64=v3", program: installs + "count", buildEnv: []string{"GOAMD64=v3"}},
	{name: "Go 1.25", program: installs + "count", toolchain: "go1.25.3"},
	{name: "Go 1.27", program: installs + "count", toolchain: "go1.27.0"},
	{name: "a million frames deep", program: installs + "extremes", args: []string{"deep"}, short: []string{"deep", "150000"}},
	{name: "10,000 goroutines in one function", program: installs + "extremes", args: []string{"goroutines"}},
	{name: "panics in deferred functions of panics", program: installs + "extremes", args: []string{"panics"}},
	{name: "Goexit", program: installs + "extremes", args: []string{"goexit"}},
	{name: "1,000 threads", program: "conditions", args: []string{"threads"}},
	{name: "threads that end", program: installs + "threads", few: true},
	{name: "nil in the first instruction, recovered", program: installs + "faults", args: []string{"none"}, few: true},
	{name: "nil in the first instruction, traceback", program: installs + "faults", args: []string{"first"}, few: true, same: repeatable},
	{name: "nil in the last instruction, traceback", program: installs + "faults", args: []string{"last"}, few: true, same: repeatable},
	{name: "nil under a deferred function, traceback", program: installs + "faults", args: []string{"framed"}, few: true, same: repeatable},
	{name: "SIGQUIT", program: "conditions", args: []string{"quit"}, few: true, same: waiting},
	{name: "signal.Notify", program: "conditions", args: []string{"notify"}},
	{name: "signals all the time", program: installs + "signals", args: []string{"20000"}},
	{
		name: "signals, and the standard library without inlining", program: "interrupted", args: []string{"100000"},
		flags: []string{"-gcflags=all=-l"}, include: []string{"main...", "os/signal..."}, few: true,
	},
	{name: "timers", program: "conditions", args: []string{"timers"}},
	{name: "children", program: "conditions", args: []string{"children"}},
	{name: "exec", program: "conditions", args: []string{"replace"}, few: true, replaced: true},
	{name: "threads of C that call Go", program: installs + "callback", few: true},
}

// TestStressConditions records programs that count their own calls under every condition that is known to be hard, with all values,
// through the whole of the engine: the counts are exact, output and status are those of the program alone, and the ledger
// balances.
func TestStressConditions(t *testing.T) {
	times := stress.Times(1, 20)
	for _, c := range conditions {
		t.Run(c.name, func(t *testing.T) {
			if c.full && !stress.Full() {
				t.Skip("only at full length")
			}
			path := c.build(t)
			for _, e := range c.env {
				name, value, _ := strings.Cut(e, "=")
				t.Setenv(name, value)
			}
			args := c.args
			if c.short != nil && !stress.Full() {
				args = c.short
			}
			if args == nil {
				args = []string{strconv.Itoa(stress.Times(20, 400)), "6"}
			}
			calls := uint64(0)
			for range times {
				calls += c.check(t, path, args)
			}
			if !t.Failed() {
				stress.Row(t, c.name, times, fmt.Sprintf("%d calls, counts, output and status as without smiley", calls))
			}
		})
	}
}

// build builds the condition's program, or skips when this machine lacks what it takes.
func (c *condition) build(t *testing.T) string {
	t.Helper()
	for _, e := range c.buildEnv {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	if strings.HasSuffix(c.program, "callback") || slices.Contains(c.flags, "-race") {
		if _, err := exec.LookPath("gcc"); err != nil {
			t.Skip("gcc is not installed:", err)
		}
	}
	if c.toolchain == "" && len(c.buildEnv) == 0 {
		return fixture(t, c.program, c.flags...)
	}
	path := built(t, c.toolchain, c.program, c.flags...)
	if path == "" {
		t.Skipf("%s cannot be had here", c.toolchain)
	}
	return path
}

// check records the program once, and compares with what it does alone.
func (c *condition) check(t *testing.T, path string, args []string) uint64 {
	t.Helper()
	wantOut, wantErr, wantStatus := alone(t, path, args...)
	r := tally(t, Options{Target: path, Args: args, Engine: EngineProbe, Include: c.include})
	status := r.result.Status()
	if r.stdout != wantOut || status != wantStatus {
		t.Errorf("status %d, alone %d; output\n%.2000s\nalone\n%.2000s\nstderr %.2000s", status, wantStatus, r.stdout, wantOut, r.stderr)
	}
	if c.same != nil {
		if got, want := c.same(r.stderr), c.same(wantErr); got != want {
			t.Errorf("stderr\n%s\nalone\n%s", got, want)
		}
	}
	compared := 0
	for name, n := range countsIn(r.stderr) {
		if compared++; r.calls[name] != n {
			t.Errorf("%s: %d calls are recorded, the program counted %d", name, r.calls[name], n)
		}
	}
	if compared < 3 && !c.few {
		t.Errorf("only %d functions were compared:\n%s", compared, r.stderr)
	}
	dropped := uint64(0)
	if c.replaced {
		dropped = 1 // what the other program did
	}
	if l := r.result.Ledger; !l.Balances() || l.Dropped != dropped || c.include == nil && len(r.result.Untraced) > 0 || r.result.unmatched > 0 {
		t.Errorf("ledger %+v, untraced %v, %d returns without a call", l, r.result.Untraced, r.result.unmatched)
	}
	return r.result.Calls
}

// alone runs a program without anything around it. A signal's status is 128 and its number, as a shell has it.
func alone(t *testing.T, path string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	command := exec.Command(path, args...)
	var out, errs strings.Builder
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	if _, exit := err.(*exec.ExitError); err != nil && !exit {
		t.Fatal(err)
	}
	ended := command.ProcessState.Sys().(syscall.WaitStatus)
	status = ended.ExitStatus()
	if ended.Signaled() {
		status = 128 + int(ended.Signal())
	}
	return out.String(), errs.String(), status
}

// countsIn reads the lines "function count" that the programs print.
func countsIn(stderr string) map[string]uint64 {
	counts := map[string]uint64{}
	for line := range strings.Lines(stderr) {
		name, number, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if n, err := strconv.ParseUint(number, 10, 64); err == nil && strings.HasPrefix(name, "main.") {
			counts[name] = n
		}
	}
	return counts
}

// tallied is a run of which only the counts were kept.
type tallied struct {
	result         Result
	calls          map[string]uint64
	stdout, stderr string
}

// tally runs a program and counts its calls by the summaries of the blocks, which says what the events say and costs less.
func tally(t *testing.T, opt Options) *tallied {
	t.Helper()
	dir := t.TempDir()
	open := func(name string) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	if opt.Stdin == nil {
		opt.Stdin = open("in")
	}
	opt.Stdout, opt.Stderr = open("out"), open("err")
	opt.Bounds = recording.DefaultBounds()
	opt.Warn = func(e *recording.Error) { t.Logf("warning: %s", e.Message) }
	sink := &counting{names: map[recording.FunctionID]string{}, calls: map[string]uint64{}}
	result, err := Run(t.Context(), opt, sink)
	if err != nil {
		t.Fatalf("recording %s: %v", opt.Target, err)
	}
	return &tallied{result, sink.calls, contents(t, opt.Stdout), contents(t, opt.Stderr)}
}

// counting is a sink that keeps counts only.
type counting struct {
	mu    sync.Mutex
	names map[recording.FunctionID]string
	calls map[string]uint64
}

func (c *counting) Send(encoded []byte) error {
	b, err := recording.Decode(encoded)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range b.Definitions.Functions {
		f := &b.Definitions.Functions[i]
		c.names[f.ID] = f.Name
	}
	for _, f := range b.Summary.Functions {
		c.calls[c.names[f.Function]] += f.Calls
	}
	return nil
}

func (c *counting) Close() error { return nil }
