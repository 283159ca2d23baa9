package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"testing"
)

// most is how large the script may be when it is compressed: it must not make pages wait.
const most = 120_000

// TestBundleIsFresh makes the script again: the committed one must be the same, and small.
func TestBundleIsFresh(t *testing.T) {
	want, err := bundle()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what its sources make: run make bundle", output)
	}
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	_, err = w.Write(want)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d compressed", len(want), compressed.Len())
	if compressed.Len() > most {
		t.Errorf("the script has %d bytes compressed, more than %d", compressed.Len(), most)
	}
}
