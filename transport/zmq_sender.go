//go:build cgo

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
	waker    *waker

	controlSocket, dataSocket   *zmq4.Socket // nil while hung up
	controlMonitor, dataMonitor *monitor
	established                 bool // the control socket's handshake succeeded
	connected                   bool // something answers there
	poller                      *zmq4.Poller
	dataID                      int
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
	w, err := newWaker(ctx)
	if err != nil {
		return nil, socketError("cannot start ZeroMQ", errors.Join(err, ctx.Term()))
	}
	return &zmqSender{endpoint: e, keys: keys, longest: longest, ctx: ctx, waker: w}, nil
}

func (l *zmqSender) wake() { l.waker.wake() }

func (l *zmqSender) close() {
	l.hangUp(0)
	l.waker.close()
	_ = l.ctx.Term()
}

// socket opens and connects a socket.
func (l *zmqSender) socket(kind zmq4.Type, address string) (*zmq4.Socket, *monitor, error) {
	s, err := l.ctx.NewSocket(kind)
	if err != nil {
		return nil, nil, socketError("cannot open a socket", err)
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
		return nil, nil, socketError("cannot set up a socket", errors.Join(o.err, s.Close()))
	}
	m, err := watch(l.ctx, s, connectionEvents)
	if err != nil {
		return nil, nil, socketError("cannot watch a socket", errors.Join(err, s.Close()))
	}
	if err := s.Connect(address); err != nil {
		m.close()
		return nil, nil, socketError("cannot connect to "+address, errors.Join(err, s.Close()))
	}
	return s, m, nil
}

func (l *zmqSender) open() (err error) {
	l.hangUp(0)
	l.controlSocket, l.controlMonitor, err = l.socket(zmq4.DEALER, l.endpoint.String())
	l.established, l.connected = false, false
	l.rebuild()
	return err
}

func (l *zmqSender) openData(port uint16) (err error) {
	l.dataSocket, l.dataMonitor, err = l.socket(zmq4.PUSH, l.endpoint.data(port))
	l.rebuild()
	return err
}

// rebuild makes the poller for the sockets that are open.
func (l *zmqSender) rebuild() {
	l.poller = zmq4.NewPoller()
	l.poller.Add(l.waker.read, zmq4.POLLIN)
	if l.controlSocket != nil {
		l.poller.Add(l.controlSocket, zmq4.POLLIN)
		l.poller.Add(l.controlMonitor.events, zmq4.POLLIN)
	}
	if l.dataSocket != nil {
		l.poller.Add(l.dataMonitor.events, zmq4.POLLIN)
		l.dataID = l.poller.Add(l.dataSocket, 0)
	}
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
	var events linkEvents
	if l.poller == nil {
		l.rebuild()
	}
	if l.dataSocket != nil {
		var interest zmq4.State
		if writable {
			interest = zmq4.POLLOUT
		}
		if _, err := l.poller.Update(l.dataID, interest); err != nil {
			return events, socketError("cannot wait", err)
		}
	}
	ready, err := poll(l.poller, timeout)
	if err != nil {
		return events, socketError("cannot wait", err)
	}
	clear(l.messages)
	l.messages = l.messages[:0]
	for _, r := range ready {
		switch r.Socket {
		case l.waker.read:
			l.waker.drain()
		case l.controlSocket:
			l.receive()
		case l.dataSocket:
			events.writable = true
		default:
			if down, keys := l.watched(r.Socket); down != "" {
				events.down, events.keys = down, keys
			}
		}
	}
	if events.down != "" && l.controlSocket != nil {
		l.receive() // the last words of a recorder that stops come before its end, and are read before it is believed
	}
	events.messages = l.messages
	return events, nil
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
func (l *zmqSender) watched(s *zmq4.Socket) (down string, keys bool) {
	m := l.controlMonitor
	if l.dataMonitor != nil && s == l.dataMonitor.events {
		m = l.dataMonitor
	}
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
		l.controlMonitor.close()
		_ = l.controlSocket.SetLinger(linger)
		_ = l.controlSocket.Close()
	}
	if l.dataSocket != nil {
		l.dataMonitor.close()
		_ = l.dataSocket.Close()
	}
	l.controlSocket, l.controlMonitor, l.dataSocket, l.dataMonitor = nil, nil, nil, nil
	l.poller = nil
}
