//go:build linux && amd64

package tracer

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"smiley/recording"
)

// BenchmarkStartup records a large program that ends at once, with every function probed.
func BenchmarkStartup(b *testing.B) {
	path := filepath.Join(b.TempDir(), "go")
	if out, err := exec.Command("go", "build", "-o", path, "cmd/go").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	for b.Loop() {
		opt := Options{
			Target: path, Args: []string{"version"}, Engine: EngineProbe, Bounds: recording.DefaultBounds(),
			IncludeDeps: true, IncludeStdlib: true, Stdin: null, Stdout: null, Stderr: null,
		}
		if _, err := Run(context.Background(), opt, &discard{}); err != nil {
			b.Fatal(err)
		}
	}
}
