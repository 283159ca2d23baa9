package store

import (
	"testing"

	"go.uber.org/goleak"

	"smiley/recording"
)

func TestMain(m *testing.M) {
	if crashMain() {
		return
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
