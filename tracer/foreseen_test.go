//go:build linux && amd64

package tracer

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smiley/internal/child"
	"smiley/recording"
)

// TestTypesAreForeseen records a program that puts values of new types into interfaces from the first moment: all can be read, however
// slow the tracer is, and are what breakpoints read.
func TestTypesAreForeseen(t *testing.T) {
	for name, path := range map[string]string{
		"usual":       fixture(t, "foreseen"),
		"PIE":         fixture(t, "foreseen", "-buildmode=pie"),
		"unoptimized": fixture(t, "foreseen", "-gcflags=all=-N -l"),
		"Go 1.25":     built(t, "go1.25.3", "foreseen"),
		"Go 1.27":     built(t, "go1.27.0", "foreseen"),
	} {
		t.Run(name, func(t *testing.T) {
			if path == "" {
				t.Skip("this version of Go cannot be had here")
			}
			p := record(t, Options{Target: path, Engine: EngineProbe})
			told := p.told()
			if l := p.result.Ledger; l.Unreadable != 0 || !l.Balances() {
				t.Errorf("%d values could not be read; ledger %+v", l.Unreadable, l)
				for key, list := range told {
					for _, v := range list {
						if strings.Contains(v, "unreadable") {
							t.Log(key, v)
						}
					}
				}
			}
			b := record(t, Options{Target: path, Engine: EngineBreakpoint})
			if want := b.told(); len(told) != len(want) {
				t.Errorf("values of %d functions, with breakpoints of %d", len(told), len(want))
			} else {
				for key, list := range want {
					if !slices.Equal(told[key], list) {
						t.Errorf("%s:\n%q\nwith breakpoints\n%q", key, told[key], list)
					}
				}
			}
		})
	}
}

// TestWhatIsForeseenFirst records a program of many functions with bounds on how many types are foreseen: interfaces that few types fit have
// theirs first, then those with more, and last those that any type fits.
func TestWhatIsForeseenFirst(t *testing.T) {
	functions := []string{"main.measures", "main.counts", "main.holds"} // two types fit, four, all
	for types, readable := range map[int]int{2: 1, 6: 2, 0: 3} {        // 0: as many as usual
		r := record(t, Options{Target: fixture(t, "crowded"), Engine: EngineProbe, foreseen: types})
		told := r.told()
		for i, name := range functions {
			shown := slices.Concat(told["call "+name], told["return "+name])
			if len(shown) < 4 {
				t.Fatalf("only %d values of %s", len(shown), name)
			}
			for _, v := range shown {
				if strings.Contains(v, "at the end") != (i < readable) {
					t.Errorf("when %d types are foreseen, %s is shown %s", types, name, v)
				}
			}
		}
	}
}

// TestOwnTypesAreForeseenBeforeOthers records a program with the standard library, which has more types than are foreseen: those of the program's
// own module come before those of others.
func TestOwnTypesAreForeseenBeforeOthers(t *testing.T) {
	const types = 1500 // more than fit the interfaces with methods
	r := record(t, Options{Target: fixture(t, "crowded"), Engine: EngineProbe, IncludeStdlib: true, foreseen: types})
	for _, v := range r.told()["call main.holds"] {
		if !strings.Contains(v, "at the end") {
			t.Errorf("when %d types are foreseen, one of the program's own is shown %s", types, v)
		}
	}
}

// TestManyTypesAreForeseenOfMany records a program of thousands of functions that passes values of more types than are foreseen in small programs
// before anything can have been learned of them.
func TestManyTypesAreForeseenOfMany(t *testing.T) {
	const types = foreseenFirst + 100
	manyTypesForeseen(t, types, 0, (2*types+200)*functionsPerType) // pointers to these are foreseen, too, and some others
}

// TestTypesThatAreCopiedAnywayTakeNoRoom: types of which all is copied anyway do not count as foreseen.
func TestTypesThatAreCopiedAnywayTakeNoRoom(t *testing.T) {
	manyTypesForeseen(t, foreseenFirst/2-100, foreseenFirst, 0)
}

