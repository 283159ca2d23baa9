//go:build unix

package tracer

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// signalNumber returns the number of a signal by the name a Result gives it.
func signalNumber(name string) int {
	if n := unix.SignalNum(name); n != 0 {
		return int(n)
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(name, "signal "))
	return n
}
