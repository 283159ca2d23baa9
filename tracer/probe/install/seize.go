//go:build linux && amd64

package install

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// stopped is a running program whose threads stand still for a moment. It is stopped by PTRACE_SEIZE, which sends no signal
// and eats none; and if we die meanwhile, the kernel lets the program go on.
type stopped struct {
	pid     int
	threads map[int]*thread
	ended   bool // a thread ended that had stopped: only an exec, or the program's end, does that
}

// thread is one thread of a stopped program.
type thread struct {
	id     int
	signal unix.Signal // it was about to be delivered when the thread stopped
	regs   unix.PtraceRegs
}

// whileStopped stops a program, calls f, and lets the program go on, whatever f returns.
func whileStopped(pid int, f func(*stopped) error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // ptrace belongs to a thread; this one ends with the goroutine
		s := &stopped{pid: pid, threads: map[int]*thread{}}
		err := s.seize()
		if err == nil {
			err = f(s)
		}
		result <- errors.Join(err, s.release())
	}()
	return <-result
}

// seize stops all threads, those too that begin while it does.
func (s *stopped) seize() error {
	for {
		ids, err := threadsOf(s.pid)
		if err != nil {
			return err
		}
		found := false
		for _, id := range ids {
			if s.threads[id] != nil {
				continue
			}
			found = true
			if err := s.seizeThread(id); err != nil {
				return err
			}
		}
		if s.ended {
			return recording.Errorf(recording.CodeNotFound, "process %d ended, or became another program, while smiley was stopping it", s.pid)
		}
		if !found {
			return nil
		}
	}
}

func threadsOf(pid int) ([]int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, recording.Errorf(recording.CodeNotFound, "there is no process %d: %w", pid, err)
	}
	var ids []int
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (s *stopped) seizeThread(id int) error {
	if err := unix.PtraceSeize(id); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return nil // it ended
		}
		return recording.Errorf(recording.CodePermission, "the system does not let smiley trace process %d: %w", s.pid, err).
			WithHint("another tracer may be attached; else look at /proc/sys/kernel/yama/ptrace_scope, and in a container at CAP_SYS_PTRACE")
	}
	if err := unix.PtraceInterrupt(id); err != nil && !errors.Is(err, unix.ESRCH) {
		return recording.Errorf(recording.CodeInternal, "stopping thread %d: %w", id, err)
	}
	t := &thread{id: id}
	alive, err := s.await(t)
	if err != nil || !alive {
		return err
	}
	if err := unix.PtraceGetRegs(id, &t.regs); err != nil {
		return recording.Errorf(recording.CodeInternal, "reading registers of thread %d: %w", id, err)
	}
	s.threads[id] = t
	return nil
}

// await waits for the thread to stop; false when it ended instead. A thread that executes another program ends all others first, and
// does not stop until those that we trace have been waited for.
func (s *stopped) await(t *thread) (bool, error) {
	const patient = 200 // looks, after which it may be that
	for looks := 0; ; looks++ {
		alive, stopped, err := t.look(syscall.WNOHANG)
		if err != nil || !alive || stopped {
			return alive, err
		}
		if looks < patient {
			runtime.Gosched()
			continue
		}
		for id := range s.threads {
			var status syscall.WaitStatus
			n, err := syscall.Wait4(id, &status, syscall.WALL|syscall.WNOHANG, nil)
			if n == id && err == nil && !status.Stopped() {
				delete(s.threads, id)
				s.ended = true
			}
		}
		time.Sleep(50 * time.Microsecond) // nothing tells
	}
}

// wait waits for the thread to stop; false when it ended instead.
func (t *thread) wait() (bool, error) {
	alive, _, err := t.look(0)
	return alive, err
}

// look sees whether the thread has stopped, or ended.
func (t *thread) look(options int) (alive, stopped bool, err error) {
	for {
		var status syscall.WaitStatus
		n, err := syscall.Wait4(t.id, &status, syscall.WALL|options, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err == nil && n == 0:
			return true, false, nil
		case errors.Is(err, syscall.ECHILD):
			return false, false, nil
		case err != nil:
			return false, false, recording.Errorf(recording.CodeInternal, "waiting for thread %d: %w", t.id, err)
		case !status.Stopped():
			return false, false, nil
		}
		if event := int(status) >> 16; event == 0 && status.StopSignal() != syscall.SIGTRAP {
			t.signal = status.StopSignal() // handed on with the detach
		}
		return true, true, nil
	}
}

// release lets all threads go on.
func (s *stopped) release() error {
	var first error
	for _, t := range s.threads {
		if err := t.detach(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// detach lets the thread go on, and delivers the signal that it stopped with.
func (t *thread) detach() error {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(t.id), 0, uintptr(t.signal), 0, 0)
	if errno != 0 && errno != unix.ESRCH {
		return recording.Errorf(recording.CodeInternal, "letting thread %d go: %w", t.id, errno)
	}
	return nil
}

// any returns the thread that calls are made on: the lowest number, so that it is always the same.
func (s *stopped) any() *thread {
	var best *thread
	for _, t := range s.threads {
		if best == nil || t.id < best.id {
			best = t
		}
	}
	return best
}
