//go:build cgo

package transport

import (
	"fmt"

	"github.com/pebbe/zmq4"
)

// Version returns the version of libzmq, e.g. "4.3.5"; "" in a build without cgo, which has none.
func Version() string {
	major, minor, patch := zmq4.Version()
	return fmt.Sprintf("%d.%d.%d", major, minor, patch)
}
