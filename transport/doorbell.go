//go:build cgo && unix

package transport

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// doorbell wakes one goroutine when something may have happened: on a ZeroMQ socket that is wired to it, or elsewhere, as
// whoever rings it knows.
//
// The goroutine sleeps as Go's do, not in zmq_poll. A thread that waits inside the library keeps one of the few
// processors that Go runs goroutines on, until the runtime notices: with two of them, and a program's blocks being built and
// encoded at the same time, a tenth of the machine stood idle that way.
type doorbell struct{ rung chan struct{} }

func newDoorbell() doorbell { return doorbell{make(chan struct{}, 1)} }

// ring is safe for any goroutine, at any time. Rings that come before the sleeper looks are one.
func (d doorbell) ring() {
	select {
	case d.rung <- struct{}{}:
	default:
	}
}

// sleep waits for a ring since the last one was heard, at most for timeout.
func (d doorbell) sleep(timeout time.Duration) {
	if timeout <= 0 {
		return
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-d.rung:
	case <-timer.C:
	}
}

// wire lets a socket ring a doorbell.
type wire struct {
	file  *os.File // a descriptor of its own for what ZeroMQ signals with
	ended chan struct{}
}

// connect lets s ring whenever ZeroMQ has something to tell its owner. What that is, ready says: a ring may mean nothing, and
// what was told while the owner used the socket need not ring. So the owner asks ready of all sockets before each sleep.
func (d doorbell) connect(s *zmq4.Socket) (*wire, error) {
	fd, err := s.GetFd()
	if err != nil {
		return nil, err
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	w := &wire{file: os.NewFile(uintptr(own), "zmq"), ended: make(chan struct{})}
	raw, err := w.file.SyscallConn()
	if err == nil {
		err = w.file.SetReadDeadline(time.Time{}) // fails when Go cannot wait for it
	}
	if err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	go func() {
		defer close(w.ended)
		// It reads nothing, that is for ZeroMQ to do, but is called for every signal until the file is closed.
		_ = raw.Read(func(uintptr) bool {
			d.ring()
			return false
		})
	}()
	return w, nil
}

// cut ends the ringing. It is safe to call on nil.
func (w *wire) cut() {
	if w != nil {
		_ = w.file.Close()
		<-w.ended
	}
}

// ready reports what can be done with a socket without waiting.
func ready(s *zmq4.Socket) (zmq4.State, error) {
	for {
		state, err := s.GetEvents()
		if err == nil || zmq4.AsErrno(err) != zmq4.Errno(syscall.EINTR) {
			return state, err
		}
	}
}

// readable reports whether there is a message. A socket that is nil has none.
func readable(s *zmq4.Socket) (bool, error) {
	if s == nil {
		return false, nil
	}
	state, err := ready(s)
	return state&zmq4.POLLIN != 0, err
}
