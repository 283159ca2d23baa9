//go:build linux && amd64

package install

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"smiley/internal/child"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// residentMore bounds the KiB that a program with locked memory may have more than alone: the rings, the code, and what they bring along.
const residentMore = 200 << 10

// TestMemoryOfControlGroups: what is left of a program's memory is what the narrowest of its control groups leaves, in both versions of them; copies
// of files are no loss.
func TestMemoryOfControlGroups(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"memory.max": "max\n", "memory.current": "5\n",
		"outer/memory.max": "1000\n", "outer/memory.current": "900\n", "outer/memory.stat": "anon 500\ninactive_file 100\nactive_file 50\n",
		"outer/inner/memory.max": "700\n", "outer/inner/memory.current": "100\n",
		"full/memory.max": "700\n", "full/memory.current": "900\n",
		"memory/old/memory.limit_in_bytes": "80\n", "memory/old/memory.usage_in_bytes": "30\n",
		"memory/old/memory.stat": "inactive_file 1\ntotal_inactive_file 10\n",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for groups, want := range map[string]string{
		"0::/\n":             "0 false",
		"0::/outer/inner\n":  "250 true",
		"0::/outer/absent\n": "250 true",
		"0::/full\n":         "0 true",
		"0::/../elsewhere\n": "0 false",
		"7:cpu,cpuacct:/outer\n3:memory,hugetlb:/old\n0::/\n": "60 true",
		"": "0 false", "::": "0 false", "noise": "0 false",
	} {
		left, limited := memoryLeft(groups, root)
		if !limited {
			left = 0
		}
		if got := fmt.Sprint(left, " ", limited); got != want {
			t.Errorf("%q: %s, want %s", groups, got, want)
		}
	}
}

// TestLockedMemory: a program that locks all its memory, as those do that keep secrets out of the swap, is not made to take gigabytes for
// rings that it does not use, nor to wait for that while it is attached to.
func TestLockedMemory(t *testing.T) {
	path := fixture(t, "locked")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	out, _, _ := untraced(t, nil, path)
	alone, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		t.Skipf("skipped: memory cannot be locked here: %q", out)
	}
	resident := func(t *testing.T, out string) {
		t.Helper()
		if n, err := strconv.Atoi(strings.TrimSpace(out)); err != nil || n > alone+residentMore {
			t.Errorf("%q KiB are resident, alone %d", out, alone)
		}
	}
	t.Run("launched", func(t *testing.T) {
		calls := 0
		r := record(t, img, mainProbes(img, twoWords), Options{Command: []string{path}}, func(r *ring.Record) error {
			if r.Site%2 == 0 {
				calls++
			}
			return nil
		})
		if resident(t, r.stdout); calls != 5001 || r.status != 0 {
			t.Errorf("%d calls, status %v", calls, r.status)
		}
	})
	t.Run("attached", func(t *testing.T) {
		program := child.Start(t, exec.Command(path, "wait"))
		p, err := Attach(program.Pid, img, mainProbes(img, twoWords), Options{})
		if err != nil {
			t.Fatal(err)
		}
		follow(t, p, 1000, func(*ring.Record) error { return nil })
		t.Logf("stopped for %v", p.Report.Stopped)
		if err := p.Remove(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		resident(t, program.End())
	})
}

// TestFewAddresses: a program whose addresses are limited gets rings that leave it most of them.
func TestFewAddresses(t *testing.T) {
	path := fixture(t, "pointers")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	program, err := os.StartProcess(path, []string{path}, &os.ProcAttr{
		Files: []*os.File{null, null, null}, Sys: &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := Hold(program.Pid)
	if err != nil {
		t.Fatal(err)
	}
	limit := unix.Rlimit{Cur: 2 << 30, Max: 2 << 30}
	if err := unix.Prlimit(program.Pid, unix.RLIMIT_AS, &limit, nil); err != nil {
		t.Fatal(err)
	}
	p, err := h.Install(img, mainProbes(img, twoWords), Options{DropWhenFull: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	if got := uint64(p.layout.Count) * p.layout.DataSize; got > 2<<30/addressShare || p.layout.Count < fewestRings {
		t.Errorf("%d rings of %d bytes", p.layout.Count, p.layout.DataSize)
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	status, err := p.Wait()
	if err != nil || status != 0 {
		t.Errorf("the program ended with %v, %v", status, err)
	}
	n, err := p.Reader.Drain(func(*ring.Record) error { return nil })
	if err != nil || n == 0 {
		t.Errorf("%d records, %v", n, err)
	}
}
