//go:build linux && amd64

package install

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// claimPatience bounds the waiting for another tracer to finish with a program: attaching takes some hundred milliseconds.
const claimPatience = 5 * time.Second

// Claim makes sure that this process alone puts probes into a running program, or takes them out, until release is called. Two
// that found out at once that nobody records a program would replace each other's signal handler. The claim is a name of the
// kernel's, which goes with the process that holds it, in whatever way.
func Claim(pid int) (release func(), err error) {
	name, err := claimName(pid)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "claiming process %d: %w", pid, err)
	}
	for deadline := time.Now().Add(claimPatience); ; {
		err := unix.Bind(fd, &unix.SockaddrUnix{Name: name})
		switch {
		case err == nil:
			return func() { _ = unix.Close(fd) }, nil
		case !errors.Is(err, unix.EADDRINUSE):
			_ = unix.Close(fd)
			return nil, recording.Errorf(recording.CodeInternal, "claiming process %d: %w", pid, err)
		case time.Now().After(deadline):
			_ = unix.Close(fd)
			return nil, recording.Errorf(recording.CodeLocked, "another smiley is attaching to process %d, or cleaning it", pid).WithHint("try again")
		}
		time.Sleep(time.Millisecond) // nothing tells when a name is free
	}
}

// claimName is a name for a process that no later one can have: its number and when it began.
func claimName(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", recording.Errorf(recording.CodeNotFound, "there is no process %d: %w", pid, err)
	}
	const began = 19 // position of the field behind the command's name
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) <= began {
		return "", recording.Errorf(recording.CodeInternal, "process %d cannot be told from others", pid)
	}
	return fmt.Sprintf("@smiley/%d/%s", pid, fields[began]), nil
}
