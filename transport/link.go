package transport

import "time"

// senderLink is a sender's connection to one recorder. Its methods but wake are called by one goroutine.
type senderLink interface {
	// open begins to connect the control socket.
	open() error
	// openData begins to connect the data socket.
	openData(port uint16) error
	// control sends a message, or loses it when the recorder takes none.
	control(message []byte) error
	// data sends a block; false when there is no room at the moment.
	data(envelope, body []byte) (bool, error)
	// wait waits until something happens, but not longer than timeout. writable asks for room on the data socket too.
	wait(timeout time.Duration, writable bool) (linkEvents, error)
	// wake ends wait. Any goroutine may call it.
	wake()
	// hangUp closes the sockets; what was sent on the control socket gets linger to leave.
	hangUp(linger time.Duration)
	// close ends the link for good.
	close()
}

// linkEvents is what happened. Its slices are valid until the next wait.
type linkEvents struct {
	messages [][]byte // of the control socket
	writable bool     // the data socket has room
	down     string   // why the connection is gone or cannot be made; "" otherwise
	keys     bool     // down because of the keys: it will not get better by itself
}

// listenerLink is a recorder's pair of sockets. Its methods but wake are called by one goroutine.
type listenerLink interface {
	// bind opens both sockets and returns where they are.
	bind(e Endpoint) (Endpoint, uint16, error)
	// reply sends a control message; a peer that is gone or does not read loses it.
	reply(peer string, message []byte)
	// wait waits until something happens, but not longer than timeout, and hands it to the callbacks.
	wait(timeout time.Duration, h listenerEvents) error
	wake()
	close(linger time.Duration)
}

// listenerEvents takes what happened on a recorder's sockets.
type listenerEvents interface {
	control(peer string, message []byte)
	data(envelope, body []byte)
	malformed()       // a message with the wrong number of parts
	denied()          // a client without a valid key
	disconnected()    // a connection ended, whoever ended it
	handshakeFailed() // something that does not speak the protocol of the sockets
}
