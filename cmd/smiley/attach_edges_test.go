//go:build linux && amd64

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"smiley/internal/stress"
)

// smileyIn returns a function that runs smiley with a database of the test's own.
func smileyIn(t *testing.T) func(args ...string) (string, error) {
	t.Helper()
	database := filepath.Join(t.TempDir(), "runs.db")
	return func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // one that hangs fails, and does not end all tests
		defer cancel()
		out, err := exec.CommandContext(ctx, "smiley", append(args, "--database", database)...).CombinedOutput()
		return string(out), err
	}
}

// TestRefusedAttachLeavesNothing: a program that cannot be attached to gets one clear error, and no run is left of it.
func TestRefusedAttachLeavesNothing(t *testing.T) {
	for _, flag := range []string{"-s", "-w"} {
		program := startBusy(t, "-ldflags="+flag)
		smiley := smileyIn(t)
		const want = "smiley: the program has no debug information\n" +
			"hint: attaching needs a program made by go build or go test -c without -ldflags=-s or -w; go run and go test leave debug information out\n"
		if out, err := smiley("attach", program.pid, "--for", "100ms"); err == nil || out != want {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
		if out, err := smiley("list"); err != nil || !strings.Contains(out, "no runs") {
			t.Errorf("%s: a run is left: %v\n%s", flag, err, out)
		}
		if out := program.end(); out != "wrong results: 0\n" {
			t.Errorf("%s: the program says %q", flag, out)
		}
	}
}

// TestAttachSaysWhatFiltersLeave: whoever mistyped a filter, or left nothing to record, learns it while there is time.
func TestAttachSaysWhatFiltersLeave(t *testing.T) {
	program := startBusy(t)
	smiley := smileyIn(t)
	for _, c := range []struct {
		filter, want string
	}{
		{"main...", "smiley: no function of process " + program.pid + " will be recorded\nhint: --include, "},
		{"main.spam", "smiley: the pattern \"main.spam\" excludes nothing: "},
	} {
		if out, err := smiley("attach", program.pid, "--exclude", c.filter, "--for", "50ms"); err != nil || !strings.Contains(out, c.want) {
			t.Errorf("--exclude %s: %v\n%s", c.filter, err, out)
		}
	}
	if out := program.end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// TestFailedAttachPutsBack: a program whose addresses do not suffice for rings, which it turns out when it maps them, is as it was
// afterwards, and can be attached to when there are more.
func TestFailedAttachPutsBack(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "calm")
	if out, err := exec.Command("go", "build", "-gcflags=-l", "-o", binary, "./testdata/calm").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program := runBusy(t, binary)
	smiley := smileyIn(t)
	pid, err := strconv.Atoi(program.pid)
	if err != nil {
		t.Fatal(err)
	}
	var usual unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_AS, nil, &usual); err != nil {
		t.Fatal(err)
	}
	statm, err := os.ReadFile("/proc/" + program.pid + "/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(statm))[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	const room = 3 << 19 // for stubs, and less than the smallest rings take
	few := unix.Rlimit{Cur: pages*uint64(os.Getpagesize()) + room, Max: usual.Max}
	if err := unix.Prlimit(pid, unix.RLIMIT_AS, &few, nil); err != nil {
		t.Fatal(err)
	}
	out, err := smiley("attach", program.pid, "--for", "100ms")
	if failed := unix.Prlimit(pid, unix.RLIMIT_AS, &usual, nil); failed != nil {
		t.Fatal(failed)
	}
	if err == nil || !strings.Contains(out, "cannot allocate memory") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := smiley("detach", program.pid); err != nil || !strings.Contains(out, "there is nothing of smiley in process") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := smiley("attach", program.pid, "--calls", "100"); err != nil || !strings.Contains(out, ": 100 calls") {
		t.Errorf("%v\n%s", err, out)
	}
	program.end()
}

// TestLeavingLosesNothing: threads that wait for room when the probes are taken out still find it. Rings are small, so that many
// do.
func TestLeavingLosesNothing(t *testing.T) {
	program := startBusy(t)
	smiley := smileyIn(t)
	for range 4 {
		out, err := smiley("attach", program.pid, "--calls", "50000", "--ring-bytes", "262144")
		if err != nil || !strings.Contains(out, ": 50,000 calls") || strings.Contains(out, "dropped") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	if out := program.end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// TestAttachToAStoppedProgram: a program that stands still under SIGSTOP is attached to and left, and still stands.
func TestAttachToAStoppedProgram(t *testing.T) {
	program := startBusy(t)
	smiley := smileyIn(t)
	pid, err := strconv.Atoi(program.pid)
	if err != nil {
		t.Fatal(err)
	}
	stopped := func() bool {
		status, _ := os.ReadFile("/proc/" + program.pid + "/status")
		return strings.Contains(string(status), "State:\tT (stopped)")
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	within(t, "the program to stop", stopped)
	if out, err := smiley("attach", program.pid, "--for", "200ms"); err != nil || !strings.Contains(out, ": 0 calls") {
		t.Errorf("%v\n%s", err, out)
	}
	within(t, "the program to stand still again", stopped)
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if out, err := smiley("attach", program.pid, "--calls", "1000"); err != nil || !strings.Contains(out, ": 1,000 calls") {
		t.Errorf("%v\n%s", err, out)
	}
	if out := program.end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// TestAttachedProgramBecomesAnother: the recording ends by itself when the program becomes another one, and says so.
func TestAttachedProgramBecomesAnother(t *testing.T) {
	command := exec.Command(buildBusy(t), "exec", "/bin/sleep", "1000")
	program, in := startReady(t, command)
	smiley := smileyIn(t)
	before := text(t, program.pid)
	type outcome struct {
		said string
		err  error
	}
	ended := make(chan outcome, 1)
	go func() {
		said, err := smiley("attach", program.pid)
		ended <- outcome{said, err}
	}()
	for bytes.Equal(before, text(t, program.pid)) { // until there are probes
		select {
		case o := <-ended:
			t.Fatalf("%v\n%s", o.err, o.said)
		default:
		}
	}
	_ = in.Close()
	if o := <-ended; o.err != nil || !strings.Contains(o.said, "1 event dropped") {
		t.Errorf("%v\n%s", o.err, o.said)
	}
	if exe, err := os.Readlink("/proc/" + program.pid + "/exe"); err != nil || exe == command.Path {
		t.Errorf("the program is %q, %v", exe, err)
	}
	if out, err := smiley("replay", "last"); err != nil || !strings.Contains(out, "the program became /bin/sleep by exec") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestManyCleanersAtOnce: when a tracer has been killed, several others clean up and attach at the same moment. Each does what
// it says or says that another is at it, and the program never errs.
func TestManyCleanersAtOnce(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	program := startBusy(t)
	smiley := smileyIn(t)
	tracer := exec.Command("smiley", "attach", program.pid, "--quiet", "--database", filepath.Join(t.TempDir(), "dead.db"))
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	owner := "is being recorded by process " + strconv.Itoa(tracer.Process.Pid)
	within(t, "smiley to be attached", func() bool {
		out, err := smiley("detach", program.pid)
		return err != nil && strings.Contains(out, owner)
	})
	_ = tracer.Process.Kill()
	_ = tracer.Wait()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			command, done := []string{"detach", program.pid}, "process "+program.pid
			if i == 0 {
				command, done = []string{"attach", program.pid, "--calls", "100"}, ": 100 calls"
			}
			out, err := smiley(command...)
			if !strings.Contains(out, done) || err != nil && !strings.Contains(out, "is being recorded by") &&
				!strings.Contains(out, "is being traced by") {
				t.Errorf("%v: %v\n%s", command, err, out)
			}
		})
	}
	all.Wait()
	if out, err := smiley("detach", program.pid); err != nil || !strings.Contains(out, "nothing of smiley") {
		t.Errorf("something was left: %v\n%s", err, out)
	}
	if out := program.end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}
