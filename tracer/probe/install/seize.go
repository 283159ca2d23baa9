//go:build linux && amd64

package install

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/site"
)

// stopped is a running program whose threads stand still for a moment. It is stopped by PTRACE_SEIZE, which sends no signal
// and eats none; and if we die meanwhile, the kernel lets the program go on.
type stopped struct {
	pid     int
	threads map[int]*thread
	ended   bool // a thread ended that had stopped: only an exec, or the program's end, does that
	gaveUp  atomic.Bool
	result  chan error // has room for one
}

// thread is one thread of a stopped program.
type thread struct {
	of     *stopped // nil for one that this process started
	id     int
	signal unix.Signal // it was about to be delivered when the thread stopped
	regs   unix.PtraceRegs
}

// How long one thread is waited for: the program stands still meanwhile.
var (
	stopPatience  = 10 * time.Second // tests have less
	sleepPatience = time.Second      // for one that sleeps where nothing wakes it
)

// whileStopped stops a program, calls f, and lets the program go on, whatever f returns.
//
// A thread that does not do what it is asked to within stopPatience is given up. When it is looked for, that is an error like others. When
// it runs a step, nothing ends the waiting for it but its stop, or our end: the error is returned at once, and the thread
// that traces the program lets it go as soon as one or the other happens.
func whileStopped(pid int, f func(*stopped) error) error {
	s := &stopped{pid: pid, threads: map[int]*thread{}, result: make(chan error, 1)}
	go onThread(func() {
		err := s.seize()
		if err == nil {
			err = f(s)
		}
		s.finish(errors.Join(err, s.release()))
	})
	return <-s.result
}

// onThread calls f on a thread of its own, which ends with it: ptrace belongs to a thread, and what that traces goes on when it ends. The
// process's first thread does not end with its goroutine, so it is not taken.
func onThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done) // also when f gives up
		onThread(f)
	}()
	<-done
	runtime.UnlockOSThread()
}

// finish says how it went, if nobody has.
func (s *stopped) finish(err error) {
	select {
	case s.result <- err:
	default:
	}
}

// doesNotStop is the error of giving a thread up.
func (s *stopped) doesNotStop(id int) error {
	return recording.Errorf(recording.CodeLocked, "thread %d of process %d does not stop: it waits in the kernel", id, s.pid).
		WithHint("try again; look at /proc/%d/task/%d/stack for what it waits for", s.pid, id)
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

// runs makes sure that a program that is stopped is still the one that img was read from, where it was. What is looked at before
// it is stopped takes long, and it may have become another one meanwhile, whose code is no business of ours.
func (s *stopped) runs(img *site.Image, bias uint64) error { return runs(s.pid, img, bias) }

// runs is the same for a program that is not stopped, and may become another one at any moment.
func runs(pid int, img *site.Image, bias uint64) error {
	file, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	if err == nil && os.SameFile(file, img.File) {
		if now, err := Bias(pid, img); err == nil && now == bias {
			return nil
		}
	}
	return recording.Errorf(recording.CodeNotFound, "process %d became another program meanwhile", pid).WithHint("try again")
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
		return Forbidden(s.pid, fmt.Sprintf("process %d", s.pid), err)
	}
	if err := unix.PtraceInterrupt(id); err != nil && !errors.Is(err, unix.ESRCH) {
		return recording.Errorf(recording.CodeInternal, "stopping thread %d: %w", id, err)
	}
	t := &thread{of: s, id: id}
	alive, err := s.await(t)
	if err != nil || !alive {
		return err
	}
	// What was stepped by a tracer that has died meanwhile may not have got the signal of that step yet. Its handler is about to be the
	// program's own again, and would end the program.
	for tries := 0; tries < 4 && trapPends(s.pid, id); tries++ { // it may stop for being interrupted, or with its program, first
		if err := ptrace(unix.PTRACE_CONT, id, 0, uintptr(t.signal)); err != nil {
			return recording.Errorf(recording.CodeInternal, "letting thread %d take a signal: %w", id, err)
		}
		t.signal = 0
		if alive, err := s.await(t); err != nil || !alive {
			return err
		}
	}
	if err := unix.PtraceGetRegs(id, &t.regs); err != nil {
		return recording.Errorf(recording.CodeInternal, "reading registers of thread %d: %w", id, err)
	}
	s.threads[id] = t
	return nil
}

// trapPends reports whether SIGTRAP waits for a thread that stands still, which takes it before it does anything else.
func trapPends(pid, id int) bool {
	status := fmt.Sprintf("/proc/%d/task/%d/status", pid, id)
	has := func(name string) bool { return statusNumber(status, name, 16)>>(unix.SIGTRAP-1)&1 != 0 }
	return has("SigPnd") && !has("SigBlk")
}

// await waits for the thread to stop; false when it ended instead. A thread that executes another program ends all others first, and
// does not stop until those that we trace have been waited for.
func (s *stopped) await(t *thread) (bool, error) {
	const patient = 200 // looks, after which it may be that
	begin := time.Now()
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
		if waited := time.Since(begin); waited > stopPatience || waited > sleepPatience && asleep(s.pid, t.id) {
			return false, s.doesNotStop(t.id)
		}
		time.Sleep(50 * time.Microsecond) // nothing tells
	}
}

// asleep reports whether a thread sleeps in the kernel and nothing but what it waits for wakes it, such as a disk, or a child that
// has its memory.
func asleep(pid, id int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", pid, id))
	_, rest, found := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	return err == nil && found && len(rest) > 0 && rest[0] == 'D'
}

// wait waits for the thread to stop; false when it ended instead. There is no wait with a limit, and looking again and again is no
// good: see decisions.md. So somebody else looks at the clock.
func (t *thread) wait() (bool, error) {
	s := t.of
	if s == nil {
		alive, _, err := t.look(0)
		return alive, err
	}
	limit := time.AfterFunc(stopPatience, func() {
		s.gaveUp.Store(true)
		s.finish(s.doesNotStop(t.id))
	})
	var over atomic.Bool
	bury(s.pid, t.id, &over)
	alive, _, err := t.look(0)
	over.Store(true)
	limit.Stop()
	if s.gaveUp.Load() {
		runtime.Goexit() // nobody waits for us; the program goes on when this thread ends
	}
	return alive, err
}

// bury takes notice now and then, until over, of the threads of a program that have ended, but of one. A program that is killed has ended for
// its parent, and its first thread for us, only when we have: without it both would wait until that thread is given up.
func bury(pid, but int, over *atomic.Bool) {
	const often = 10 * time.Millisecond // a step takes less than one, usually
	time.AfterFunc(often, func() {
		if over.Load() {
			return
		}
		ids, _ := threadsOf(pid)
		for _, id := range ids {
			if id != but { // of who is not traced there is nothing to be told
				_ = unix.Waitid(unix.P_PID, id, nil, unix.WEXITED|unix.WNOHANG|unix.WALL, nil)
			}
		}
		bury(pid, but, over)
	})
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
	if err := ptrace(unix.PTRACE_DETACH, t.id, 0, uintptr(t.signal)); err != nil && !errors.Is(err, unix.ESRCH) {
		return recording.Errorf(recording.CodeInternal, "letting thread %d go: %w", t.id, err)
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
