//go:build linux && amd64

package install

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"smiley/internal/child"
	"smiley/recording"
	"smiley/tracer/probe/site"
)

// supervisor is asked before fixture supervised makes a memory file, which is the first thing that a stub does.
type supervisor struct {
	*testing.T
	fd int
}

// leaveFilters has a stub run with the program's filter of system calls in force, which is what holds it up.
func leaveFilters(int) error { return nil }

// supervised starts the fixture.
func supervised(t *testing.T) (*child.Process, *site.Image, *supervisor) {
	t.Helper()
	if actions, _ := os.ReadFile("/proc/sys/kernel/seccomp/actions_avail"); !strings.Contains(string(actions), "user_notif") {
		t.Skipf("the system cannot ask before a system call: it has %q", actions)
	}
	suspend := suspendFilters
	suspendFilters = leaveFilters
	t.Cleanup(func() { suspendFilters = suspend })
	path := fixture(t, "supervised")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(ends[0]) }()
	theirs := os.NewFile(uintptr(ends[1]), "supervisor")
	cmd := exec.Command(path)
	cmd.ExtraFiles = []*os.File{theirs}
	program := child.Start(t, cmd)
	_ = theirs.Close()
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(ends[0], make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatalf("%d descriptors, %v", len(fds), err)
	}
	t.Cleanup(func() { _ = unix.Close(fds[0]) })
	return program, img, &supervisor{t, fds[0]}
}

// asked waits until the program asks, and returns the number of the question.
func (s *supervisor) asked() uint64 {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if id, ok := s.question(100 * time.Millisecond); ok {
			return id
		}
	}
	s.Fatal("the program does not ask")
	return 0
}

// question waits for a question for a while.
func (s *supervisor) question(wait time.Duration) (id uint64, ok bool) {
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, int(wait.Milliseconds())); err != nil || n == 0 || fds[0].Revents&unix.POLLIN == 0 {
		return 0, false
	}
	var notification struct { // struct seccomp_notif
		id   uint64
		rest [9]uint64
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s.fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&notification)))
	return notification.id, errno == 0 // the thread may have been interrupted: it asks again
}

// allow answers a question, if the thread still waits for it.
func (s *supervisor) allow(id uint64) {
	s.Helper()
	answer := struct { // struct seccomp_notif_resp
		id            uint64
		value         int64
		failure, flag uint32
	}{id: id, flag: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s.fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&answer)))
	if errno != 0 && !errors.Is(errno, unix.ENOENT) {
		s.Errorf("answering: %v", errno)
	}
}

// allowAll answers all questions from now on, until stop is called.
func (s *supervisor) allowAll() (stop func()) {
	return meanwhile(func() {
		if id, ok := s.question(10 * time.Millisecond); ok {
			s.allow(id)
		}
	})
}

// meanwhile does something again and again, until stop is called.
func meanwhile(do func()) (stop func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-over:
				return
			default:
				do()
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(over)
		<-ended
	})
}

// TestStubThatIsHeldUp attaches to a program whose thread is held up in the stub by a system call that does not end, until the wait is
// given up. The stub stays behind. When the system call ends, the thread finishes the stub by itself, with nobody at its side.
func TestStubThatIsHeldUp(t *testing.T) {
	program, img, supervisor := supervised(t)
	usual := stopPatience
	stopPatience = 5 * time.Second
	attached := make(chan error, 1)
	go func() {
		_, err := Attach(program.Pid, img, mainProbes(img, twoWords), Options{})
		attached <- err
	}()
	question := supervisor.asked()
	err := <-attached
	stopPatience = usual
	if recording.CodeOf(err) != recording.CodeLocked || !strings.Contains(err.Error(), "thread "+strconv.Itoa(program.Pid)+" ") {
		t.Fatalf("attached with %v", err)
	}
	if _, err := Clean(program.Pid, img); recording.CodeOf(err) != recording.CodeLocked {
		t.Errorf("cleaned while a thread is still traced: %v", err)
	}
	if !blocksSignals(t, program.Pid) {
		t.Error("signals reach the thread while it is in the stub")
	}
	supervisor.allow(question)
	for deadline := time.Now().Add(time.Minute); traced(t, program.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the program is still traced")
		}
	}
	for deadline := time.Now().Add(time.Minute); blocksSignals(t, program.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the stub ended, and the thread's signals are still blocked")
		}
	}
	cleanAndAttach(t, program, img, supervisor)
}

// TestStubOfADeadTracerIsHeldUp kills a tracer while a thread is held up in its stub. The program goes on, but for that thread; its code
// cannot be put back as long as the thread is there, and whoever asks for it is told.
func TestStubOfADeadTracerIsHeldUp(t *testing.T) {
	program, img, supervisor := supervised(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "PROBES_TEST_ATTACH="+strconv.Itoa(program.Pid), "PROBES_TEST_PATH="+fixture(t, "supervised"),
		"PROBES_TEST_FILTERS=stay")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	supervisor.asked()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	stop := interrupt(program.Pid)
	defer stop()
	for range 4 {
		if _, err := Clean(program.Pid, img); recording.CodeOf(err) != recording.CodeLocked || !strings.Contains(err.Error(), "still busy") {
			t.Fatalf("cleaned while a thread is in the stub: %v", err)
		}
	}
	stop()
	cleanAndAttach(t, program, img, supervisor)
}

// blocksSignals reports whether the main thread of a program blocks SIGURG, with which Go preempts.
func blocksSignals(t *testing.T, pid int) bool {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/status", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nSigBlk:\t")
	line, _, _ := strings.Cut(rest, "\n")
	mask, err := strconv.ParseUint(line, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return mask&(1<<(unix.SIGURG-1)) != 0
}

// interrupt has the main thread of a program handle signals most of the time, until stop is called.
func interrupt(pid int) (stop func()) {
	return meanwhile(func() { _ = unix.Tgkill(pid, pid, unix.SIGURG) })
}

// cleanAndAttach lets the thread go on that is held up, takes out what is left of the stub, and attaches as if nothing had been.
func cleanAndAttach(t *testing.T, program *child.Process, img *site.Image, supervisor *supervisor) {
	t.Helper()
	defer supervisor.allowAll()()
	cleaned, err := Clean(program.Pid, img)
	for deadline := time.Now().Add(time.Minute); recording.CodeOf(err) == recording.CodeLocked && time.Now().Before(deadline); {
		cleaned, err = Clean(program.Pid, img)
	}
	if err != nil || cleaned == 0 {
		t.Fatalf("%d bytes were taken out, %v", cleaned, err)
	}
	if err := Abandon(program.Pid); err != nil { // of memory that was mapped and has no size
		t.Errorf("abandoning what the stub mapped: %v", err)
	}
	if _, whole, err := Settle(program.Pid, img); !whole || err != nil {
		t.Errorf("the head of the signal handler is not what it was: %v", err)
	}
	p, err := Attach(program.Pid, img, mainProbes(img, twoWords), Options{Rings: 32, RingBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	follow(t, p, 1000, nil)
	if err := p.Remove(); err != nil {
		t.Fatal(err)
	}
	if n := changed(t, p, img); n != 0 {
		t.Errorf("%d bytes still differ", n)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, whole, err := Settle(program.Pid, img); !whole || err != nil {
		t.Errorf("the head of the signal handler is not what it was: %v", err)
	}
	if rest := program.End(); rest != "wrong results: 0\n" {
		t.Errorf("the program says %q", rest)
	}
}
