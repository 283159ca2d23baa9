package smiley_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "smiley"

// mayImport says which of our packages each of our packages may import; a path stands for everything below it too.
// Imports point one way: cmd/smiley → web, export, analysis → store → recording, and cmd/smiley → tracer, transport →
// recording.
var mayImport = map[string][]string{
	"recording":  {},
	"tracer":     {"recording"},
	"transport":  {"recording"},
	"store":      {"recording"},
	"analysis":   {"store", "recording"},
	"export":     {"analysis", "store", "recording"},
	"web":        {"export", "analysis", "store", "recording"},
	"cmd/smiley": {"web", "export", "analysis", "store", "tracer", "transport", "recording"},
	"bench":      {"web", "export", "analysis", "store", "tracer", "transport", "recording"},
	"examples":   {},
	"internal":   {"store", "recording", "analysis"}, // recordings made by hand and opened, for tests
	"tools":      {},
}

// onlyIn says which of our packages may import a package of somebody else. bench runs peers beside us, so it may import
// what it compares with.
var onlyIn = map[string][]string{
	"github.com/go-delve/delve": {"tracer"},
	"github.com/pebbe/zmq4":     {"transport", "bench"},
	"modernc.org/sqlite":        {"store", "bench"},
	"database/sql":              {"store", "bench"},
	"github.com/spf13/cobra":    {"cmd/smiley"},
	"github.com/prometheus":     {"cmd/smiley"},
	"github.com/google/pprof":   {"export", "tracer"}, // the tracer's tests read profiles
	"golang.org/x/arch":         {"tracer", "recording"},
}

// noIO are packages that recording must not import: it is bytes in, bytes out.
var noIO = []string{"os", "net", "io/fs", "io/ioutil", "syscall", "log", "golang.org/x/sys"}

func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// owner returns the entry of mayImport that a directory belongs to, "" when there is none.
func owner(dir string) string {
	for name := range mayImport {
		if within(dir, name) {
			return name
		}
	}
	return ""
}

// TestImportsPointOneWay reads every Go file of the module, whatever its build tags, and checks what it imports.
func TestImportsPointOneWay(t *testing.T) {
	seen := map[string]int{}
	eachFile(t, func(dir, file string, syntax *ast.File) {
		name := owner(dir)
		if name == "" {
			t.Errorf("%s: package %s is in nobody's import rule", file, dir)
			return
		}
		seen[name]++
		for _, spec := range syntax.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			checkImport(t, file, name, path)
		}
	})
	for _, name := range []string{"recording", "store", "tracer", "analysis", "export", "cmd/smiley"} {
		if seen[name] == 0 {
			t.Errorf("no file of %s was read: the test looks in the wrong place", name)
		}
	}
}

func checkImport(t *testing.T, file, from, path string) {
	t.Helper()
	if own, ok := strings.CutPrefix(path, module+"/"); ok {
		to := owner(own)
		if test := strings.HasSuffix(file, "_test.go"); test && to == "internal" {
			return
		}
		if to != from && !slices.Contains(mayImport[from], to) {
			t.Errorf("%s: %s must not import %s", file, from, path)
		}
	}
	for root, owners := range onlyIn {
		if within(path, root) && !slices.Contains(owners, from) {
			t.Errorf("%s: only %s may import %s", file, strings.Join(owners, ", "), path)
		}
	}
	if from == "recording" && !strings.HasSuffix(file, "_test.go") {
		for _, root := range noIO {
			if within(path, root) {
				t.Errorf("%s: recording does no I/O and must not import %s", file, path)
			}
		}
	}
}

// TestRecordingStartsNoGoroutine checks the other half of "bytes in, bytes out".
func TestRecordingStartsNoGoroutine(t *testing.T) {
	eachFile(t, func(dir, file string, syntax *ast.File) {
		if !within(dir, "recording") || strings.HasSuffix(file, "_test.go") {
			return
		}
		ast.Inspect(syntax, func(n ast.Node) bool {
			if _, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s: recording starts a goroutine", file)
			}
			return true
		})
	})
}

// eachFile calls visit for every Go file below the module's root but those in testdata and in the root itself.
func eachFile(t *testing.T, visit func(dir, file string, syntax *ast.File)) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); file != "." && (name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(file))
		if filepath.Ext(file) != ".go" || dir == "." {
			return nil
		}
		syntax, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		visit(dir, filepath.ToSlash(file), syntax)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
