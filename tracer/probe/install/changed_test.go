//go:build linux && amd64

package install

import (
	"bytes"
	"os/exec"
	"slices"
	"testing"
	"time"

	"smiley/internal/child"
	"smiley/recording"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// TestChangedByOthers: what somebody else has written into a program's code stays there, whether smiley comes, goes or cleans, and
// functions with such code get no probes.
func TestChangedByOthers(t *testing.T) {
	pid, img, end := busy(t)
	leaf := img.Lookup("main.leaf")
	if leaf.Addr%pageSize < site.JumpLen {
		t.Skip("it is where pages meet: see byTracer")
	}
	replaced := []byte{0x48, 0x8D, 0x04, 0x18, 0xC3} // LEAQ (AX)(BX*1), AX; RET: what it does anyway
	if bytes.Equal(img.Text(leaf.Addr, leaf.Addr+site.JumpLen), replaced) {
		replaced = []byte{0x48, 0x01, 0xD8, 0xC3, 0x90} // ADDQ BX, AX; RET
	}
	p := &Process{Pid: pid}
	if err := p.open(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.memory.Close() }()
	for written := false; !written; {
		if err := whileStopped(pid, func(s *stopped) error {
			if slices.ContainsFunc(s.all(), func(rip uint64) bool { return rip > leaf.Addr && rip < leaf.End }) {
				return nil
			}
			written = true
			return write(p.memory, []routine.Patch{routine.NewPatch(leaf.Addr, img.Text(leaf.Addr, leaf.Addr+site.JumpLen), replaced)})
		}); err != nil {
			t.Fatal(err)
		}
	}
	still := func(when string) {
		t.Helper()
		now := make([]byte, len(replaced))
		if _, err := p.memory.ReadAt(now, int64(leaf.Addr)); err != nil || !bytes.Equal(now, replaced) {
			t.Errorf("%s it is % x, %v", when, now, err)
		}
		if left, err := Left(pid, img); left || err != nil {
			t.Errorf("%s something of ours is there: %v, %v", when, left, err)
		}
		if n, err := Clean(pid, img); n != 0 || err != nil {
			t.Errorf("%s %d bytes were taken out, %v", when, n, err)
		}
	}
	still("at first")
	for range 2 {
		q, err := Attach(pid, img, mainProbes(img, twoWords), Options{Rings: 32, RingBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(q.Skipped, func(s Skipped) bool { return s.Function == leaf && !s.Later }) {
			t.Errorf("left out were %v", q.Skipped)
		}
		follow(t, q, 1000, nil)
		if err := q.Remove(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Settle(pid, img); err != nil {
			t.Error(err)
		}
		still("afterwards")
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// TestAnotherProgramIsNotCompared: the code of a program that a process became meanwhile is not compared with that of the one that it was.
func TestAnotherProgramIsNotCompared(t *testing.T) {
	pid, _, end := busy(t)
	img, err := site.Load(fixture(t, "replaced"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Attach(pid, img, mainProbes(img, twoWords), Options{Rings: 32, RingBytes: 1 << 20}); recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("attaching says %v", err)
	}
	if left, err := Left(pid, img); left || err != nil {
		t.Errorf("something of ours is there: %v, %v", left, err)
	}
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// all returns where the threads stand.
func (s *stopped) all() (places []uint64) {
	for _, t := range s.threads {
		places = append(places, t.regs.Rip)
	}
	return places
}

// TestChangedMeanwhile: a program replaces a function that has probes. This one can be switched off, all can be taken out, and the function
// stays replaced.
func TestChangedMeanwhile(t *testing.T) {
	path := fixture(t, "replaced")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	program := child.Start(t, exec.Command(path))
	p, err := Attach(program.Pid, img, mainProbes(img, twoWords), Options{Rings: 32, RingBytes: 1 << 20, Patience: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	follow(t, p, 1000, nil)
	if _, err := program.In.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if line := program.Line(); line != "replaced\n" {
		t.Fatalf("the program says %q", line)
	}
	replaced := slices.IndexFunc(p.Probes, func(probe Probe) bool { return probe.Function.Name == "main.double" })
	if err := p.Disable([]int{replaced}, AtEntry, false); err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if left, err := Left(program.Pid, img); left || err != nil {
		t.Errorf("something is left, %v", err)
	}
	if out := program.End(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}
