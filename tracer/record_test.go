//go:build linux && amd64

package tracer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"smiley/recording"
)

// recorded is a run read back from its blocks.
type recorded struct {
	result    Result
	run       *recording.Run
	types     []recording.Type
	end       *recording.RunEnd
	functions map[recording.FunctionID]recording.Function
	byName    map[string]recording.FunctionID
	fileNames map[recording.FileID]string
	sources   map[string][]byte // by the name of their file
	started   map[int64]recording.Goroutine
	events    []recording.Event
	last      recording.Header
	quiet     uint64 // goroutines without events
	stdout    string
	stderr    string
}

// blocks is a sink that keeps what it gets.
type blocks struct {
	mu     sync.Mutex
	all    [][]byte
	closed bool
}

func (b *blocks) Send(encoded []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, encoded)
	return nil
}

func (b *blocks) Close() error { b.closed = true; return nil }

// fixtures builds the programs under testdata, each once.
var fixtures struct {
	sync.Mutex
	dir   string
	built map[string]string
}

func TestMain(m *testing.M) {
	if role := os.Getenv("SMILEY_TEST_ROLE"); role != "" {
		os.Exit(playRole(role))
	}
	// What a process handles its children do not ignore, although the tests may have been started by something that has it ignored.
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
	dir, err := os.MkdirTemp("", "smiley-test-")
	if err != nil {
		panic(err)
	}
	fixtures.dir, fixtures.built = dir, map[string]string{}
	code := m.Run()
	_ = os.RemoveAll(dir)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// fixture returns the binary of testdata/name, built like smiley builds it, with more flags of go build if given.
func fixture(t *testing.T, name string, flags ...string) string {
	t.Helper()
	fixtures.Lock()
	defer fixtures.Unlock()
	key := name + " " + strings.Join(flags, " ")
	if path, ok := fixtures.built[key]; ok {
		return path
	}
	path := filepath.Join(fixtures.dir, strings.NewReplacer(" ", "_", "/", "_", "=", "_").Replace(key))
	args := append([]string{"build", "-o", path, "-gcflags=-l"}, flags...)
	if out, err := exec.Command("go", append(args, "./testdata/"+name)...).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	fixtures.built[key] = path
	return path
}

// built is fixture in the environment of the test, with a version of Go, unless that is ""; it returns "" when that cannot be had here.
func built(t *testing.T, toolchain, name string, flags ...string) string {
	t.Helper()
	dir := t.TempDir() // not in this module, which asks for its own version; and with GO111MODULE=off, GOTOOLCHAIN would say nothing
	command := func(args ...string) *exec.Cmd {
		c := exec.Command("go", args...)
		c.Dir, c.Env = dir, append(os.Environ(), "GO111MODULE=")
		if toolchain != "" {
			c.Env = append(c.Env, "GOTOOLCHAIN="+toolchain)
		}
		return c
	}
	if toolchain != "" {
		version, err := command("env", "GOVERSION").Output()
		if err != nil {
			return ""
		}
		if got := strings.TrimSpace(string(version)); got != toolchain {
			t.Fatalf("GOTOOLCHAIN=%s gives %s", toolchain, got)
		}
	}
	sources, err := filepath.Glob(filepath.Join("testdata", name, "*.go"))
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	path := filepath.Join(dir, "program")
	args := append([]string{"build", "-o", path, "-gcflags=-l"}, flags...)
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, filepath.Base(source))
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(source)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := command(args...).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	return path
}

// record runs a program to its end and reads the recording back, every block validated and the ledger checked. Unless the
// options say otherwise, its output goes to files and its input is empty.
func record(t *testing.T, opt Options) *recorded {
	t.Helper()
	r, err := tryRecord(t, opt)
	if err != nil {
		t.Fatalf("recording %s: %v", opt.Target, err)
	}
	return r
}

func tryRecord(t *testing.T, opt Options) (*recorded, error) {
	t.Helper()
	dir := t.TempDir()
	open := func(f **os.File, name string) {
		if *f != nil {
			return
		}
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		*f = file
	}
	open(&opt.Stdin, "stdin")
	open(&opt.Stdout, "stdout")
	open(&opt.Stderr, "stderr")
	if opt.Bounds == (recording.Bounds{}) {
		opt.Bounds = recording.DefaultBounds()
	}
	if opt.Warn == nil {
		opt.Warn = func(e *recording.Error) { t.Logf("warning: %s", e.Message) }
	}
	sink := &blocks{}
	return tryRecordInto(t, opt, sink, sink)
}

// recordInto is record with a sink of one's own; kept are the blocks that it keeps.
func recordInto(t *testing.T, opt Options, sink recording.Sink, kept *blocks) *recorded {
	t.Helper()
	if opt.Bounds == (recording.Bounds{}) {
		opt.Bounds = recording.DefaultBounds()
	}
	r, err := tryRecordInto(t, opt, sink, kept)
	if err != nil {
		t.Fatalf("recording %s: %v", opt.Target, err)
	}
	return r
}

