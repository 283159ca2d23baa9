//go:build linux && amd64

package tracer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/go-delve/delve/pkg/proc"
	"golang.org/x/sys/unix"

	"smiley/recording"
)

// ending is how the program ended.
type ending struct {
	code   int
	signal syscall.Signal // 0: it exited by itself
}

// reapPatience bounds the wait for the kernel to finish with a program that is known to be dying.
const reapPatience = 10 * time.Second

// endingOf explains an error of Delve's Continue: how the program ended, or that it has not.
func (p *process) endingOf(err error) (ending, bool) {
	var exited proc.ErrProcessExited
	if errors.As(err, &exited) {
		if exited.Status < 0 {
			return ending{signal: syscall.Signal(-exited.Status)}, true
		}
		return ending{code: exited.Status}, true
	}
	// A program that is killed while it is stopped shows up as a failed ptrace request. Delve does not look further.
	if !gone(err) && !p.dying() {
		return ending{}, false
	}
	end, err := p.reap()
	_ = p.group.Detach(false) // it fails, but ends Delve's ptrace thread
	return end, err == nil
}

// gone reports whether a ptrace request failed because its thread is not stopped any longer: SIGKILL alone does that.
// Delve does not always wrap what the system said.
func gone(err error) bool {
	return errors.Is(err, unix.ESRCH) || strings.Contains(err.Error(), unix.ESRCH.Error())
}

// dying reports whether the program is gone or about to be.
func (p *process) dying() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return true
	}
	for _, line := range strings.Split(string(stat), "\n") {
		if state, ok := strings.CutPrefix(line, "State:"); ok {
			state = strings.TrimSpace(state)
			return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
		}
		// A SIGKILL that has been sent but not acted on yet.
		for _, field := range []string{"SigPnd:", "ShdPnd:"} {
			if set, ok := strings.CutPrefix(line, field); ok {
				var bits uint64
				if _, err := fmt.Sscanf(strings.TrimSpace(set), "%x", &bits); err == nil && bits&(1<<(uint(unix.SIGKILL)-1)) != 0 {
					return true
				}
			}
		}
	}
	return false
}

// reap collects a dying program and its threads: the kernel reports the end of the process only when every traced
// thread has been collected.
func (p *process) reap() (ending, error) {
	deadline := time.Now().Add(reapPatience)
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return ending{}, recording.Errorf(recording.CodeInternal, "nobody knows how the program ended: %w", err)
		case pid == p.pid && status.Exited():
			return ending{code: status.ExitStatus()}, nil
		case pid == p.pid && status.Signaled():
			return ending{signal: status.Signal()}, nil
		case pid == 0 && time.Now().After(deadline):
			return ending{}, recording.Errorf(recording.CodeInternal, "the program is dying and does not die")
		case pid == 0:
			time.Sleep(time.Millisecond) // polling: no wait call has a deadline
		}
	}
}

// wait waits for the end of a program that Delve does not trace any longer.
func (p *process) wait() (ending, error) {
	if fd, err := unix.PidfdOpen(p.pid, 0); err == nil { // else the kernel has no means for it
		_, _ = awaitEnd(context.Background(), fd, 0)
		_ = unix.Close(fd)
	}
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(p.pid, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return ending{}, recording.Errorf(recording.CodeInternal, "nobody knows how the program ended: %w", err)
		case status.Exited():
			return ending{code: status.ExitStatus()}, nil
		case status.Signaled():
			return ending{signal: status.Signal()}, nil
		}
	}
}

// awaitEnd waits until the process that a pidfd stands for has ended, without collecting it. It is false when the limit passed first; 0 is
// no limit. Waiting for a process by its number also takes note of its stops, which belong to whoever stops it to write its code.
func awaitEnd(ctx context.Context, process int, limit time.Duration) (ended bool, err error) {
	canceled, cancel, err := os.Pipe()
	if err != nil {
		return false, recording.Errorf(recording.CodeInternal, "waiting for the program: %w", err)
	}
	defer func() { _ = canceled.Close() }()
	defer func() { _ = cancel.Close() }()
	defer context.AfterFunc(ctx, func() { _ = cancel.Close() })()
	for begin := time.Now(); ; {
		left := -1 // for ever
		if limit > 0 {
			left = int(max(limit-time.Since(begin), 0).Milliseconds())
		}
		polled := []unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}, {Fd: int32(canceled.Fd())}}
		n, err := unix.Poll(polled, left)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || polled[0].Revents != 0:
			return true, nil
		case ctx.Err() != nil:
			return false, recording.Errorf(recording.CodeCanceled, "interrupted: %w", ctx.Err())
		case n == 0 && left >= 0:
			return false, nil
		}
	}
}

// signalName returns "SIGKILL" and the like.
func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(s))
}
