//go:build linux && amd64

package main

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"smiley/internal/stress"
)

// text is the code of a running program, every byte of it.
func text(t *testing.T, pid string) []byte {
	t.Helper()
	file, err := elf.Open("/proc/" + pid + "/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	section := file.Section(".text")
	memory, err := os.Open("/proc/" + pid + "/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	code := make([]byte, section.Size)
	if _, err := memory.ReadAt(code, int64(section.Addr)); err != nil {
		t.Fatal(err)
	}
	return code
}

// held is what a running program holds of the system.
type holding struct{ mappings, ours, files, threads int }

func holds(t *testing.T, pid string) (h holding) {
	t.Helper()
	maps, err := os.ReadFile("/proc/" + pid + "/maps")
	if err != nil {
		t.Fatal(err)
	}
	count := func(directory string) int {
		entries, err := os.ReadDir("/proc/" + pid + "/" + directory)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	return holding{bytes.Count(maps, []byte("\n")), bytes.Count(maps, []byte("/memfd:")), count("fd"), count("task")}
}

// command runs smiley, and fails when it hangs.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "smiley", args...).CombinedOutput()
	return string(out), err
}

// What is left of all attaches together: the mappings of the last one, those of some others whose addresses a stack happens to hold,
// and the threads that the runtime started because some of its own waited for room in a ring.
const (
	oursLeft    = 24
	threadsLeft = 32
)

// TestStressAttachDetach attaches to a program under load and leaves it, over and over: each time its code is what it was, byte for
// byte, the head of the signal handler included; what it holds of the system does not grow with their number, and in the end it has
// computed what it should.
func TestStressAttachDetach(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	program := startBusy(t)
	database := filepath.Join(t.TempDir(), "runs.db")
	before := text(t, program.pid)
	var held holding
	times := stress.Times(4, 100)
	for round := range times {
		calls := strconv.Itoa(1000 + rand.IntN(20_000))
		if out, err := command(t, "attach", program.pid, "--calls", calls, "--database", database); err != nil || !strings.Contains(out, "calls") {
			t.Fatalf("round %d: %v, %s", round, err, out)
		}
		if after := text(t, program.pid); !bytes.Equal(before, after) {
			different := 0
			for i := range before {
				if before[i] != after[i] {
					different++
				}
			}
			t.Fatalf("round %d: %d bytes of the program's code are others than before", round, different)
		}
		if round == 0 { // by now the runtime has opened what it polls with
			held = holds(t, program.pid)
		}
	}
	now := holds(t, program.pid)
	t.Logf("before %+v, now %+v", held, now)
	if now.ours > oursLeft || now.files > held.files || now.threads > held.threads+threadsLeft {
		t.Errorf("the program held %+v, and holds %+v after %d attaches", held, now, times)
	}
	if out := program.end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
	stress.Row(t, "attach and leave in a row, 8 goroutines under load", times, fmt.Sprintf(
		"code byte-identical each time, results right; in the end %d mappings are left, %d descriptors and %d threads are new",
		now.ours, now.files-held.files, now.threads-held.threads))
}

// TestStressTracerKilledWhenever kills smiley at random moments while it attaches, records and leaves: the program goes on and is
// right, the next smiley takes over, and in the end the code is what it was.
func TestStressTracerKilledWhenever(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	program := startBusy(t)
	database := filepath.Join(t.TempDir(), "runs.db")
	before := text(t, program.pid)
	begin := time.Now()
	if out, err := command(t, "attach", program.pid, "--calls", "1", "--database", database); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	whole := time.Since(begin) // of an attach and a leave
	times := stress.Times(6, 100)
	for range times {
		tracer := exec.Command("smiley", "attach", program.pid, "--quiet", "--for", "50ms", "--database", database)
		if err := tracer.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.NewTimer(rand.N(whole + 60*time.Millisecond))
		<-timer.C
		_ = tracer.Process.Kill()
		_ = tracer.Wait()
	}
	if out, err := command(t, "detach", program.pid, "--database", database); err != nil {
		t.Errorf("detach: %v, %s", err, out)
	}
	if out, err := command(t, "detach", program.pid, "--database", database); err != nil || strings.Contains(out, "killed") {
		t.Errorf("something is counted twice, or not at all: %v, %s", err, out)
	}
	if !bytes.Equal(before, text(t, program.pid)) {
		t.Error("the program's code is not what it was")
	}
	if out, err := command(t, "attach", program.pid, "--calls", "1000", "--database", database); err != nil || !strings.Contains(out, ": 1,000 calls") {
		t.Errorf("an attach at the end: %v, %s", err, out)
	}
	if out := program.end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
	stress.Row(t, "smiley killed -9 at random moments of attaching, recording and leaving, 8 goroutines", times,
		"the program went on and was right; the next smiley took over; code byte-identical in the end")
}

// TestStressTracerKilledLaunched kills a smiley that has started the program, at random moments: every other time while it starts,
// the others when its run has begun. The program ends with it, at once, and what was recorded until then can be read.
func TestStressTracerKilledLaunched(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	binary := buildBusy(t)
	database := filepath.Join(t.TempDir(), "runs.db")
	begin := time.Now()
	launched := launchBusy(t, binary, database)
	launched.awaitRun()
	launched.kill()
	whole := time.Since(begin) // of a start
	times, certain := stress.Times(4, 100), 1
	for round := range times {
		launched := launchBusy(t, binary, database)
		moment := rand.N(whole)
		if round%2 == 0 {
			certain++
			launched.awaitRun()
			moment = rand.N(300 * time.Millisecond)
		}
		timer := time.NewTimer(moment)
		<-timer.C
		launched.kill()
	}
	begun := interruptedRuns(t, database)
	if begun < certain {
		t.Errorf("%d runs had begun at least, %d are there", certain, begun)
	}
	stress.Row(t, "launched smiley killed -9 while it starts or records, 8 goroutines", times, fmt.Sprintf(
		"the program ended with it; %d runs had begun, are marked interrupted and can be replayed; their ledgers balance", begun-1))
}

// launchedBusy is a busy program under smiley run.
type launchedBusy struct {
	t                *testing.T
	smiley           *exec.Cmd
	in               io.Closer // the program ends when its input does
	binary, database string
}

func launchBusy(t *testing.T, binary, database string) *launchedBusy {
	t.Helper()
	l := &launchedBusy{t: t, binary: binary, database: database}
	l.smiley = exec.Command("smiley", "run", "-q", "--database", database, binary)
	in, err := l.smiley.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	l.in = in
	if err := l.smiley.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.smiley.Process.Kill() })
	return l
}

