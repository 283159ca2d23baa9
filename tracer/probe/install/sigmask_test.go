//go:build linux && amd64

package install

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestSignalsOfAStub stops a thread by a signal, sends it two others while it runs steps, and lets it go: all three are delivered, as they
// were sent. C libraries look at the sender: with glibc, a thread whose cancellation seems to come from elsewhere ignores it, and
// who joins it waits for ever.
func TestSignalsOfAStub(t *testing.T) {
	pid, img, end := busy(t)
	done := make(chan error, 1)
	go onThread(func() { done <- stepAmongSignals(pid, img.Lookup(stubHost).Addr) })
	if err := <-done; err != nil {
		t.Error(err)
	}
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// stepAmongSignals has the first thread of a program run some instructions at a place, as it would run a stub.
func stepAmongSignals(pid int, at uint64) error {
	const steps = 4 // of those that a function begins with
	if err := unix.PtraceSeize(pid); err != nil {
		return err
	}
	th := &thread{id: pid}
	defer func() { _ = th.detach() }()
	for th.signal != unix.SIGUSR1 { // not SIGURG, which Go sends itself now and then
		if err := unix.Tgkill(pid, pid, unix.SIGUSR1); err != nil {
			return err
		}
		if alive, err := th.wait(); err != nil || !alive {
			return errors.Join(err, fmt.Errorf("the thread lives: %v", alive))
		}
		if th.signal != unix.SIGUSR1 {
			if err := ptrace(unix.PTRACE_CONT, pid, 0, uintptr(th.signal)); err != nil {
				return err
			}
		}
	}
	mask, err := th.signalMask()
	if err != nil {
		return err
	}
	if err := th.setSignalMask(allBut(unix.SIGTRAP)); err != nil {
		return err
	}
	if err := unix.PtraceGetRegs(pid, &th.regs); err != nil {
		return err
	}
	regs := th.regs
	regs.Rip, regs.Orig_rax = at, ^uint64(0)
	if err := unix.PtraceSetRegs(pid, &regs); err != nil {
		return err
	}
	for i := range steps {
		if i == steps/2 {
			for _, s := range []unix.Signal{unix.SIGUSR2, unix.SIGWINCH} {
				if err := unix.Tgkill(pid, pid, s); err != nil {
					return err
				}
			}
		}
		if err := th.step(&regs); err != nil {
			return err
		}
		if th.signal != 0 {
			return fmt.Errorf("step %d was interrupted by %v", i, th.signal)
		}
	}
	if err := errors.Join(th.settle(), unix.PtraceSetRegs(pid, &th.regs), th.setSignalMask(mask)); err != nil {
		return err
	}
	return delivered(th, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH)
}

// delivered lets a thread go on until it was given all these signals, from this process.
func delivered(th *thread, signals ...unix.Signal) error {
	const fromThread = -6 // SI_TKILL
	left := map[unix.Signal]bool{}
	for _, s := range signals {
		left[s] = true
	}
	for len(left) > 0 {
		if err := ptrace(unix.PTRACE_CONT, th.id, 0, uintptr(th.signal)); err != nil {
			return err
		}
		th.signal = 0
		if alive, err := th.wait(); err != nil || !alive {
			return errors.Join(err, fmt.Errorf("the thread lives: %v, to come: %v", alive, left))
		}
		if !left[th.signal] {
			continue
		}
		delete(left, th.signal)
		var info struct { // siginfo_t
			signal, errno, code, _ int32
			pid, uid               int32
			_                      [104]byte
		}
		_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GETSIGINFO, uintptr(th.id), 0, uintptr(unsafe.Pointer(&info)), 0, 0)
		if errno != 0 {
			return errno
		}
		if info.code != fromThread || int(info.pid) != os.Getpid() {
			return fmt.Errorf("%v comes from process %d with code %d, and was sent by %d with %d", th.signal, info.pid, info.code, os.Getpid(), fromThread)
		}
	}
	return nil
}
