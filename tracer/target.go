package tracer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"smiley/recording"
)

// target is a binary that is ready to run.
type target struct {
	path    string // absolute path of the binary
	argv0   string // what the program sees as its name
	name    string // how the run shows it: the binary's path, or what it was built from
	built   bool   // by us, below TMPDIR
	cleanup func()
}

// resolve finds or builds the program that opt.Target means. The caller calls cleanup when the program has ended.
func resolve(ctx context.Context, opt *Options, include []recording.Pattern) (*target, error) {
	name := opt.Target
	if name == "" {
		return nil, recording.Errorf(recording.CodeInvalid, "no program given").WithHint("smiley run PROGRAM [-- ARGUMENTS]")
	}
	if opt.Tests {
		return build(ctx, opt, include)
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && (info.IsDir() || strings.HasSuffix(name, ".go")):
		return build(ctx, opt, include)
	case err == nil && !info.Mode().IsRegular():
		return nil, recording.Errorf(recording.CodeInvalid, "%s is not a file that can be run", name).
			WithHint("give a Go binary, a directory with a main package (./cmd/x), an import path, or a .go file")
	case err == nil:
		return binaryTarget(opt, name)
	case !errors.Is(err, os.ErrNotExist):
		return nil, cannotLook(name, err)
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

// cannotLook says why nobody knows whether there is such a file.
func cannotLook(name string, err error) error {
	failed := func(code recording.Code) *recording.Error {
		return recording.Errorf(code, "cannot look at %s: %w", name, err)
	}
	switch {
	case errors.Is(err, syscall.ELOOP):
		return failed(recording.CodeInvalid).WithHint("its symbolic links lead to each other: ls -l %s", recording.ShellWord(name))
	case errors.Is(err, syscall.ENOTDIR):
		return failed(recording.CodeNotFound).WithHint("a part of the path is a file, not a directory")
	case errors.Is(err, syscall.ENAMETOOLONG):
		e := failed(recording.CodeInvalid)
		const shown = 40
		e.Message = fmt.Sprintf("%s… is too long for the name of a file", name[:min(shown, len(name))])
		return e.WithHint("give a Go binary, a directory with a main package (./cmd/x), an import path, or a .go file")
	case errors.Is(err, os.ErrPermission):
		return failed(recording.CodePermission).WithHint("you may not search one of the directories of the path")
	}
	return failed(recording.CodeInvalid).WithHint("give a Go binary, a directory with a main package (./cmd/x), an import path, or a .go file")
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

// module is what go list says of the package of a target.
type module struct {
	dir        string // where the go command runs
	arg        string // how it names the package there
	name       string // package name
	importPath string
	home       string   // the package's directory
	goroot     string   // of the go command
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
	const format = "{{.Name}}\n{{.ImportPath}}\n{{with .Module}}{{.Path}}{{end}}\n{{.Standard}}\n{{.Dir}}\n{{len .TestGoFiles}} {{len .XTestGoFiles}}\n{{context.GOROOT}}"
	args := append([]string{"list", "-find", "-f", format}, listFlags(opt)...)
	out, err := goCommand(ctx, m.dir, append(args, "--", m.arg)...)
	if err != nil {
		var failure *recording.Error
		if programs := programsBelow(ctx, opt.Target); programs != "" && !opt.Tests && errors.As(err, &failure) {
			err = failure.WithHint("programs of this module: %s", programs)
		}
		return nil, err
	}
	fields := strings.Split(strings.TrimRight(out, "\n"), "\n")
	if len(fields) != 7 {
		return nil, recording.Errorf(recording.CodeInvalid, "%s names more than one package", opt.Target).WithHint("smiley runs one program at a time")
	}
	m.name, m.importPath, m.home, m.goroot = fields[0], fields[1], fields[4], fields[6]
	tested := fields[5] != "0 0"
	switch {
	case opt.Tests && !tested:
		return nil, recording.Errorf(recording.CodeInvalid, "%s has no tests", opt.Target).WithHint("name a package with files that end in _test.go")
	case !opt.Tests && m.name != "main":
		return nil, noProgram(ctx, opt, m, tested)
	}
	switch own := fields[2]; {
	case own != "":
		m.own = []string{own, own + "/..."}
	case fields[3] == "true":
		m.own = []string{m.importPath, m.importPath + "/..."}
	}
	return m, nil
}

// noProgram says that a package is none, and what of it or near it could be run.
func noProgram(ctx context.Context, opt *Options, m *module, tested bool) error {
	err := recording.Errorf(recording.CodeInvalid, "%s is package %s, not a program", opt.Target, m.name)
	programs := programsBelow(ctx, m.home)
	switch {
	case tested && programs != "":
		return err.WithHint("its tests are recorded by: smiley test %s; programs of this module: %s", recording.ShellWord(opt.Target), programs)
	case tested:
		return err.WithHint("its tests are recorded by: smiley test %s", recording.ShellWord(opt.Target))
	case programs != "":
		return err.WithHint("programs of this module: %s", programs)
	}
	return err.WithHint("name a directory or import path that holds package main")
}

// maxPrograms bounds how many programs a hint names.
const maxPrograms = 5

// programsBelow lists programs of the module that a directory belongs to, as they can be given to smiley run; "" when there are none,
// or it is not a directory.
func programsBelow(ctx context.Context, dir string) string {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	root, err := goCommand(ctx, dir, "list", "-m", "-f", "{{.Dir}}")
	root, _, _ = strings.Cut(root, "\n")
	if err != nil || root == "" {
		return ""
	}
	out, err := goCommand(ctx, root, "list", "-e", "-find", "-f", `{{if eq .Name "main"}}{{.Dir}}{{end}}`, "./...")
	here, failed := os.Getwd()
	if err != nil || failed != nil {
		return ""
	}
	var names []string
	for dir := range strings.Lines(out) {
		if dir = strings.TrimSpace(dir); dir == "" {
			continue
		}
		name, err := filepath.Rel(here, dir)
		if err != nil || strings.HasPrefix(name, "..") {
			name = dir
		} else if name != "." {
			name = "./" + filepath.ToSlash(name)
		}
		if names = append(names, recording.ShellWord(name)); len(names) == maxPrograms {
			names = append(names, "…")
			break
		}
	}
	return strings.Join(names, " ")
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
