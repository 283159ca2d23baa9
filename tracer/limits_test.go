//go:build linux && amd64

package tracer

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"smiley/tracer/probe/install"
	"smiley/tracer/probe/ring"
)

// TestLimitsAreWritten holds the tables of bounds in docs/reference/limits.md equal to the constants.
func TestLimitsAreWritten(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, found := strings.Cut(string(page), "\n## Bounds\n")
	if !found {
		t.Fatal("there are no tables")
	}
	tables, _, _ = strings.Cut(tables, "\n## ")
	want := []struct {
		what string
		most int
	}{
		{"bytes of one write of the program to its output", maxOutput},
		{"bytes of a crash report", maxCrash},
		{"bytes of a source file", maxSource},
		{"bytes of values that are passed on the stack, what is cut of them not counted", 8 * maxStackWords},
		{"bytes that the values refer to, the nearest first, and 16 for each string, slice, pointer and interface that is followed", maxCopied},
		{"bytes copied of what an interface holds when that is unknown, and again of what it points to", interfaceBytes},
		{"bytes of a string in an error of an unknown type", errorBytes},
		{"types that are known before they are met", maxForeseen},
		{"types that are known when a program gets its probes; one for four recorded functions if that is more", foreseenFirst},
		{"threads at the same time", min(install.DefaultRings, ring.OfferedMax)},
	}
	for _, w := range want {
		if row := fmt.Sprintf("\n| %s | %s |", w.what, thousands(w.most)); !strings.Contains(tables, row) {
			t.Errorf("limits.md has no row %q", row[1:])
		}
	}
	const ofRecording = 2 // tested there
	if rows := strings.Count(tables, "\n| ") - 2; rows != len(want)+ofRecording {
		t.Errorf("%d rows, of which %d are tested", rows, len(want)+ofRecording)
	}
}

// thousands writes a number as the pages do.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
