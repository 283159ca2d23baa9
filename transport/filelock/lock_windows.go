package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"

	"smiley/recording"
)

// Lock makes and locks a file, until [Unlock] or the end of the process. The error is CodeLocked when somebody else holds it; the caller knows what
// that means and gives the hint.
func Lock(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = windows.LockFileEx(windows.Handle(file.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		err = recording.Errorf(recording.CodeLocked, "%s is held by another process", name)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Unlock lets go of a file that Lock has locked, and closes it.
func Unlock(file *os.File) error { return file.Close() }
