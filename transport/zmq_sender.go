//go:build cgo && unix

package transport

import (
	"errors"
	"time"

	"github.com/pebbe/zmq4"
)

// zmqSender is a senderLink: DEALER for control, PUSH for data.
type zmqSender struct {
	endpoint Endpoint
	keys     *ClientKeys
	longest  int64 // bytes of a message
	ctx      *zmq4.Context
	bell     doorbell

	controlSocket, dataSocket   *zmq4.Socket // nil while hung up
	controlWire, dataWire       *wire
	controlMonitor, dataMonitor *monitor
	established                 bool // the control socket's handshake succeeded
	connected                   bool // something answers there
	messages                    [][]byte
}

// dataQueue is how many blocks the data socket takes before it blocks; windows are smaller.
const dataQueue = 1024

// messageQueue is how many messages of the recorder are read ahead.
const messageQueue = 128

const connectionEvents = zmq4.EVENT_CONNECTED | zmq4.EVENT_DISCONNECTED | zmq4.EVENT_CLOSED | zmq4.EVENT_CONNECT_RETRIED |
	zmq4.EVENT_HANDSHAKE_SUCCEEDED | zmq4.EVENT_HANDSHAKE_FAILED_AUTH | zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL |
	zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL

// newSenderLink returns a link that takes control messages of up to longest bytes.
func newSenderLink(e Endpoint, keys *ClientKeys, longest int64) (senderLink, error) {
	ctx, err := zmq4.NewContext()
	if err != nil {
		return nil, socketError("cannot start ZeroMQ", err)
	}
	return &zmqSender{endpoint: e, keys: keys, longest: longest, ctx: ctx, bell: newDoorbell()}, nil
}

func (l *zmqSender) wake() { l.bell.ring() }

func (l *zmqSender) close() {
	l.hangUp(0)
	_ = l.ctx.Term()
}

// socket opens and connects a socket.
func (l *zmqSender) socket(kind zmq4.Type, address string) (*zmq4.Socket, *wire, *monitor, error) {
	s, err := l.ctx.NewSocket(kind)
	if err != nil {
		return nil, nil, nil, socketError("cannot open a socket", err)
	}
	var o options
	o.set(s.SetLinger(0))
	o.set(s.SetSndhwm(dataQueue))
	o.set(s.SetMaxmsgsize(l.longest))
	o.set(s.SetRcvhwm(messageQueue))
	o.set(s.SetReconnectIvl(-1)) // the protocol decides when to try again
	o.set(s.SetHandshakeIvl(10 * time.Second))
	if l.keys != nil {
		o.set(s.SetCurveServerkey(l.keys.Recorder))
		o.set(s.SetCurvePublickey(l.keys.Own.Public))
		o.set(s.SetCurveSecretkey(l.keys.Own.Secret))
	}
	if o.err != nil {
		return nil, nil, nil, socketError("cannot set up a socket", errors.Join(o.err, s.Close()))
	}
	w, err := l.bell.connect(s)
	if err != nil {
		return nil, nil, nil, socketError("cannot wait for a socket", errors.Join(err, s.Close()))
	}
	m, err := watch(l.ctx, l.bell, s, connectionEvents)
	if err != nil {
		w.cut()
		return nil, nil, nil, socketError("cannot watch a socket", errors.Join(err, s.Close()))
	}
	if err := s.Connect(address); err != nil {
		w.cut()
		m.close()
		return nil, nil, nil, socketError("cannot connect to "+address, errors.Join(err, s.Close()))
	}
	return s, w, m, nil
}

func (l *zmqSender) open() (err error) {
	l.hangUp(0)
	l.controlSocket, l.controlWire, l.controlMonitor, err = l.socket(zmq4.DEALER, l.endpoint.String())
	l.established, l.connected = false, false
	return err
}

func (l *zmqSender) openData(port uint16) (err error) {
	l.dataSocket, l.dataWire, l.dataMonitor, err = l.socket(zmq4.PUSH, l.endpoint.data(port))
	return err
}

func (l *zmqSender) control(message []byte) error {
	if l.controlSocket == nil {
		return nil
	}
	_, err := l.controlSocket.SendBytes(message, zmq4.DONTWAIT)
	if err != nil && !wouldBlock(err) {
		return socketError("cannot send", err)
	}
	return nil
}

