package analysis

import (
	"slices"
	"testing"
)

// TestFailedLeaves reads what test binaries print.
func TestFailedLeaves(t *testing.T) {
	for _, test := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"PASS\n", nil},
		{"--- PASS: TestA (0.00s)\n", nil},
		{"--- FAIL: TestA (0.00s)\n    a_test.go:3: no\n", []string{"TestA"}},
		{"\x16--- FAIL: TestA (0.00s)\n", []string{"TestA"}}, // -v=test2json
		{"=== NAME  TestA\n--- FAIL: TestA (0.10s)\n--- FAIL: TestAB (1.00s)\n", []string{"TestA", "TestAB"}},
		{"--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/x (0.00s)\n        --- FAIL: TestA/x/y#01 (0.00s)\n    --- PASS: TestA/z (0.00s)\n", []string{"TestA/x/y#01"}},
		{"a --- FAIL: TestA (0.00s)\n", nil},
		{"--- FAIL:  (0.00s)\n--- FAIL: \n", nil},
	} {
		if got := failedLeaves(test.text); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
	}
}
