//go:build linux && amd64

package install

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// TestRingsAreUsedAsFarAsNeeded: of a ring of four MiB a program writes only the beginning, again and again, while little waits in it, and all of it when
// much does. Nothing is lost either way.
func TestRingsAreUsedAsFarAsNeeded(t *testing.T) {
	for _, c := range []struct {
		name           string
		batches, calls int
		reaches        func(bytes uintptr) bool
	}{
		{"little waits", 100, 500, func(bytes uintptr) bool { return bytes < 1<<20 }},
		{"much waits", 10, 30_000, func(bytes uintptr) bool { return bytes > 3<<20 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			lowest, highest := ^uintptr(0), uintptr(0)
			n := inBatches(t, c.batches, c.calls, func(r *ring.Record) {
				at := uintptr(unsafe.Pointer(&r.Words[0]))
				lowest, highest = min(lowest, at), max(highest, at)
			})
			if want := 2 * c.batches * c.calls; n != want {
				t.Errorf("%d records, not %d", n, want)
			}
			if reached := highest - lowest; !c.reaches(reached) {
				t.Errorf("%d bytes of the ring were used", reached)
			}
		})
	}
}

// inBatches runs fixture batches, reads its ring behind each batch, and returns the number of records of its calls.
func inBatches(t *testing.T, batches, calls int, see func(*ring.Record)) (n int) {
	path := fixture(t, "batches")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var probes []Probe
	for _, p := range mainProbes(img, twoWords) {
		if p.Function.Name == "main.called" {
			probes = append(probes, p)
		}
	}
	stdin := filepath.Join(t.TempDir(), "stdin")
	if err := unix.Mkfifo(stdin, 0o600); err != nil {
		t.Fatal(err)
	}
	next, err := os.OpenFile(stdin, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Command: []string{path, strconv.Itoa(batches), strconv.Itoa(calls)}, RingBytes: 4 << 20, Stdin: stdin, Stdout: to, Stderr: null}
	p, err := Launch(img, probes, o)
	if err != nil {
		t.Fatal(err)
	}
	defer beating(p)()
	lines := bufio.NewScanner(from)
	for range batches {
		if !lines.Scan() {
			t.Fatal("the program ended early")
		}
		if _, err := p.Reader.Drain(func(r *ring.Record) error { n++; see(r); return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := next.Write([]byte{'\n'}); err != nil {
			t.Fatal(err)
		}
	}
	if status, err := p.Wait(); err != nil || status != 0 {
		t.Errorf("status %v, %v", status, err)
	}
	if dropped := p.Reader.Dropped(); dropped != 0 {
		t.Errorf("%d records dropped", dropped)
	}
	return n
}
