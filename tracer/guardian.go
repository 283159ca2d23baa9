//go:build linux && amd64

package tracer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/install"
	places "smiley/tracer/probe/site"
)

// will is what a tracer sends to its guardian, with two files: the memory that it shares with the program, and the program's own.
type will struct {
	install.Will
	PID int
}

// guardianAfter is how long a program runs until somebody guards what it writes down.
const guardianAfter = 50 * time.Millisecond

// willMax bounds the bytes of a will.
const willMax = 4 << 10

// appoint has a guardian take over when this tracer is killed. Only a program that nothing but probes records leaves anything. That
// there is no guardian harms nothing as long as nobody is killed. A program that has ended before guardianAfter, which is when done is
// closed, gets none: to start one takes as much as much else at the start of a large program. The guardian has the place among those that want a
// processor that this process was started with: it is not to come last where this one gives way.
func (s *session) appoint(done <-chan struct{}, own scheduling) {
	if s.opt.Guardian == nil || s.probes == nil || s.process.group != nil {
		return
	}
	select {
	case <-done:
		return
	case <-time.After(guardianAfter):
	}
	var socket *os.File
	var err error
	own.start(func() { socket, err = s.opt.Guardian() })
	if err == nil {
		s.guardian = socket
		err = s.bequeath()
	}
	if err != nil {
		warn(s.opt, recording.Errorf(recording.CodeOf(err), "if smiley is killed, what it has not stored will not be counted: %w", err))
	}
}

func (s *session) bequeath() error {
	w, memory := s.probes.installed.Will()
	message, err := json.Marshal(will{w, s.process.pid})
	if err != nil {
		return recording.Errorf(recording.CodeInternal, "writing down what a guardian must know: %w", err)
	}
	program, err := os.Open(s.target.path)
	if err != nil {
		return recording.Errorf(recording.CodePermission, "opening %s: %w", s.target.path, err)
	}
	defer func() { _ = program.Close() }()
	files := unix.UnixRights(int(memory.Fd()), int(program.Fd()))
	if err := unix.Sendmsg(int(s.guardian.Fd()), message, files, nil, unix.MSG_NOSIGNAL); err != nil {
		return recording.Errorf(recording.CodeInternal, "the guardian is gone: %w", err)
	}
	return nil
}

// Guard is what the process at the other end of Options.Guardian does: it waits until the tracer is gone, and if that one was killed, and
// its program with it, hands what was not stored to heir. It closes socket.
func Guard(ctx context.Context, socket *os.File, heir func(*Inheritance) error) error {
	defer func() { _ = socket.Close() }()
	w, files, err := readWill(socket)
	if err != nil || w == nil {
		return err
	}
	memory, program := files[0], files[1]
	defer func() { _ = errors.Join(memory.Close(), program.Close()) }()
	// Now, that its number is not given to another process meanwhile.
	process, err := unix.PidfdOpen(w.PID, 0)
	if err != nil {
		process = -1 // it has ended
	}
	defer func() { _ = unix.Close(process) }()
	if _, err := io.Copy(io.Discard, socket); err != nil { // which ends when the tracer does
		return recording.Errorf(recording.CodeInternal, "waiting for the tracer: %w", err)
	}
	if process >= 0 {
		// The kernel has killed the program already.
		if ended, err := awaitEnd(ctx, process, killedPatience); err != nil {
			return err
		} else if !ended {
			return recording.Errorf(recording.CodeInternal, "the program goes on although the tracer was killed")
		}
	}
	e, err := install.OpenEstate(w.Will, memory)
	if err != nil || e == nil {
		return err
	}
	defer e.Close()
	path := fmt.Sprintf("/proc/self/fd/%d", program.Fd())
	img, err := places.Load(path)
	if err != nil {
		return err
	}
	return inheritOne(&leftover{pid: w.PID, path: path, bias: w.Bias, img: img, estate: e}, heir)
}

// readWill returns nil when the tracer ended before there was anything to leave. The files are the caller's.
func readWill(socket *os.File) (*will, []*os.File, error) {
	message, rights := make([]byte, willMax), make([]byte, unix.CmsgSpace(2*4))
	n, k, _, _, err := unix.Recvmsg(int(socket.Fd()), message, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, nil, recording.Errorf(recording.CodeInternal, "reading what the tracer leaves: %w", err)
	}
	if n == 0 {
		return nil, nil, nil
	}
	var files []*os.File
	controls, err := unix.ParseSocketControlMessage(rights[:k])
	for i := range controls {
		numbers, failed := unix.ParseUnixRights(&controls[i])
		err = errors.Join(err, failed)
		for _, fd := range numbers {
			files = append(files, os.NewFile(uintptr(fd), "left by the tracer"))
		}
	}
	var w will
	if err = errors.Join(err, json.Unmarshal(message[:n], &w)); err == nil && len(files) == 2 {
		return &w, files, nil
	}
	for _, f := range files {
		_ = f.Close()
	}
	return nil, nil, recording.Errorf(recording.CodeDamaged, "what the tracer leaves cannot be read: %w", err)
}

// killedPatience is how long a killed program may take to end: much of its memory may have to be freed.
const killedPatience = 30 * time.Second
