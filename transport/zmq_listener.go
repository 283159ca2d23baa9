//go:build cgo && unix

package transport

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"smiley/recording"
	"smiley/transport/protocol"
)

// zmqListener is a listenerLink: ROUTER for control, PULL for data, and, with keys, the handler that ZeroMQ asks whether
// to let a client in.
type zmqListener struct {
	keys    *ServerKeys
	ctx     *zmq4.Context
	bell    doorbell
	sockets []*zmq4.Socket
	wires   []*wire
	ctrl    *zmq4.Socket
	pull    *zmq4.Socket
	zap     *zmq4.Socket // nil without keys
	watch   []*monitor
}

// burst is how many messages of one socket are read before the others have a turn.
const burst = 64

// queued is how many blocks of one connection ZeroMQ reads ahead. The protocol's windows bound the rest.
const queued = 16

func newListenerLink(keys *ServerKeys) (listenerLink, error) {
	ctx, err := zmq4.NewContext()
	if err != nil {
		return nil, socketError("cannot start ZeroMQ", err)
	}
	return &zmqListener{keys: keys, ctx: ctx, bell: newDoorbell()}, nil
}

func (l *zmqListener) wake() { l.bell.ring() }

func (l *zmqListener) socket(kind zmq4.Type, limit int64) (*zmq4.Socket, error) {
	s, err := l.ctx.NewSocket(kind)
	if err != nil {
		return nil, socketError("cannot open a socket", err)
	}
	l.sockets = append(l.sockets, s)
	var o options
	o.set(s.SetLinger(0))
	o.set(s.SetMaxmsgsize(limit))
	o.set(s.SetHandshakeIvl(10 * time.Second))
	o.set(s.SetHeartbeatIvl(5 * time.Second)) // a peer whose machine is gone does not keep its connection
	o.set(s.SetHeartbeatTimeout(15 * time.Second))
	if l.keys != nil {
		o.set(s.SetCurveServer(1))
		o.set(s.SetCurveSecretkey(l.keys.Own.Secret))
		o.set(s.SetZapDomain("smiley"))
	}
	if o.err != nil {
		return nil, socketError("cannot set up a socket", o.err)
	}
	return s, nil
}

func (l *zmqListener) bind(e Endpoint) (Endpoint, uint16, error) {
	if l.keys != nil {
		zap, err := l.ctx.NewSocket(zmq4.REP)
		if err != nil {
			return e, 0, socketError("cannot open a socket", err)
		}
		l.sockets, l.zap = append(l.sockets, zap), zap
		if err := errors.Join(zap.SetLinger(0), zap.Bind("inproc://zeromq.zap.01")); err != nil {
			return e, 0, socketError("cannot set up the check of keys", err)
		}
	}
	var err error
	if l.ctrl, err = l.socket(zmq4.ROUTER, protocol.MaxControl); err != nil {
		return e, 0, err
	}
	if l.pull, err = l.socket(zmq4.PULL, protocol.MaxBlock); err != nil {
		return e, 0, err
	}
	if err := l.pull.SetRcvhwm(queued); err != nil {
		return e, 0, socketError("cannot set up a socket", err)
	}
	e, port, err := l.bindBoth(e)
	if err != nil {
		return e, 0, err
	}
	for _, s := range l.sockets {
		w, err := l.bell.connect(s)
		if err != nil {
			return e, 0, socketError("cannot wait for a socket", err)
		}
		l.wires = append(l.wires, w)
	}
	return e, port, nil
}

func (l *zmqListener) bindBoth(e Endpoint) (Endpoint, uint16, error) {
	for _, s := range []*zmq4.Socket{l.ctrl, l.pull} {
		m, err := watch(l.ctx, l.bell, s, zmq4.EVENT_HANDSHAKE_FAILED_AUTH|zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL|
			zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL|zmq4.EVENT_DISCONNECTED)
		if err != nil {
			return e, 0, socketError("cannot watch a socket", err)
		}
		l.watch = append(l.watch, m)
	}
	if e.Transport == "ipc" {
		return e, 0, l.bindPaths(e)
	}
	wanted := e.Port
	for try := 1; ; try++ {
		var err error
		if e.Port, err = bindPort(l.ctrl, e, wanted); err != nil {
			return e, 0, err
		}
		port, err := bindPort(l.pull, e, e.Port+1)
		if err == nil {
			return e, port, nil
		}
		// Of any free port the next one may be taken: another is tried.
		if wanted != 0 || try == freePortTries || l.ctrl.Unbind(e.String()) != nil {
			return e, 0, err
		}
	}
}

// freePortTries is how many free ports are tried until the next one is free too.
const freePortTries = 20

// bindPaths binds ipc sockets: for this user alone, and not over those of a recorder that lives.
func (l *zmqListener) bindPaths(e Endpoint) error {
	for _, path := range []string{e.Path, e.Path + dataSuffix} {
		if c, err := net.Dial("unix", path); err == nil {
			return errors.Join(inUse(e, syscall.EADDRINUSE), c.Close())
		}
	}
	if err := l.ctrl.Bind(e.String()); err != nil {
		return bindError(e, err)
	}
	if err := l.pull.Bind(e.data(0)); err != nil {
		return bindError(e, err)
	}
	return errors.Join(os.Chmod(e.Path, 0o600), os.Chmod(e.Path+dataSuffix, 0o600))
}

