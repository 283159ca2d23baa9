package tracer

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"os/exec"
	"strings"

	"smiley/recording"
)

// goCommand runs the go command in dir and returns what it prints. Its failure is CodeNotFound with its words: what it
// is asked here only fails when it cannot find something.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return "", recording.Errorf(recording.CodeNotFound, "the go command is not installed, so that nothing can be built: %w", err).
			WithHint("install Go, or give a binary that is already built")
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", recording.Errorf(recording.CodeCanceled, "building was interrupted: %w", ctx.Err())
		}
		words := cmp.Or(strings.TrimSpace(stderr.String()), err.Error())
		failure := recording.Errorf(recording.CodeNotFound, "%s", words)
		if code, hint := workshopFailure(words); hint != "" {
			failure.Code = code
			return "", failure.WithHint("%s", hint)
		}
		return "", failure.WithHint("name a directory, an import path or a file that go build accepts")
	}
	return stdout.String(), nil
}

// workshopFailure finds out of the go command's words whether it lacked not the program but what it takes to build any, and says what can be
// done about it; "" when it lacked nothing.
func workshopFailure(words string) (recording.Code, string) {
	said := func(texts ...string) bool {
		for _, text := range texts {
			if strings.Contains(words, text) {
				return true
			}
		}
		return false
	}
	const elsewhere = "set TMPDIR and GOCACHE to directories "
	switch {
	case said("no space left on device", "disk quota exceeded"):
		return recording.CodeFull, "free some room in " + recording.ShellWord(os.TempDir()) + " and in the directory that 'go env GOCACHE' names, or " + elsewhere + "with more"
	case said("build cache is required", "build cache is disabled", "initialize build cache"):
		return recording.CodePermission, "set GOCACHE to a directory that can be written"
	case said("creating work dir", "read-only file system"):
		return recording.CodePermission, elsewhere + "that can be written"
	case said("module cache not found", "cannot find GOROOT"):
		return recording.CodeNotFound, "set HOME, or GOPATH and GOMODCACHE, as in the shell that go build works in"
	}
	return "", ""
}
