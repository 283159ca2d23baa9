//go:build !(linux && amd64)

package tracer

import (
	"context"
	"os"
	"runtime"

	"smiley/recording"
)

// Attach is not possible on this platform yet.
func Attach(ctx context.Context, _ int, opt Options, sink recording.Sink) (Result, error) {
	return Run(ctx, opt, sink)
}

// Detach is not possible on this platform: there is nothing to take out.
func Detach(int, func(*Inheritance) error) (Cleaned, error) {
	_, err := Run(context.Background(), Options{}, noSink{})
	return Cleaned{}, err
}

// Guard is not possible on this platform: nothing is recorded.
func Guard(context.Context, *os.File, func(*Inheritance) error) error { return nil }

type noSink struct{}

func (noSink) Send([]byte) error { return nil }
func (noSink) Close() error      { return nil }

// Run is not possible on this platform yet: the capture plans and the engine know linux/amd64.
func Run(_ context.Context, _ Options, sink recording.Sink) (Result, error) {
	_ = sink.Close()
	return Result{}, recording.Errorf(recording.CodeUnsupported, "programs cannot be recorded on %s/%s", runtime.GOOS, runtime.GOARCH).
		WithHint("record on linux/amd64; recordings can be read here")
}
