//go:build !unix

package elffile

import (
	"io"
	"os"
)

// mapped returns the first size bytes of a file, read where they cannot be mapped.
func mapped(f *os.File, size int) ([]byte, error) {
	b := make([]byte, size)
	_, err := io.ReadFull(f, b)
	return b, err
}

func unmap([]byte) error { return nil }

func forget([]byte) {}

func populate([]byte, uint64, uint64) {}
