//go:build linux && amd64

package tracer

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smiley/internal/stress"
)

// realProgram is a program that nobody here wrote, and something for it to do.
type realProgram struct {
	name    string
	build   []string // package for go build, with flags before it; empty: args[0] is there
	dir     string
	args    []string
	everyFn bool   // of the standard library and of dependencies, too; else of the main module
	product string // a file that it makes
	full    bool   // only at full length
	module  string // directory of the module it belongs to
}

// TestStressRealPrograms records programs that nobody here wrote, with probes in every function of theirs that can have one:
// what they print and make is what they print and make without smiley.
func TestStressRealPrograms(t *testing.T) {
	root := goRoot(t)
	source := func(parts ...string) string { return filepath.Join(append([]string{root, "src"}, parts...)...) }
	product := filepath.Join(t.TempDir(), "types.a")
	for _, p := range []realProgram{
		{name: "gofmt over package errors", build: []string{"cmd/gofmt"}, args: []string{"-d", source("errors")}, everyFn: true},
		{name: "go list -deps errors", build: []string{"cmd/go"}, args: []string{"list", "-deps", "errors"}},
		{name: "gofmt -l over GOROOT, its own functions", build: []string{"cmd/gofmt"}, args: []string{"-l", source()}, full: true},
		{name: "gofmt -l over net, with the standard library", build: []string{"cmd/gofmt"}, args: []string{"-l", source("net")}, everyFn: true, full: true},
		{name: "go list -deps std, with the standard library", build: []string{"cmd/go"}, args: []string{"list", "-deps", "std"}, everyFn: true, full: true},
		{name: "compile go/types, its own functions", build: []string{"cmd/compile"}, args: compileTypes(t, product), product: product, dir: source("go", "types"), full: true},
		{name: "staticcheck over a package, with all that it depends on", build: []string{"honnef.co/go/tools/cmd/staticcheck"}, module: "../tools", args: []string{"./recording"}, dir: "..", everyFn: true, full: true},
	} {
		t.Run(p.name, func(t *testing.T) {
			if p.full && !stress.Full() {
				t.Skip("at full length only: make stress")
			}
			path := p.compile(t)
			want, wantErr, wantStatus, wantProduct := p.run(t, path, nil)
			got := &tallied{}
			_, _, _, gotProduct := p.run(t, path, func() {
				t.Chdir(p.dirOr("."))
				got = tally(t, Options{Target: path, Args: p.args, IncludeStdlib: p.everyFn, IncludeDeps: p.everyFn, Engine: EngineProbe})
			})
			if got.stdout != want || got.stderr != wantErr || got.result.Status() != wantStatus || gotProduct != wantProduct {
				t.Errorf("status %d, alone %d; %d bytes of output, alone %d; product %s, alone %s; stderr %.1000s, alone %.1000s",
					got.result.Status(), wantStatus, len(got.stdout), len(want), gotProduct, wantProduct, got.stderr, wantErr)
			}
			if l := got.result.Ledger; !l.Balances() || l.Dropped > 0 || got.result.unmatched > 0 || got.result.Calls == 0 {
				t.Errorf("%+v, %d returns without a call", l, got.result.unmatched)
			}
			stress.Row(t, p.name, 1, fmt.Sprintf("%d functions, %d calls, %d not traced; output, status and product as without smiley",
				got.result.Traced, got.result.Calls, len(got.result.Untraced)))
		})
	}
}

func (p *realProgram) dirOr(other string) string {
	if p.dir != "" {
		return p.dir
	}
	return other
}

