//go:build cgo

package transport

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"smiley/recording"
)

// wouldBlock reports whether err says that there is nothing to read or no room to write.
func wouldBlock(err error) bool { return zmq4.AsErrno(err) == zmq4.Errno(syscall.EAGAIN) }

func interrupted(err error) bool { return zmq4.AsErrno(err) == zmq4.Errno(syscall.EINTR) }

// poll waits until one of the sockets is ready, at most for timeout.
func poll(p *zmq4.Poller, timeout time.Duration) ([]zmq4.Polled, error) {
	// The library counts whole milliseconds; a deadline that is nearer must not make it spin.
	timeout = max(timeout, 0)
	timeout = (min(timeout, time.Minute) + time.Millisecond - 1).Truncate(time.Millisecond)
	ready, err := p.Poll(timeout)
	if err != nil && interrupted(err) {
		return nil, nil
	}
	return ready, err
}

// option sets an option of a socket; the first error stays.
type options struct{ err error }

func (o *options) set(err error) {
	if o.err == nil {
		o.err = err
	}
}

// waker ends a poll from another goroutine. Sockets must not be shared between threads, so the writing end is guarded.
type waker struct {
	read    *zmq4.Socket
	mu      sync.Mutex
	write   *zmq4.Socket
	pending atomic.Bool
}

func newWaker(ctx *zmq4.Context) (*waker, error) {
	read, err := ctx.NewSocket(zmq4.PAIR)
	if err != nil {
		return nil, err
	}
	write, err := ctx.NewSocket(zmq4.PAIR)
	if err != nil {
		return nil, errors.Join(err, read.Close())
	}
	var o options
	for _, s := range []*zmq4.Socket{read, write} {
		o.set(s.SetLinger(0))
	}
	o.set(read.Bind("inproc://wake"))
	o.set(write.Connect("inproc://wake"))
	if o.err != nil {
		return nil, errors.Join(o.err, read.Close(), write.Close())
	}
	return &waker{read: read, write: write}, nil
}

// wake is safe for any goroutine, also after close.
func (w *waker) wake() {
	if w.pending.Swap(true) {
		return // the one that sleeps has not looked yet
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.write != nil {
		// The only thing that can go wrong is that the reading end is gone.
		_, _ = w.write.SendBytes(nil, zmq4.DONTWAIT)
	}
}

// drain is called by the sleeper when it is awake, before it looks at what happened.
func (w *waker) drain() {
	for {
		if _, err := w.read.RecvBytes(zmq4.DONTWAIT); err != nil {
			break
		}
	}
	// Last: were it first, the message of a wake in between would be read with the others, and no wake would send one again.
	w.pending.Store(false)
}

func (w *waker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.write.Close()
	_ = w.read.Close()
	w.write = nil
}

// receive reads a message of the given number of parts; a longer one is read to its end and reported as not ok.
func receive(s *zmq4.Socket, parts int) (message [][]byte, ok bool, err error) {
	message = make([][]byte, 0, parts)
	for n := 0; ; n++ {
		part, err := s.RecvBytes(zmq4.DONTWAIT)
		if err != nil {
			return nil, false, err
		}
		if n < parts {
			message = append(message, part)
		}
		more, err := s.GetRcvmore()
		if err != nil {
			return nil, false, err
		}
		if !more {
			return message, n == parts-1, nil
		}
	}
}

// monitor tells what happens to the connections of a socket.
type monitor struct {
	socket *zmq4.Socket // the one that is watched
	events *zmq4.Socket
}

var monitorSerial atomic.Uint64

func watch(ctx *zmq4.Context, s *zmq4.Socket, which zmq4.Event) (*monitor, error) {
	address := fmt.Sprintf("inproc://monitor-%d", monitorSerial.Add(1))
	if err := s.Monitor(address, which); err != nil {
		return nil, err
	}
	events, err := ctx.NewSocket(zmq4.PAIR)
	if err != nil {
		return nil, errors.Join(err, s.Monitor("", 0))
	}
	m := &monitor{socket: s, events: events}
	if err := errors.Join(events.SetLinger(0), events.Connect(address)); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// next returns the next event, false when there is none.
func (m *monitor) next() (zmq4.Event, int, bool) {
	event, _, value, err := m.events.RecvEvent(zmq4.DONTWAIT)
	return event, value, err == nil
}

// close must come before the watched socket is closed.
func (m *monitor) close() {
	_ = m.socket.Monitor("", 0)
	_ = m.events.Close()
}

func socketError(what string, err error) error {
	return recording.Errorf(recording.CodeInternal, "%s: %w", what, err)
}
