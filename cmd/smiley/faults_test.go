//go:build cgo && linux && amd64

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stage is a machine with a recorder, and programs that are recorded by it: real processes with real sockets.
type stage struct {
	t        *testing.T
	smiley   string
	program  string
	dir      string
	database string
	recorder *exec.Cmd
	address  string // where the recorder listens
}

// TestFaults is what can happen between a program and its recorder. SMILEY_FAULTS says how often each (default once).
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("real processes, several seconds each: not with -short")
	}
	times := 1
	if text := os.Getenv("SMILEY_FAULTS"); text != "" {
		var err error
		if times, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	smiley, program := filepath.Join(dir, "smiley"), filepath.Join(dir, "counted")
	for _, args := range [][]string{{"-o", smiley, "."}, {"-gcflags=-l", "-o", program, "./testdata/counted"}} {
		if text, err := exec.Command("go", append([]string{"build", "-buildvcs=false"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	for _, fault := range []struct {
		name  string
		cause func(*stage)
	}{
		{"recorder killed", recorderKilled},
		{"recorder stays away", recorderStaysAway},
		{"sender killed", senderKilled},
		{"link cut", linkCut},
		{"recorder stopped", recorderStopped},
		{"many programs", manyPrograms},
	} {
		for n := range times {
			t.Run(fault.name+" "+strconv.Itoa(n+1), func(t *testing.T) { fault.cause(newStage(t, smiley, program)) })
		}
	}
}

func newStage(t *testing.T, smiley, program string) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir(), address: "tcp://127.0.0.1:0", smiley: smiley, program: program}
	s.database = filepath.Join(s.dir, "runs.db")
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
	c := s.command("record", "--listen", s.address)
	c.Stderr = nil
	errors, err := c.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	line, err := bufio.NewReader(errors).ReadString('\n')
	_, rest, ok := strings.Cut(line, "listening at ")
	if err != nil || !ok {
		s.t.Fatalf("the recorder says %q, %v", line, err)
	}
	s.address, _, _ = strings.Cut(rest, ",")
	s.recorder = c
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
	stdin  io.WriteCloser
	stdout *strings.Builder
}

func (s *stage) run(address string) *sentRun {
	s.t.Helper()
	r := &sentRun{s: s, cmd: s.command("run", "--quiet", "--remote", address, "--include", "main.work", s.program), stdout: &strings.Builder{}}
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
		if err := s.command("push").Run(); err != nil {
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

// proxy passes connections on from another address of this machine, until it is cut.
type proxy struct {
	address string
	mu      sync.Mutex
	isCut   bool
	conns   map[net.Conn]bool
	done    sync.WaitGroup
}

// link puts a proxy before the recorder: the same ports, at another address.
func (s *stage) link() *proxy {
	s.t.Helper()
	p := &proxy{conns: map[net.Conn]bool{}}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.address, "tcp://"))
	if err != nil {
		s.t.Fatal(err)
	}
	control, err := strconv.Atoi(port)
	if err != nil {
		s.t.Fatal(err)
	}
	p.address = "tcp://127.0.0.2:" + port
	for n := control; n <= control+1; n++ {
		port := strconv.Itoa(n)
		l, err := net.Listen("tcp", "127.0.0.2:"+port)
		if err != nil {
			s.t.Fatal(err)
		}
		p.done.Go(func() { p.serve(l, "127.0.0.1:"+port) })
		s.t.Cleanup(func() { _ = l.Close() })
	}
	s.t.Cleanup(func() { p.set(true) })
	return p
}

func (p *proxy) serve(l net.Listener, target string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", target)
		if err != nil || !p.add(in, out) {
			_ = in.Close()
			continue
		}
		for from, to := range map[net.Conn]net.Conn{in: out, out: in} {
			p.done.Go(func() {
				_, _ = io.Copy(to, from)
				_ = from.Close()
				_ = to.Close()
			})
		}
	}
}

func (p *proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.isCut {
			_ = c.Close()
			continue
		}
		p.conns[c] = true
	}
	return !p.isCut
}

// set cuts the link, or makes it whole again.
func (p *proxy) set(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isCut = cut
	for c := range p.conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// The recorder is killed, and another takes its place: nothing is lost and nothing is there twice.
func recorderKilled(s *stage) {
	r := s.run(s.address)
	calls := s.progress(0)
	for range 3 {
		s.stopRecorder(syscall.SIGKILL)
		s.startRecorder()
		calls = s.progress(calls)
	}
	s.whole(r.finish())
}

// The recorder is gone for good: the program runs to its end as if nothing were wrong, and push delivers the rest.
func recorderStaysAway(s *stage) {
	r := s.run(s.address)
	s.progress(0)
	s.stopRecorder(syscall.SIGKILL)
	n := r.finish()
	if s.spooled() == 0 {
		s.t.Error("nothing is in the spool")
	}
	s.startRecorder()
	s.whole(n)
}

// smiley is killed while the recorder is away: what it had spooled is delivered, and the run is marked.
func senderKilled(s *stage) {
	r := s.run(s.address)
	calls := s.progress(0)
	s.stopRecorder(syscall.SIGKILL)
	before := s.spooled()
	s.await("blocks are spooled", func() bool { return s.spooled() > before })
	s.signal(r.cmd, syscall.SIGKILL)
	_ = r.cmd.Wait() // it was killed
	s.startRecorder()
	if err := s.command("push").Run(); err != nil {
		s.t.Fatal(err)
	}
	s.await("the run is marked as interrupted", func() bool {
		runs := s.list()
		return len(runs) == 1 && runs[0].Status == "interrupted"
	})
	if run := s.list()[0]; run.Calls <= calls || run.Loss.Dropped != 0 || run.Loss.Captured != run.Loss.Stored {
		s.t.Errorf("before the kill %d calls were recorded, after push it is %+v", calls, run)
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, spoolPath)); err != nil || len(left) != 0 {
		s.t.Errorf("%v is left in the spool, %v", left, err)
	}
}

// The link is cut for longer than it takes to notice, and comes back.
func linkCut(s *stage) {
	p := s.link()
	r := s.run(p.address)
	calls := s.progress(0)
	for range 2 {
		p.set(true)
		before := s.spooled()
		s.await("the sender spools", func() bool { return s.spooled() > before })
		p.set(false)
		calls = s.progress(calls)
	}
	s.whole(r.finish())
}

// The recorder stands still for longer than a sender waits for it.
func recorderStopped(s *stage) {
	r := s.run(s.address)
	calls := s.progress(0)
	s.signal(s.recorder, syscall.SIGSTOP)
	before := s.spooled()
	s.await("the sender spools", func() bool { return s.spooled() > before })
	s.signal(s.recorder, syscall.SIGCONT)
	s.progress(calls)
	s.whole(r.finish())
}

// Several programs at once, with a recorder that is killed among them.
func manyPrograms(s *stage) {
	var programs []*sentRun
	for range 4 {
		programs = append(programs, s.run(s.address))
	}
	s.await("all runs have begun", func() bool { return len(s.list()) == len(programs) })
	s.stopRecorder(syscall.SIGKILL)
	s.startRecorder()
	var counts []uint64
	for _, p := range programs {
		counts = append(counts, p.finish())
	}
	s.whole(counts...)
}
