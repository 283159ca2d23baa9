//go:build unix

package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// lockFile makes and locks a file until it is closed. The error is CodeLocked when somebody else holds it.
func lockFile(name string) (*os.File, error) {
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

func locked(name string) error {
	return recording.Errorf(recording.CodeLocked, "%s is held by another process", name).
		WithHint("its program is still running, or another smiley delivers it")
}

func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
