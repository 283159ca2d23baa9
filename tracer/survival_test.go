//go:build linux && amd64

package tracer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// TestEndings runs programs that end in every way there is, alone and under smiley: the same output and the same status,
// and a recording that is whole up to the end and says how it came.
func TestEndings(t *testing.T) {
	for _, test := range []struct {
		fixture string
		args    []string
		signal  string
		error   string // first line of the run's error
		stack   string // in the run's stack
		last    string // function of the last call

		panicked int // calls that the panic ended together with the program
	}{
		{fixture: "exit", args: []string{"0"}, last: "main.leave"},
		{fixture: "exit", args: []string{"7"}, last: "main.leave"},
		{fixture: "exitgoroutine"},
		{fixture: "crash", args: []string{"panic"}, error: "panic: broken: no key", stack: "main.inner(", last: "main.inner", panicked: 3},
		{fixture: "crash", args: []string{"nested"}, error: "panic: first\n\tpanic: second", stack: "main.nested.func1()", last: "main.nested.func1", panicked: 3},
		{fixture: "crash", args: []string{"nil"}, error: "panic: runtime error: invalid memory address or nil pointer dereference", stack: "[signal SIGSEGV", last: "main.field", panicked: 2},
		{fixture: "crash", args: []string{"deadlock"}, error: "fatal error: all goroutines are asleep - deadlock!", stack: "main.deadlock(", last: "main.deadlock"},
		{fixture: "crash", args: []string{"kill"}, signal: "SIGKILL", last: "main.kill"},
		{fixture: "crash", args: []string{"abort"}, error: "SIGABRT: abort", stack: "main.kill(", last: "main.kill"},
	} {
		t.Run(strings.Join(append([]string{test.fixture}, test.args...), " "), func(t *testing.T) {
			binary := fixture(t, test.fixture)
			alone := exec.Command(binary, test.args...)
			var stdout, stderr bytes.Buffer
			alone.Stdout, alone.Stderr = &stdout, &stderr
			var exit *exec.ExitError
			if err := alone.Run(); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			r := record(t, Options{Target: binary, Args: test.args})
			panicked := 0
			for _, e := range r.events {
				if e.UnwoundBy == recording.OutcomePanicked {
					panicked += e.Unwound - e.UnwoundLost
				}
			}
			if panicked != test.panicked {
				t.Errorf("the panic ended %d calls, want %d", panicked, test.panicked)
			}
			status := alone.ProcessState.Sys().(syscall.WaitStatus)
			want := status.ExitStatus()
			if status.Signaled() {
				want = 128 + int(status.Signal())
			}
			if got := r.result.Status(); got != want {
				t.Errorf("status %d, alone %d", got, want)
			}
			if r.stdout != stdout.String() {
				t.Errorf("output %q, alone %q", r.stdout, stdout.String())
			}
			if got, want := firstLine(r.stderr), firstLine(stderr.String()); got != want {
				t.Errorf("errors begin with %q, alone with %q", got, want)
			}
			if r.output(1) != r.stdout || r.output(2) != r.stderr {
				t.Errorf("recorded output %q and %q, written %q and %q", r.output(1), r.output(2), r.stdout, r.stderr)
			}
			if r.end == nil || r.end.ExitCode != r.result.ExitCode || r.end.Signal != test.signal {
				t.Errorf("the recording ends with %+v", r.end)
			}
			if r.end.Error != test.error || !strings.Contains(r.end.Stack, test.stack) {
				t.Errorf("error %q, stack %q", r.end.Error, r.end.Stack)
			}
			calls := r.of(recording.KindCall)
			if got := r.functions[calls[len(calls)-1].Function].Name; test.last != "" && got != test.last {
				t.Errorf("the last call is one of %s", got)
			}
		})
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// TestChildrenOfTheProgram forks and execs while other goroutines run through breakpoints: the children live, and no call
// is lost.
func TestChildrenOfTheProgram(t *testing.T) {
	r := record(t, Options{Target: fixture(t, "forkexec")})
	if r.result.ExitCode != 3 {
		t.Errorf("exit status %d", r.result.ExitCode)
	}
	for i := range 3 {
		if line := fmt.Sprintf("child %d\n", i); !strings.Contains(r.stdout, line) {
			t.Errorf("no %q in %q", line, r.stdout)
		}
	}
	if got := r.calls(); got["main.leaf"] != 240 || got["main.child"] != 3 || got["main.busy"] != 6 {
		t.Errorf("calls %v", got)
	}
}

// TestSignals forwards requests to end to programs that obey, that have a handler, and that have to be killed.
func TestSignals(t *testing.T) {
	for _, test := range []struct {
		fixture string
		arg     string
		send    []os.Signal
		status  int
		stdout  string
	}{
		{"signals", "none", []os.Signal{syscall.SIGTERM}, 128 + 15, "ready\n"},
		{"signals", "none", []os.Signal{syscall.SIGINT}, 128 + 2, "ready\n"},
		{"signals", "none", []os.Signal{syscall.SIGHUP}, 128 + 1, "ready\n"},
		{"signals", "handler", []os.Signal{syscall.SIGTERM}, 9, "ready\ngot terminated\n"},
		{"stubborn", "", []os.Signal{syscall.SIGTERM, syscall.SIGINT}, 128 + 9, "ready\nignored terminated\n"},
	} {
		t.Run(fmt.Sprint(test.fixture, test.arg, test.send), func(t *testing.T) {
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			signals := make(chan os.Signal)
			said := make(chan string, 1)
			go func() {
				// Each line that the program prints is its readiness for the next signal.
				var all strings.Builder
				lines := bufio.NewScanner(reader)
				next := test.send
				for lines.Scan() {
					all.WriteString(lines.Text() + "\n")
					if len(next) > 0 {
						signals <- next[0]
						next = next[1:]
					}
				}
				said <- all.String()
			}()
			r := record(t, Options{Target: fixture(t, test.fixture), Args: []string{test.arg}, Stdout: writer, Signals: signals})
			_ = writer.Close()
			if got := <-said; got != test.stdout {
				t.Errorf("printed %q", got)
			}
			// The signal may come between a write and its return: that write is counted as lost then.
			lost := len(r.of(recording.KindGap))
			if got := r.output(1); strings.Count(got, "\n")+lost != strings.Count(test.stdout, "\n") || !strings.HasPrefix(test.stdout, got) {
				t.Errorf("recorded %q and %d gaps, printed %q", got, lost, test.stdout)
			}
			if got := r.result.Status(); got != test.status {
				t.Errorf("status %d, want %d", got, test.status)
			}
			if r.calls()["main.main"] != 1 {
				t.Errorf("calls %v", r.calls())
			}
		})
	}
}

// TestCanceled ends a program by its context once it has made calls: what was captured is kept. Meanwhile there is no
// second run.
func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	sink := &blocks{}
	var last Progress
	var second error
	result, err := Run(ctx, Options{Target: fixture(t, "forever"), Stdout: null, Progress: func(p Progress) {
		if p.Calls < last.Calls || p.Ledger.Stored > p.Events {
			t.Errorf("progress %+v after %+v", p, last)
		}
		if last = p; p.Ledger.Stored > 0 && ctx.Err() == nil {
			_, second = Run(ctx, Options{Target: fixture(t, "exit")}, &blocks{})
			cancel()
		}
	}}, sink)
	if err != nil {
		t.Fatal(err)
	}
	if recording.CodeOf(second) != recording.CodeUnsupported {
		t.Errorf("a second run: %v", second)
	}
	if result.Signal != "SIGKILL" || result.Calls < last.Calls || last.Run != result.Run {
		t.Errorf("%+v after %+v", result, last)
	}
	r := readBack(t, sink.all)
	if r.calls()["main.main"] != 1 || r.calls()["main.step"] == 0 || r.end == nil {
		t.Errorf("calls %v, end %v", r.calls(), r.end)
	}
}

// refusing is a sink that takes some blocks and then no more.
type refusing struct {
	blocks
	take int
}

var errRefused = recording.Errorf(recording.CodeFull, "the disk is full")

func (s *refusing) Send(encoded []byte) error {
	if s.take--; s.take < 0 {
		return errRefused
	}
	return s.blocks.Send(encoded)
}

// TestSinkRefuses lets the sink fail at the first block, in the middle and at the last: the program runs to its own end
// as if alone, and what was not stored is counted as dropped.
func TestSinkRefuses(t *testing.T) {
	for _, c := range []struct {
		engine Engine
		take   int
	}{{EngineAuto, 0}, {EngineBreakpoint, 0}, {EngineBreakpoint, 1}} {
		t.Run(fmt.Sprint(c.engine, c.take), func(t *testing.T) {
			stdout, err := os.CreateTemp(t.TempDir(), "stdout")
			if err != nil {
				t.Fatal(err)
			}
			defer stdout.Close()
			sink := &refusing{take: c.take}
			result, err := Run(context.Background(), Options{Target: fixture(t, "concurrent"), Stdout: stdout, Engine: c.engine}, sink)
			if !errors.Is(err, errRefused) {
				t.Errorf("error %v", err)
			}
			if result.Status() != 0 {
				t.Errorf("the program ended with %d", result.Status())
			}
			want, err := exec.Command(fixture(t, "concurrent")).Output()
			if err != nil {
				t.Fatal(err)
			}
			if got := contents(t, stdout); got != string(want) {
				t.Errorf("output %q, alone %q", got, want)
			}
			// One stop for each thread that was at a breakpoint already, and then none.
			if result.idle > 20 {
				t.Errorf("the program was stopped %d times after the recording had broken off", result.idle)
			}
			stored := 0
			for _, encoded := range sink.all {
				head, err := recording.ParseHeader(encoded)
				if err != nil {
					t.Fatal(err)
				}
				stored += int(head.Events)
			}
			if l := result.Ledger; !l.Balances() || l.Stored != uint64(stored) || l.Dropped == 0 {
				t.Errorf("ledger %+v, %d events in stored blocks", l, stored)
			}
		})
	}
}

// playRole is what the test binary does instead of testing when it is started as smiley.
func playRole(role string) int {
	fields := strings.Split(role, "|")
	switch fields[0] {
	case "file":
		file, err := os.OpenFile(fields[2], os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return 99
		}
		return runAs(Options{Target: fields[1]}, &fileSink{file})
	case "terminal":
		status := runAs(Options{Target: fields[1], Args: fields[2:], Engine: Engine(os.Getenv("SMILEY_TEST_ENGINE"))}, &blocks{})
		group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
		fmt.Println("status", status, "foreground", group == unix.Getpgrp(), err)
		return 0
	}
	return 99
}

func runAs(opt Options, sink recording.Sink) int {
	result, err := Run(context.Background(), opt, sink)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 125
	}
	return result.Status()
}

