//go:build unix

package tracer

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// sourceFile is an open source file. Programs have hundreds of them, which are read at their start: an os.File would be made ready for
// more than a single read, with twice as many system calls.
type sourceFile int

// openSource opens a regular file.
func openSource(name string) (f sourceFile, size int64, modified time.Time, err error) {
	var fd int
	for {
		fd, err = unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0) // what is no file is not waited for
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return -1, 0, modified, err
	}
	f = sourceFile(fd)
	var info unix.Stat_t
	if err = unix.Fstat(fd, &info); err == nil && info.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errors.New("not a file")
	}
	if err != nil {
		f.close()
		return -1, 0, modified, err
	}
	return f, info.Size, time.Unix(info.Mtim.Unix()), nil
}

// readFull fills b.
func (f sourceFile) readFull(b []byte) error {
	for len(b) > 0 {
		n, err := unix.Read(int(f), b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		b = b[max(n, 0):]
	}
	return nil
}

func (f sourceFile) close() { _ = unix.Close(int(f)) }
