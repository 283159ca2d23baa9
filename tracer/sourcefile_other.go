//go:build !unix

package tracer

import (
	"errors"
	"io"
	"os"
	"time"
)

// sourceFile is an open source file.
type sourceFile struct{ *os.File }

// openSource opens a regular file.
func openSource(name string) (f sourceFile, size int64, modified time.Time, err error) {
	if f.File, err = os.Open(name); err != nil {
		return f, 0, modified, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a file")
	}
	if err != nil {
		f.close()
		return f, 0, modified, err
	}
	return f, info.Size(), info.ModTime(), nil
}

// readFull fills b.
func (f sourceFile) readFull(b []byte) error {
	_, err := io.ReadFull(f, b)
	return err
}

func (f sourceFile) close() { _ = f.Close() }
