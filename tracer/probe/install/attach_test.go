//go:build linux && amd64

package install

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"smiley/internal/child"
	"smiley/recording"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// busy starts fixture busy; the function it returns ends it and returns what it printed.
func busy(t *testing.T, flags ...string) (pid int, img *site.Image, end func() string) {
	t.Helper()
	path := fixture(t, "busy", flags...)
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	program := child.Start(t, exec.Command(path))
	return program.Pid, img, program.End
}

// follow drains until enough records came, or the deadline has passed.
func follow(t *testing.T, p *Process, enough int, see func(*ring.Record) error) int {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	n := 0
	for n < enough {
		if time.Now().After(deadline) {
			t.Fatalf("only %d records", n)
		}
		k, err := p.Reader.Drain(see)
		if err != nil {
			t.Fatal(err)
		}
		p.Reader.Beat()
		n += k
		if k == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return n
}

// changed returns how many bytes of the program's text are not those of its file, leaving out the signal handler's head.
func changed(t *testing.T, p *Process, img *site.Image) int {
	t.Helper()
	bias, err := Bias(p.Pid, img)
	if err != nil {
		t.Fatal(err)
	}
	patches, err := differences(p.memory, img, bias)
	if err != nil {
		t.Fatal(err)
	}
	return len(patches)
}

// TestR12AttachAndRemove attaches to a busy program again and again: what is recorded pairs up, the text is what it was
// afterwards, and the program computes what it should.
func TestR12AttachAndRemove(t *testing.T) {
	for _, flags := range [][]string{nil, {"-buildmode=pie"}} {
		pid, img, end := busy(t, flags...)
		for round := range 3 { // many more in cmd/smiley, see reliability.md
			p, err := Attach(pid, img, mainProbes(img, twoWords), Options{Rings: 32, RingBytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			pair := newPairing()
			see := pair.see(func(f uint32) string { return p.Probes[f].Function.Name })
			orphans := 0
			n := follow(t, p, 20_000, func(r *ring.Record) error {
				// A call that was open when the probes came has a return without a call.
				if r.Site%2 == 1 && len(pair.stacks[r.Goroutine]) == 0 {
					orphans++
					return nil
				}
				return see(r)
			})
			before := changed(t, p, img)
			// Mostly the goroutine runs on; what looks like an address in its stack may also stay there.
			for tries := 0; p.Late() && tries < 5; tries++ {
				if _, _, err := p.TryAgain(func(*site.Function) bool { return true }); err != nil {
					t.Fatal(err)
				}
				follow(t, p, 1000, nil)
			}
			if err := p.Remove(); err != nil {
				t.Fatal(err)
			}
			if before == 0 || changed(t, p, img) != 0 {
				t.Errorf("round %d: %d bytes differed with probes, %d do without", round, before, changed(t, p, img))
			}
			if pair.wrong > 0 || pair.late > 0 {
				t.Errorf("round %d: %d returns without a call, %d steps back in time", round, pair.wrong, pair.late)
			}
			t.Logf("round %d: %d records, %d orphans, skipped %d, %+v, %+v", round, n, orphans, len(p.Skipped), p.Report, p.Reader.Signals())
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			// What was mapped before is taken out, unless a stack happens to hold such an address.
			if mapped, err := sharedMappings(pid); err != nil || len(mapped) > 9 {
				t.Errorf("round %d: %d mappings are left, %v", round, len(mapped), err)
			}
		}
		if out := end(); out != "wrong results: 0\n" {
			t.Errorf("the program says %q", out)
		}
	}
}

// TestF9CleanAfterADeadTracer: another process can take out what a tracer left.
func TestF9CleanAfterADeadTracer(t *testing.T) {
	pid, img, end := busy(t)
	p, err := Attach(pid, img, mainProbes(img, twoWords), Options{Rings: 32, RingBytes: 1 << 20, Patience: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	follow(t, p, 1000, nil)
	if n, err := Clean(pid, img); err != nil || n == 0 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if n := changed(t, p, img); n != 0 {
		t.Errorf("%d bytes still differ", n)
	}
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// roleAttach is what the test binary does as a tracer that will be killed: attach and remove, without end.
func roleAttach(pid int, path string) error {
	img, err := site.Load(path)
	if err != nil {
		return err
	}
	for {
		p, err := Attach(pid, img, mainProbes(img, twoWords), Options{Rings: 32, RingBytes: 1 << 20, Patience: 20 * time.Millisecond})
		if err != nil {
			return err
		}
		fmt.Println("attached")
		for range 20 {
			if _, err := p.Reader.Drain(nil); err != nil {
				return err
			}
			p.Reader.Beat()
		}
		if err := p.Remove(); err != nil {
			return err
		}
		_ = p.Close()
	}
}

// TestF8TracerKilled kills a tracer at random moments; the program goes on, and another tracer can clean up and attach.
func TestF8TracerKilled(t *testing.T) {
	pid, img, end := busy(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cleaned := 0
	for range 8 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "PROBES_TEST_ATTACH="+strconv.Itoa(pid), "PROBES_TEST_PATH="+fixture(t, "busy"))
		var out strings.Builder
		cmd.Stderr = &out
		first, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(first).ReadString('\n'); err != nil {
			t.Fatalf("the tracer did not attach: %v\n%s", err, out.String())
		}
		time.Sleep(time.Duration(rand.Int64N(int64(150 * time.Millisecond)))) // a random moment, not a wait
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		n, err := Clean(pid, img)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			cleaned++
		}
	}
	t.Logf("%d of 8 left something behind", cleaned)
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// TestAnotherProgram: what was made for one program is not put into another one that the process became meanwhile.
func TestAnotherProgram(t *testing.T) {
	pid, img, end := busy(t)
	other, err := site.Load(fixture(t, "count"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Attach(pid, other, mainProbes(other, twoWords), Options{}); recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("attaching: %v", err)
	}
	if _, err := Clean(pid, other); recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("cleaning: %v", err)
	}
	if _, _, err := Settle(pid, other); recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("settling: %v", err)
	}
	if left, err := Left(pid, img); left || err != nil {
		t.Errorf("the code is not what it was, %v", err)
	}
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}
