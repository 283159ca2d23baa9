//go:build linux && amd64

package tracer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/install"
)

// seesProcesses makes sure that /proc is there and shows the processes of this pid namespace: programs are read, and written, through it,
// and under the same number another namespace has another one.
func seesProcesses() error {
	self, err := os.Readlink("/proc/self")
	switch {
	case err == nil && self == strconv.Itoa(os.Getpid()):
		return nil
	case err == nil:
		return recording.Errorf(recording.CodeUnsupported, "/proc shows the processes of another pid namespace than smiley's").
			WithHint("mount -t proc proc /proc, in a mount namespace of its own; unshare does so with --mount-proc")
	}
	return recording.Errorf(recording.CodeUnsupported, "/proc is not mounted, through which smiley reads programs: %w", err).
		WithHint("mount -t proc proc /proc")
}

// findProcess makes sure that pid is a process that can have probes, as far as that can be seen without touching it, and returns the path
// of its program.
func findProcess(pid int) (path string, err error) {
	if err := seesProcesses(); err != nil {
		return "", err
	}
	path, err = os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return "", noProcess(pid, err)
	}
	switch process := install.StatusNumber(pid, "Tgid"); process {
	case os.Getpid():
		return "", recording.Errorf(recording.CodeInvalid, "process %d is this smiley itself", pid).WithHint("pgrep NAME finds others")
	case pid, 0: // or it has just ended
		return path, nil
	default:
		return "", recording.Errorf(recording.CodeInvalid, "%d is a thread of process %d", pid, process).
			WithHint("name the process, %d", process)
	}
}

// noProcess says why the program of a process cannot be told.
func noProcess(pid int, err error) error {
	state, flags := processState(pid)
	over := isOver(state, flags)
	switch parent := install.StatusNumber(pid, "PPid"); {
	case flags&kernelThread != 0:
		return recording.Errorf(recording.CodeUnsupported, "process %d is a thread of the kernel and runs no program", pid).WithHint("pgrep NAME finds programs")
	case over && parent != 0:
		return recording.Errorf(recording.CodeNotFound, "process %d has ended; its parent, process %d, has not taken notice yet", pid, parent).
			WithHint("pgrep NAME finds programs that run; smiley run records one from its beginning")
	case state != "" && !over || errors.Is(unix.Kill(pid, 0), unix.EPERM): // it is there, perhaps where /proc hides it
		return install.Forbidden(pid, fmt.Sprintf("process %d", pid), err)
	}
	return recording.Errorf(recording.CodeNotFound, "there is no process %d: %w", pid, err).WithHint("pgrep NAME finds one")
}

// Flags of threads.
const (
	exiting      = 0x00000004 // it is about to end (PF_EXITING)
	kernelThread = 0x00200000 // it has no program (PF_KTHREAD)
)

// processState returns the letter of a process's state and its flags; "" when the system says nothing.
func processState(pid int) (state string, flags uint64) {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	const flagsAt = 6 // behind the name, which may have anything in it
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) <= flagsAt {
		return "", 0
	}
	flags, _ = strconv.ParseUint(fields[flagsAt], 10, 64) // 0 is nothing
	return fields[0], flags
}

// lives reports whether a process has not ended, collected or not.
func lives(pid int) bool {
	state, _ := processState(pid)
	return state != "" && state != "Z" && state != "X"
}

// isOver reports whether a process of that state and those flags has ended, or is about to.
func isOver(state string, flags uint64) bool {
	return state == "Z" || state == "X" || flags&exiting != 0
}

// hasEnded reports whether a process that something could not be done to has ended, or is about to: the system is done with its memory, and
// says odd things of it, a moment before it says so.
func hasEnded(pid int) bool {
	if state, flags := processState(pid); state == "" || isOver(state, flags) {
		return true
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return errors.Is(err, unix.ESRCH)
	}
	defer func() { _ = unix.Close(fd) }()
	ended, _ := awaitEnd(context.Background(), fd, 100*time.Millisecond)
	return ended
}

// unlessEnded is err, why something could not be done to a process that was there when it began, or that it has ended, which then is why.
func unlessEnded(pid int, err error) error {
	if err == nil {
		return nil
	}
	switch recording.CodeOf(err) {
	case recording.CodeInvalid, recording.CodeCanceled, recording.CodeFull: // nothing of the process
		return err
	}
	if !hasEnded(pid) {
		return err
	}
	return recording.Errorf(recording.CodeNotFound, "process %d has ended meanwhile", pid).
		WithHint("pgrep NAME finds programs that run; smiley run records one from its beginning")
}
