package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"smiley/internal/sample"
)

// sampleDatabase makes a database with one recording and returns its file.
func sampleDatabase(t *testing.T) string {
	t.Helper()
	blocks, err := sample.Shop()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "runs.db")
	if err := sample.Keep(context.Background(), file, blocks); err != nil {
		t.Fatal(err)
	}
	return file
}

// writes remembers what each Write brought.
type writes []string

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, string(p))
	return len(p), nil
}

// TestFirstLineComesAtOnce holds for a recording of any size: the first line is not kept back until a buffer is full.
func TestFirstLineComesAtOnce(t *testing.T) {
	file := sampleDatabase(t)
	for _, args := range [][]string{{"replay", "last"}, {"replay", "last", "--json"}, {"replay", "last", "--tree"}} {
		var stdout writes
		var stderr bytes.Buffer
		if status := Run(context.Background(), append(args, "--database", file), nil, &stdout, &stderr); status != 0 {
			t.Fatalf("%v: status %d: %s", args, status, stderr.String())
		}
		if len(stdout) < 2 || strings.Count(stdout[0], "\n") != 1 {
			t.Errorf("%v: written first: %q", args, stdout)
		}
	}
}

// TestReaderThatGoesAway is what `smiley replay last | head` does.
func TestReaderThatGoesAway(t *testing.T) {
	file := sampleDatabase(t)
	for _, args := range [][]string{{"replay", "last"}, {"list"}, {"show", "last"}, {"stats", "show", "last", "--json"}, {"files", "last", "main.go"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		status := Run(context.Background(), append(args, "--database", file), nil, w, &stderr)
		if status != 0 || strings.Contains(stderr.String(), "pipe") {
			t.Errorf("%v: status %d, %q", args, status, stderr.String())
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDebugShowsCauses says that causes are shown when asked for, and never otherwise.
func TestDebugShowsCauses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "nothing.db")
	var plain, debug bytes.Buffer
	if status := Run(context.Background(), []string{"list", "--database", missing}, nil, &bytes.Buffer{}, &plain); status != 1 {
		t.Errorf("status %d", status)
	}
	if status := Run(context.Background(), []string{"list", "--debug", "--database", missing}, nil, &bytes.Buffer{}, &debug); status != 1 {
		t.Errorf("status %d", status)
	}
	if strings.Count(plain.String(), "\n") != 2 || strings.Contains(plain.String(), "debug") {
		t.Errorf("without --debug: %q", plain.String())
	}
	if !strings.HasPrefix(debug.String(), plain.String()) || !strings.Contains(debug.String(), "debug: not_found") {
		t.Errorf("with --debug: %q", debug.String())
	}
}

// TestNothingStaysBehind runs commands in this process: none leaves a goroutine.
func TestNothingStaysBehind(t *testing.T) {
	ignored := goleak.IgnoreCurrent()
	file := sampleDatabase(t)
	for _, args := range [][]string{{"list"}, {"replay", "last"}, {"show", "nothing"}, {"delete", "last"}, {"list"}} {
		Run(context.Background(), append(args, "--database", file), nil, &bytes.Buffer{}, &bytes.Buffer{})
	}
	goleak.VerifyNone(t, ignored)
}
