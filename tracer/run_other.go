//go:build !(linux && amd64)

package tracer

import (
	"context"
	"runtime"

	"smiley/recording"
)

// Run is not possible on this platform yet: the capture plans and the engine know linux/amd64.
func Run(_ context.Context, _ Options, sink recording.Sink) (Result, error) {
	_ = sink.Close()
	return Result{}, recording.Errorf(recording.CodeUnsupported, "programs cannot be recorded on %s/%s", runtime.GOOS, runtime.GOARCH).
		WithHint("record on linux/amd64; recordings can be read here")
}
