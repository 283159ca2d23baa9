//go:build linux && amd64

package tracer

import (
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/install"
)

// startFailure says why the system did not start a program, and what can be done about it.
func startFailure(t *target, dir string, err error) error {
	failed := func(code recording.Code) *recording.Error {
		return recording.Errorf(code, "cannot start %s: %w", t.path, err)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && dir != "" && !isDirectory(dir):
		return recording.Errorf(recording.CodeNotFound, "cannot start %s in %s: %w", t.path, dir, err).WithHint("the directory must exist")
	case errors.Is(err, fs.ErrNotExist):
		if loader := loaderOf(t.path); loader != "" {
			return recording.Errorf(recording.CodeNotFound, "cannot start %s: its loader, %s, is not there: %w", t.path, loader, err).
				WithHint("install the C library that it was built for, or build it with CGO_ENABLED=0")
		}
		return failed(recording.CodeNotFound).WithHint("it was there a moment ago: try again")
	case errors.Is(err, unix.EPERM): // of execve, files give EACCES
		return install.Forbidden(0, t.path, err)
	case errors.Is(err, unix.EACCES) && notForPrograms(t.path) && t.built:
		return failed(recording.CodePermission).
			WithHint("%s is mounted noexec: set TMPDIR to a directory that programs can be started from", recording.ShellWord(filepath.Dir(filepath.Dir(t.path))))
	case errors.Is(err, unix.EACCES) && notForPrograms(t.path):
		return failed(recording.CodePermission).WithHint("its file system is mounted noexec: copy it to another one")
	case errors.Is(err, unix.EACCES):
		return failed(recording.CodePermission).
			WithHint("it is not for you to execute: ls -l %s; id", recording.ShellWord(t.path))
	case errors.Is(err, unix.ENOEXEC):
		return recording.Errorf(recording.CodeUnsupported, "cannot start %s: it is not a program for %s/%s", t.path, runtime.GOOS, runtime.GOARCH).
			WithHint("build it with GOOS=%s GOARCH=%s", runtime.GOOS, runtime.GOARCH)
	case errors.Is(err, unix.E2BIG):
		return failed(recording.CodeInvalid).WithHint("give it fewer or shorter arguments, or a smaller environment")
	case errors.Is(err, unix.ETXTBSY):
		return failed(recording.CodeLocked).WithHint("something writes to the file: wait until that is done")
	case errors.Is(err, unix.EAGAIN):
		return failed(recording.CodeFull).WithHint("you may have no more processes: ulimit -u, or the limit of the container")
	case errors.Is(err, unix.ENOMEM):
		return failed(recording.CodeFull).WithHint("there is too little memory: ulimit -v, free, or the limit of the container")
	}
	return failed(recording.CodeInternal)
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// notForPrograms reports whether the file system that a file is on lets nobody execute anything.
func notForPrograms(path string) bool {
	var system unix.Statfs_t
	return unix.Statfs(path, &system) == nil && system.Flags&unix.MS_NOEXEC != 0
}

// loaderOf returns the path of the loader that a program names and that is not there; "" when it names none, or there is one.
func loaderOf(path string) string {
	file, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	for _, p := range file.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > unix.PathMax {
			continue
		}
		name := make([]byte, p.Filesz)
		if _, err := p.ReadAt(name, 0); err != nil {
			return ""
		}
		loader := strings.TrimRight(string(name), "\x00")
		if _, err := os.Stat(loader); errors.Is(err, fs.ErrNotExist) {
			return loader
		}
	}
	return ""
}

// warnOfRights says so when a program's file brings rights along that it will not have: the system gives none to what is traced by who has
// no right to trace all.
func (s *session) warnOfRights() {
	info, err := os.Stat(s.target.path)
	if err != nil || install.Capable(install.CapSysPtrace) {
		return
	}
	var brought string
	switch n, failed := unix.Getxattr(s.target.path, "security.capability", nil); {
	case info.Mode()&fs.ModeSetuid != 0:
		brought = "of another user (setuid)"
	case info.Mode()&fs.ModeSetgid != 0 && info.Mode()&0o010 != 0:
		brought = "of another group (setgid)"
	case failed == nil && n > 0:
		brought = "that its file has (capabilities)"
	default:
		return
	}
	warn(s.opt, recording.Errorf(recording.CodePermission, "%s runs without the rights %s: the system gives none to what is traced", s.target.name, brought).
		WithHint("run smiley as root, or start the program by itself and attach to it as root"))
}