// awaitRun waits until something of the run is stored.
func (l *launchedBusy) awaitRun() {
	l.t.Helper()
	within(l.t, "a run to begin", func() bool {
		out, err := command(l.t, "list", "--json", "--database", l.database)
		return err == nil && strings.Contains(out, `"status":"recording"`)
	})
}

// kill ends smiley as nothing can notice, and waits for the program to end with it.
func (l *launchedBusy) kill() {
	l.t.Helper()
	_ = l.smiley.Process.Kill()
	_ = l.smiley.Wait()
	within(l.t, "the program to end with its smiley", func() bool {
		running, _ := exec.Command("pgrep", "-f", "^"+regexp.QuoteMeta(l.binary)+"$").Output()
		return len(bytes.TrimSpace(running)) == 0
	})
	within(l.t, "the guardian to have done its work", func() bool {
		return guardianOf(l.database) == ""
	})
	_ = l.in.Close()
}

// interruptedRuns returns how many runs a database has that were interrupted. They and what was left of them must be readable, with
// ledgers that balance.
func interruptedRuns(t *testing.T, database string) (n int) {
	t.Helper()
	for _, s := range summaries(t, database) {
		cut := s.Status == "interrupted" && s.End == nil
		if cut {
			n++
		}
		if rest := s.Status == "complete" && s.ExitCode == nil; !cut && !rest || !s.Loss.Balances() || s.Events != s.Loss.Stored {
			t.Errorf("a run that was cut off: %+v", s)
		}
		const ends = 500 // events at both ends are shown; what lies between is as long as the machine is fast
		shown := min(ends, s.Events)
		for _, part := range [][]string{
			{"--to", fmt.Sprintf("#%d", shown)},
			{"--from", fmt.Sprintf("#%d", s.Events-shown+1)},
		} {
			out, err := command(t, append([]string{"replay", s.ID, "--json", "--database", database}, part...)...)
			if lines := strings.Count("\n"+out, "\n{\"seq\":"); err != nil || uint64(lines) != shown {
				t.Errorf("replay of %s with %d events, %v: %d lines, %v, %.300s", s.ID, s.Events, part, lines, err, out)
			}
		}
	}
	return n
}
