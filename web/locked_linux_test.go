package web

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/web/webtest"
)

// lockFile takes the bytes of a database that SQLite locks, as a program that holds all of it does. It returns what lets go.
func lockFile(t *testing.T, file string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	check(t, err)
	// This lock is the file's and not the process's, so that it holds against ourselves.
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: 0x40000000, Len: 512}
	check(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock))
	return func() { check(t, f.Close()) }
}

// TestLockedDatabase asks for pages while another program holds the file for itself, and again when it has let go.
func TestLockedDatabase(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	s.server.database.patience = 50 * time.Millisecond
	unlock := lockFile(t, file)
	address := "/runs/" + runs[0].ID.String()
	w := s.get(address)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "locked") || !strings.Contains(w.Body.String(), `href="/"`) {
		t.Errorf("locked: %d %s", w.Code, w.Body)
	}
	unlock()
	if w := s.get(address); w.Code != http.StatusOK {
		t.Errorf("when the lock is gone: %d %s", w.Code, w.Body)
	}
}

// TestLockedDatabaseHoldsNobodyElse replaces the file by a locked one while somebody reads the old one. Whoever has the old one goes
// on, all who want the new one share one attempt to open it, and what needs no recordings is answered: all of that while nobody lets go.
func TestLockedDatabaseHoldsNobodyElse(t *testing.T) {
	file, before := webtest.NewDatabase(t)
	other, runs := webtest.RecordDatabase(t)
	s := newSite(t, file, Options{})
	// The page is made once by one goroutine: package reflect notes how the functions of its template are called, in a way that the race detector
	// can take for a race when several need it for the first time.
	s.get("/runs/" + before[0].ID.String())
	d := &s.server.database
	old, release, err := d.acquire(t.Context())
	check(t, err)
	unlock := lockFile(t, other)
	check(t, os.Rename(other, file))
	d.patience = time.Minute // the end of the lock leads on, not of the patience

	const readers = 5
	codes := make([]int, readers)
	var group sync.WaitGroup
	var first *attempt
	for i := range codes {
		info, err := os.Stat(file)
		check(t, err)
		used, waits, err := d.enter(info)
		check(t, err)
		if used != nil || waits == nil || first != nil && waits != first {
			t.Fatalf("reader %d does not share the attempt of the first", i)
		}
		first = waits
		group.Add(1)
		go func() {
			defer group.Done()
			codes[i] = s.get("/runs/" + runs[0].ID.String()).Code
		}()
	}
	if w := s.get(s.server.assets["smiley.css"].address); w.Code != http.StatusOK {
		t.Errorf("styles: %d", w.Code)
	}
	if _, err := old.FindRun(t.Context(), "last"); err != nil {
		t.Errorf("a reader of the old file: %v", err)
	}
	release()
	unlock()
	group.Wait()
	for i, code := range codes {
		if code != http.StatusOK {
			t.Errorf("reader %d of the new file: %d", i, code)
		}
	}
}

// TestLockedEverywhere asks for everything while another program holds the file for itself: nobody waits longer than a
// server's patience, and everybody learns why.
func TestLockedEverywhere(t *testing.T) {
	file, run := newSmallDatabase(t)
	s := newSite(t, file, Options{Undo: 1 << 40})
	s.server.database.patience = time.Millisecond
	unlock := lockFile(t, file)
	for _, a := range everywhere(run) {
		w := s.send(a)
		code := s.inWords(t, a.path, w)
		switch {
		case a.Path == "/help" || a.Path == "/live" || strings.HasPrefix(a.Path, "/static/"):
			if w.Code != http.StatusOK {
				t.Errorf("%s: %d, though it needs no recordings", a.path, w.Code)
			}
		case strings.HasSuffix(a.Path, "/restore"): // there is nothing to restore, whatever the file is like
		case w.Code != http.StatusServiceUnavailable || code != "" && code != recording.CodeLocked:
			t.Errorf("%s: %d %s", a.path, w.Code, w.Body)
		}
	}
	unlock()
	for _, a := range everywhere(run) {
		if w := s.send(a); a.Method == http.MethodGet && w.Code >= http.StatusBadRequest {
			t.Errorf("%s, when the lock is gone: %d %s", a.path, w.Code, w.Body)
		}
	}
}
