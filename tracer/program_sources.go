package tracer

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"smiley/recording"
)

// maxSource bounds a source file that is kept; longer ones are generated tables.
const maxSource = 4 << 20

// fileID returns the id of a source file; 0 for "". The file is read at the latest when its definition is asked for.
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
	d.added.Files = append(d.added.Files, recording.File{ID: id, Name: name})
	return id
}

// takeSources numbers the source files of functions that are likely to be defined. Their definitions are the caller's then, without
// what they hold: see readSource.
func (p *Program) takeSources(symbols []Symbol) []recording.File {
	for i := range symbols {
		p.fileID(symbols[i].File)
	}
	files := p.defined.added.Files
	p.defined.added.Files = nil
	return files
}

// readSource fills in what a source file holds as it was when the binary was built, or why it is not to be had. It is read into the
// capacity of room when it fits there. Other methods of p may be called meanwhile.
func (p *Program) readSource(f *recording.File, room []byte) {
	if f.Body, f.Missing = p.sourceBody(f.Name, room); f.Missing == "" {
		f.Hash = sha256.Sum256(f.Body)
	}
}

func (p *Program) sourceBody(name string, room []byte) (body []byte, missing string) {
	if !filepath.IsAbs(name) {
		return nil, "the binary does not say where it is (built with -trimpath)"
	}
	if !strings.HasSuffix(name, ".go") {
		return nil, "not a Go file"
	}
	f, size, modified, err := openSource(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "not found"
	case errors.Is(err, fs.ErrPermission):
		return nil, "not readable"
	case err != nil:
		return nil, "not a file"
	}
	defer f.close()
	if size > maxSource {
		return nil, "larger than 4 MiB"
	}
	if built, ok := p.buildTime(); ok && modified.After(built) {
		return nil, "newer than the binary"
	}
	if cap(room) < int(size) {
		room = make([]byte, 0, size)
	}
	body = room[:size:size]
	if f.readFull(body) != nil { // one that has become shorter is not the file that was built
		return nil, "not readable"
	}
	return body, ""
}

// sources is what reading source files needs to know of the binary.
type sources struct {
	built      sync.Once
	builtAt    time.Time // when the binary was
	builtKnown bool
}

// buildTime returns when the binary was written; false when that is not known.
func (p *Program) buildTime() (time.Time, bool) {
	s := &p.sources
	s.built.Do(func() {
		if info, err := os.Stat(p.path); err == nil {
			s.builtAt, s.builtKnown = info.ModTime(), true
		}
	})
	return s.builtAt, s.builtKnown
}
