package store

import (
	"flag"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"smiley/internal/stress"
	"smiley/recording"
)

func TestMain(m *testing.M) {
	if crashMain() {
		return
	}
	// Under the race detector a try of a property takes a second.
	if err := flag.Set("rapid.checks", strconv.Itoa(stress.Times(30, 200))); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// wantCode fails unless err is a recording.Error of the code, with a hint when a person can do something about it.
func wantCode(t *testing.T, err error, code recording.Code) {
	t.Helper()
	if got := recording.CodeOf(err); got != code {
		t.Fatalf("error %v has code %q, want %q", err, got, code)
	}
}
