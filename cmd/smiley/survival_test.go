//go:build linux && amd64

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"smiley/analysis"
)

// stubborn is a program that says its pid and then waits to be told what to do by a signal: it ends with status 9 on the
// first SIGTERM, unless it was told to ignore it. With a second argument it waits for SIGINT, too.
const stubborn = `package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	if len(os.Args) > 2 {
		signal.Notify(signals, syscall.SIGINT)
	}
	fmt.Println(greeting(os.Getpid()))
	for range signals {
		fmt.Println(told(len(os.Args)))
		if len(os.Args) == 1 {
			os.Exit(9)
		}
	}
}

func greeting(pid int) int { return pid }

func told(n int) string { return "told" }
`

// running is smiley with a program that waits.
type running struct {
	t        *testing.T
	command  *exec.Cmd
	out      *bufio.Scanner
	stderr   bytes.Buffer
	database string
	pid      int // of the program
}

// startStubborn runs the program under smiley, in a process of its own, and returns when it waits.
func startStubborn(t *testing.T, args ...string) *running {
	t.Helper()
	return startStubbornAfter(t, "", args...)
}

// startStubbornAfter does that in a shell that has run some commands before.
func startStubbornAfter(t *testing.T, before string, args ...string) *running {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "stubborn.go")
	if err := os.WriteFile(source, []byte(stubborn), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "stubborn")
	if out, err := exec.Command("go", "build", "-gcflags=-l", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := &running{t: t, database: filepath.Join(dir, "runs.db")}
	r.command = exec.Command("sh", append([]string{"-c", before + ` exec smiley "$@"`, "sh", "run", "--database", r.database, binary, "--"}, args...)...)
	r.command.Stderr = &r.stderr
	stdout, err := r.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.command.Process.Kill() })
	r.out = bufio.NewScanner(stdout)
	r.pid, err = strconv.Atoi(r.line())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// line waits for the program to print a line.
func (r *running) line() string {
	r.t.Helper()
	if !r.out.Scan() {
		r.t.Fatalf("the program printed nothing more: %v\n%s", r.out.Err(), r.stderr.String())
	}
	return r.out.Text()
}

func (r *running) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.command.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// status waits for smiley to end.
func (r *running) status() int {
	r.t.Helper()
	var exit *exec.ExitError
	if err := r.command.Wait(); err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return r.command.ProcessState.ExitCode()
}

// recorded returns the run as `smiley list --json` has it.
func (r *running) recorded() analysis.Summary {
	r.t.Helper()
	out, err := exec.Command("smiley", "list", "--json", "--database", r.database).Output()
	if err != nil {
		r.t.Fatal(err)
	}
	var s analysis.Summary
	if err := json.Unmarshal(out, &s); err != nil {
		r.t.Fatalf("%v in %s", err, out)
	}
	return s
}

// TestSignalReachesProgram sends SIGTERM to smiley: the program handles it, and its status is smiley's.
func TestSignalReachesProgram(t *testing.T) {
	r := startStubborn(t)
	r.signal(syscall.SIGTERM)
	if got := r.line(); got != "told" {
		t.Errorf("the program said %q", got)
	}
	if got := r.status(); got != 9 {
		t.Errorf("status %d: %s", got, r.stderr.String())
	}
	if s := r.recorded(); s.Calls != 3 || s.Status != "complete" || s.ExitCode == nil || *s.ExitCode != 9 || !s.Loss.Balances() {
		t.Errorf("recorded: %+v", s)
	}
}

// TestRunUnderNohup: what smiley is started to ignore, the program ignores as well, as it does alone.
func TestRunUnderNohup(t *testing.T) {
	r := startStubbornAfter(t, `trap "" HUP INT;`)
	for _, ignored := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGINT} {
		r.signal(ignored)
		if err := syscall.Kill(r.pid, ignored); err != nil {
			t.Fatal(err)
		}
	}
	r.signal(syscall.SIGTERM)
	if got := r.line(); got != "told" {
		t.Errorf("the program said %q", got)
	}
	if got := r.status(); got != 9 {
		t.Errorf("status %d: %s", got, r.stderr.String())
	}
	if s := r.recorded(); s.Status != "complete" || s.Calls != 3 {
		t.Errorf("recorded: %+v", s)
	}
}

// TestIgnoredSignalIsHandled: a program that is started to ignore a signal, as what a script starts with & is to ignore SIGINT, may handle it
// all the same, and then gets it, however often it comes.
func TestIgnoredSignalIsHandled(t *testing.T) {
	r := startStubbornAfter(t, `trap "" INT;`, "ignore", "interrupts")
	for range 3 {
		r.signal(syscall.SIGINT)
		if got := r.line(); got != "told" {
			t.Fatalf("the program said %q", got)
		}
	}
	if err := syscall.Kill(r.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := r.status(); got != 128+9 {
		t.Errorf("status %d: %s", got, r.stderr.String())
	}
	if s := r.recorded(); s.Status != "complete" || s.Calls != 5 {
		t.Errorf("recorded: %+v", s)
	}
}

// TestSecondSignalEndsProgram sends SIGTERM twice to smiley with a program that does not want to end.
func TestSecondSignalEndsProgram(t *testing.T) {
	r := startStubborn(t, "ignore")
	r.signal(syscall.SIGTERM)
	if got := r.line(); got != "told" {
		t.Errorf("the program said %q", got)
	}
	r.signal(syscall.SIGTERM)
	if got := r.status(); got != 128+int(syscall.SIGKILL) {
		t.Errorf("status %d: %s", got, r.stderr.String())
	}
	if s := r.recorded(); s.Calls != 3 || s.Status != "complete" || s.Signal != "SIGKILL" || !s.Loss.Balances() {
		t.Errorf("recorded: %+v", s)
	}
	if got := strings.Count(r.stderr.String(), "\n"); got != 1 {
		t.Errorf("smiley said %q", r.stderr.String())
	}
}

// TestKilledSmiley kills smiley in a way that it cannot notice: what was committed is there, the run is interrupted, and the
// program does not stay behind.
func TestKilledSmiley(t *testing.T) {
	r := startStubborn(t)
	// The first block is committed a quarter of a second after its first event; until then there is nothing to keep.
	within(t, "the first calls to be committed", func() bool { return committed(r) })
	r.signal(syscall.SIGKILL)
	r.status()
	within(t, "the program to be gone", func() bool { return errors.Is(syscall.Kill(r.pid, 0), syscall.ESRCH) })
	if s := r.recorded(); s.Calls < 2 || s.Status != "interrupted" || s.End != nil || !s.Loss.Balances() {
		t.Errorf("recorded: %+v", s)
	}
	out, err := exec.Command("smiley", "replay", "last", "--database", r.database).Output()
	if err != nil || !strings.Contains(string(out), "main.greeting(pid="+strconv.Itoa(r.pid)+")") {
		t.Errorf("%v: %s", err, out)
	}
}

func committed(r *running) bool {
	out, err := exec.Command("smiley", "list", "--json", "--database", r.database).Output()
	if err != nil {
		return false
	}
	var s analysis.Summary
	return json.Unmarshal(out, &s) == nil && s.Calls >= 2 && s.Status == "recording"
}

// within polls until something holds; that it takes some time is no failure, that it never happens is.
func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