func tryRecordInto(t *testing.T, opt Options, sink recording.Sink, kept *blocks) (*recorded, error) {
	t.Helper()
	result, err := Run(context.Background(), opt, sink)
	if !kept.closed {
		t.Error("the sink was not closed")
	}
	if err != nil {
		return &recorded{result: result}, err
	}
	r := readBack(t, kept.all)
	r.result = result
	if opt.Stdout != nil && opt.Stderr != nil {
		r.stdout, r.stderr = contents(t, opt.Stdout), contents(t, opt.Stderr)
	}
	r.checkLedger(t)
	return r, nil
}

// contents returns what was written to a file; "" for what is no file.
func contents(t *testing.T, f *os.File) string {
	t.Helper()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.NewSectionReader(f, 0, 1<<30)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// readBack decodes and validates all blocks of a run.
func readBack(t *testing.T, all [][]byte) *recorded {
	t.Helper()
	r := &recorded{
		functions: map[recording.FunctionID]recording.Function{},
		byName:    map[string]recording.FunctionID{},
		fileNames: map[recording.FileID]string{},
		sources:   map[string][]byte{},
		started:   map[int64]recording.Goroutine{},
	}
	validator := recording.NewValidator()
	for i, encoded := range all {
		b, err := recording.Decode(encoded)
		if err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
		if err := validator.Block(b); err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
		r.types = append(r.types, b.Definitions.Types...)
		if b.Start != nil {
			r.run = b.Start
		}
		if b.End != nil {
			r.end = b.End
		}
		for _, f := range b.Definitions.Functions {
			r.functions[f.ID] = f
			r.byName[f.Name] = f.ID
		}
		for _, f := range b.Definitions.Files {
			r.fileNames[f.ID] = f.Name
			r.sources[f.Name] = f.Body
		}
		for _, g := range b.Definitions.Goroutines {
			r.started[g.ID] = g
		}
		for e, err := range b.Events(recording.WithData) {
			if err != nil {
				t.Fatalf("block %d: %v", i, err)
			}
			e.Data = slices.Clone(e.Data)
			r.events = append(r.events, e)
		}
		r.last = b.Header
		r.quiet += b.Summary.Quiet
	}
	return r
}

// checkLedger compares the four places that count: the result, the last block's header, the events, and their sum.
func (r *recorded) checkLedger(t *testing.T) {
	t.Helper()
	ledger := r.result.Ledger
	if !ledger.Balances() {
		t.Errorf("the ledger does not balance: %+v", ledger)
	}
	if uint64(len(r.events)) != ledger.Stored {
		t.Errorf("%d events in the blocks, the ledger says %d stored", len(r.events), ledger.Stored)
	}
	if !r.last.Final || r.last.Captured != ledger.Captured || r.last.Dropped != ledger.Dropped {
		t.Errorf("last block %+v, ledger %+v", r.last, ledger)
	}
	if r.result.unmatched != 0 {
		t.Errorf("%d returns without a call", r.result.unmatched)
	}
	if calls := uint64(len(r.of(recording.KindCall))); calls != r.result.Calls {
		t.Errorf("%d calls in the blocks, the result says %d", calls, r.result.Calls)
	}
}

// of returns the events of a kind.
func (r *recorded) of(kind recording.Kind) []recording.Event {
	var events []recording.Event
	for _, e := range r.events {
		if e.Kind == kind {
			events = append(events, e)
		}
	}
	return events
}

// calls counts the calls by function name; instances of a generic function count together.
func (r *recorded) calls() map[string]int {
	counts := map[string]int{}
	for _, e := range r.of(recording.KindCall) {
		counts[r.functions[e.Function].Name]++
	}
	return counts
}

// output returns what the program is recorded to have written to a descriptor.
func (r *recorded) output(fd byte) string {
	var b strings.Builder
	for _, e := range r.of(recording.KindOutput) {
		if e.Data[0] == fd {
			b.Write(e.Data[1:])
		}
	}
	return b.String()
}

// story renders the events of a goroutine, one a line, indented by depth: what tests compare with.
func (r *recorded) story(goroutine int64) string {
	var b strings.Builder
	for _, e := range r.events {
		if e.Goroutine != goroutine {
			continue
		}
		b.WriteString(strings.Repeat("  ", e.Depth))
		switch e.Kind {
		case recording.KindCall, recording.KindReturn, recording.KindPanic:
			b.WriteString(e.Kind.String() + " " + r.functions[e.Function].Name)
		case recording.KindOutput:
			b.WriteString("output " + strings.TrimSuffix(string(e.Data[1:]), "\n"))
		default:
			b.WriteString(e.Kind.String())
		}
		b.WriteString("\n")
	}
	return b.String()
}
