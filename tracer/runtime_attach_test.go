//go:build linux && amd64

package tracer

import (
	"context"
	"os/exec"
	"path/filepath"
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

// TestAttachToPartlyInlined: a function that was inlined at some of its calls is recorded at the others, and the run says so, as it does when smiley
// has started the program.
func TestAttachToPartlyInlined(t *testing.T) {
	dir := writeModule(t, map[string]string{
		"go.mod": "module example.com/part\n\ngo 1.22\n",
		"main.go": `package main

import (
	"fmt"
	"os"
)

func small(n int) int { return n + len(os.Args) }

//go:noinline
func whole(f func(int) int) int { return f(1) + small(2) }

func main() {
	f := small
	if len(os.Args) > 5 {
		f = nil
	}
	fmt.Println("ready")
	ended := make(chan bool)
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return
		default:
			whole(f)
		}
	}
}
`,
	})
	binary := filepath.Join(t.TempDir(), "part")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program := child.Start(t, exec.Command(binary))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sink := &enough{blocks: &blocks{}, want: 2, reached: cancel}
	if _, err := Attach(ctx, program.Pid, Options{Bounds: recording.DefaultBounds()}, sink); err != nil {
		t.Fatal(err)
	}
	program.End()
	r := readBack(t, sink.all)
	for name, want := range map[string]string{"main.small": inlinedSome, "main.whole": ""} {
		f, ok := r.functions[r.byName[name]]
		if !ok || f.Trace != recording.TraceProbe || f.Reason != want {
			t.Errorf("%s is recorded as %+v, want the reason %q", name, f, want)
		}
	}
}
