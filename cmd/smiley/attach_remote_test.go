//go:build cgo && linux && amd64

package main

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAttachRemote: a running program is recorded by a recorder elsewhere, and watched by a monitor; it never errs.
func TestAttachRemote(t *testing.T) {
	program := startBusy(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	address := "ipc://" + filepath.Join(t.TempDir(), "m")
	monitor := exec.CommandContext(ctx, "smiley", "monitor", "--exit", "--listen", address)
	var shown strings.Builder
	monitor.Stdout = &shown
	said, err := monitor.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := monitor.Start(); err != nil {
		t.Fatal(err)
	}
	words := bufio.NewReader(said)
	if line, err := words.ReadString('\n'); !strings.Contains(line, "listening at "+address) {
		t.Fatalf("%q %v", line, err)
	}
	attach := exec.CommandContext(ctx, "smiley", "attach", program.pid, "--calls", "1000", "--remote", address)
	attach.Env = append(attach.Environ(), "XDG_STATE_HOME="+t.TempDir())
	out, err := attach.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "nothing lost; it is at "+address) {
		t.Errorf("%v: %s", err, out)
	}
	rest, _ := io.ReadAll(words)
	if err := monitor.Wait(); err != nil || !strings.Contains(shown.String(), "→ main.") && !strings.Contains(string(rest), "skipped") {
		t.Errorf("the monitor ended with %v: %s\n%s", err, rest, shown.String())
	}
	if found := program.end(); !strings.Contains(found, "wrong results: 0\n") {
		t.Error(found)
	}
}
