//go:build cgo && linux && amd64

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"smiley/internal/loopback"
	"smiley/internal/stress"
)

// stage is a machine with a recorder, and programs that are recorded by it: real processes with real sockets.
type stage struct {
	t        *testing.T
	smiley   string
	program  string
	dir      string
	database string
	recorder *exec.Cmd
	runs     []*sentRun
	pause    string // of the program, after a thousand calls
	address  string // where the recorder listens
	metrics  string // where it serves its metrics

	flags     []string // more of smiley run
	arguments []string // more of the program

	namespace string // of the network that programs live in; "" for ours
	cable     *cable // to that network
	key       string // of both ends
}

// buildStage builds what a stage needs.
func buildStage(t *testing.T) (smiley, program string) {
	t.Helper()
	dir := t.TempDir()
	smiley, program = filepath.Join(dir, "smiley"), filepath.Join(dir, "counted")
	for _, args := range [][]string{{"-o", smiley, "."}, {"-gcflags=-l", "-o", program, "./testdata/counted"}} {
		if text, err := exec.Command("go", append([]string{"build", "-buildvcs=false"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	return smiley, program
}

// ownAddress is where recorders of tests listen, and come back to.
func ownAddress() string { return "tcp://" + loopback.Address() + ":0" }

func newStage(t *testing.T, smiley, program string, prepare func(*stage)) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir(), address: ownAddress(), smiley: smiley, program: program, pause: "1ms"}
	s.database = filepath.Join(s.dir, "runs.db")
	if prepare != nil {
		prepare(s)
	}
	s.startRecorder()
	t.Cleanup(func() {
		if s.recorder != nil {
			s.stopRecorder(syscall.SIGTERM)
		}
	})
	return s
}

func (s *stage) command(args ...string) *exec.Cmd {
	c := exec.Command(s.smiley, args...)
	c.Env = append(os.Environ(), "SMILEY_DATABASE="+s.database, "HOME="+s.dir, "XDG_STATE_HOME=", "XDG_CONFIG_HOME=")
	c.Stderr = os.Stderr
	return c
}

// startRecorder starts a recorder at the address of the one before, and waits until it listens.
func (s *stage) startRecorder() {
	s.t.Helper()
	c := s.command("record", "--listen", s.address, "--metrics", "127.0.0.1:0")
	c.Stderr = nil
	said, err := c.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewReader(said)
	says := func(after string) string {
		line, err := lines.ReadString('\n')
		_, rest, ok := strings.Cut(line, after)
		if err != nil || !ok {
			s.t.Fatalf("the recorder says %q, %v", line, err)
		}
		return strings.TrimSpace(rest)
	}
	s.address, _, _ = strings.Cut(says("listening at "), ",")
	s.metrics = says("metrics at ")
	go func() { _, _ = io.Copy(io.Discard, lines) }() // ends with the recorder
	s.recorder = c
}

// scrape asks the recorder for its metrics, as Prometheus does.
func (s *stage) scrape() map[string]float64 {
	s.t.Helper()
	answer, err := http.Get(s.metrics)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	values := map[string]float64{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || name == "#" {
			continue
		}
		if values[name], err = strconv.ParseFloat(value, 64); err != nil {
			s.t.Errorf("%q: %v", lines.Text(), err)
		}
	}
	return values
}

// metric is one of them, which must be there.
func (s *stage) metric(name string) uint64 {
	s.t.Helper()
	value, ok := s.scrape()[name]
	if !ok {
		s.t.Errorf("the recorder does not serve %s", name)
	}
	return uint64(value)
}

func (s *stage) stopRecorder(signal syscall.Signal) {
	s.t.Helper()
	s.signal(s.recorder, signal)
	err := s.recorder.Wait()
	if signal == syscall.SIGTERM && err != nil {
		s.t.Errorf("the recorder ends with %v", err)
	}
	s.recorder = nil
}

func (s *stage) signal(c *exec.Cmd, signal syscall.Signal) {
	s.t.Helper()
	if err := c.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// sentRun is a program under `smiley run --remote`.
type sentRun struct {
	s      *stage
	cmd    *exec.Cmd
	log    string // what the program says of itself while it runs
	stdin  io.WriteCloser
	stdout *strings.Builder
}

func (s *stage) run(address string) *sentRun {
	s.t.Helper()
	r := &sentRun{s: s, stdout: &strings.Builder{}}
	r.log = filepath.Join(s.dir, "log"+strconv.Itoa(len(s.runs)))
	args := slices.Concat([]string{"run", "--quiet", "--remote", address, "--include", "main.work"}, s.flags,
		[]string{s.program, "--", r.log, s.pause}, s.arguments)
	r.cmd = s.command(args...)
	if s.namespace != "" {
		r.cmd = s.wrap(r.cmd, "ip", "netns", "exec", s.namespace)
	}
	s.runs = append(s.runs, r)
	r.cmd.Stdout = r.stdout
	var err error
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = r.stdin.Close() })
	return r
}

// finish ends the program and returns how many calls it counted.
func (r *sentRun) finish() uint64 {
	r.s.t.Helper()
	if err := r.stdin.Close(); err != nil {
		r.s.t.Error(err)
	}
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		r.s.t.Errorf("the program's status is not passed on: %v", err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(r.stdout.String()), 10, 64)
	if err != nil {
		r.s.t.Errorf("the program's output is not passed on: %q", r.stdout)
	}
	return n
}

// listed is a run as `smiley list --json` has it.
type listed struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Calls  uint64 `json:"calls"`
	Loss   struct {
		Captured, Stored, Dropped uint64
	} `json:"loss"`
}

