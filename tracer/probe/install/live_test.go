//go:build linux && amd64

package install

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

var (
	built   sync.Map // fixture and flags to path
	scratch string
)

func TestMain(m *testing.M) {
	if pid, err := strconv.Atoi(os.Getenv("PROBES_TEST_ATTACH")); err == nil {
		if os.Getenv("PROBES_TEST_FILTERS") == "stay" {
			suspendFilters = leaveFilters
		}
		if err := roleAttach(pid, os.Getenv("PROBES_TEST_PATH")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	dir, err := os.MkdirTemp("", "probes")
	if err != nil {
		panic(err)
	}
	scratch = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// fixture builds a program of testdata, once for each set of flags.
func fixture(t testing.TB, name string, flags ...string) string {
	t.Helper()
	key := name + " " + strings.Join(flags, " ")
	build, _ := built.LoadOrStore(key, sync.OnceValues(func() (string, error) {
		path := filepath.Join(scratch, strings.NewReplacer(" ", "_", "=", "_", "/", "_").Replace(key))
		cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), "./testdata/"+name)...)
		cmd.Stderr = os.Stderr
		return path, cmd.Run()
	}))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatalf("building %s: %v", key, err)
	}
	return path
}

// mainProbes probes every function of package main, recording a few registers.
func mainProbes(img *site.Image, c func(*site.Function) (args, results routine.Capture)) []Probe {
	var out []Probe
	for i := range img.Functions {
		f := &img.Functions[i]
		if f.Skip == "" && site.Package(f.Name) == "main" {
			args, results := c(f)
			out = append(out, Probe{Function: f, Args: &args, Results: &results})
		}
	}
	return out
}

func twoWords(*site.Function) (args, results routine.Capture) {
	c := routine.Capture{Words: []routine.Word{{Reg: asm.RAX}, {Reg: asm.RBX}}}
	return c, c
}

// run is what a program did under probes.
type run struct {
	status         syscall.WaitStatus
	stdout, stderr string
	process        *Process
	events         int
	dropped        uint64
}

// record runs a program with probes to its end and hands every record to see.
func record(t testing.TB, img *site.Image, probes []Probe, o Options, see func(*ring.Record) error) run {
	t.Helper()
	return recordFrom(t, img, probes, o, func(*Process) {}, see)
}

// recordFrom is record that tells of the process before the first record.
func recordFrom(t testing.TB, img *site.Image, probes []Probe, o Options, started func(*Process), see func(*ring.Record) error) run {
	t.Helper()
	var r run
	var readers sync.WaitGroup
	collect := func(into *string) *os.File {
		from, to, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		readers.Go(func() {
			b, _ := io.ReadAll(from)
			from.Close()
			*into = string(b)
		})
		return to
	}
	o.Stdout, o.Stderr = collect(&r.stdout), collect(&r.stderr)
	if o.Stdin == "" {
		o.Stdin = os.DevNull
	}
	if o.Patience == 0 {
		o.Patience = time.Minute // these tests are about other things than a tracer that a busy machine leaves without a turn for seconds
	}
	p, err := Launch(img, probes, o)
	if err != nil {
		t.Fatal(err)
	}
	r.process = p
	started(p)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	// Beside the reading, as the tracer does it: a lap over large rings takes long under the race detector.
	beats := beating(p)
	defer beats()
	ended := make(chan error, 1)
	go func() {
		var err error
		r.status, err = p.Wait()
		ended <- err
	}()
	pause := time.Duration(0)
	drain := func() {
		n, err := p.Reader.Drain(see)
		r.events += n
		if err != nil {
			t.Fatal(err)
		}
		p.TakeBack()
		if pause = 500 * time.Microsecond; n > 0 {
			pause = 0 // there is probably more
		}
	}
	for running := true; running; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		case <-ctx.Done():
			syscall.Kill(p.Pid, syscall.SIGQUIT)
			readers.Wait()
			t.Fatalf("the program does not end:\n%s", r.stderr)
		case <-time.After(pause): // a poll, not a wait for something to have happened
		}
		drain()
	}
	cancel()
	readers.Wait()
	drain()
	r.dropped = p.Reader.Dropped()
	return r
}

// beating tells a program that its tracer lives, until the returned function is called.
func beating(p *Process) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var beats sync.WaitGroup
	beats.Go(func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			p.Reader.Beat()
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	})
	return func() { cancel(); beats.Wait() }
}

// untraced runs a program as it is.
func untraced(t testing.TB, env []string, command ...string) (stdout, stderr string, status syscall.WaitStatus) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exit := err.(*exec.ExitError); err != nil && !exit {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// counts reads the lines "name count" that fixture count prints.
func counts(t testing.TB, stderr string) map[string]int {
	t.Helper()
	out := map[string]int{}
	lines := bufio.NewScanner(strings.NewReader(stderr))
	for lines.Scan() {
		i := strings.LastIndexByte(lines.Text(), ' ')
		n := 0
		for _, d := range lines.Text()[i+1:] {
			n = 10*n + int(d-'0')
		}
		out[lines.Text()[:i]] = n
	}
	return out
}

// pairing pairs returns with calls as rule R6 says.
type pairing struct {
	stacks map[int64][]open
	calls  map[string]int
	ended  map[string]int
	lost   map[string]int // calls without a return
	wrong  int            // returns without a call
	last   uint64
	late   int // time ran backwards
}

type open struct {
	frame    uint32
	function uint32
}

func newPairing() *pairing {
	return &pairing{stacks: map[int64][]open{}, calls: map[string]int{}, ended: map[string]int{}, lost: map[string]int{}}
}

// generic instances share one name.
func displayName(f *site.Function) string {
	if i := strings.IndexByte(f.Name, '['); i >= 0 {
		return f.Name[:i] + "[...]"
	}
	return f.Name
}

func (p *pairing) see(name func(uint32) string) func(*ring.Record) error {
	return func(r *ring.Record) error {
		if r.Time < p.last {
			p.late++
		}
		p.last = r.Time
		stack := p.stacks[r.Goroutine]
		f := r.Site / 2
		if r.Site%2 == 0 {
			for len(stack) > 0 && stack[len(stack)-1].frame >= r.Frame {
				p.lost[name(stack[len(stack)-1].function)]++
				stack = stack[:len(stack)-1]
			}
			p.calls[name(f)]++
			p.stacks[r.Goroutine] = append(stack, open{r.Frame, f})
			return nil
		}
		for len(stack) > 0 && stack[len(stack)-1].frame > r.Frame {
			p.lost[name(stack[len(stack)-1].function)]++
			stack = stack[:len(stack)-1]
		}
		if len(stack) == 0 || stack[len(stack)-1] != (open{r.Frame, f}) {
			p.wrong++
		} else {
			p.ended[name(f)]++
			stack = stack[:len(stack)-1]
		}
		p.stacks[r.Goroutine] = stack
		return nil
	}
}
