package store

import (
	"fmt"
	"os"
	"testing"
)

// smallDisk is a directory with room for a few MiB only.
type smallDisk struct {
	dir   string
	limit func(*Store) // makes the room small for a Store that was opened
	grow  func(*Store) // makes it large again
}

// limitDatabase stands in for a small disk where none can be made: the database itself refuses to grow.
func limitDatabase(t *testing.T, why error) smallDisk {
	t.Logf("no small disk can be mounted (%v): the database's own limit stands in for it", why)
	pages := func(n int) func(*Store) {
		return func(s *Store) {
			_, err := s.w.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
			check(t, err)
		}
	}
	return smallDisk{t.TempDir(), pages(3 << 20 / pageSize), pages(1 << 30)}
}

// forbid takes the permission to write in dir away.
func forbid(t *testing.T, dir string) {
	check(t, os.Chmod(dir, 0o500)) //nolint:gosec // a directory
	t.Cleanup(func() { check(t, os.Chmod(dir, 0o700)) })
}
