package tracer

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"smiley/recording"
)

// prepareTests makes what go test gives to a test binary beside the flags that were asked for, because tests rely on it: an environment
// that fits the package's directory, the go command of this Go, and places for profiles, coverage and fuzzing. private is a directory that goes
// with the binary. The result are arguments of the go command that builds the tests.
func prepareTests(ctx context.Context, opt *Options, m *module, private string) ([]string, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, recording.Errorf(recording.CodeNotFound, "the current directory is gone: %w", err)
	}
	if opt.Dir == "" {
		opt.Dir = m.home // tests find their files from there
	}
	if opt.Env == nil {
		opt.Env = testEnvironment(os.Environ(), opt.Dir, m.goroot)
	}
	given := testFlags(opt.Args)
	var build, added []string
	if given.has("coverprofile") && !isCovered(opt.BuildFlags) {
		build = append(build, "-cover")
	}
	if isCovered(opt.BuildFlags) || isCovered(build) {
		// Where children leave theirs, which would complain of having no place for it.
		covered := filepath.Join(private, "coverage")
		if err := os.Mkdir(covered, 0o700); err != nil {
			return nil, recording.Errorf(recording.CodePermission, "cannot make a directory for coverage: %w", err)
		}
		opt.Env = setVariable(opt.Env, "GOCOVERDIR", covered)
	}
	if pattern, ok := given.value("fuzz"); ok && pattern != "" {
		build = append(build, "-fuzz="+pattern) // the code that guides it is there only then
		if !given.has("fuzzcachedir") {
			cache, err := goCommand(ctx, m.dir, "env", "GOCACHE")
			if err != nil {
				return nil, err
			}
			added = append(added, "-test.fuzzcachedir="+filepath.Join(strings.TrimSpace(cache), "fuzz", filepath.FromSlash(m.importPath)))
		}
	}
	outputs, ok := given.value("outputdir")
	if !filepath.IsAbs(outputs) {
		outputs = filepath.Join(here, outputs)
	}
	switch {
	case ok:
		opt.Args = given.replace("outputdir", outputs)
	case slices.ContainsFunc(outputFlags, given.has):
		added = append(added, "-test.outputdir="+outputs)
	}
	if file, ok := given.value("coverprofile"); ok && file != "" && !filepath.IsAbs(file) {
		opt.Args = testFlags(opt.Args).replace("coverprofile", filepath.Join(outputs, file)) // which -test.outputdir does not move
	}
	opt.Args = append(added, opt.Args...)
	return build, nil
}

// outputFlags are the flags of a test binary that name files which go test puts where it was started.
var outputFlags = []string{"artifacts", "blockprofile", "cpuprofile", "memprofile", "mutexprofile", "trace"}

// isCovered says whether flags of go build ask for coverage.
func isCovered(flags []string) bool {
	return slices.ContainsFunc(flags, func(f string) bool {
		name, value, hasValue := strings.Cut(strings.TrimLeft(f, "-"), "=")
		return name == "cover" && (!hasValue || value == "true") || name == "covermode" || name == "coverpkg"
	})
}

// testEnvironment is the environment of go test for tests in dir.
func testEnvironment(env []string, dir, goroot string) []string {
	env = setVariable(env, "PWD", dir)
	if goroot == "" {
		return env
	}
	tools := filepath.Join(goroot, "bin")
	for _, e := range env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok && path != "" {
			tools += string(os.PathListSeparator) + path
			break
		}
	}
	return setVariable(env, "PATH", tools)
}

// setVariable returns env with one variable set.
func setVariable(env []string, name, value string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(e string) bool { return strings.HasPrefix(e, name+"=") })
	return append(env, name+"="+value)
}

// testFlags are the arguments of a test binary.
type testFlags []string

// find returns where the last flag of a name is, and what value it has; when takesNext, that is the next argument. Of flags that
// are repeated the last one counts.
func (f testFlags) find(name string) (at int, value string, takesNext bool) {
	at = -1
	for i, arg := range f {
		if arg == "--" || !strings.HasPrefix(arg, "-") && (i == 0 || !strings.HasPrefix(f[i-1], "-")) {
			break // what follows is the tests' own
		}
		flag, v, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if flag != "test."+name {
			continue
		}
		if at, value, takesNext = i, v, false; !hasValue && i+1 < len(f) {
			value, takesNext = f[i+1], true
		}
	}
	return at, value, takesNext
}

func (f testFlags) has(name string) bool {
	at, _, _ := f.find(name)
	return at >= 0
}

func (f testFlags) value(name string) (string, bool) {
	at, value, _ := f.find(name)
	return value, at >= 0
}

// replace returns the arguments with another value of a flag that is there.
func (f testFlags) replace(name, value string) []string {
	at, _, takesNext := f.find(name)
	args := slices.Clone(f)
	if takesNext {
		args[at+1] = value
	} else {
		args[at] = "-test." + name + "=" + value
	}
	return args
}
