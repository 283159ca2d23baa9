package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"smiley/recording"
)

// writeFile makes a file of what write writes. It is written under another name first, so that a file that was there stays
// whole until the new one is. A device or a pipe is written into.
func writeFile(name string, write func(io.Writer) error) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err == nil {
			err = errors.Join(write(f), f.Close())
		}
		return writeError(name, err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return writeError(name, err)
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it is of no use; what failed first is what tells
		return writeError(name, err)
	}
	return nil
}

// writeError says what to do about an error of writing a file; nil stays nil.
func writeError(name string, err error) error {
	if err == nil {
		return nil
	}
	e := &recording.Error{Code: recording.CodeInternal, Message: "cannot write " + name + ": " + err.Error(), Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Code, e.Message = recording.CodeNotFound, "cannot write "+name+": there is no such directory"
		e.Hint = "make it first: mkdir -p " + recording.ShellWord(filepath.Dir(name))
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Code, e.Message = recording.CodePermission, "cannot write "+name+": the system does not permit it"
		e.Hint = "choose a directory that you may write to"
	case errors.Is(err, syscall.ENOSPC):
		e.Code, e.Message = recording.CodeFull, "cannot write "+name+": the disk is full"
		e.Hint = "make room, or choose another disk"
	}
	return e
}
