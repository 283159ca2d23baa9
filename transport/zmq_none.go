//go:build !cgo || !unix

package transport

import "smiley/recording"

func unsupported() error {
	return recording.Errorf(recording.CodeUnsupported, "this smiley was built without ZeroMQ: it records on this machine only").
		WithHint("install libzmq (Debian: apt install libzmq3-dev pkg-config) and build with CGO_ENABLED=1")
}

func newSenderLink(Endpoint, *ClientKeys, int64) (senderLink, error) { return nil, unsupported() }

func newListenerLink(*ServerKeys) (listenerLink, error) { return nil, unsupported() }
