//go:build linux && amd64

package tracer

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smiley/recording"
)

// module writes a module into a directory of its own.
func writeModule(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var exampleModule = map[string]string{
	"go.mod":            "module example.com/shop\n\ngo 1.22\n",
	"cmd/shop/main.go":  "package main\n\nimport \"example.com/shop/price\"\n\nfunc main() { println(price.Of(20) + extra()) }\n",
	"cmd/shop/plain.go": "//go:build !fancy\n\npackage main\n\nfunc extra() int { return 0 }\n",
	"cmd/shop/fancy.go": "//go:build fancy\n\npackage main\n\nfunc extra() int { return 1000 }\n",
	"price/price.go":    "package price\n\nfunc Of(n int) int { return tax(n) }\n\nfunc tax(n int) int { return n * 2 }\n",
	"price/price_test.go": `package price

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOf(t *testing.T) {
	dir, _ := os.Getwd()
	println(filepath.Base(dir))
	if Of(1) != 2 {
		t.Fatal()
	}
}
`,
	"alone/alone.go": "package main\n\nfunc main() { println(small(1)) }\n\nfunc small(n int) int { return n + 1 }\n",
	"broken/main.go": "package main\n\nfunc main() { undefined() }\n",
	"empty/doc.txt":  "no Go here\n",
}

// TestTargets names a program in all the ways there are. Functions so small that the compiler would inline them are calls.
func TestTargets(t *testing.T) {
	dir := writeModule(t, exampleModule)
	t.Setenv("TMPDIR", t.TempDir())
	shop := []string{"main.main", "example.com/shop/price.Of", "example.com/shop/price.tax", "main.extra"}
	for _, test := range []struct {
		name   string
		cwd    string
		opt    Options
		calls  []string
		stderr string
		shown  string
	}{
		{"a directory", dir, Options{Target: "./cmd/shop"}, shop, "40\n", "example.com/shop/cmd/shop"},
		{"a directory without a dot", dir, Options{Target: "cmd/shop"}, shop, "40\n", "example.com/shop/cmd/shop"},
		{"an import path", dir, Options{Target: "example.com/shop/cmd/shop"}, shop, "40\n", "example.com/shop/cmd/shop"},
		{"here", filepath.Join(dir, "cmd", "shop"), Options{Target: "."}, shop, "40\n", "example.com/shop/cmd/shop"},
		{"a directory of another module", ".", Options{Target: filepath.Join(dir, "cmd", "shop")}, shop, "40\n", "example.com/shop/cmd/shop"},
		{"a file", dir, Options{Target: "alone/alone.go"}, []string{"main.main", "main.small"}, "2\n", filepath.Join(dir, "alone", "alone.go")},
		{"tags", dir, Options{Target: "./cmd/shop", Tags: []string{"fancy"}}, shop, "1040\n", "example.com/shop/cmd/shop"},
		{"build flags", dir, Options{Target: "./cmd/shop", BuildFlags: []string{"-tags", "fancy"}}, shop, "1040\n", "example.com/shop/cmd/shop"},
		{
			"tests", dir,
			Options{Target: "./price", Tests: true, Args: []string{"-test.run=Of"}},
			[]string{"main.main", "main.init.0", "example.com/shop/price.TestOf", "example.com/shop/price.Of", "example.com/shop/price.tax"},
			"price\n", "example.com/shop/price.test",
		},
		{"a package of the module", dir, Options{Target: "./cmd/shop", Include: []string{"example.com/shop/price"}}, shop[1:3], "40\n", "example.com/shop/cmd/shop"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(test.cwd)
			r := record(t, test.opt)
			var calls []string
			for name := range r.calls() {
				calls = append(calls, name)
			}
			slices.Sort(calls)
			want := slices.Sorted(slices.Values(test.calls))
			if !slices.Equal(calls, want) || r.stderr != test.stderr {
				t.Errorf("calls %q, printed %q", calls, r.stderr)
			}
			if r.run.Program != test.shown {
				t.Errorf("the run shows %q", r.run.Program)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "smiley-build-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestPlugin names a plugin as the program to run: its functions are recorded by nobody, and executing it never ends.
func TestPlugin(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("plugins need gcc, which is not installed:", err)
	}
	path := filepath.Join(t.TempDir(), "plugin.so")
	if out, err := exec.Command("go", "build", "-buildmode=plugin", "-o", path, "./testdata/exit").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, mode := range []os.FileMode{0o600, 0o700} { // the first is what go build gives it
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := tryRecord(t, Options{Target: path})
		if recording.CodeOf(err) != recording.CodeUnsupported || !strings.Contains(err.Error(), "plugin") {
			t.Errorf("a plugin, %v: %v", mode, err)
		}
	}
}

// TestProgramWithGoInIt names a program of C that Go was linked into: it is no Go program, and nothing else loads it.
func TestProgramWithGoInIt(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("an archive needs gcc, which is not installed:", err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module with\n\ngo 1.25\n",
		"with.go": "package main\n\nimport \"C\"\n\n//export Two\nfunc Two() C.int { return 2 }\n\nfunc main() {}\n",
		"main.c":  "int Two(void);\nint main(void) { return Two(); }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range [][]string{
		{"go", "build", "-buildmode=c-archive", "-o", "with.a", "with.go"},
		{"gcc", "-o", "program", "main.c", "with.a", "-lpthread"},
	} {
		c := exec.Command(command[0], command[1:]...)
		c.Dir, c.Env = dir, append(os.Environ(), "GO111MODULE=")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	_, err := tryRecord(t, Options{Target: filepath.Join(dir, "program")})
	if recording.CodeOf(err) != recording.CodeUnsupported || !strings.Contains(err.Error(), "another language") {
		t.Errorf("it says %v", err)
	}
}

// TestBadTargets names programs that cannot be run: each time a clear error with a hint, and nothing is sent.
func TestBadTargets(t *testing.T) {
	dir := writeModule(t, exampleModule)
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("script", "#!/bin/sh\necho no\n", 0o700)
	write("noise", "\x00\x01\x02", 0o700)
	write("short", "\x7fELF", 0o700)
	plain, err := os.ReadFile(fixture(t, "exit"))
	if err != nil {
		t.Fatal(err)
	}
	write("plain", string(plain), 0o600)
	arm := exec.Command("go", "build", "-o", filepath.Join(dir, "arm"), "./testdata/exit")
	arm.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := arm.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Chdir(dir)
	for _, test := range []struct {
		target string
		code   recording.Code
		says   string
	}{
		{"", recording.CodeInvalid, "no program"},
		{"./nowhere", recording.CodeNotFound, "./nowhere"},
		{"nowhere.go", recording.CodeNotFound, "nowhere.go"},
		{"no/such/import/path", recording.CodeNotFound, "no/such/import/path"},
		{"./price", recording.CodeInvalid, "package price"},
		{"./empty", recording.CodeNotFound, "no Go files"},
		{"./broken", recording.CodeBuild, "undefined: undefined"},
		{"./script", recording.CodeUnsupported, "script"},
		{"./noise", recording.CodeUnsupported, "noise"},
		{"./short", recording.CodeUnsupported, "short"},
		{"./plain", recording.CodePermission, "plain"},
		{"./arm", recording.CodeUnsupported, "arm64"},
		{"/bin/sh", recording.CodeUnsupported, "/bin/sh"},
		{os.DevNull, recording.CodeInvalid, os.DevNull},
	} {
		_, err := tryRecord(t, Options{Target: test.target})
		e, ok := err.(*recording.Error)
		if !ok || e.Code != test.code || !strings.Contains(e.Message, test.says) || e.Hint == "" && test.target != os.DevNull {
			t.Errorf("%q: %v (%s)", test.target, err, recording.CodeOf(err))
			if ok {
				t.Logf("hint: %s", e.Hint)
			}
		}
	}
}

// TestOtherBuilds records programs that are linked in other ways: position-independent, with the C library, stripped.
func TestOtherBuilds(t *testing.T) {
	for _, test := range []struct {
		name  string
		flags []string
		env   string
	}{
		{name: "pie", flags: []string{"-buildmode=pie"}},
		{name: "without DWARF", flags: []string{"-ldflags=-w"}},
		{name: "stripped", flags: []string{"-ldflags=-s -w"}},
		{name: "trimmed", flags: []string{"-trimpath"}},
		{name: "race", flags: []string{"-race"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			binary := fixture(t, "recover", test.flags...)
			r := record(t, Options{Target: binary})
			if got := r.calls(); got["main.guarded"] != 10 || got["main.deep"] != 12 || r.result.Status() != 0 {
				t.Errorf("status %d, calls %v", r.result.Status(), got)
			}
			if n := len(r.of(recording.KindPanic)); n != 15 {
				t.Errorf("%d panics", n)
			}
			if n := len(r.of(recording.KindRecovered)); n != 13 {
				t.Errorf("%d recoveries", n)
			}
			if r.output(1) != r.stdout {
				t.Errorf("recorded output %q, written %q", r.output(1), r.stdout)
			}
			_, isPIE := elfType(t, binary)
			if test.name == "pie" && !isPIE {
				t.Error("not position-independent")
			}
		})
	}
}

func elfType(t *testing.T, path string) (elf.Type, bool) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return f.Type, f.Type == elf.ET_DYN
}

// TestBuiltProgramCanStartItself: a package is not a path that can be executed, so a program that was built must not see the
// package as its own name.
func TestBuiltProgramCanStartItself(t *testing.T) {
	dir := writeModule(t, map[string]string{
		"go.mod": "module example.com/again\n\ngo 1.22\n",
		"cmd/again/main.go": `package main

import (
	"fmt"
	"os"
	"os/exec"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Println("again")
		return
	}
	out, err := exec.Command(os.Args[0], "child").Output()
	fmt.Print(string(out), err, "\n")
}
`,
	})
	t.Chdir(dir)
	r := record(t, Options{Target: "./cmd/again"})
	if want := "again\n<nil>\n"; r.stdout != want {
		t.Errorf("the program wrote %q, want %q", r.stdout, want)
	}
}

// TestPartlyInlined: a function with code of its own that was also inlined is recorded where it is called, and the run says
// that calls of it are missing.
func TestPartlyInlined(t *testing.T) {
	dir := writeModule(t, map[string]string{
		"go.mod": "module example.com/part\n\ngo 1.22\n",
		"main.go": `package main

import "os"

func small(n int) int { return n + len(os.Args) }

func main() {
	f := small
	if len(os.Args) > 5 {
		f = nil
	}
	println(f(1) + small(2))
}
`,
	})
	binary := filepath.Join(t.TempDir(), "part")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var warnings []string
	r := record(t, Options{Target: binary, Warn: func(e *recording.Error) { warnings = append(warnings, e.Message) }})
	if got := r.calls()["main.small"]; got != 1 {
		t.Errorf("%d calls of main.small recorded, want the one through the variable", got)
	}
	if !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, "main.small") }) {
		t.Errorf("nothing says that calls of main.small are missing: %q", warnings)
	}
}
