package recording

import (
	"os"
	"strings"
	"testing"
)

// TestLimitsAreWritten holds what docs/reference/limits.md says of the bounds of all values equal to the constants.
func TestLimitsAreWritten(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	if maxImage != 1024 || maxRecord != 16384 {
		t.Errorf("the bounds are now %d and %d: write them down", maxImage, maxRecord)
	}
	for _, row := range []string{
		"\n| bytes of a value itself, strings counted as 8, slices and interfaces as 16 | 1,024 |",
		"\n| bytes of all that a call's arguments, or its results, refer to; four times `--string-bytes` if that is more | 16,384 |",
	} {
		if !strings.Contains(string(page), row) {
			t.Errorf("limits.md has no row %q", row[1:])
		}
	}
}
