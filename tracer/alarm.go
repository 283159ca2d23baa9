//go:build linux && amd64

package tracer

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// alarm wakes a thread that waits for it in the kernel. A goroutine that waits for a timer or a channel is woken by another thread of this
// process, and where that comes behind all others it may wait for a processor for seconds.
type alarm struct{ rung atomic.Uint32 }

const futexWaitPrivate, futexWakePrivate = 128, 129

func (a *alarm) ring() {
	a.rung.Store(1)
	_, _, _ = unix.Syscall(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&a.rung)), futexWakePrivate, 1)
}

// within waits that long at most, and reports whether the alarm has rung.
func (a *alarm) within(d time.Duration) bool {
	for end := time.Now().Add(d); a.rung.Load() == 0; {
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		rest := unix.NsecToTimespec(int64(left))
		_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&a.rung)), futexWaitPrivate, 0, uintptr(unsafe.Pointer(&rest)), 0, 0)
	}
	return true
}
