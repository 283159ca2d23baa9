//go:build !cgo || !unix

package transport

// Version returns the version of libzmq, e.g. "4.3.5"; "" in a build without cgo, which has none.
func Version() string { return "" }

// Available returns why this build cannot send and receive, nil when it can: CodeUnsupported, with how to get one that can.
func Available() error { return unsupported() }
