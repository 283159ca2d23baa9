package web

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"smiley/web/webtest"
)

// TestLockedDatabase asks for pages while another program holds the file for itself, and again when it has let go.
func TestLockedDatabase(t *testing.T) {
	t.Parallel() // it waits as long as the store waits
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	check(t, err)
	defer func() { check(t, f.Close()) }()
	// The bytes that SQLite locks. This lock is the file's and not the process's, so that it holds against ourselves.
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: 0x40000000, Len: 512}
	check(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock))
	address := "/runs/" + runs[0].ID.String()
	w := s.get(address)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "locked") || !strings.Contains(w.Body.String(), `href="/"`) {
		t.Errorf("locked: %d %s", w.Code, w.Body)
	}
	lock.Type = unix.F_UNLCK
	check(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock))
	if w := s.get(address); w.Code != http.StatusOK {
		t.Errorf("when the lock is gone: %d %s", w.Code, w.Body)
	}
}