// fileSink writes blocks to a file, each behind its length.
type fileSink struct{ f *os.File }

func (s *fileSink) Send(encoded []byte) error {
	_, err := s.f.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(encoded))), encoded...))
	return err
}

func (s *fileSink) Close() error { return s.f.Close() }

// TestKilledTracer kills smiley in the middle of a run: the program does not stay behind, and the blocks that were
// sent can be read.
func TestKilledTracer(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "blocks")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	smiley := exec.Command(os.Args[0])
	smiley.Env = append(os.Environ(), "SMILEY_TEST_ROLE=file|"+fixture(t, "forever")+"|"+file.Name())
	stdout, err := smiley.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := smiley.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = smiley.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	program, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(program)
	waitForBytes(t, file)
	if err := smiley.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = smiley.Wait()
	ready := []unix.PollFd{{Fd: int32(program), Events: unix.POLLIN}}
	const patience = 60_000 // ms
	for {
		n, err := unix.Poll(ready, patience)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n != 1 {
			_ = unix.Kill(pid, unix.SIGKILL)
			t.Fatalf("the program outlives smiley (%d, %v)", n, err)
		}
		break
	}
	r := readBack(t, split(t, contents(t, file)))
	if r.end != nil || r.calls()["main.step"] == 0 {
		t.Errorf("end %v, calls %v", r.end, r.calls())
	}
}

// waitForBytes returns when something has been written to f.
func waitForBytes(t *testing.T, f *os.File) {
	t.Helper()
	watch, err := unix.InotifyInit()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, f.Name(), unix.IN_MODIFY); err != nil {
		t.Fatal(err)
	}
	// The first block may be there already, or come now; the second comes in any case.
	var event [unix.SizeofInotifyEvent + unix.NAME_MAX + 1]byte
	if _, err := unix.Read(watch, event[:]); err != nil {
		t.Fatal(err)
	}
}

// split undoes fileSink, but for a block that was not written whole.
func split(t *testing.T, data string) [][]byte {
	t.Helper()
	var all [][]byte
	reader := strings.NewReader(data)
	for {
		var length uint32
		if err := binary.Read(reader, binary.LittleEndian, &length); err != nil {
			return all
		}
		block := make([]byte, length)
		if _, err := io.ReadFull(reader, block); err != nil {
			return all
		}
		all = append(all, block)
	}
}
