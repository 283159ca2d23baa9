package store

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"smiley/recording"
)

// crashEnvironment makes the test binary a recorder that appends blocks for ever: "file seed".
const crashEnvironment = "SMILEY_STORE_TEST_CRASH"

// crashMain is the recorder that the test kills. It says on stdout what was acknowledged.
func crashMain() bool {
	job, ok := os.LookupEnv(crashEnvironment)
	if !ok {
		return false
	}
	file, seed, _ := strings.Cut(job, "\n")
	if err := crashRecorder(file, seed); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// plainTB reports to stderr what a test would.
type plainTB struct{}

func (plainTB) Helper() {}
func (plainTB) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func crashRecorder(file, seed string) error {
	n, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return err
	}
	s, err := Open(context.Background(), file, withTuning(3, 4))
	if err != nil {
		return err
	}
	t := plainTB{}
	run := newRun(t, int(n))
	b := recording.NewBuilder(run, func(d *recording.Draft) error {
		encoded, err := d.Encode(nil)
		if err != nil {
			return err
		}
		h, err := s.Append(context.Background(), encoded)
		if err == nil {
			fmt.Printf("%s %d %d\n", h.Run, h.Number, h.FirstSeq+uint64(h.Events)-1)
		}
		return err
	})
	check(t, b.Define(testTables()))
	for w := newWorld(t, b, n); ; {
		w.steps(int(n % 200))
		check(t, b.Cut(w.now))
	}
}

// A recorder that is killed at any moment loses nothing that it acknowledged, and leaves a file in order; its run is
// shown as interrupted, with a ledger that balances, and every answer equals the full scan of what is there.
func TestKilledRecorderLosesNothingAcknowledged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	for round := range 6 {
		id, blocks, events := killRecorder(t, file, round)
		r, err := OpenReader(t.Context(), file)
		check(t, err)
		run, err := r.Run(t.Context(), id)
		check(t, err)
		if run.Blocks < blocks || run.Events < events {
			t.Fatalf("round %d: %d blocks with %d events were acknowledged, %d with %d are there", round, blocks, events, run.Blocks, run.Events)
		}
		equal(t, "status", run.Status, recording.StatusInterrupted)
		if !run.Ledger.Balances() {
			t.Fatalf("round %d: ledger %+v does not balance", round, run.Ledger)
		}
		wantIntact(t, file)
		wantStatsOfFullScan(t, r, id)
		check(t, r.Close())
	}
	s, err := Open(t.Context(), file)
	check(t, err)
	defer s.Close() //nolint:errcheck // the test is over
	var state string
	check(t, s.db.QueryRow(`SELECT group_concat(DISTINCT state) FROM runs`).Scan(&state))
	equal(t, "state after the next opening", state, string(recording.StatusInterrupted))
}

// killRecorder lets a recorder acknowledge some blocks, kills it and returns what it had acknowledged.
func killRecorder(t *testing.T, file string, round int) (recording.RunID, uint32, uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s\n%d", crashEnvironment, file, round*37+5))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	var id string
	var number uint32
	var events uint64
	lines := bufio.NewScanner(out)
	for left := 1 + rand.IntN(60); lines.Scan(); left-- {
		// The kill comes while the recorder goes on; what it still says until then counts.
		if _, err := fmt.Sscan(lines.Text(), &id, &number, &events); err != nil {
			break // cut off in the middle of a line
		}
		if left == 1 {
			check(t, cmd.Process.Kill())
		}
	}
	_ = cmd.Wait() // it was killed
	var parsed recording.RunID
	check(t, parsed.UnmarshalText([]byte(id)))
	return parsed, number + 1, events
}

func wantIntact(t *testing.T, file string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	check(t, err)
	defer db.Close() //nolint:errcheck // only read
	var verdict string
	check(t, db.QueryRow(`PRAGMA integrity_check`).Scan(&verdict))
	equal(t, "integrity check", verdict, "ok")
}

// wantStatsOfFullScan compares the roll-ups with what reading all blocks gives.
func wantStatsOfFullScan(t *testing.T, r *Reader, id recording.RunID) {
	t.Helper()
	run, err := r.runRow(t.Context(), r.db, id)
	check(t, err)
	var blocks [][]byte
	for number := range run.blocks {
		body, err := readBody(t.Context(), r.db, run.key, number)
		check(t, err)
		blocks = append(blocks, body)
	}
	o := newOracle(t, blocks)
	want := o.functionStats()
	stats, err := r.FunctionStats(t.Context(), id)
	check(t, err)
	equal(t, "functions with statistics", len(stats), len(want))
	for i := range stats {
		equal(t, "statistics", plain(&stats[i]), want[stats[i].Function])
	}
	goroutines, err := r.Goroutines(t.Context(), id, 0, len(o.goroutines)+1)
	check(t, err)
	equalLists(t, "goroutines", goroutines, o.sortedGoroutines())
}
