//go:build linux && amd64

package tracer

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"smiley/recording"
)

type position struct {
	file string
	line int
}

// readCoverage turns what a program built with -cover left in dir into the oracle for counts: how often the block that
// begins at a line ran, by column.
func readCoverage(t *testing.T, dir string) map[position]map[int]int {
	t.Helper()
	text := filepath.Join(t.TempDir(), "profile")
	if out, err := exec.Command("go", "tool", "covdata", "textfmt", "-i="+dir, "-o="+text).CombinedOutput(); err != nil {
		t.Fatalf("covdata: %v\n%s", err, out)
	}
	file, err := os.Open(text)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	counts := map[position]map[int]int{}
	line := regexp.MustCompile(`^(.*):(\d+)\.(\d+),\d+\.\d+ \d+ (\d+)$`)
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		m := line.FindStringSubmatch(scanner.Text())
		if m == nil {
			continue // the mode
		}
		at, _ := strconv.Atoi(m[2])
		column, _ := strconv.Atoi(m[3])
		count, _ := strconv.Atoi(m[4])
		key := position{filepath.Base(m[1]), at}
		if counts[key] == nil {
			counts[key] = map[int]int{}
		}
		counts[key][column] = count
	}
	return counts
}

// declared are the functions of a directory: where each begins and how it is called in the binary. Functions in functions
// have the names the compiler gives them.
func declared(t *testing.T, dir string) []declaration {
	t.Helper()
	var all []declaration
	files := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			ast.Inspect(d, func(n ast.Node) bool {
				var body *ast.BlockStmt
				var begin token.Pos
				switch f := n.(type) {
				case *ast.FuncDecl:
					body, begin = f.Body, f.Pos()
				case *ast.FuncLit:
					body, begin = f.Body, f.Pos()
				}
				if body == nil {
					return true
				}
				all = append(all, declaration{
					name:  filepath.Base(files.Position(begin).Filename) + ":" + strconv.Itoa(files.Position(begin).Line),
					first: files.Position(body.Lbrace),
					line:  files.Position(begin).Line,
					file:  filepath.Base(files.Position(begin).Filename),
					empty: len(body.List) == 0,
				})
				return true
			})
		}
	}
	return all
}

type declaration struct {
	name  string
	file  string
	line  int // of the func keyword
	first token.Position
	empty bool
}

// compareCounts compares the recorded calls with the coverage of the same run, function by function. Functions are told
// apart by the file and line they begin in. The coverage is written when the program exits, while goroutines may run on:
// calls after the event late may or may not be in it.
func compareCounts(t *testing.T, r *recorded, coverDir, sourceDir string, late uint64) {
	t.Helper()
	counts := readCoverage(t, coverDir)
	recordedAt, lateAt := map[position]int{}, map[position]int{}
	for _, e := range r.of(recording.KindCall) {
		f := r.functions[e.Function]
		at := position{filepath.Base(r.fileNames[f.File]), f.Line}
		recordedAt[at]++
		if e.Seq > late {
			lateAt[at]++
		}
	}
	want := map[position]int{}
	compared := 0
	for _, d := range declared(t, sourceDir) {
		columns := counts[position{d.file, d.first.Line}]
		count, ok := columns[d.first.Column]
		if !ok {
			count, ok = columns[d.first.Column+1] // where Go versions differ
		}
		if !ok {
			if !d.empty {
				t.Errorf("%s has no coverage", d.name)
			}
			continue
		}
		want[position{d.file, d.line}] += count
		compared++
	}
	ran := 0
	for at, count := range want {
		if got := recordedAt[at]; got < count || got-lateAt[at] > count {
			t.Errorf("%s:%d ran %d times, %d calls were recorded, %d of them at the end", at.file, at.line, count, got, lateAt[at])
		}
		if count > 0 {
			ran++
		}
	}
	for at, got := range recordedAt {
		if _, ok := want[at]; !ok {
			t.Errorf("%d calls of a function at %s:%d that the source does not have", got, at.file, at.line)
		}
	}
	if ran == 0 {
		t.Error("nothing was compared")
	}
	t.Logf("%d functions compared, %d of them ran; %d calls, %d events, %d repeated stops", compared, ran, r.result.Calls, r.result.Ledger.Captured, r.result.repeated)
}

// TestCountsOfFixture is the promise about counts: every function of a concurrent program is recorded as often as it ran,
// by the coverage of the very same run.
func TestCountsOfFixture(t *testing.T) {
	for _, name := range []string{"concurrent", "morestack", "loop", "recover", "goexit", "goroutines"} {
		binary := fixture(t, name, "-cover", "-covermode=atomic", "-coverpkg=./testdata/"+name)
		for engine, opt := range map[string]Options{
			"breakpoint": {Target: binary, Engine: EngineBreakpoint}, "probe": {Target: binary, Engine: EngineProbe}, "both": everySecond(t, binary, nil),
		} {
			t.Run(name+"/"+engine, func(t *testing.T) {
				dir := t.TempDir()
				opt.Env = append(os.Environ(), "GOCOVERDIR="+dir)
				r := record(t, opt)
				if r.result.Status() != 0 {
					t.Fatalf("status %d: %s", r.result.Status(), r.stderr)
				}
				compareCounts(t, r, dir, "testdata/"+name, r.returnOf("main.main"))
			})
		}
	}
}

// TestCountsOfGofmt does it with a program that people use: gofmt, over a tree of files.
func TestCountsOfGofmt(t *testing.T) {
	root := goRoot(t)
	binary := filepath.Join(t.TempDir(), "gofmt")
	build := exec.Command("go", "build", "-o", binary, "-cover", "-covermode=atomic", "-coverpkg=cmd/gofmt", "-gcflags=cmd/gofmt=-l", "cmd/gofmt")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tree, cover := t.TempDir(), t.TempDir()
	for i := range 6 {
		source := fmt.Sprintf("package p%d\nimport \"fmt\"\nfunc  f( a []int) {\nfor i, _ := range a[0:len(a)] { fmt.Println( i ) }\n}\n", i)
		if err := os.WriteFile(filepath.Join(tree, fmt.Sprintf("f%d.go", i)), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"ring.go", "example_test.go"} { // nothing to change in these
		source, err := os.ReadFile(filepath.Join(root, "src", "container", "ring", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tree, name), source, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := record(t, Options{Target: binary, Args: []string{"-s", "-l", "-w", tree}, Env: append(os.Environ(), "GOCOVERDIR="+cover)})
	if r.result.Status() != 0 || strings.Count(r.stdout, "\n") != 6 {
		t.Fatalf("status %d, printed %q, %q", r.result.Status(), r.stdout, r.stderr)
	}
	compareCounts(t, r, cover, filepath.Join(root, "src", "cmd", "gofmt"), r.returnOf("main.(*sequencer).GetExitCode"))
}

// returnOf returns the seq of the last return of a function.
func (r *recorded) returnOf(name string) uint64 {
	var seq uint64
	for _, e := range r.of(recording.KindReturn) {
		if r.functions[e.Function].Name == name {
			seq = e.Seq
		}
	}
	return seq
}

func goRoot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
