package store

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// mount puts a file system of its own on dir for the rest of the test.
func mount(t *testing.T, dir, options string) error {
	if os.Geteuid() != 0 {
		return unix.EPERM
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		return err
	}
	t.Cleanup(func() { check(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return nil
}

func limitedDisk(t *testing.T) smallDisk {
	dir := t.TempDir()
	if err := mount(t, dir, "size=3m"); err != nil {
		return limitDatabase(t, err)
	}
	return smallDisk{dir, func(*Store) {}, func(*Store) {
		check(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=64m"))
	}}
}

// makeReadOnly makes the directory one in which nothing can be written, for this user, too.
func makeReadOnly(t *testing.T, dir string) {
	if os.Geteuid() != 0 {
		forbid(t, dir)
		return
	}
	// Permissions do not stop root; a read-only mount does.
	entries, err := os.ReadDir(dir)
	check(t, err)
	files := map[string][]byte{}
	for _, e := range entries {
		body, err := os.ReadFile(filepath.Join(dir, e.Name()))
		check(t, err)
		files[e.Name()] = body
	}
	if err := mount(t, dir, "size=16m"); err != nil {
		t.Skipf("root needs a mount to be kept from writing, and there is none: %v", err)
	}
	for name, body := range files {
		check(t, os.WriteFile(filepath.Join(dir, name), body, 0o600))
	}
	check(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
}
