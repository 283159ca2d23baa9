//go:build linux && amd64

package main

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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

// mappings counts what is mapped into a process.
func mappings(t *testing.T, pid string) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/" + pid + "/maps")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(maps, []byte("\n"))
}

// command runs smiley, and fails when it hangs.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "smiley", args...).CombinedOutput()
	return string(out), err
}

// TestStressAttachDetach attaches to a program under load and leaves it, over and over: each time its code is what it was, byte for
// byte, and in the end it has computed what it should.
func TestStressAttachDetach(t *testing.T) {
	program := startBusy(t)
	database := filepath.Join(t.TempDir(), "runs.db")
	before, mapped := text(t, program.pid), mappings(t, program.pid)
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
	}
	more := mappings(t, program.pid) - mapped
	if out := program.end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
	stress.Row(t, "attach and leave in a row, 8 goroutines under load", times, fmt.Sprintf("code byte-identical each time, results right; %d mappings more", more))
}

// TestStressTracerKilledWhenever kills smiley at random moments while it attaches, records and leaves: the program goes on and is
// right, the next smiley takes over, and in the end the code is what it was.
func TestStressTracerKilledWhenever(t *testing.T) {
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
	if out, err := command(t, "detach", program.pid); err != nil {
		t.Errorf("detach: %v, %s", err, out)
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

// TestStressTracerKilledLaunched kills a smiley that has started the program, at random moments: the program ends with it, at once,
// and what was recorded until then can be read.
func TestStressTracerKilledLaunched(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "busy")
	if out, err := exec.Command("go", "build", "-o", binary, "../../tracer/probe/install/testdata/busy").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	database := filepath.Join(t.TempDir(), "runs.db")
	times, readable := stress.Times(4, 100), 0
	for round := range times {
		tracer := exec.Command("smiley", "run", "-q", "--database", database, binary)
		in, err := tracer.StdinPipe() // the program ends when its input does
		if err != nil {
			t.Fatal(err)
		}
		if err := tracer.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.NewTimer(rand.N(400 * time.Millisecond))
		<-timer.C
		_ = tracer.Process.Kill()
		_ = tracer.Wait()
		within(t, "the program to end with its smiley", func() bool {
			running, _ := exec.Command("pgrep", "-f", "^"+binary+"$").Output()
			return len(bytes.TrimSpace(running)) == 0
		})
		_ = in.Close()
		if out, err := command(t, "list", "--json", "--database", database); err == nil {
			if readable = strings.Count(out, "\n"); strings.Contains(out, `"status":"complete"`) {
				t.Errorf("round %d: a run that was cut off is complete: %s", round, out)
			}
		}
	}
	if readable > 0 { // on a busy machine, every round of a short pass may end before its run begins
		out, err := command(t, "replay", "last", "--tree", "--database", database)
		if err != nil {
			t.Errorf("replay: %v, %.300s", err, out)
		}
	}
	stress.Row(t, "launched smiley killed -9 at random moments, 8 goroutines", times, fmt.Sprintf("the program ended with it; %d runs had begun and are marked interrupted", readable))
}