func (p *realProgram) compile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(p.build[len(p.build)-1]))
	command := exec.Command("go", append([]string{"build", "-o", path}, p.build...)...)
	command.Dir = p.module
	if out, err := command.CombinedOutput(); err != nil {
		if p.module != "" {
			t.Skipf("%s cannot be built here: %v\n%.500s", p.name, err, out)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// run runs the program, by how when that is given, and returns the digest of what it made, too.
func (p *realProgram) run(t *testing.T, path string, how func()) (stdout, stderr string, status int, product string) {
	t.Helper()
	if how != nil {
		how()
	} else {
		command := exec.Command(path, p.args...)
		command.Dir = p.dirOr(".")
		var out, errs strings.Builder
		command.Stdout, command.Stderr = &out, &errs
		if err := command.Run(); err != nil {
			if _, exit := err.(*exec.ExitError); !exit {
				t.Fatal(err)
			}
		}
		stdout, stderr, status = out.String(), errs.String(), command.ProcessState.ExitCode()
	}
	if p.product != "" {
		body, err := os.ReadFile(p.product)
		if err != nil {
			t.Fatal(err)
		}
		product = fmt.Sprintf("%x", sha256.Sum256(body))
		if err := os.Remove(p.product); err != nil {
			t.Fatal(err)
		}
	}
	return stdout, stderr, status, product
}

// compileTypes are the arguments of the compiler for package go/types; nil when they are not needed.
func compileTypes(t *testing.T, product string) []string {
	t.Helper()
	if !stress.Full() {
		return nil
	}
	list := func(args ...string) string {
		out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
		if err != nil {
			t.Fatalf("go list %q: %v", args, err)
		}
		return string(out)
	}
	imports := filepath.Join(t.TempDir(), "imports")
	exports := list("-export", "-deps", "-f", "{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}", "go/types")
	if err := os.WriteFile(imports, []byte(exports), 0o600); err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(list("-f", "{{range .GoFiles}}{{.}} {{end}}", "go/types"))
	return append([]string{"-p", "go/types", "-std", "-complete", "-c=2", "-importcfg", imports, "-o", product, "-pack"}, files...)
}

// TestStressServer records a web server under load, with the standard library's functions, too: every answer is right.
func TestStressServer(t *testing.T) {
	const workers = 8
	times, requests := stress.Times(1, 20), stress.Times(200, 2000)
	path, answers := fixture(t, "serve"), 0
	for range times {
		address := filepath.Join(t.TempDir(), "address")
		in, end, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan *tallied, 1)
		go func() {
			defer close(done) // also when it fails, which ends this goroutine only
			done <- tally(t, Options{Target: path, Args: []string{address}, Stdin: in, IncludeStdlib: true, Engine: EngineProbe})
		}()
		home := "http://" + awaitFile(t, address)
		var all sync.WaitGroup
		var wrong atomic.Int64
		for w := range workers {
			all.Go(func() {
				for i := range requests / workers {
					if !ask(home, w, i) {
						wrong.Add(1)
					}
				}
			})
		}
		all.Wait()
		if err := end.Close(); err != nil {
			t.Fatal(err)
		}
		r := <-done
		_ = in.Close()
		if r == nil {
			t.FailNow()
		}
		if want := uint64(requests / workers * workers); wrong.Load() > 0 || r.calls["main.handle"] != want || countsIn(r.stderr)["main.handle"] != want {
			t.Errorf("%d wrong answers, %d calls of main.handle, %q", wrong.Load(), r.calls["main.handle"], r.stderr)
		}
		if l := r.result.Ledger; r.stdout != "done\n" || r.result.Status() != 0 || !l.Balances() || l.Dropped > 0 {
			t.Errorf("printed %q, status %d, %+v", r.stdout, r.result.Status(), l)
		}
		answers += requests / workers * workers
	}
	http.DefaultClient.CloseIdleConnections()
	stress.Row(t, "web server under load, with the standard library", times, fmt.Sprintf("%d answers, all right, one call of the handler each", answers))
}

// awaitFile returns what a file says once it says something.
func awaitFile(t *testing.T, name string) string {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if text, err := os.ReadFile(name); err == nil && len(text) > 0 {
			return string(text)
		}
	}
	t.Fatalf("nothing came into %s", name)
	return ""
}

// ask sends a request, and reports whether the answer is right.
func ask(home string, worker, i int) bool {
	items := []string{strings.Repeat("a", worker+1), strings.Repeat("b", i%50)}
	body, err := json.Marshal(map[string]any{"id": i, "items": items})
	if err != nil {
		return false
	}
	response, err := http.Post(home, "application/json", bytes.NewReader(body))
	if err != nil {
		return false
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	var got struct {
		ID    int
		Items []string
		Total float64
	}
	return err == nil && json.Unmarshal(text, &got) == nil && got.ID == i && fmt.Sprint(got.Items) == fmt.Sprint(items) &&
		got.Total == 1.5*float64(worker+1+i%50)
}
