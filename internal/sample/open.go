package sample

import (
	"path/filepath"
	"testing"

	"smiley/analysis"
	"smiley/store"
)

// Open keeps the blocks of a recording until the test is over, and opens the run of that name, as "last". err is what making the blocks
// came to.
func Open(t testing.TB, name string, blocks [][]byte, err error) *analysis.Run {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "test.db")
	if err := Keep(t.Context(), file, blocks); err != nil {
		t.Fatal(err)
	}
	reader, err := store.OpenReader(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	run, err := analysis.Open(t.Context(), reader, name)
	if err != nil {
		t.Fatal(err)
	}
	return run
}
