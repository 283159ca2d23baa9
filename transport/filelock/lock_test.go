//go:build unix

package filelock

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// TestUnlockBesideAFork lets go of a lock while the file is open elsewhere as well, as it is in a child that has not yet executed its
// program: who wants the lock next gets it.
func TestUnlockBesideAFork(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	held, err := Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	inherited, err := unix.Dup(int(held.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(name); recording.CodeOf(err) != recording.CodeLocked {
		t.Errorf("it is locked twice: %v", err)
	}
	if err := Unlock(held); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := Unlock(again); err != nil {
		t.Error(err)
	}
	if err := os.NewFile(uintptr(inherited), name).Close(); err != nil {
		t.Error(err)
	}
}
