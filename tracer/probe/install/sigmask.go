//go:build linux && amd64

package install

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// What ptrace calls these; package unix does not know them.
const (
	ptraceGetSigmask = 0x420A
	ptraceSetSigmask = 0x420B
	signalSetSize    = 8
)

// allBut returns the mask that blocks every signal but one.
func allBut(s unix.Signal) uint64 { return ^uint64(0) &^ (1 << (s - 1)) }

// signalMask returns the signals that a stopped thread blocks, bit n-1 for signal n. Of a thread that waits with another mask for a moment, as
// in sigsuspend, it is the one that comes back.
func (t *thread) signalMask() (uint64, error) {
	var mask uint64
	err := t.sigmask(ptraceGetSigmask, &mask)
	if err != nil {
		return 0, recording.Errorf(recording.CodeInternal, "reading what signals thread %d blocks: %w", t.id, err)
	}
	return mask, nil
}

// setSignalMask says which signals a stopped thread blocks. Those that come wait in the kernel, as they were sent.
func (t *thread) setSignalMask(mask uint64) error {
	err := t.sigmask(ptraceSetSigmask, &mask)
	if err != nil && !errors.Is(err, unix.ESRCH) { // it was killed
		return recording.Errorf(recording.CodeInternal, "blocking signals of thread %d: %w", t.id, err)
	}
	return nil
}

func (t *thread) sigmask(request uintptr, mask *uint64) error {
	// The address is made in the call itself: this stack may move before.
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, request, uintptr(t.id), signalSetSize, uintptr(unsafe.Pointer(mask)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// ptrace is for requests whose data is a number.
func ptrace(request, id int, addr, data uintptr) error {
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(id), addr, data, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
