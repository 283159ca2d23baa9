//go:build linux && amd64

package tracer

import (
	"os"
	"path/filepath"
	"testing"

	"smiley/recording"
	"smiley/tracer/probe/install"
	places "smiley/tracer/probe/site"
)

// TestNobodyReadsAClosedProgram: when a program's runtime is not known, nobody looks for sites in its file any more once that was said.
func TestNobodyReadsAClosedProgram(t *testing.T) {
	p, err := OpenProgram(filepath.Join(goRoot(t), "bin", "go")) // a large one, in which looking takes its time
	if err != nil {
		t.Fatal(err)
	}
	img, err := places.New(p.file, p.list)
	if err != nil {
		t.Fatal(err)
	}
	p.debug = nil // as if it had been stripped
	s := &session{opt: &Options{Bounds: recording.DefaultBounds()}, program: p, process: &process{pid: os.Getpid()}}
	if err := s.newEngine(); err != nil {
		t.Fatal(err)
	}
	defer s.engine.memory.close()
	p.info.GoVersion = "go1.24.0" // of which probes do not know enough
	_, err = s.putProbes(img, 0, p.Functions(), func([]install.Probe, install.Options) (*install.Process, error) {
		t.Error("there are probes")
		return nil, nil
	})
	if recording.CodeOf(err) != recording.CodeUnsupported {
		t.Errorf("it says %v", err)
	}
	if err := p.Close(); err != nil { // who reads on ends the process
		t.Error(err)
	}
}
