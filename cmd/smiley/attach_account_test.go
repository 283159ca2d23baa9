//go:build linux && amd64

package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"smiley/analysis"
	"smiley/internal/stress"
)

// tallied is a program that makes a fixed number of calls when it is told to.
type tallied struct {
	busyProgram
	in   io.Writer
	done string // a file that is there when all calls have been made
}

var tallyCalls = uint64(stress.Times(40_000, 200_000))

func startTally(t *testing.T, binary string) *tallied {
	t.Helper()
	p := &tallied{done: filepath.Join(t.TempDir(), "done")}
	command := exec.Command(binary, p.done, strconv.FormatUint(tallyCalls, 10))
	command.Env = append(os.Environ(), "GOGC=off") // goroutines of a collection would have records of their own
	p.busyProgram, p.in = startReady(t, command)
	return p
}

// TestStressTracerKilledAccount kills smiley at random moments while it records a program that makes a fixed number of calls: what the
// run has, and what the next smiley notes as missing, are all of them, to the last one.
func TestStressTracerKilledAccount(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	binary := filepath.Join(t.TempDir(), "tally")
	if out, err := exec.Command("go", "build", "-gcflags=-l", "-o", binary, "./testdata/tally").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	database := filepath.Join(t.TempDir(), "runs.db")
	times := stress.Times(2, 100)
	var stored, dropped, recovered uint64
	for round := range times {
		program := startTally(t, binary)
		// With large rings all of it can be read. Of small ones the program says how much it dropped; the gaps that the tracer made of
		// that, one at each reading, are events, too, and some of them were not stored.
		flags, tolerance := []string{"--ring-bytes", "134217728"}, uint64(0)
		if round%2 == 1 {
			flags, tolerance = []string{"--ring-bytes", "262144", "--on-full", "drop"}, 1000
		}
		flags = append([]string{"attach"}, flags...)
		flags = append(flags, program.pid, "--quiet", "--include", "main.work", "--database", database)
		tracer := exec.Command("smiley", flags...)
		if err := tracer.Start(); err != nil {
			t.Fatal(err)
		}
		program.awaitOwner(t, tracer)
		if _, err := program.in.Write([]byte("\n")); err != nil {
			t.Fatal(err)
		}
		timer := time.NewTimer(rand.N(600 * time.Millisecond))
		<-timer.C
		_ = tracer.Process.Kill()
		_ = tracer.Wait()
		within(t, "all calls to be made", func() bool { _, err := os.Stat(program.done); return err == nil })
		if round%4 == 0 || round%4 == 3 {
			if out, err := command(t, "detach", program.pid, "--database", database); err != nil || !strings.Contains(out, "its smiley was killed") {
				t.Errorf("detach: %v, %s", err, out)
			}
		} else if out, err := command(t, "attach", program.pid, "--for", "1ms", "--database", database); err != nil ||
			!strings.Contains(out, "its smiley was killed") {
			t.Errorf("attach: %v, %s", err, out)
		}
		if out, err := command(t, "detach", program.pid, "--database", database); err != nil || strings.Contains(out, "killed") {
			t.Errorf("it is counted twice: %v, %s", err, out)
		}
		captured := uint64(0)
		for i, s := range runsOf(t, database, program.pid) {
			status := "interrupted"
			if i > 0 {
				status = "complete"
				recovered += s.Calls
			}
			if s.Status != status || !s.Loss.Balances() {
				t.Errorf("round %d: %+v", round, s)
			}
			captured += s.Loss.Captured - countGaps(t, database, s.ID)
			stored += s.Loss.Stored
			dropped += s.Loss.Dropped
		}
		if captured-2*tallyCalls > tolerance {
			t.Errorf("round %d: %d calls were made; of %d events it is known what became of them", round, tallyCalls, captured)
		}
		program.end()
	}
	stress.Row(t, "attached smiley killed -9 at random moments, a program with a fixed number of calls", times, fmt.Sprintf(
		"%d events stored, with %d calls recovered, and %d counted as lost are all there were, each time", stored, recovered, dropped))
	if recovered == 0 && times >= 20 { // a few kills may all come when the rings happen to be empty
		t.Error("nothing was recovered")
	}
}

// summaries returns the runs of a database, the newest first.
func summaries(t *testing.T, database string) (list []analysis.Summary) {
	t.Helper()
	out, err := exec.Command("smiley", "list", "--json", "--database", database).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		var s analysis.Summary
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		list = append(list, s)
	}
	return list
}

// runsOf returns the first run of a process, and what was left of it in the program.
func runsOf(t *testing.T, database, pid string) (list []analysis.Summary) {
	t.Helper()
	for _, s := range summaries(t, database) {
		if strconv.Itoa(s.PID) == pid {
			list = append([]analysis.Summary{s}, list...)
		}
	}
	if len(list) == 0 {
		t.Fatalf("process %s has no run", pid)
	}
	for len(list) > 1 && !list[len(list)-1].Start.Equal(list[0].Start) {
		list = list[:len(list)-1]
	}
	// Of a run that had nothing stored the rest is there first.
	slices.SortStableFunc(list, func(a, b analysis.Summary) int { return cmp.Compare(b.Status, a.Status) }) // interrupted, complete
	return list
}

// countGaps returns how many gaps a run has.
func countGaps(t *testing.T, database, id string) (n uint64) {
	t.Helper()
	replay := exec.Command("smiley", "replay", id, "--json", "--database", database)
	out, err := replay.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := replay.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), `"event":"gap"`) {
			n++
		}
	}
	if err := replay.Wait(); err != nil {
		t.Error(err)
	}
	return n
}
