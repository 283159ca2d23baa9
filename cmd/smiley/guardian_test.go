//go:build linux && amd64

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"smiley/internal/stress"
)

// metered is a smiley that has started a program that counts its calls in a file, which tells of them when both are dead.
type metered struct {
	t                *testing.T
	smiley           *exec.Cmd
	in               io.Closer // the program ends with its input
	counts, database string
	goroutines       int
}

func buildMeter(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "meter")
	if out, err := exec.Command("go", "build", "-gcflags=-l", "-o", binary, "./testdata/meter").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func startMeter(t *testing.T, binary string, flags ...string) *metered {
	t.Helper()
	dir := t.TempDir()
	m := &metered{t: t, counts: filepath.Join(dir, "counts"), database: filepath.Join(dir, "runs.db"), goroutines: 4}
	flags = append([]string{"run", "-q", "--database", m.database, "--include", "main.work"}, flags...)
	m.smiley = exec.Command("smiley", append(flags, binary, m.counts)...)
	m.smiley.Env = append(os.Environ(), "GOGC=off") // goroutines of a collection would have events of their own
	var err error
	if m.in, err = m.smiley.StdinPipe(); err == nil {
		err = m.smiley.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.smiley.Process.Kill() })
	return m
}

// calls returns how many calls have returned.
func (m *metered) calls() (n uint64) {
	b, _ := os.ReadFile(m.counts)
	for ; len(b) >= 8; b = b[8:] {
		n += binary.LittleEndian.Uint64(b)
	}
	return n
}

// guardianOf returns the process that guards the smiley that records into a database, "" when there is none.
func guardianOf(database string) string {
	out, _ := exec.Command("pgrep", "-f", "^smiley guard --database "+regexp.QuoteMeta(database)).Output()
	return string(bytes.TrimSpace(out))
}

// guardian returns the process that guards this smiley, "" when there is none.
func (m *metered) guardian() string { return guardianOf(m.database) }

func (m *metered) awaitGuardian() {
	m.t.Helper()
	within(m.t, "a guardian to come", func() bool { return m.guardian() != "" && m.calls() > 0 })
}

// awaitNobody waits until the guardian has gone, and the program before it.
func (m *metered) awaitNobody() {
	m.t.Helper()
	within(m.t, "the guardian to go", func() bool { return m.guardian() == "" })
}

// TestStressLaunchedAccount kills a smiley that has started the program, which the kernel kills then, at random moments: of all calls that
// the program made it is known whether they are stored, in the run or in that of what was left, or lost.
func TestStressLaunchedAccount(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	binary := buildMeter(t)
	times := stress.Times(2, 100)
	var stored, dropped, recovered uint64
	for round := range times {
		ring := "134217728"
		if round%2 == 1 {
			ring = "262144"
		}
		m := startMeter(t, binary, "--ring-bytes", ring)
		m.awaitGuardian()
		timer := time.NewTimer(rand.N(400 * time.Millisecond))
		<-timer.C
		_ = m.smiley.Process.Kill()
		_ = m.smiley.Wait()
		m.awaitNobody()
		_ = m.in.Close()
		captured := uint64(0)
		for _, s := range summaries(t, m.database) {
			switch {
			case s.Status == "complete":
				recovered += s.Calls
			case s.Status != "interrupted":
				t.Errorf("round %d: run %s is %s", round, s.ID, s.Status)
			}
			if !s.Loss.Balances() {
				t.Errorf("round %d: %+v", round, s.Loss)
			}
			captured += s.Loss.Captured
			stored += s.Loss.Stored
			dropped += s.Loss.Dropped
		}
		// A call may have begun, or returned and not been counted, in each goroutine; beginnings of goroutines and gaps are events, too.
		made, others := m.calls(), uint64(2*m.goroutines+20)
		if captured < 2*made || captured > 2*made+others {
			t.Errorf("round %d: %d calls were made; of %d events it is known what became of them", round, made, captured)
		}
	}
	stress.Row(t, "launched smiley killed -9 at random moments, a program that counts its calls outside of itself", times, fmt.Sprintf(
		"%d events stored, with %d calls recovered, and %d counted as lost are all there were, each time", stored, recovered, dropped))
	if recovered == 0 && times >= 20 { // a few kills may all come when the rings happen to be empty
		t.Error("nothing was recovered")
	}
}

// TestGuardianGoesQuietly: a run that ends as it should leaves no guardian and no second run, and does not need its guardian.
func TestGuardianGoesQuietly(t *testing.T) {
	binary := buildMeter(t)
	for _, killed := range []bool{false, true} {
		m := startMeter(t, binary)
		m.awaitGuardian()
		if killed {
			if err := exec.Command("kill", "-9", m.guardian()).Run(); err != nil {
				t.Error(err)
			}
			m.awaitNobody()
		}
		_ = m.in.Close()
		if err := m.smiley.Wait(); err != nil {
			t.Errorf("guardian killed: %v; smiley: %v", killed, err)
		}
		m.awaitNobody()
		runs := summaries(t, m.database)
		if len(runs) != 1 || runs[0].Status != "complete" || runs[0].Calls < m.calls() || runs[0].Loss.Dropped > 0 {
			t.Errorf("guardian killed: %v; %d calls, runs %+v", killed, m.calls(), runs)
		}
	}
}
