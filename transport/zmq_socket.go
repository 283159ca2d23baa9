//go:build cgo && unix

package transport

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"

	"github.com/pebbe/zmq4"

	"smiley/recording"
)

// wouldBlock reports whether err says that there is nothing to read or no room to write.
func wouldBlock(err error) bool { return zmq4.AsErrno(err) == zmq4.Errno(syscall.EAGAIN) }

// options sets options of a socket one after the other; the first error stays.
type options struct{ err error }

func (o *options) set(err error) {
	if o.err == nil {
		o.err = err
	}
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
	wire   *wire
}

var monitorSerial atomic.Uint64

func watch(ctx *zmq4.Context, bell doorbell, s *zmq4.Socket, which zmq4.Event) (*monitor, error) {
	address := fmt.Sprintf("inproc://monitor-%d", monitorSerial.Add(1))
	if err := s.Monitor(address, which); err != nil {
		return nil, err
	}
	events, err := ctx.NewSocket(zmq4.PAIR)
	if err != nil {
		return nil, errors.Join(err, s.Monitor("", 0))
	}
	m := &monitor{socket: s, events: events}
	if err = errors.Join(events.SetLinger(0), events.Connect(address)); err == nil {
		m.wire, err = bell.connect(events)
	}
	if err != nil {
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
	m.wire.cut()
	_ = m.socket.Monitor("", 0)
	_ = m.events.Close()
}

func socketError(what string, err error) error {
	return recording.Errorf(recording.CodeInternal, "%s: %w", what, err)
}
