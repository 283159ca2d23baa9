//go:build linux && amd64

package install

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// CapSysPtrace is the number of the capability to trace all processes.
const CapSysPtrace = 19

// Forbidden is the error of a process that the system does not let us trace, and names what is in the way. pid is 0 for one that we start
// ourselves; name is what to call it.
func Forbidden(pid int, name string, cause error) *recording.Error {
	s := surroundings{
		uid: os.Geteuid(), capable: Capable(CapSysPtrace), scope: ptraceScope(), filtered: traceFiltered(),
		tracer: LeaderOf(StatusNumber(os.Getpid(), "TracerPid")),
	}
	if pid != 0 {
		s.attach, s.hidden = true, !errors.Is(cause, unix.EPERM)
		s.its = LeaderOf(StatusNumber(pid, "TracerPid"))
		s.owner = StatusNumber(pid, "Uid")
	}
	e := recording.Errorf(recording.CodePermission, "the system does not let smiley trace %s: %w", name, cause)
	return s.explain(e, name)
}

// surroundings are what decides whether a process may be traced.
type surroundings struct {
	uid      int
	capable  bool // CAP_SYS_PTRACE
	scope    int  // of Yama; 0: anything of one's own
	filtered bool // a filter of system calls forbids it
	tracer   int  // of this process; 0: none
	attach   bool // to a process that runs
	hidden   bool // which may not even be looked at, with which Yama has nothing to do
	its      int  // tracer of that process; 0: none
	owner    int  // of that process
}

// explain completes an error with the reason, and with what can be done.
func (s *surroundings) explain(e *recording.Error, name string) *recording.Error {
	switch {
	case s.filtered:
		return e.WithHint("a filter of system calls (seccomp), a container's perhaps, forbids it: docker run --security-opt seccomp=unconfined, or --cap-add SYS_PTRACE")
	case s.attach && s.its != 0:
		e.Code = recording.CodeLocked
		return e.WithHint("process %d traces it, and a program has one tracer at a time: end that one first", s.its)
	case !s.attach && s.tracer != 0:
		e.Code = recording.CodeLocked
		e.Message = fmt.Sprintf("process %d, a debugger or strace, traces smiley and what it starts, so that smiley cannot trace %s: %v", s.tracer, name, e.Err)
		return e.WithHint("start smiley without it; strace without -f leaves alone what smiley starts")
	case s.scope == 3:
		return e.WithHint("/proc/sys/kernel/yama/ptrace_scope is 3: nobody may trace until the machine is started again")
	case s.uid == 0 && !s.capable:
		return e.WithHint("even root needs CAP_SYS_PTRACE here, in a container: docker run --cap-add SYS_PTRACE")
	case s.attach && s.owner != s.uid && !s.capable:
		return e.WithHint("it is another user's: try as root")
	case s.hidden:
		return e.WithHint("its file may not be read or has brought rights along (setuid, capabilities), or it is in another user namespace: try as root")
	case s.scope == 2 && !s.capable:
		return e.WithHint("/proc/sys/kernel/yama/ptrace_scope is 2, with which only root may trace: sudo smiley, or sudo sysctl kernel.yama.ptrace_scope=1 for smiley run, 0 for smiley attach")
	case s.attach && s.scope == 1 && !s.capable:
		return e.WithHint("/proc/sys/kernel/yama/ptrace_scope is 1, with which only root may attach to what runs: sudo smiley attach, or sudo sysctl kernel.yama.ptrace_scope=0; smiley run needs neither")
	case s.attach && !s.capable:
		return e.WithHint("its file may have brought rights along (setuid, capabilities), or it is in another user namespace: try as root")
	}
	return e.WithHint("a security module (SELinux, AppArmor) may forbid it: its log, dmesg or journalctl -k, says so")
}

// ptraceScope is the rule of the Yama security module; 0 when there is none.
func ptraceScope() int {
	text, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err != nil {
		return 0
	}
	scope, _ := strconv.Atoi(strings.TrimSpace(string(text))) // 0 is no rule
	return scope
}

// traceFiltered reports whether a filter of system calls refuses ptrace whatever it is for: there is no process 0, which is what the
// system itself would say.
func traceFiltered() bool {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_INTERRUPT, 0, 0, 0, 0, 0)
	return !errors.Is(errno, unix.ESRCH)
}

// Capable reports whether this process has a capability.
func Capable(number int) bool {
	return statusNumber("/proc/thread-self/status", "CapEff", 16)>>number&1 != 0
}
