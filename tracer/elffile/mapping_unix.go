//go:build unix

package elffile

import (
	"os"
	"syscall"
)

// mapped returns the first size bytes of a file, which the caller gives back with unmap. It is populated at once: faults one by one cost
// more than reading would.
func mapped(f *os.File, size int) ([]byte, error) {
	return syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_PRIVATE|populate)
}

func unmap(b []byte) error { return syscall.Munmap(b) }
