//go:build linux && amd64

package install

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"smiley/internal/child"
	"smiley/recording"
	"smiley/tracer/probe/site"
)

// TestThreadThatDoesNotStop attaches to a program of which one thread waits for a child in the kernel, where nothing interrupts it. The
// others stand still for a second; then smiley says which thread it was, all go on, and the next attach is like a first one.
func TestThreadThatDoesNotStop(t *testing.T) {
	path := fixture(t, "vfork")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	program := child.Start(t, exec.Command(path))
	pid := program.Pid
	awaitSleeper(t, pid)
	_, err = Attach(pid, img, mainProbes(img, twoWords), Options{})
	if recording.CodeOf(err) != recording.CodeLocked || !strings.Contains(err.Error(), "does not stop") {
		t.Fatalf("attached with %v", err)
	}
	// With its input the program's own child ends, and with that the wait.
	if rest := program.End(); rest != "over\n" {
		t.Errorf("the program says %q", rest)
	}
}

func awaitSleeper(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		ids, err := threadsOf(pid)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if asleep(pid, id) {
				return
			}
		}
	}
	t.Fatal("no thread waits for the child")
}

// TestStepThatDoesNotEnd waits for the stop of a thread that goes on instead: the wait is given up, and the program is let go when it ends.
func TestStepThatDoesNotEnd(t *testing.T) {
	pid, img, end := busy(t)
	usual := stopPatience
	given, looked := 0, false
	err := whileStopped(pid, func(s *stopped) error {
		one := s.any()
		given = one.id
		if err := unix.PtraceCont(one.id, 0); err != nil {
			return err
		}
		stopPatience = 200 * time.Millisecond // only now: on a busy machine the others may take longer
		_, err := one.wait()
		looked = true // nobody listens any more
		return err
	})
	stopPatience = usual
	if recording.CodeOf(err) != recording.CodeLocked || !strings.Contains(err.Error(), strconv.Itoa(given)) {
		t.Fatalf("waited for %d: %v", given, err)
	}
	if err := unix.Tgkill(pid, given, unix.SIGURG); err != nil { // it stops, and the wait is over
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); traced(t, pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the program is still traced")
		}
	}
	if looked {
		t.Error("who had given up went on")
	}
	if _, err := Clean(pid, img); err != nil {
		t.Error(err)
	}
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// TestKilledInAStep kills a program of which one thread is waited for while the others stand still: it ends, and the wait with
// it, though what we trace has ended only when we take notice.
func TestKilledInAStep(t *testing.T) {
	path := fixture(t, "busy")
	program := exec.Command(path)
	stdin, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	pid := program.Process.Pid
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if ids, err := threadsOf(pid); err != nil || time.Now().After(deadline) {
			t.Fatal("the program has one thread", err)
		} else if len(ids) > 2 {
			break
		}
	}
	usual := stopPatience
	stopPatience = time.Minute
	defer func() { stopPatience = usual }()
	err = whileStopped(pid, func(s *stopped) error {
		one := s.threads[pid] // which has not ended until all others have
		if err := unix.PtraceCont(one.id, 0); err != nil {
			return err
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			return err
		}
		alive, err := one.wait()
		if alive {
			t.Error("it stopped")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = program.Wait() // it is our child, too, and our wait has taken its end
	if ids, err := threadsOf(pid); err == nil {
		t.Errorf("there still are its threads %v", ids)
	}
}

// traced reports whether a thread of a process has a tracer.
func traced(t *testing.T, pid int) bool {
	t.Helper()
	ids, err := threadsOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/status", pid, id))
		if len(status) > 0 && !strings.Contains(string(status), "\nTracerPid:\t0\n") {
			return true
		}
	}
	return false
}

// TestTrapThatWaitsIsTaken stops a program of which a thread has yet to take the signal of a step, as it does when a tracer was killed and
// the next one comes before the thread had a turn: the signal does not end the program afterwards.
func TestTrapThatWaitsIsTaken(t *testing.T) {
	pid, _, end := busy(t)
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	standing := func() bool {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		return strings.Contains(string(status), "State:\tT (stopped)")
	}
	for deadline := time.Now().Add(time.Minute); !standing(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the program does not stop")
		}
	}
	if err := unix.Tgkill(pid, pid, unix.SIGTRAP); err != nil {
		t.Fatal(err)
	}
	if err := whileStopped(pid, func(*stopped) error { return nil }); err != nil {
		t.Error(err)
	}
	if err := unix.Kill(pid, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}