func (l *zmqSender) data(envelope, body []byte) (bool, error) {
	_, err := l.dataSocket.SendBytes(envelope, zmq4.DONTWAIT|zmq4.SNDMORE)
	if err == nil {
		_, err = l.dataSocket.SendBytes(body, zmq4.DONTWAIT)
	}
	if err != nil && wouldBlock(err) {
		return false, nil
	}
	if err != nil {
		return false, socketError("cannot send", err)
	}
	return true, nil
}

func (l *zmqSender) wait(timeout time.Duration, writable bool) (linkEvents, error) {
	clear(l.messages)
	l.messages = l.messages[:0]
	events, any, err := l.look(writable)
	if err == nil && !any {
		l.bell.sleep(timeout)
		events, _, err = l.look(writable)
	}
	if err != nil {
		return events, socketError("cannot wait", err)
	}
	return events, nil
}

// look returns what has happened, and whether anything has.
func (l *zmqSender) look(writable bool) (events linkEvents, any bool, err error) {
	message, err := readable(l.controlSocket)
	if err != nil {
		return events, false, err
	}
	if message {
		l.receive()
	}
	for _, m := range []*monitor{l.controlMonitor, l.dataMonitor} {
		if m == nil {
			continue
		}
		change, err := readable(m.events)
		if err != nil {
			return events, false, err
		}
		any = any || change
		if change && events.down == "" {
			events.down, events.keys = l.watched(m)
		}
	}
	if writable && l.dataSocket != nil {
		state, err := ready(l.dataSocket)
		if err != nil {
			return events, false, err
		}
		events.writable = state&zmq4.POLLOUT != 0
	}
	if events.down != "" && l.controlSocket != nil {
		l.receive() // the last words of a recorder that stops come before its end, and are read before it is believed
	}
	events.messages = l.messages
	return events, any || message || events.writable, nil
}

func (l *zmqSender) receive() {
	for range 64 {
		m, ok, err := receive(l.controlSocket, 1)
		if err != nil {
			return
		}
		if ok {
			l.messages = append(l.messages, m[0])
		}
	}
}

// watched reads the events of a monitor and returns why the connection is gone, "" when it is not, and whether it is the keys.
func (l *zmqSender) watched(m *monitor) (down string, keys bool) {
	for {
		event, _, ok := m.next()
		if !ok {
			return down, keys
		}
		switch event {
		case zmq4.EVENT_CONNECTED:
			l.connected = true
		case zmq4.EVENT_HANDSHAKE_SUCCEEDED:
			l.established = true
		case zmq4.EVENT_HANDSHAKE_FAILED_AUTH:
			return "the recorder at " + l.endpoint.String() + " does not accept this key", true
		case zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
			zmq4.EVENT_DISCONNECTED, zmq4.EVENT_CLOSED, zmq4.EVENT_CONNECT_RETRIED:
			if down == "" {
				down, keys = l.lost()
			}
		}
	}
}

// lost says what a connection that has ended means, and whether it is the keys.
func (l *zmqSender) lost() (down string, keys bool) {
	switch {
	case l.established:
		return "the connection to the recorder broke", false
	case l.connected && l.keys != nil:
		return "the recorder at " + l.endpoint.String() + " has no keys or others than expected", true
	case l.connected:
		return "the recorder at " + l.endpoint.String() + " closed the connection: it may want keys, or be no recorder", true
	}
	return "nobody listens at " + l.endpoint.String(), false
}

func (l *zmqSender) hangUp(linger time.Duration) {
	if l.controlSocket != nil {
		l.controlWire.cut()
		l.controlMonitor.close()
		_ = l.controlSocket.SetLinger(linger)
		_ = l.controlSocket.Close()
	}
	if l.dataSocket != nil {
		l.dataWire.cut()
		l.dataMonitor.close()
		_ = l.dataSocket.Close()
	}
	l.controlSocket, l.controlWire, l.controlMonitor = nil, nil, nil
	l.dataSocket, l.dataWire, l.dataMonitor = nil, nil, nil
}
