package tracer

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"smiley/recording"
)

// maxSource bounds a source file that is kept; longer ones are generated tables.
const maxSource = 4 << 20

// fileID returns the id of a source file, reading it when it is new; 0 for "".
func (p *Program) fileID(name string) recording.FileID {
	if name == "" {
		return 0
	}
	d := &p.defined
	if id, ok := d.files[name]; ok {
		return id
	}
	if d.files == nil {
		d.files = map[string]recording.FileID{}
	}
	id := recording.FileID(len(d.files) + 1)
	d.files[name] = id
	f := recording.File{ID: id, Name: name}
	f.Body, f.Missing = p.source(name)
	if f.Missing == "" {
		f.Hash = sha256.Sum256(f.Body)
	}
	d.added.Files = append(d.added.Files, f)
	return id
}

// source reads a source file as it was when the binary was built; or says why it is not to be had.
func (p *Program) source(name string) (body []byte, missing string) {
	if !filepath.IsAbs(name) {
		return nil, "the binary does not say where it is (built with -trimpath)"
	}
	if !strings.HasSuffix(name, ".go") {
		return nil, "not a Go file"
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "not found"
	case errors.Is(err, fs.ErrPermission):
		return nil, "not readable"
	case err != nil || !info.Mode().IsRegular():
		return nil, "not a file"
	case info.Size() > maxSource:
		return nil, "larger than 4 MiB"
	}
	if binary, err := os.Stat(p.path); err == nil && info.ModTime().After(binary.ModTime()) {
		return nil, "newer than the binary"
	}
	if body, err = os.ReadFile(name); err != nil {
		return nil, "not readable"
	}
	return body, ""
}
