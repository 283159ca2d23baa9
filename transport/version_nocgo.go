//go:build !cgo

package transport

// Version returns the version of libzmq, e.g. "4.3.5"; "" in a build without cgo, which has none.
func Version() string { return "" }
