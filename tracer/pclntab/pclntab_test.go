package pclntab

import (
	"debug/gosym"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"smiley/tracer/elffile"
)

// gofmt is the function table of a real program, and the address that it counts from.
func gofmt(t *testing.T) (table []byte, text uint64) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elffile.Open(filepath.Join(strings.TrimSpace(string(out)), "bin", "gofmt"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	for s := range f.Symbols() {
		if string(s.Name) == "runtime.text" {
			text = s.Value
		}
	}
	if table, err = f.Data(f.Section(".gopclntab")); err != nil || text == 0 {
		t.Fatalf("no function table, or no address of code: %v", err)
	}
	return table, text
}

// TestAgreesWithTheStandardLibrary reads every function of a program both ways, with the lines of its first and its last byte.
func TestAgreesWithTheStandardLibrary(t *testing.T) {
	data, text := gofmt(t)
	table, err := Parse(data, text)
	if err != nil {
		t.Fatal(err)
	}
	want, err := gosym.NewTable(nil, gosym.NewLineTable(data, text))
	if err != nil {
		t.Fatal(err)
	}
	functions := table.Functions()
	if len(functions) != len(want.Funcs) || len(functions) < 1000 {
		t.Fatalf("%d functions, the standard library has %d", len(functions), len(want.Funcs))
	}
	for i := range functions {
		f, w := &functions[i], &want.Funcs[i]
		if f.Entry != w.Entry || f.End != w.End || f.Name != w.Name {
			t.Fatalf("%s at %#x–%#x is %s at %#x–%#x", f.Name, f.Entry, f.End, w.Name, w.Entry, w.End)
		}
		if file, _, _ := want.PCToLine(f.Entry); file != f.File {
			t.Fatalf("%s lies in %s, not in %s", f.Name, file, f.File)
		}
		for _, pc := range []uint64{f.Entry, f.End - 1} {
			file, line, fn := want.PCToLine(pc)
			if fn == nil {
				file, line = "", 0
			}
			if got := table.File(f, pc); line > 0 && (got != file || table.Line(f, pc) != line) {
				t.Fatalf("%s: %#x is %s:%d, not %s:%d", f.Name, pc, file, line, got, table.Line(f, pc))
			}
		}
		if at, ok := Find(functions, f.Entry+(f.End-f.Entry)/2); !ok || at != i {
			t.Fatalf("%s is not found in its middle", f.Name)
		}
	}
}

// FuzzParse: a damaged function table is an error or a table, never a panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte("\xf1\xff\xff\xff\x00\x00\x01\x08"), uint64(0x400000))
	f.Fuzz(func(t *testing.T, data []byte, text uint64) {
		table, err := Parse(data, text)
		if err != nil {
			return
		}
		list := table.Functions()
		if len(list) > len(data) {
			t.Errorf("%d functions in %d bytes", len(list), len(data))
		}
		for i := range list {
			table.Line(&list[i], list[i].End)
			table.File(&list[i], list[i].End)
		}
	})
}
