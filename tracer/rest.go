//go:build linux && amd64

package tracer

import (
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rest sleeps in a system call, or not quite so long when a signal comes. A timer of Go's would take three threads for each of hundreds of pauses a
// second: the one that waits for the timer, one that looks for more to do as soon as a goroutine can run, and the runtime's monitor,
// which sleeps until the same timer. They would take their turns on the program's processors.
//
// Nor does the runtime learn of it, where somebody else can go on: after every system call that it knows of, its monitor looks every 20 µs
// for some milliseconds, ten thousand times a second with pauses like these.
func rest(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	if runtime.GOMAXPROCS(0) < 2 {
		_ = unix.Nanosleep(&ts, nil) // EINTR: the garbage collector has a question
		return
	}
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}
