//go:build linux && amd64

package tracer

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"smiley/recording"
)

func openProgram(t *testing.T, path string) *Program {
	t.Helper()
	p, err := OpenProgram(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// TestPlansFitTheFunctionTable makes a plan for every function of a program that can be traced. The function table says how
// much room the arguments of each take, which the compiler computed and DWARF does not hold: a plan with a value too few,
// too many or in the wrong place does not fit, and its values are marked.
func TestPlansFitTheFunctionTable(t *testing.T) {
	for name, flags := range map[string][]string{"optimized": {"-gcflags="}, "unoptimized": {"-gcflags=all=-N -l"}} {
		t.Run(name, func(t *testing.T) {
			p := openProgram(t, fixture(t, "values", flags...))
			plans, values := 0, 0
			for _, s := range p.Functions() {
				if s.Reason != "" {
					continue
				}
				pl, err := p.Plan(s)
				if err != nil {
					t.Errorf("%v", err)
					continue
				}
				plans++
				for _, param := range append(pl.Function.Params, pl.Function.Results...) {
					values++
					if param.Unreadable != "" {
						t.Errorf("%s of %s: %s", param.Name, s.Name, param.Unreadable)
					}
				}
				for _, r := range append(pl.Returns, pl.Entry) {
					if r < s.Entry || r >= s.End {
						t.Errorf("%s: site %#x is outside %#x–%#x", s.Name, r, s.Entry, s.End)
					}
				}
			}
			if plans < 400 || values < 1200 {
				t.Errorf("only %d plans with %d values", plans, values)
			}
		})
	}
}

// TestPlanThatDoesNotFit: when the room that the function table notes is another one, no value is believed.
func TestPlanThatDoesNotFit(t *testing.T) {
	p := openProgram(t, fixture(t, "values"))
	for _, s := range p.Functions() {
		if s.Name != "main.kLarge" {
			continue
		}
		p.list[s.index].Args += 8
		pl, err := p.Plan(s)
		if err != nil {
			t.Fatal(err)
		}
		if pl.Function.Params[0].Unreadable == "" || pl.Function.Results[0].Unreadable == "" {
			t.Errorf("values in doubt are shown: %+v", pl.Function)
		}
		return
	}
	t.Fatal("the function is not there")
}

// TestStrippedBinary: functions, lines and sites are the same as in the binary with debug information.
func TestStrippedBinary(t *testing.T) {
	whole, stripped := openProgram(t, fixture(t, "values")), openProgram(t, fixture(t, "values", "-ldflags=-s -w"))
	if whole.Stripped() || !stripped.Stripped() {
		t.Fatalf("stripped: %v and %v", whole.Stripped(), stripped.Stripped())
	}
	known, err := stripped.Offsets()
	if err != nil {
		t.Fatal(err)
	}
	if read, err := whole.Offsets(); err != nil || read != known {
		t.Errorf("offsets %+v in the table, %+v in the debug information: %v", known, read, err)
	}
	sizes := map[string]uint64{}
	for _, s := range whole.Functions() {
		sizes[s.Name+s.File] += s.End - s.Entry
	}
	seen := 0
	for _, s := range stripped.Functions() {
		if s.Origin != OriginMain || s.Reason != "" {
			continue
		}
		pl, err := stripped.Plan(s)
		if err != nil {
			t.Fatal(err)
		}
		seen++
		if len(pl.Function.Params)+len(pl.Function.Results) != 0 || sizes[s.Name+s.File] == 0 {
			t.Errorf("%+v", pl.Function)
		}
		if file, line := stripped.LineAt(s.Entry); file != s.File || line == 0 {
			t.Errorf("%s begins at %s:%d", s.Name, file, line)
		}
	}
	if seen < 80 {
		t.Errorf("%d functions", seen)
	}
}

// TestFunctionNames covers names, packages, origins and what cannot be traced.
func TestFunctionNames(t *testing.T) {
	p := openProgram(t, fixture(t, "values", "-gcflags="))
	found := map[string]Symbol{}
	for _, s := range p.Functions() {
		found[s.Name] = s
	}
	for name, want := range map[string]Symbol{
		"main.main":                       {Package: "main"},
		"main.(*list[...]).push":          {Package: "main"},
		"main.makePair[...]":              {Package: "main"},
		"main.makeAdder.func1":            {Package: "main"},
		"main.method.add-fm":              {Package: "main", Reason: "made by the compiler", NotCode: true},
		"main.same":                       {Package: "main", Reason: "inlined everywhere"},
		"fmt.Fprintf":                     {Package: "fmt", Origin: OriginStandard},
		"encoding/json.(*Decoder).Decode": {},
		"net/url.Parse":                   {Package: "net/url", Origin: OriginStandard},
		"runtime.gopanic":                 {Package: "runtime", Origin: OriginStandard, Reason: "part of the Go runtime"},
		"runtime.memmove":                 {Package: "runtime", Origin: OriginStandard, Reason: "assembly"},
	} {
		s, ok := found[name]
		if want.Package == "" { // not in the program
			if ok {
				t.Errorf("%s is in the program", name)
			}
			continue
		}
		if !ok || s.Package != want.Package || s.Origin != want.Origin || s.Reason != want.Reason || s.NotCode != want.NotCode {
			t.Errorf("%s: %+v, want %+v", name, s, want)
		}
	}
}

func TestPackageOf(t *testing.T) {
	for name, want := range map[string]string{
		"main.main":                    "main",
		"main.(*Cart).Add":             "main",
		"example.com/m/pkg.F":          "example.com/m/pkg",
		"gopkg.in/yaml%2ev3.Unmarshal": "gopkg.in/yaml.v3",
		"example.com/m.Map[go.shape.struct { A b/c.D }]": "example.com/m",
		"type:.eq.main.T": "type:",
		"memmove":         "",
	} {
		if got := packageOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestTypeNames(t *testing.T) {
	d := &debugInfo{packages: map[string]string{"gopkg.in/yaml.v3": "yaml", "example.com/go-x": "x"}}
	for full, want := range map[string][2]string{
		"int":                                 {"int", ""},
		"error":                               {"error", ""},
		"unsafe.Pointer":                      {"unsafe.Pointer", ""},
		"main.Point":                          {"main.Point", "main"},
		"encoding/json.Decoder":               {"json.Decoder", "encoding/json"},
		"*encoding/json.Decoder":              {"*json.Decoder", ""},
		"map[string][]*encoding/json.Decoder": {"map[string][]*json.Decoder", ""},
		"func(int, ...encoding/json.Token) error": {"func(int, ...json.Token) error", ""},
		"<-chan example.com/go-x.T":               {"<-chan x.T", ""},
		"chan<- int":                              {"chan<- int", ""},
		"interface {}":                            {"any", ""},
		"[]interface {}":                          {"[]any", ""},
		"struct {}":                               {"struct{}", ""},
		"gopkg.in/yaml%2ev3.Node":                 {"yaml.Node", "gopkg.in/yaml.v3"},
		"noalg.struct { F uintptr; X0 *a/b.C }":   {"struct { F uintptr; X0 *b.C }", ""},
		`struct { A int "json:\"a/b.c\"" }`:       {`struct { A int "json:\"a/b.c\"" }`, ""},
		"main.List[go.shape.int]":                 {"main.List[...]", "main"},
		"[]struct { A int; a/b.c func(a/b.D); a/b._ int; a/b.F }": {"[]struct { A int; c func(b.D); _ int; b.F }", ""},
		"struct { a/b.C \"t\"; a/b.d chan int \"u\" }":            {"struct { b.C \"t\"; d chan int \"u\" }", ""},
		"interface { A(); a/b.c(a/b.D) a/b.E }":                   {"interface { A(); b.c(b.D) b.E }", ""},
		"main.Pair[string,example.com/m/k.V]":                     {"main.Pair[string,k.V]", "main"},
		"[]go.shape.string":                                       {"[]string", ""},
		"go.shape.int":                                            {"int", ""},
		"go.shape.*uint8":                                         {"unsafe.Pointer", ""},
		"map[string][]go.shape.*uint8":                            {"map[string][]unsafe.Pointer", ""},
		"main.Pair[int,go.shape.*uint8]":                          {"main.Pair[...]", "main"},
		"main.local·1":                                            {"main.local", "main"},
	} {
		name, pkg := d.typeName(full)
		if name != want[0] || pkg != want[1] {
			t.Errorf("%s: %s of %q, want %s of %q", full, name, pkg, want[0], want[1])
		}
	}
}

// TestOpenProgramErrors: whatever is wrong with a target is said in one line, with a hint.
func TestOpenProgramErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole, err := os.ReadFile(fixture(t, "values"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path string
		code       recording.Code
		says       string
	}{
		{"missing", filepath.Join(dir, "missing"), recording.CodeNotFound, "no such file"},
		{"directory", dir, recording.CodeInvalid, "directory"},
		{"not executable", write("plain", "\x7fELF", 0o600), recording.CodePermission, "not executable"},
		{"script", write("script", "#!/bin/sh\n", 0o700), recording.CodeUnsupported, "script"},
		{"empty", write("empty", "", 0o700), recording.CodeUnsupported, "not a Go program"},
		{"windows", write("windows", "MZ\x90\x00", 0o700), recording.CodeUnsupported, "another system"},
		{"cut short", write("short", string(whole[:5000]), 0o700), recording.CodeUnsupported, "not a Go program"},
		{"arm64", arm64Program(t, dir), recording.CodeUnsupported, "is for arm64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := OpenProgram(c.path)
			if err == nil {
				_ = p.Close()
				t.Fatal("no error")
			}
			e, ok := err.(*recording.Error)
			if !ok || e.Code != c.code || !strings.Contains(e.Message, c.says) || e.Hint == "" || strings.Contains(e.Message, "\n") {
				t.Errorf("%#v", err)
			}
		})
	}
}

// arm64Program builds a program for another architecture.
func arm64Program(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "arm64")
	cmd := exec.Command("go", "build", "-o", path, "./testdata/exit")
	cmd.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}
