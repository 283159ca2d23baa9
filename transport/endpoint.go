package transport

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"smiley/recording"
)

// DefaultEndpoint is where a recorder listens, and where senders look for it, when nobody says otherwise.
const DefaultEndpoint = "tcp://127.0.0.1:5556"

// dataSuffix is what the data endpoint has behind an ipc path.
const dataSuffix = ".data"

// Endpoint is the address of a recorder: tcp://HOST:PORT or ipc://PATH. Control messages go there; the data socket has
// the next port, or PATH.data.
type Endpoint struct {
	Transport string // "tcp" or "ipc"
	Host      string // tcp; "*" for all interfaces
	Port      uint16 // tcp; 0, when listening: any
	Path      string // ipc
}

// ParseEndpoint reads an address. Errors are CodeInvalid.
func ParseEndpoint(text string) (Endpoint, error) {
	if path, ok := strings.CutPrefix(text, "ipc://"); ok && path != "" && len(path) < 100 {
		return Endpoint{Transport: "ipc", Path: path}, nil
	}
	if address, ok := strings.CutPrefix(text, "tcp://"); ok {
		host, port, err := net.SplitHostPort(address)
		if n, perr := strconv.ParseUint(port, 10, 16); err == nil && perr == nil && host != "" && n != 65535 {
			return Endpoint{Transport: "tcp", Host: host, Port: uint16(n)}, nil
		}
	}
	return Endpoint{}, recording.Errorf(recording.CodeInvalid, "%q is not an address of a recorder", text).
		WithHint("an address looks like %s or ipc:///run/smiley.sock", DefaultEndpoint)
}

// String returns the address as ParseEndpoint reads it.
func (e Endpoint) String() string {
	if e.Transport == "ipc" {
		return "ipc://" + e.Path
	}
	return "tcp://" + net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// Local reports whether nothing leaves this machine.
func (e Endpoint) Local() bool {
	if e.Transport == "ipc" || e.Host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(e.Host)
	return err == nil && address.IsLoopback()
}

// data returns the address of the data socket, given its port.
func (e Endpoint) data(port uint16) string {
	if e.Transport == "ipc" {
		return "ipc://" + e.Path + dataSuffix
	}
	e.Port = port
	return e.String()
}

// secure says why an endpoint must not be used with these keys; warning is for people when it is used all the same.
func secure(e Endpoint, keys bool, insecure bool) (warning string, err error) {
	switch {
	case keys || e.Local():
		return "", nil
	case insecure:
		return "blocks travel to and from " + e.String() + " unencrypted, and anybody there can read and forge them", nil
	}
	return "", recording.Errorf(recording.CodeInvalid, "%s is not on this machine, and there are no keys to protect what goes there", e).
		WithHint("run 'smiley keys generate' on both sides and 'smiley keys authorize' for each other's key, or use --insecure")
}
