package tracer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"smiley/recording"
)

// target is a binary that is ready to run.
type target struct {
	path    string // absolute path of the binary
	argv0   string // what the program sees as its name
	name    string // how the run shows it: the binary's path, or what it was built from
	cleanup func()
}

// resolve finds or builds the program that opt.Target means. The caller calls cleanup when the program has ended.
func resolve(ctx context.Context, opt *Options, include []recording.Pattern) (*target, error) {
	name := opt.Target
	if name == "" {
		return nil, recording.Errorf(recording.CodeInvalid, "no program given").WithHint("smiley run PROGRAM [-- ARGUMENTS]")
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && (info.IsDir() || strings.HasSuffix(name, ".go")):
		return build(ctx, opt, include)
	case err == nil && !info.Mode().IsRegular():
		return nil, recording.Errorf(recording.CodeInvalid, "%s is not a file that can be run", name)
	case err == nil:
		return binaryTarget(opt, name)
	case !errors.Is(err, os.ErrNotExist):
		return nil, recording.Errorf(recording.CodePermission, "cannot look at %s: %w", name, err)
	case filepath.IsAbs(name) || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") || strings.HasSuffix(name, ".go"):
		return nil, notFound(name)
	}
	if built, err := build(ctx, opt, include); recording.CodeOf(err) != recording.CodeNotFound {
		return built, err
	}
	if !strings.ContainsRune(name, '/') {
		if path, err := exec.LookPath(name); err == nil {
			return binaryTarget(opt, path)
		}
	}
	return nil, notFound(name)
}

func notFound(name string) error {
	return recording.Errorf(recording.CodeNotFound, "no program %s: there is no such file and no such package", name).
		WithHint("give a Go binary, a directory with a main package (./cmd/x), an import path, or a .go file")
}

// binaryTarget takes a binary as it is.
func binaryTarget(opt *Options, path string) (*target, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "cannot tell where %s is: %w", path, err)
	}
	if len(opt.BuildFlags) > 0 || len(opt.Tags) > 0 {
		warn(opt, recording.Errorf(recording.CodeInvalid, "%s is a binary: build flags and tags change nothing", path))
	}
	return &target{path: abs, argv0: opt.Target, name: abs, cleanup: func() {}}, nil
}

func warn(opt *Options, err *recording.Error) {
	if opt.Warn != nil {
		opt.Warn(err)
	}
}

// module is what go list says of a main package.
type module struct {
	dir        string // where the go command runs
	arg        string // how it names the package there
	name       string // package name
	importPath string
	own        []string // patterns of the person's own packages
}

// locate asks the go command about a package.
func locate(ctx context.Context, opt *Options) (*module, error) {
	m := &module{arg: opt.Target}
	if info, err := os.Stat(opt.Target); err == nil {
		dir := opt.Target
		if !info.IsDir() {
			dir = filepath.Dir(dir)
		}
		// The go command works in one module; a path into another one is built from there.
		here, err := goCommand(ctx, "", "env", "GOMOD", "GOWORK")
		if err != nil {
			return nil, err
		}
		there, err := goCommand(ctx, dir, "env", "GOMOD", "GOWORK")
		if err != nil {
			return nil, err
		}
		switch {
		case here != there && info.IsDir():
			m.dir, m.arg = dir, "."
		case here != there:
			m.dir, m.arg = dir, filepath.Base(opt.Target)
		case !filepath.IsAbs(m.arg):
			m.arg = "./" + filepath.ToSlash(filepath.Clean(m.arg))
		}
	}
	const format = "{{.Name}}\n{{.ImportPath}}\n{{with .Module}}{{.Path}}{{end}}\n{{.Standard}}"
	args := append([]string{"list", "-find", "-f", format}, listFlags(opt)...)
	out, err := goCommand(ctx, m.dir, append(args, "--", m.arg)...)
	if err != nil {
		return nil, err
	}
	fields := strings.Split(strings.TrimRight(out, "\n"), "\n")
	if len(fields) != 4 {
		return nil, recording.Errorf(recording.CodeInvalid, "%s names more than one package", opt.Target).WithHint("smiley runs one program at a time")
	}
	m.name, m.importPath = fields[0], fields[1]
	if m.name != "main" {
		return nil, recording.Errorf(recording.CodeInvalid, "%s is package %s, not a program", opt.Target, m.name).
			WithHint("name a directory or import path that holds package main")
	}
	switch own := fields[2]; {
	case own != "":
		m.own = []string{own, own + "/..."}
	case fields[3] == "true":
		m.own = []string{m.importPath, m.importPath + "/..."}
	}
	return m, nil
}

// listFlags are the build flags that change which files a package has.
func listFlags(opt *Options) []string {
	var flags []string
	if len(opt.Tags) > 0 {
		flags = append(flags, "-tags="+strings.Join(opt.Tags, ","))
	}
	for i, f := range opt.BuildFlags {
		name, _, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(f, "-"), "-"), "=")
		switch name {
		case "tags", "mod", "modfile", "overlay":
			flags = append(flags, f)
			if !hasValue && i+1 < len(opt.BuildFlags) {
				flags = append(flags, opt.BuildFlags[i+1])
			}
		}
	}
	return flags
}

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
		return "", recording.Errorf(recording.CodeNotFound, "%s", firstOf(strings.TrimSpace(stderr.String()), err.Error())).
			WithHint("name a directory, an import path or a file that go build accepts")
	}
	return stdout.String(), nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
