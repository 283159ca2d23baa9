//go:build unix

package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// Lock makes and locks a file, until [Unlock] or the end of the process. The error is CodeLocked when somebody else holds it; the caller knows what
// that means and gives the hint.
func Lock(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = locked(name)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Unlock lets go of a file that Lock has locked, and closes it. Closing it alone would not always do: a child of this process that has been
// forked and not yet executed its program has the file open, too, and the lock is that of both.
func Unlock(file *os.File) error {
	return errors.Join(unix.Flock(int(file.Fd()), unix.LOCK_UN), file.Close())
}

func locked(name string) error {
	return recording.Errorf(recording.CodeLocked, "%s is held by another process", name)
}
