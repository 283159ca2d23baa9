//go:build linux && amd64

package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"smiley/internal/child"
	"smiley/internal/stress"
)

// busyProgram is a program that checks its own arithmetic in eight goroutines, while one is blocked and another goes deep.
type busyProgram struct {
	pid string
	end func() string // ends it and returns what it found
}

func startBusy(t *testing.T, buildFlags ...string) busyProgram {
	t.Helper()
	return runBusy(t, buildBusy(t, buildFlags...))
}

func buildBusy(t *testing.T, buildFlags ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "busy")
	build := append([]string{"build", "-o", binary}, buildFlags...)
	if out, err := exec.Command("go", append(build, "../../tracer/probe/install/testdata/busy")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func runBusy(t *testing.T, binary string, args ...string) busyProgram {
	t.Helper()
	program, _ := startReady(t, exec.Command(binary, args...))
	return program
}

// startReady starts a program that says when it is ready, and ends when its input, which is returned, does.
func startReady(t *testing.T, command *exec.Cmd) (busyProgram, io.WriteCloser) {
	t.Helper()
	program := child.Start(t, command)
	return busyProgram{strconv.Itoa(program.Pid), program.End}, program.In
}

// TestStressTracerKilledAttached kills an attached smiley again and again. While it lives, nobody else may attach or detach;
// when it is dead, one round cleans with detach and the next one attaches at once, and the program never errs.
func TestStressTracerKilledAttached(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	program := startBusy(t)
	database := filepath.Join(t.TempDir(), "runs.db")
	smiley := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // one that hangs fails, and does not end all tests
		defer cancel()
		out, err := exec.CommandContext(ctx, "smiley", append(args, "--database", database)...).CombinedOutput()
		return string(out), err
	}
	times := stress.Times(4, 100)
	for round := range times {
		// With small rings there is little for the next one to save.
		tracer := exec.Command("smiley", "attach", program.pid, "--quiet", "--ring-bytes", "262144", "--database", database)
		if err := tracer.Start(); err != nil {
			t.Fatal(err)
		}
		owner := fmt.Sprintf("is being recorded by process %d\n", tracer.Process.Pid)
		within(t, "smiley to be attached", func() bool {
			out, err := smiley("detach", program.pid)
			return err != nil && strings.Contains(out, owner)
		})
		// The first one may be about to try again functions that it left out: then it traces the program for a moment.
		if out, err := smiley("attach", program.pid); err == nil || !strings.Contains(out, fmt.Sprintf("ed by process %d\n", tracer.Process.Pid)) {
			t.Errorf("a second attach: %v, %s", err, out)
		}
		_ = tracer.Process.Kill()
		_ = tracer.Wait()
		if round%2 == 0 {
			if out, err := smiley("detach", program.pid); err != nil || !strings.Contains(out, "is as it was") || !strings.Contains(out, "its smiley was killed") {
				t.Errorf("detach: %v, %s", err, out)
			}
			if out, err := smiley("detach", program.pid); err != nil || !strings.Contains(out, "nothing of smiley") || strings.Contains(out, "killed") {
				t.Errorf("a second detach: %v, %s", err, out)
			}
		}
	}
	if out, err := smiley("attach", program.pid, "--calls", "1000"); err != nil || !strings.Contains(out, ": 1,000 calls") {
		t.Errorf("an attach after a dead tracer: %v, %s", err, out)
	}
	if out := program.end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
	stress.Row(t, "attached smiley killed -9, 8 goroutines", times, "the program went on and was right; cleaned and attached to again")
}
