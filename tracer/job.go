//go:build linux && amd64

package tracer

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// followJob makes this process and the program one job for the shell that started us, until done is closed. The program has a process group
// of its own, so that the keyboard's signals reach it first; the shell knows ours alone. When the keyboard stops the program, or what it does
// in the background, we stop, too, or nobody would get the terminal back; when the shell has us go on, the program does.
func (s *session) followJob(done <-chan struct{}) {
	events := make(chan os.Signal, 8)
	signal.Notify(events, syscall.SIGCHLD, syscall.SIGCONT)
	defer signal.Stop(events)
	stoppable := !signal.Ignored(syscall.SIGTSTP)
	if stoppable {
		signal.Notify(events, syscall.SIGTSTP)
	}
	asked := false // the keyboard's signal came to us
	for {
		// The program runs already: what stopped it before we listened is seen in the first turn.
		if stoppable && (asked || s.process.terminal >= 0) && s.process.suspended() {
			asked = false
			s.process.suspend()
			s.process.resume()
		}
		select {
		case <-done:
			return
		case event := <-events:
			switch event {
			case syscall.SIGTSTP:
				asked = true
				_ = unix.Kill(-s.process.pid, unix.SIGTSTP)
			case syscall.SIGCONT:
				s.process.resume()
			}
		}
	}
}

// suspended reports whether job control has stopped the program. What SIGSTOP stops is no job's matter, and who sent it may not know us.
func (p *process) suspended() bool {
	const (
		stopped  = 5  // CLD_STOPPED
		statusAt = 24 // offset of si_status
	)
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, p.pid, &info, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil || info.Code != stopped {
		return false
	}
	switch status := (*[unsafe.Sizeof(info)]byte)(unsafe.Pointer(&info))[statusAt]; syscall.Signal(status) {
	case syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
		return true
	}
	return false
}

// suspend stops our process group as the keyboard would have done, and returns when we go on: at once when no shell is there that could have
// us go on.
func (p *process) suspend() {
	p.takeTerminal()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const byDefault, ignored = 0, 1 // SIG_DFL, SIG_IGN
	usual := setAction(unix.SIGTSTP, sigaction{handler: ignored})
	_ = unix.Kill(0, unix.SIGTSTP) // those beside us; a stop of ours that it began could be over before the next line, and there would be two
	setAction(unix.SIGTSTP, sigaction{handler: byDefault})
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGTSTP) // a signal to one's own thread has come when the call returns
	setAction(unix.SIGTSTP, usual)
}

// sigaction is what the kernel calls so.
type sigaction struct{ handler, flags, restorer, mask uint64 }

// setAction changes what a signal does to this process, and returns what it did. Package signal cannot do that: it ignores a signal for good
// that it was once asked to notify of.
func setAction(sig syscall.Signal, to sigaction) (usual sigaction) {
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION,
		uintptr(sig), uintptr(unsafe.Pointer(&to)), uintptr(unsafe.Pointer(&usual)), unsafe.Sizeof(usual.mask), 0, 0)
	return usual
}

// resume has the program go on, in the foreground if that is where we are.
func (p *process) resume() {
	foreground := false
	if p.terminal >= 0 {
		group, err := unix.IoctlGetInt(p.terminal, unix.TIOCGPGRP)
		foreground = err == nil && group == p.ownGroup && unix.IoctlSetPointerInt(p.terminal, unix.TIOCSPGRP, p.pid) == nil
	}
	if foreground || p.suspended() {
		_ = unix.Kill(-p.pid, unix.SIGCONT)
	}
}

// takeTerminal takes the terminal back from the program, if the program has it.
func (p *process) takeTerminal() {
	if p.terminal < 0 {
		return
	}
	if group, err := unix.IoctlGetInt(p.terminal, unix.TIOCGPGRP); err == nil && group != p.pid {
		return // a shell has given it to somebody else
	}
	// In the background this raises SIGTTOU, which launch has made us ignore.
	_ = unix.IoctlSetPointerInt(p.terminal, unix.TIOCSPGRP, p.ownGroup)
}
