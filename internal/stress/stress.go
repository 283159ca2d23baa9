// Package stress gives tests two lengths: a short pass for `make test`, and the full one for `make stress`, which also
// gathers what each test found into one table.
//
// A test asks [Times] how often to repeat, and calls [Row] once when it has passed.
package stress

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The environment variables of make stress.
const (
	lengthVariable = "SMILEY_STRESS"       // not empty: full length
	tableVariable  = "SMILEY_STRESS_TABLE" // the file that rows are appended to
)

// Full reports whether tests run at full length.
func Full() bool { return os.Getenv(lengthVariable) != "" }

// Times returns how often a test repeats: short under make test, full under make stress.
func Times(short, full int) int {
	if Full() {
		return full
	}
	return short
}

// For returns how long a test goes on.
func For(short, full time.Duration) time.Duration {
	if Full() {
		return full
	}
	return short
}

// ElsewhereUnderRace skips a test that starts smiley again and again, which takes seconds each time under the race detector. make test
// runs it without the detector as well; make stress runs it either way.
func ElsewhereUnderRace(t testing.TB) {
	t.Helper()
	if Race && !Full() {
		t.Skip("runs in the pass without the race detector, under which each start of smiley takes seconds")
	}
}

// Row adds a line to the table of make stress: what was tried, how often, and what came out. It logs the same. Under make test
// it only logs.
func Row(t testing.TB, what string, times int, found string) {
	t.Helper()
	t.Logf("%s: %d times: %s", what, times, found)
	path := os.Getenv(tableVariable)
	if path == "" || t.Failed() {
		return
	}
	cell := strings.NewReplacer("|", "/", "\n", " ")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatalf("the table of make stress: %v", err)
	}
	_, err = fmt.Fprintf(f, "| %s | %d | %s |\n", cell.Replace(what), times, cell.Replace(found))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		t.Fatalf("the table of make stress: %v", err)
	}
}
