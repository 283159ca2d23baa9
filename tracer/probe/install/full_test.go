//go:build linux && amd64

package install

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// runCount runs fixture count with rings of the given options and returns the records read and those dropped.
func runCount(t *testing.T, o Options, see func(*ring.Record) error) run {
	t.Helper()
	path := fixture(t, "count")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	o.Command = []string{path, "300", "4"}
	want, _, _ := untraced(t, nil, o.Command...)
	r := record(t, img, mainProbes(img, twoWords), o, see)
	if r.stdout != want || r.status != 0 {
		t.Errorf("status %v, output %q, untraced %q\n%s", r.status, r.stdout, want, r.stderr)
	}
	return r
}

// TestF3FullRingsWait: rings far smaller than what is recorded lose nothing while somebody reads them.
func TestF3FullRingsWait(t *testing.T) {
	all := runCount(t, Options{}, nil)
	small := runCount(t, Options{RingBytes: 256 << 10}, nil)
	if all.dropped != 0 || small.dropped != 0 || small.events != all.events {
		t.Errorf("large rings %d records and %d dropped, small ones %d and %d", all.events, all.dropped, small.events, small.dropped)
	}
}

// TestR7MoreThreadsThanRings: threads without a ring drop and count.
func TestR7MoreThreadsThanRings(t *testing.T) {
	all := runCount(t, Options{}, nil)
	t.Setenv("GOMAXPROCS", "8")
	few := runCount(t, Options{Rings: 2}, nil)
	if few.dropped == 0 || few.events+int(few.dropped) != all.events {
		t.Errorf("%d of %d records and %d dropped", few.events, all.events, few.dropped)
	}
}

// TestR11DeadTracer: nobody reads and no heart beats; the program runs to its end all the same, and what was not read
// is counted.
func TestR11DeadTracer(t *testing.T) {
	all := runCount(t, Options{}, nil)
	path := fixture(t, "count")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Command: []string{path, "300", "4"}, RingBytes: 256 << 10, Patience: 50 * time.Millisecond, Stdout: null, Stderr: null, Stdin: os.DevNull}
	p, err := Launch(img, mainProbes(img, twoWords), o)
	if err != nil {
		t.Fatal(err)
	}
	status, err := p.Wait()
	if err != nil || status != 0 {
		t.Fatalf("status %v, %v", status, err)
	}
	n, err := p.Reader.Drain(nil)
	if err != nil {
		t.Fatal(err)
	}
	if dropped := p.Reader.Dropped(); n == 0 || dropped == 0 || n+int(dropped) != all.events {
		t.Errorf("%d records left and %d dropped, of %d", n, dropped, all.events)
	}
}

// TestR11TracerThatWasStopped: a tracer that was taken for dead, and is not, is waited for again.
func TestR11TracerThatWasStopped(t *testing.T) {
	path := fixture(t, "busy")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fifo := filepath.Join(t.TempDir(), "input")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	input, err := os.OpenFile(fifo, os.O_RDWR, 0) // the program runs until this is closed
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Command: []string{path}, RingBytes: 256 << 10, Patience: 50 * time.Millisecond, Stdout: null, Stderr: null, Stdin: fifo}
	p, err := Launch(img, mainProbes(img, twoWords), o)
	if err != nil {
		t.Fatal(err)
	}
	eventually := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				_ = syscall.Kill(p.Pid, syscall.SIGKILL)
				t.Fatalf("%s does not happen", what)
			}
		}
	}
	eventually("that records are dropped", func() bool { return p.Reader.Dropped() > 0 })
	stop := beating(p)
	// Far more than threads add that were asleep when the program gave up.
	waited := p.Reader.Waited() + p.Clock.Ticks(500*time.Millisecond)
	eventually("that threads wait for room again", func() bool {
		_, err := p.Reader.Drain(nil)
		return err != nil || p.Reader.Waited() > waited
	})
	stop()
	p.Reader.Abandon()
	input.Close()
	if status, err := p.Wait(); err != nil || status != 0 {
		t.Errorf("status %v, %v", status, err)
	}
}

// TestDropWhenFull: with that choice nothing waits, and captured is read plus dropped.
func TestDropWhenFull(t *testing.T) {
	all := runCount(t, Options{}, nil)
	some := runCount(t, Options{DropWhenFull: true, RingBytes: 256 << 10}, nil)
	if some.events+int(some.dropped) != all.events {
		t.Errorf("%d records and %d dropped, of %d", some.events, some.dropped, all.events)
	}
}

// TestR7RingsOfEndedThreadsAreTakenBack: a program starts many more threads than there are rings, one after the other.
func TestR7RingsOfEndedThreadsAreTakenBack(t *testing.T) {
	path := fixture(t, "threads")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	plan := planned(img, mainProbes(img, twoWords), nil)
	r := record(t, img, plan.probes, Options{Command: []string{path}, Rings: 16}, func(rec *ring.Record) error {
		if rec.Site%2 == 0 && plan.probes[rec.Site/2].Function.Name == "main.call" {
			calls++
		}
		return nil
	})
	if r.status != 0 || r.stdout != "490000\n" {
		t.Errorf("status %v, output %q\n%s", r.status, r.stdout, r.stderr)
	}
	// main.main, and for each thread the goroutine's function and fifty calls.
	const all = 1 + 400*51
	if got := r.events + int(r.dropped); got < 2*all-2 || got > 2*all {
		t.Errorf("%d records and %d dropped, the program made %d", r.events, r.dropped, 2*all)
	}
	taken := r.process.Reader.Taken()
	t.Logf("16 rings were taken %d times; %d calls recorded, %d records dropped", taken, calls, r.dropped)
	if taken < 100 {
		t.Errorf("16 rings were taken only %d times by 400 threads", taken)
	}
}