// TestManyElements: where many elements of slices are shown, values of which no more is known than that all of them is copied anyway do not fill a
// record: in the first call, too, all can be read.
func TestManyElements(t *testing.T) {
	dir := t.TempDir()
	file, path := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	text := `package main
type point struct{ x, y int32 }
func keep(points []any) int { return len(points) }
func main() {
	var points []any
	for i := range int32(200) {
		points = append(points, point{i, -i})
	}
	keep(points)
}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-gcflags=-l", "-o", path, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%.3000s", err, out)
	}
	bounds := recording.DefaultBounds()
	bounds.Elements = 200
	p := record(t, Options{Target: path, Engine: EngineProbe, Bounds: bounds})
	if n := p.calls()["main.keep"]; n != 1 || p.result.Ledger.Unreadable != 0 {
		t.Errorf("%d calls, and %d values could not be read", n, p.result.Ledger.Unreadable)
	}
}

// manyTypesForeseen records a program that passes values of so many types to a function, with so many others for whose values nothing needs to be
// known, and with so many functions.
func manyTypesForeseen(t *testing.T, types, others, more int) {
	t.Helper()
	var source, values, functions strings.Builder
	for i := range others {
		fmt.Fprintf(&source, "type other%d struct { n [16]int }\n", i)
		fmt.Fprintf(&values, "ignore(other%d{}, &other%d{})\n", i, i)
	}
	for i := range types {
		fmt.Fprintf(&source, "type t%d struct { far [24]int; text string }\n", i)
		fmt.Fprintf(&values, "keep(t%d{text: \"at the end\"})\n", i)
	}
	for i := range more {
		fmt.Fprintf(&source, "func f%d() {}\n", i)
		fmt.Fprintf(&functions, "f%d,", i)
	}
	dir := t.TempDir()
	file, path := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	text := fmt.Sprintf("package main\nimport \"os\"\nvar functions = []func(){%s}\nfunc keep(any) {}\nfunc ignore(...any) {}\nfunc main() {\nif len(functions) > 0 {functions[len(os.Args)]()}\n%s}\n%s", &functions, &values, &source)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-gcflags=-l", "-o", path, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%.3000s", err, out)
	}
	told := record(t, Options{Target: path, Engine: EngineProbe}).told()["call main.keep"]
	if len(told) != types {
		t.Fatalf("%d calls, not %d", len(told), types)
	}
	for i, v := range told {
		if !strings.Contains(v, "at the end") {
			t.Errorf("type %d of %d is shown as %s", i, types, v)
		}
	}
}

func TestPackageOfType(t *testing.T) {
	for name, want := range map[string]string{
		"main.failure": "main", "*main.failure": "main", "[]*example.com/shop/cart.Item": "example.com/shop/cart",
		"[4]main.pair[string,example.com/x.Y]": "main", "int": "-", "[]string": "-", "[]interface {}": "-",
		"struct { X int }": "", "func(int) main.T": "", "chan int": "", "[": "", "": "-",
	} {
		pkg, ok := packageOfType([]byte(name))
		got := string(pkg)
		if ok && pkg == nil {
			got = "-"
		}
		if got != want || !ok && want != "" {
			t.Errorf("packageOfType(%q) = %q, %v; want %q", name, got, ok, want)
		}
	}
}

// TestErrorsAreForeseen: the error that a program panics with is shown with those in it, though no function has anything to do with errors.
func TestErrorsAreForeseen(t *testing.T) {
	r := record(t, Options{Target: fixture(t, "wrapped"), Engine: EngineProbe})
	decoder := recording.ValueDecoder{Types: recording.NewTypes(r.types), Bounds: recording.DefaultBounds()}
	panics := r.of(recording.KindPanic)
	if len(panics) != 1 {
		t.Fatalf("%d panics", len(panics))
	}
	types, texts := map[string]bool{}, map[string]bool{}
	var walk func(v *recording.Value)
	walk = func(v *recording.Value) {
		if v.Unreadable != "" {
			t.Errorf("a %s could not be read: %s", v.TypeName, v.Unreadable)
		}
		types[v.TypeName], texts[v.Text] = true, true
		for i := range v.Children {
			walk(&v.Children[i])
		}
	}
	value := decoder.Any(panics[0].Data)
	walk(&value)
	for _, want := range []string{"*fmt.wrapError", "*main.failure"} {
		if !types[want] {
			t.Errorf("there is no %s in %v", want, types)
		}
	}
	if !texts["too late"] {
		t.Errorf("its text is not in %v", texts)
	}
	if l := r.result.Ledger; l.Unreadable != 0 {
		t.Errorf("%d values could not be read", l.Unreadable)
	}
}

// TestItabsOfTheFile: the type is known that an interface with methods holds, when its itab was not copied. There are all itabs that the linker
// has names for, though words before some of them are addresses of types, too.
func TestItabsOfTheFile(t *testing.T) {
	for name, path := range map[string]string{
		"usual":   fixture(t, "foreseen"),
		"PIE":     fixture(t, "foreseen", "-buildmode=pie"),
		"Go 1.25": built(t, "go1.25.3", "foreseen"),
		"Go 1.27": built(t, "go1.27.0", "foreseen"),
	} {
		t.Run(name, func(t *testing.T) {
			if path == "" {
				t.Skip("this version of Go cannot be had here")
			}
			p, err := OpenProgram(path)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			p.bias = 1 << 40
			resolver := p.Resolver(&recordMemory{})
			names := map[string]bool{}
			var found, linked []uint64
			for s := range p.file.Symbols() {
				if strings.HasPrefix(string(s.Name), "go:itab.") {
					linked = append(linked, s.Value)
				}
			}
			for _, itab := range p.itabs() {
				found = append(found, itab.addr)
			}
			slices.Sort(found)
			slices.Sort(linked)
			if len(linked) > 0 && !slices.Equal(found, linked) { // since Go 1.27 they have no names
				t.Errorf("itabs at %x, the linker's at %x", found, linked)
			}
			for _, itab := range p.itabs() {
				if held, ok := p.types.all.Get(resolver.ItabType(itab.addr + p.bias)); ok {
					names[held.Name] = true
				}
			}
			for _, want := range []string{"*main.failure", "main.square", "*main.square"} {
				if !names[want] {
					t.Errorf("no itab of %s among %d", want, len(names))
				}
			}
			if id := resolver.ItabType(p.itabs()[0].addr + p.bias + 8); id != 0 {
				t.Errorf("there is an itab where there is none: type %d", id)
			}
		})
	}
}

// TestPointerBesideNothing records structures of a pointer and fields without a size in interfaces, which since Go 1.26 hold the structure itself and
// before pointed to it: what is shown is true, or said to be unknown.
func TestPointerBesideNothing(t *testing.T) {
	const beside = "main.beside{_: main.empty{}, P: &main.wide{A: 1, B: 2, C: 3}}"
	want := []string{
		"any(" + beside + ")", "any(main.within{In: [1]main.beside{" + beside + "}})", "any([1]main.beside{" + beside + "})",
		"any(main.beside{_: main.empty{}, P: nil})", "any(struct { P *main.wide }{P: &main.wide{A: 1, B: 2, C: 3}})",
	}
	for _, toolchain := range []string{"", "go1.25.3", "go1.27.0"} {
		path := built(t, toolchain, "beside")
		if path == "" {
			t.Logf("%s cannot be had here", toolchain)
			continue
		}
		for _, engine := range []Engine{EngineProbe, EngineBreakpoint} {
			told := record(t, Options{Target: path, Engine: engine}).told()
			for _, key := range []string{"call main.keep", "return main.keep"} {
				if len(told[key]) != len(want) {
					t.Fatalf("%s, engine %v: %d times %s", toolchain, engine, len(told[key]), key)
				}
				for i, got := range told[key] {
					unknown := toolchain == "go1.25.3" && i < len(want)-1
					if unknown && got != "any(<unreadable: type unknown>)" || !unknown && got != want[i] {
						t.Errorf("%s, engine %v: %s %s, want %s", toolchain, engine, key, got, want[i])
					}
				}
			}
		}
	}
}

// TestTypesAreForeseenWhenAttaching attaches to a program that passes values of many types on all the time: already the first can be read.
func TestTypesAreForeseenWhenAttaching(t *testing.T) {
	for name, path := range map[string]string{"usual": fixture(t, "meets"), "PIE": fixture(t, "meets", "-buildmode=pie")} {
		t.Run(name, func(t *testing.T) {
			program := child.Start(t, exec.Command(path))
			for range 3 {
				ctx, cancel := context.WithCancel(t.Context())
				sink := &enough{blocks: &blocks{}, want: 2, reached: cancel}
				result, err := Attach(ctx, program.Pid, Options{Bounds: recording.DefaultBounds(), RingBytes: MinRingBytes}, sink)
				cancel()
				if err != nil {
					t.Fatal(err)
				}
				if l := result.Ledger; l.Unreadable != 0 || l.Captured == 0 || !l.Balances() {
					t.Errorf("%d values could not be read; ledger %+v", l.Unreadable, l)
					for key, list := range readBack(t, sink.all).told() {
						for _, v := range slices.Compact(slices.Sorted(slices.Values(list))) {
							if strings.Contains(v, "unreadable") {
								t.Log(key, v)
							}
						}
					}
				}
			}
			program.End()
		})
	}
}
