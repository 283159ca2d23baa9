package tracer

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"smiley/recording"
)

// nearSink decodes blocks at once, as a store does, and has the next one written over the last.
type nearSink struct {
	last  []byte
	files []recording.File
	sizes []int
}

func (s *nearSink) Spare() []byte { return s.last[:0] }

func (s *nearSink) Await(int)    {}
func (s *nearSink) Close() error { return nil }
func (s *nearSink) Send(encoded []byte) error {
	block, err := recording.Decode(encoded)
	if err != nil {
		return err
	}
	for _, f := range block.Definitions.Files {
		f.Body = bytes.Clone(f.Body)
		s.files = append(s.files, f)
	}
	s.sizes = append(s.sizes, len(encoded))
	clear(s.last[:cap(s.last)])
	s.last = encoded
	return nil
}

// TestSourcesAreSent: each source file arrives once and as it is, in the order of their numbers, in blocks that are not much longer than
// they should be, although they are read into memory that is used again and again.
func TestSourcesAreSent(t *testing.T) {
	dir := t.TempDir()
	var symbols []Symbol
	want := map[string][]byte{}
	for i, size := range []int{0, 100, 300 << 10, 900 << 10, 3 << 20, 1, 200 << 10, 1 << 20, 500 << 10, 500 << 10, 2000, 1 << 20, 1 << 20, 77} {
		name := filepath.Join(dir, fmt.Sprintf("f%d.go", i))
		body := bytes.Repeat([]byte{byte('a' + i)}, size)
		if err := os.WriteFile(name, body, 0o600); err != nil {
			t.Fatal(err)
		}
		want[name] = body
		symbols = append(symbols, Symbol{File: name}, Symbol{File: name})
	}
	symbols = append(symbols, Symbol{File: filepath.Join(dir, "missing.go")}, Symbol{})
	want[filepath.Join(dir, "missing.go")] = nil

	id, err := recording.NewRunID()
	if err != nil {
		t.Fatal(err)
	}
	program := &Program{}
	sink := &nearSink{}
	p := newPipeline(recording.Run{ID: id, Start: time.Now(), Settings: recording.Settings{Bounds: recording.DefaultBounds()}}, sink)
	if err := p.sendSources(program.takeSources(symbols), program.readSource); err != nil {
		t.Error(err)
	}
	if len(program.defined.added.Files) > 0 {
		t.Error("the program defines files once more")
	}
	if _, _, err := p.finish(recording.RunEnd{}); err != nil {
		t.Fatal(err)
	}
	if len(sink.files) != len(want) {
		t.Fatalf("%d files of %d", len(sink.files), len(want))
	}
	for i, f := range sink.files {
		body := want[f.Name]
		switch {
		case f.ID != recording.FileID(i+1):
			t.Errorf("file %d has number %d", i, f.ID)
		case body == nil:
			if f.Missing != "not found" || len(f.Body) > 0 {
				t.Errorf("%s: missing because %q", f.Name, f.Missing)
			}
		case f.Missing != "" || !bytes.Equal(f.Body, body) || f.Hash != sha256.Sum256(body):
			t.Errorf("%s: %d bytes of %d, missing because %q", f.Name, len(f.Body), len(body), f.Missing)
		}
	}
	for i, size := range sink.sizes {
		if size > 3<<20+2*sourceChunk {
			t.Errorf("block %d has %d bytes", i, size)
		}
	}
	if len(sink.sizes) < 6 {
		t.Errorf("%d blocks", len(sink.sizes))
	}
}

// TestSourcesTooLong: files that are too long to be kept leave so little to send that their memory goes on with the next block. However
// many there are, all files are announced.
func TestSourcesTooLong(t *testing.T) {
	files := make([]recording.File, 3*sourceChunks)
	for i := range files {
		files[i] = recording.File{ID: recording.FileID(i + 1), Name: fmt.Sprintf("f%d.go", i)}
	}
	long := make([]byte, 9<<20)
	id, err := recording.NewRunID()
	if err != nil {
		t.Fatal(err)
	}
	sink := &nearSink{}
	p := newPipeline(recording.Run{ID: id, Start: time.Now(), Settings: recording.Settings{Bounds: recording.DefaultBounds()}}, sink)
	if err := p.sendSources(files, func(f *recording.File, _ []byte) { f.Body, f.Hash = long, sha256.Sum256(long) }); err != nil {
		t.Error(err)
	}
	if _, _, err := p.finish(recording.RunEnd{}); err != nil {
		t.Fatal(err)
	}
	if len(sink.files) != len(files) {
		t.Fatalf("%d files of %d", len(sink.files), len(files))
	}
	for _, f := range sink.files {
		if len(f.Body) > 0 || f.Missing == "" {
			t.Errorf("%s: %d bytes, missing because %q", f.Name, len(f.Body), f.Missing)
		}
	}
}

// TestSourcesBeforeTheRun: of a run that may never begin, source files are read and nothing is sent. When it begins they are, and when it
// never does nobody waits for that.
func TestSourcesBeforeTheRun(t *testing.T) {
	for _, begins := range []bool{true, false} {
		t.Run(fmt.Sprint(begins), func(t *testing.T) {
			const count = 3 * sourceChunks
			files := make([]recording.File, count)
			for i := range files {
				files[i] = recording.File{ID: recording.FileID(i + 1), Name: fmt.Sprintf("f%d.go", i)}
			}
			body := bytes.Repeat([]byte("package x\n"), sourceChunk/10)
			id, err := recording.NewRunID()
			if err != nil {
				t.Fatal(err)
			}
			sink := &nearSink{}
			p := preparePipeline(
				recording.Run{ID: id, Start: time.Now(), Settings: recording.Settings{Bounds: recording.DefaultBounds()}}, sink)
			read, sent := make(chan struct{}, count), make(chan error, 1)
			go func() {
				sent <- p.sendSources(files, func(f *recording.File, _ []byte) {
					f.Body, f.Hash = body, sha256.Sum256(body)
					read <- struct{}{}
				})
			}()
			for range sourceChunks {
				<-read
			}
			if len(sink.sizes) > 0 {
				t.Error("it was sent before the run began")
			}
			if begins {
				p.begin()
				if err := <-sent; err != nil {
					t.Error(err)
				}
				if _, _, err := p.finish(recording.RunEnd{}); err != nil {
					t.Error(err)
				}
				if len(sink.files) != count {
					t.Errorf("%d files of %d", len(sink.files), count)
				}
				return
			}
			p.giveUp()
			if err := <-sent; err != nil && recording.CodeOf(err) != recording.CodeCanceled {
				t.Error(err)
			}
			p.discard()
			if len(sink.sizes) > 0 {
				t.Errorf("%d blocks of a run that never began", len(sink.sizes))
			}
		})
	}
}
