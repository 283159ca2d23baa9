package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"

	"smiley/recording"
)

// lockFile makes and locks a file until it is closed. The error is CodeLocked when somebody else holds it.
func lockFile(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = windows.LockFileEx(windows.Handle(file.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		err = recording.Errorf(recording.CodeLocked, "%s is held by another process", name).
			WithHint("its program is still running, or another smiley delivers it")
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func isFull(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }
