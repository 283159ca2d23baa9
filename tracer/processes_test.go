//go:build linux && amd64

package tracer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"smiley/recording"
	"smiley/tracer/probe/install"
)

// refusal checks that a process is refused in these words, with a hint.
func refusal(t *testing.T, pid int, code recording.Code, words string) {
	t.Helper()
	_, err := findProcess(pid)
	if recording.CodeOf(err) != code || !strings.Contains(err.Error(), words) || err.(*recording.Error).Hint == "" {
		t.Errorf("process %d: %s %v, not %s %q with a hint", pid, recording.CodeOf(err), err, code, words)
	}
}

func TestProcessesThatHaveNoProgram(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if state, _ := processState(ended.Process.Pid); state == "Z" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not end")
		}
	}
	refusal(t, ended.Process.Pid, recording.CodeNotFound, "has ended; its parent, process ")
	if err := ended.Wait(); err != nil {
		t.Fatal(err)
	}
	refusal(t, ended.Process.Pid, recording.CodeNotFound, "there is no process ")
	refusal(t, os.Getpid(), recording.CodeInvalid, "is this smiley itself")

	path := fixture(t, "held")
	sleeper := exec.Command(path)
	over, err := sleeper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = over.Close()
		_ = sleeper.Wait()
	}()
	pid := sleeper.Process.Pid
	if found, err := findProcess(pid); err != nil || found != path {
		t.Errorf("the program is %q, %v", found, err)
	}
	refusal(t, anotherThread(t, pid), recording.CodeInvalid, "is a thread of process "+strconv.Itoa(pid))
	const daemon = 2 // kthreadd, where the kernel's own threads can be seen
	if _, flags := processState(daemon); flags&kernelThread != 0 {
		refusal(t, daemon, recording.CodeUnsupported, "is a thread of the kernel")
	}
}

// anotherThread returns a thread of a process that is not its first one. Go's runtime starts some.
func anotherThread(t *testing.T, pid int) int {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			if id, err := strconv.Atoi(thread.Name()); err == nil && id != pid {
				return id
			}
		}
	}
	t.Fatalf("process %d has one thread", pid)
	return 0
}

// TestStartFailures starts what cannot be started, for real.
func TestStartFailures(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const loader = "/lib64/ld-linux-x86-64.so.2"
	elsewhere := bytes.Replace(self, []byte(loader), []byte("/lib64/ld-linux-x86-64.so.0"), 1)
	busy := write("busy", self, 0o700)
	writer, err := os.OpenFile(busy, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	for _, c := range []struct {
		name, path, dir string
		args            []string
		code            recording.Code
		message, hint   string
	}{
		{"garbage", write("garbage", []byte("\x7fELF, but not really"), 0o700), "", nil, recording.CodeUnsupported, "it is not a program for linux/amd64", "GOARCH=amd64"},
		{"no directory", write("whole", self, 0o700), "/nowhere", nil, recording.CodeNotFound, " in /nowhere: ", "the directory must exist"},
		{"no loader", write("foreign", elsewhere, 0o700), "", nil, recording.CodeNotFound, "its loader, /lib64/ld-linux-x86-64.so.0, is not there", "CGO_ENABLED=0"},
		{"still written", busy, "", nil, recording.CodeLocked, "text file busy", "wait until that is done"},
		{"arguments", write("whole", self, 0o700), "", []string{strings.Repeat("x", 1<<20)}, recording.CodeInvalid, "argument list too long", "shorter arguments"},
		{"gone", filepath.Join(t.TempDir(), "gone"), "", nil, recording.CodeNotFound, "no such file", "try again"},
	} {
		if c.name == "no loader" && !bytes.Contains(self, []byte(loader)) {
			continue // this test is linked statically
		}
		t.Run(c.name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			p, err := launch(&target{path: c.path}, append([]string{c.path}, c.args...), &Options{Dir: c.dir}, false)
			if err == nil {
				p.abandon()
				t.Fatal("it was started")
			}
			var e *recording.Error
			if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Message, c.message) || !strings.Contains(e.Hint, c.hint) {
				t.Errorf("%s %v", recording.CodeOf(err), err)
			}
		})
	}
}

// TestProgramsThatBringRightsAlong has a program that is another user's, and says so in its mode.
func TestProgramsThatBringRightsAlong(t *testing.T) {
	content, err := os.ReadFile(fixture(t, "exit"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "exit")
	if err := errors.Join(os.WriteFile(path, content, 0o755), os.Chmod(path, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	var said []string
	s := &session{target: &target{path: path, name: path}, opt: &Options{Warn: func(e *recording.Error) { said = append(said, e.Message) }}}
	s.warnOfRights()
	if may := install.Capable(install.CapSysPtrace); may != (len(said) == 0) || !may && !strings.Contains(said[0], "(setuid)") {
		t.Errorf("with CAP_SYS_PTRACE %v it says %q", may, said)
	}
}

// TestEndIsTheReason: what could not be done to a process that has ended could not be done because of that, whether its parent has taken notice
// or not; what has nothing to do with the process is said as it is, and so is everything of one that lives.
func TestEndIsTheReason(t *testing.T) {
	program := exec.Command("sleep", "600")
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	pid := program.Process.Pid
	denied := recording.Errorf(recording.CodePermission, "the system does not let smiley trace it")
	pattern := recording.Errorf(recording.CodeInvalid, "the pattern matches no function")
	if err := unlessEnded(pid, denied); err != denied {
		t.Errorf("while it lives: %v", err)
	}
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lives(pid) {
		runtime.Gosched()
	}
	check := func(when string) {
		if err := unlessEnded(pid, denied); recording.CodeOf(err) != recording.CodeNotFound || !strings.Contains(err.Error(), "has ended meanwhile") {
			t.Errorf("%s: %v", when, err)
		}
		if err := unlessEnded(pid, pattern); err != pattern {
			t.Errorf("%s: %v", when, err)
		}
		if err := unlessEnded(pid, nil); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	check("its parent has not taken notice")
	_ = program.Wait()
	check("its parent has taken notice")
}