func (s *stage) list() (runs []listed) {
	s.t.Helper()
	out, err := s.command("list", "--json").Output()
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		var run listed
		if err := json.Unmarshal([]byte(line), &run); err != nil {
			s.t.Fatal(err)
		}
		runs = append(runs, run)
	}
	return runs
}

// await asks again and again until a condition holds.
func (s *stage) await(what string, holds func() bool) {
	s.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-timeout:
			s.t.Fatalf("after a minute still not: %s", what)
		}
	}
}

// progress waits until more than n calls of the only run are in the database, and returns how many.
func (s *stage) progress(n uint64) (calls uint64) {
	s.t.Helper()
	s.await("calls are recorded", func() bool {
		if runs := s.list(); len(runs) == 1 {
			calls = runs[0].Calls
		}
		return calls > n
	})
	return calls
}

const spoolPath = ".local/state/smiley/spool"

// spooled returns how many bytes are in spool files.
func (s *stage) spooled() (size int64) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, spoolPath, "*", "*.spool"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil { // it may be delivered by now
			size += info.Size()
		}
	}
	return size
}

// whole checks that each run is complete, with every call that its program counted, once. What its sender left in the
// spool, because the recorder was away just then, is delivered first.
func (s *stage) whole(counts ...uint64) {
	s.t.Helper()
	if s.spooled() > 0 {
		if err := s.command("push", "--wait", "1m").Run(); err != nil {
			s.t.Fatal(err)
		}
	}
	runs := s.list()
	want := map[uint64]int{}
	for _, n := range counts {
		want[n]++
	}
	for _, run := range runs {
		want[run.Calls]--
		if run.Status != "complete" || run.Loss.Dropped != 0 || run.Loss.Captured != run.Loss.Stored {
			s.t.Errorf("run %+v", run)
		}
	}
	for _, missing := range want {
		if missing != 0 {
			s.t.Errorf("programs counted %v calls, recorded are %+v", counts, runs)
			break
		}
	}
}

// moment is any moment of the next while.
func (s *stage) moment() { time.Sleep(rand.N(stress.For(200*time.Millisecond, time.Second))) }

// wrap makes a command that another one starts.
func (s *stage) wrap(c *exec.Cmd, by ...string) *exec.Cmd {
	wrapped := exec.Command(by[0], append(by[1:], c.Args...)...)
	wrapped.Env, wrapped.Stderr = c.Env, c.Stderr
	return wrapped
}

// must runs a command of the system.
func (s *stage) must(args ...string) {
	s.t.Helper()
	if text, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %v, %s", args, err, text)
	}
}
