//go:build cgo && linux && amd64

package main

import (
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"smiley/recording"
)

// TestRecorderMeasures scrapes a recorder before, while and after it records a program: what it serves is what is in the
// database, and nothing that is promised is missing.
func TestRecorderMeasures(t *testing.T) {
	if testing.Short() {
		t.Skip("real processes: not with -short")
	}
	smiley, program := buildStage(t)
	s := newStage(t, smiley, program, nil)
	before := s.scrape()
	for _, name := range documentedMeasures(t) {
		if value, ok := before[name]; !ok || value != 0 {
			t.Errorf("a recorder that has just begun serves %s = %v, %v", name, value, ok)
		}
		delete(before, name)
	}
	for name := range before {
		if !strings.Contains(name, "{") { // the buckets of histograms
			t.Errorf("docs/reference/metrics.md does not have %s", name)
		}
	}

	r := s.run(s.address)
	s.progress(0)
	if m := s.scrape(); m["smiley_sessions"] != 1 || m["smiley_runs"] != 1 || m["smiley_runs_begun_total"] != 1 ||
		m["smiley_runs_completed_total"] != 0 || m["smiley_events_total"] == 0 {
		t.Errorf("while a program runs: %v", m)
	}
	s.whole(r.finish())
	stored := float64(s.list()[0].Loss.Stored)
	var m map[string]float64
	s.await("the recorder knows that the sender has gone", func() bool { // whose farewell is the last that it says
		m = s.scrape()
		return m["smiley_sessions"] == 0 && m["smiley_acknowledgement_seconds_count"] == m["smiley_blocks_total"]
	})
	for name, want := range map[string]float64{
		"smiley_runs_begun_total": 1, "smiley_runs_completed_total": 1, "smiley_runs_interrupted_total": 0,
		"smiley_events_total": stored, "smiley_dropped_events_total": 0,
		"smiley_acknowledgement_seconds_bucket{le=\"+Inf\"}": m["smiley_blocks_total"],
		"smiley_commit_seconds_count":                        m["smiley_blocks_total"],
		"smiley_queue_blocks":                                0, "smiley_queue_bytes": 0, "smiley_commit_failures_total": 0,
	} {
		if got := m[name]; got != want {
			t.Errorf("%s = %v, not %v", name, got, want)
		}
	}
	if m["smiley_block_bytes_total"] == 0 || m["smiley_acknowledgement_seconds_sum"] == 0 || m["smiley_commit_seconds_sum"] == 0 {
		t.Errorf("after the run: %v", m)
	}
}

// documentedMeasures are the names in docs/reference/metrics.md.
func documentedMeasures(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, ok := strings.CutPrefix(line, "| `")
		if !ok {
			continue
		}
		name, kind, _ := strings.Cut(name, "` | ")
		if strings.HasPrefix(kind, "histogram") {
			names = append(names, name+"_sum", name+"_count")
			continue
		}
		names = append(names, name)
	}
	return names
}

// What a run has lost is counted once, whichever recorder it began with; only one that is not complete is interrupted.
func TestMeasuresOfRuns(t *testing.T) {
	m := newMeasures()
	commit := func(run byte, number uint32, dropped uint64, final bool) {
		m.committed(time.Millisecond, recording.Header{
			Run: recording.RunID{run}, Number: number, Events: 10, Dropped: dropped, Final: final,
		}, 100, nil)
	}
	commit(1, 0, 5, false)
	commit(1, 1, 5, false)
	commit(1, 2, 7, true)
	m.gone(recording.RunID{1})
	commit(2, 0, 0, false)
	m.gone(recording.RunID{2})
	m.gone(recording.RunID{2})
	if m.knows(recording.RunID{1}) || m.knows(recording.RunID{2}) {
		t.Error("runs that have ended are remembered")
	}
	m.runs[recording.RunID{2}] = 3 // as resume does when it is delivered later
	commit(2, 1, 4, true)
	m.committed(time.Millisecond, recording.Header{Run: recording.RunID{3}}, 100, errors.New("disk full"))

	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetCounter().GetValue() + float64(f.GetMetric()[0].GetHistogram().GetSampleCount())
	}
	want := map[string]float64{
		"smiley_runs_begun_total": 2, "smiley_runs_completed_total": 2, "smiley_runs_interrupted_total": 1,
		"smiley_events_total": 50, "smiley_dropped_events_total": 8, "smiley_block_bytes_total": 500,
		"smiley_commit_seconds": 6, "smiley_acknowledgement_seconds": 0,
	}
	if !maps.Equal(got, want) {
		t.Errorf("counted %v, not %v", got, want)
	}
}
