//go:build unix

package main

import (
	"golang.org/x/sys/unix"

	"smiley/recording"
)

// leastDescriptors is how many files smiley must be able to have open: with fewer, whatever finds none left fails, and says what it
// takes that for.
const leastDescriptors = 32

// enoughDescriptors says so when too few files may be open.
func enoughDescriptors() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= leastDescriptors {
		return nil // not known is no reason to stop
	}
	return recording.Errorf(recording.CodeFull, "only %d files may be open here, and smiley needs %d", limit.Cur, leastDescriptors).
		WithHint("ulimit -n 256, in the shell that starts smiley")
}
