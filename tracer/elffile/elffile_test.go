package elffile

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func gofmt(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "bin", "gofmt")
}

// TestAgreesWithTheStandardLibrary reads every section and symbol of a program both ways.
func TestAgreesWithTheStandardLibrary(t *testing.T) {
	f, err := Open(gofmt(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := elf.Open(gofmt(t))
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	bytesRead := 0
	for i, s := range want.Sections {
		if s.Type == elf.SHT_NOBITS {
			continue
		}
		data, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Data(f.Sections[i])
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("section %s differs: %d bytes, not %d (%v)", s.Name, len(got), len(data), err)
		}
		bytesRead += len(got)
	}
	symbols, err := want.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	var got []Symbol
	for s := range f.Symbols() {
		got = append(got, *s)
	}
	got = got[1:] // the standard library leaves out the first, which is always empty
	if len(got) != len(symbols) || len(got) < 1000 || bytesRead < 1<<20 {
		t.Fatalf("%d symbols, not %d, and %d bytes", len(got), len(symbols), bytesRead)
	}
	for i, w := range symbols {
		g := got[i]
		if string(g.Name) != w.Name || g.Value != w.Value || g.Kind != elf.ST_TYPE(w.Info) || g.Defined != (w.Section != elf.SHN_UNDEF) {
			t.Fatalf("symbol %d is %s, not %+v", i, g.Name, w)
		}
	}
	if !f.HasSymbols() {
		t.Error("it seems to be stripped")
	}
}

// TestDamagedFiles: a file that is cut off is an error or has less in it, and nothing outside of the file is read.
func TestDamagedFiles(t *testing.T) {
	whole, err := os.ReadFile(gofmt(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "program")
	for _, size := range []int{0, 1, 63, 64, 4096, 4097, len(whole) / 2, len(whole) - 1} {
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			continue
		}
		for _, s := range f.Sections {
			data, err := f.Data(s)
			if err == nil && s.Type != elf.SHT_NOBITS && uint64(len(data)) != s.FileSize {
				t.Errorf("%d bytes: section %s has %d of %d bytes", size, s.Name, len(data), s.FileSize)
			}
		}
		for s := range f.Symbols() {
			_ = bytes.Clone(s.Name)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWhatCannotBeOpened: no file, a directory, and no ELF.
func TestWhatCannotBeOpened(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir(), text} {
		if f, err := Open(path); err == nil {
			t.Errorf("%s was opened", path)
			_ = f.Close()
		}
	}
}

// TestForgottenIsReadAgain: what was taken from a file stays what it is when the memory of the file is given back.
func TestForgottenIsReadAgain(t *testing.T) {
	f, err := Open(gofmt(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := f.Data(f.Section(".text"))
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(text)
	before := fileMemory(t)
	f.Forget()
	if after := fileMemory(t); after > before-len(text) {
		t.Errorf("%d bytes of files are in memory, %d before %d were given back", after, before, len(text))
	}
	if !bytes.Equal(text, want) {
		t.Error("the code is another one")
	}
}

// fileMemory returns how many bytes of files this process has in memory.
func fileMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("nothing tells how much memory files take: %v", err)
	}
	_, after, _ := strings.Cut(string(status), "RssFile:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		t.Skip("the system does not tell how much memory files take")
	}
	kilobytes, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
