package elffile

import (
	"os"

	"golang.org/x/sys/unix"
)

// populate has a part of a mapping in memory: faults one by one cost more than reading would. The whole of a file can be more than is wanted.
func populate(b []byte, from, size uint64) {
	from -= from % uint64(os.Getpagesize())
	_ = unix.Madvise(b[from:min(from+size+uint64(os.Getpagesize()), uint64(len(b)))], unix.MADV_POPULATE_READ) // since Linux 5.14
}