// bindPort binds a TCP port, any when it is 0, and returns it.
func bindPort(s *zmq4.Socket, e Endpoint, port uint16) (uint16, error) {
	e.Port = port
	address := e.String()
	if port == 0 {
		address = strings.TrimSuffix(address, "0") + "*"
	}
	if err := s.Bind(address); err != nil {
		return 0, bindError(e, err)
	}
	last, err := s.GetLastEndpoint()
	if err != nil {
		return 0, socketError("cannot read an address", err)
	}
	n, err := strconv.ParseUint(last[strings.LastIndexByte(last, ':')+1:], 10, 16)
	if err != nil {
		return 0, socketError("cannot read an address", err)
	}
	return uint16(n), nil
}

func inUse(e Endpoint, err error) error {
	return recording.Errorf(recording.CodeLocked, "somebody else listens at %s already: %w", e, err).
		WithHint("stop the other recorder, or choose another address with --listen")
}

func bindError(e Endpoint, err error) error {
	switch zmq4.AsErrno(err) {
	case zmq4.Errno(syscall.EADDRINUSE):
		return inUse(e, err)
	case zmq4.Errno(syscall.ENOENT), zmq4.Errno(syscall.ENOTDIR):
		return recording.Errorf(recording.CodeNotFound, "cannot listen at %s: %w", e, err).
			WithHint("the directory of the socket must exist")
	case zmq4.Errno(syscall.EACCES), zmq4.Errno(syscall.EPERM):
		return recording.Errorf(recording.CodePermission, "cannot listen at %s: %w", e, err).
			WithHint("choose a port above 1023, or a path that you may write")
	}
	return recording.Errorf(recording.CodeInvalid, "cannot listen at %s: %w", e, err).
		WithHint("the address must be one of this machine")
}

func (l *zmqListener) reply(peer string, message []byte) {
	// A ROUTER drops what a peer does not take, and never blocks.
	if _, err := l.ctrl.Send(peer, zmq4.DONTWAIT|zmq4.SNDMORE); err == nil {
		_, _ = l.ctrl.SendBytes(message, zmq4.DONTWAIT)
	}
}

func (l *zmqListener) wait(timeout time.Duration, h listenerEvents) error {
	any, err := l.look(h)
	if err == nil && !any {
		l.bell.sleep(timeout)
		_, err = l.look(h)
	}
	if err != nil {
		return socketError("cannot wait", err)
	}
	return nil
}

// look hands over what has happened, and reports whether anything has.
func (l *zmqListener) look(h listenerEvents) (any bool, err error) {
	for _, s := range l.sockets {
		message, err := readable(s)
		if err != nil {
			return any, err
		}
		if !message {
			continue
		}
		any = true
		switch s {
		case l.ctrl:
			l.readControl(h)
		case l.pull:
			l.readData(h)
		case l.zap:
			l.admit(h)
		}
	}
	for _, m := range l.watch {
		change, err := readable(m.events)
		if err != nil {
			return any, err
		}
		if change {
			any = true
			l.watched(m, h)
		}
	}
	return any, nil
}

func (l *zmqListener) readControl(h listenerEvents) {
	for range burst {
		m, ok, err := receive(l.ctrl, 2)
		if err != nil {
			return
		}
		if !ok {
			h.malformed()
			continue
		}
		h.control(string(m[0]), m[1])
	}
}

func (l *zmqListener) readData(h listenerEvents) {
	for range burst {
		m, ok, err := receive(l.pull, 2)
		if err != nil {
			return
		}
		if !ok {
			h.malformed()
			continue
		}
		h.data(m[0], m[1])
	}
}

// admit answers ZeroMQ's question whether a client may connect (RFC 27: version, request, domain, address, identity,
// mechanism, key).
func (l *zmqListener) admit(h listenerEvents) {
	m, err := l.zap.RecvMessage(zmq4.DONTWAIT)
	if err != nil || len(m) < 2 {
		return
	}
	status, text := "400", "not authorised"
	if len(m) == 7 && m[5] == "CURVE" && len(m[6]) == 32 && l.keys.Authorized(z85Encode([]byte(m[6]))) {
		status, text = "200", "OK"
	} else {
		h.denied()
	}
	_, _ = l.zap.SendMessage("1.0", m[1], status, text, "", "")
}

func (l *zmqListener) watched(m *monitor, h listenerEvents) {
	for {
		event, _, ok := m.next()
		if !ok {
			return
		}
		switch event {
		case zmq4.EVENT_DISCONNECTED:
			h.disconnected()
		case zmq4.EVENT_HANDSHAKE_FAILED_AUTH: // counted as denied
		default:
			h.handshakeFailed()
		}
	}
}

func (l *zmqListener) close(linger time.Duration) {
	for _, w := range l.wires {
		w.cut()
	}
	for _, m := range l.watch {
		m.close()
	}
	if l.ctrl != nil {
		_ = l.ctrl.SetLinger(linger)
	}
	for _, s := range l.sockets {
		_ = s.Close()
	}
	_ = l.ctx.Term()
}
