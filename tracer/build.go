package tracer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"smiley/recording"
)

// build compiles the program that opt.Target means into a private directory, which the target's cleanup removes.
// Inlining is off in the packages that will be traced, so that every call is one; all else is as go build does it.
func build(ctx context.Context, opt *Options, include []recording.Pattern) (*target, error) {
	m, err := locate(ctx, opt)
	if err != nil {
		return nil, err
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		return nil, recording.Errorf(recording.CodeNotFound, "the go command is not installed: %w", err).WithHint("install Go")
	}
	dir, err := os.MkdirTemp("", "smiley-build-") // 0700
	if err != nil {
		return nil, noWorkshop(err)
	}
	path := filepath.Join(dir, binaryName(opt, m))
	// As with go run, the program's own name is a path that it can start again; the target as typed is not.
	t := &target{path: path, argv0: path, name: shownName(opt, m), built: true, cleanup: func() { _ = os.RemoveAll(dir) }}
	args := []string{"build", "-o", t.path}
	if opt.Tests {
		args = []string{"test", "-c", "-o", t.path}
		flags, err := prepareTests(ctx, opt, m, dir)
		if err != nil {
			t.cleanup()
			return nil, err
		}
		args = append(args, flags...)
	}
	args = append(args, compilerFlags(opt, m, include)...)
	if len(opt.Tags) > 0 {
		args = append(args, "-tags="+strings.Join(opt.Tags, ","))
	}
	args = append(args, opt.BuildFlags...) // the person's own flags win over ours
	if !opt.Tests {                        // go test would take it for a package
		args = append(args, "--")
	}
	cmd := exec.CommandContext(ctx, goTool, append(args, m.arg)...)
	cmd.Dir = m.dir
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	if err := cmd.Run(); err != nil {
		t.cleanup()
		return nil, buildError(ctx, opt, words.String(), err)
	}
	if _, err := os.Stat(t.path); err != nil {
		t.cleanup()
		return nil, recording.Errorf(recording.CodeBuild, "go build was told by --build-flags to make no program, or to put it elsewhere: %w", err).
			WithHint("leave out -o, -n and the like: smiley builds into a directory of its own")
	}
	return t, nil
}

// noWorkshop says why there is no directory to build in.
func noWorkshop(err error) error {
	code, hint := recording.CodePermission, "set TMPDIR to a directory that can be written"
	if found, better := workshopFailure(err.Error()); better != "" {
		code, hint = found, better
	}
	return recording.Errorf(code, "cannot make a directory to build in: %w", err).WithHint("%s", hint)
}

// compilerFlags turn inlining off, and all optimization in packages that are recorded line by line. Of several -gcflags that match a package the go command takes the last.
func compilerFlags(opt *Options, m *module, include []recording.Pattern) []string {
	const off = "-l"
	var flags []string
	if opt.IncludeDeps || opt.IncludeStdlib {
		flags = append(flags, "-gcflags=all="+off)
		if !opt.IncludeStdlib {
			flags = append(flags, "-gcflags=std=")
		}
	}
	flags = append(flags, "-gcflags="+off) // the package named on the command line
	for _, own := range m.own {
		flags = append(flags, "-gcflags="+own+"="+off)
	}
	for _, p := range include {
		if pkg := packagePattern(p); pkg != "" {
			flags = append(flags, "-gcflags="+pkg+"="+off)
		}
	}
	for _, text := range opt.Lines { // optimized code has lost many variables
		p, err := recording.ParsePattern(text)
		if err != nil {
			continue // newFilter has said so
		}
		if pkg := packagePattern(p); pkg != "" {
			flags = append(flags, "-gcflags="+pkg+"=-N -l")
		} else {
			flags = append(flags, "-gcflags=-N -l")
		}
	}
	return flags
}

// shownName is what a run of a built program is called.
func shownName(opt *Options, m *module) string {
	if opt.Tests {
		return m.importPath + ".test"
	}
	if strings.HasSuffix(opt.Target, ".go") {
		if abs, err := filepath.Abs(opt.Target); err == nil {
			return abs
		}
		return opt.Target
	}
	return m.importPath
}

func binaryName(opt *Options, m *module) string {
	if opt.Tests {
		return path.Base(m.importPath) + ".test"
	}
	if strings.HasSuffix(m.arg, ".go") {
		return strings.TrimSuffix(filepath.Base(m.arg), ".go")
	}
	if base := path.Base(m.importPath); base != "." && base != "/" {
		return base
	}
	return "program"
}

func buildError(ctx context.Context, opt *Options, words string, err error) error {
	if ctx.Err() != nil {
		return recording.Errorf(recording.CodeCanceled, "building %s was interrupted: %w", opt.Target, ctx.Err())
	}
	var exit *exec.ExitError
	words = strings.TrimSpace(words)
	if !errors.As(err, &exit) || words == "" {
		return recording.Errorf(recording.CodeBuild, "cannot build %s: %w", opt.Target, err)
	}
	if code, hint := workshopFailure(words); hint != "" {
		failure := recording.Errorf(code, "%s cannot be built here:\n%s", opt.Target, words).WithHint("%s", hint)
		failure.Err = err
		return failure
	}
	failure := recording.Errorf(recording.CodeBuild, "%s does not compile:\n%s", opt.Target, words)
	failure.Err = err
	if strings.Contains(words, "flag provided but not defined") || strings.Contains(words, "usage: go build") {
		return failure.WithHint("--build-flags are passed to go build as they are")
	}
	if opt.Tests {
		return failure.WithHint("nothing was run; go vet %s must succeed first", recording.ShellWord(opt.Target))
	}
	return failure.WithHint("nothing was run; go build %s must succeed first", recording.ShellWord(opt.Target))
}
