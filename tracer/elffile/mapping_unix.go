//go:build unix

package elffile

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// mapped returns the first size bytes of a file, which the caller gives back with unmap.
func mapped(f *os.File, size int) ([]byte, error) {
	return syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_PRIVATE)
}

func unmap(b []byte) error { return syscall.Munmap(b) }

// forget takes the pages out of this process. Nobody has written to them, so that the next look finds what the file has.
func forget(b []byte) {
	if len(b) > 0 {
		_ = unix.Madvise(b, unix.MADV_DONTNEED) // only memory is lost without it
	}
}
