//go:build linux && amd64

package tracer

import (
	"context"
	"os/exec"
	"slices"
	"testing"

	"smiley/internal/child"
	"smiley/recording"
)

// TestFunctionsOfTheRuntime: whoever has the standard library recorded does not mean functions that belong to the runtime, and is not told of them,
// attaching or launching; whoever asks for them is.
func TestFunctionsOfTheRuntime(t *testing.T) {
	const function, reason = "runtime/debug.SetGCPercent", "it belongs to the runtime"
	path := fixture(t, "meets")
	for _, include := range []string{"", "runtime/debug..."} {
		opt := Options{Bounds: recording.DefaultBounds(), IncludeStdlib: true, Engine: EngineProbe}
		if include != "" {
			opt.Include = []string{include, "main.names"}
		}
		program := child.Start(t, exec.Command(path))
		ctx, cancel := context.WithCancel(t.Context())
		attached, err := Attach(ctx, program.Pid, opt, &enough{blocks: &blocks{}, want: 2, reached: cancel})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		program.End()
		opt.Target = path
		launched := record(t, opt).result
		for how, result := range map[string]Result{"attached": attached, "launched": launched} {
			i := slices.IndexFunc(result.Untraced, func(f recording.Function) bool { return f.Name == function })
			if told := i >= 0 && result.Untraced[i].Reason == reason; told != (include != "") {
				t.Errorf("%s, asked for %q: %+v", how, include, result.Untraced)
			}
		}
	}
}
