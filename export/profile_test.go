package export_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"pgregory.net/rapid"

	"smiley/analysis"
	"smiley/export"
	"smiley/internal/sample"
	"smiley/recording"
	"smiley/store"
)

// totals are a function's figures, as statistics and as a profile have them.
type totals struct{ calls, self int64 }

func statisticsTotals(t *testing.T, run *analysis.Run) map[string]totals {
	t.Helper()
	rows, err := run.Statistics(context.Background(), "self")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]totals{}
	for _, r := range rows {
		all[r.Function] = totals{int64(r.Calls), r.Self}
	}
	return all
}

func profileTotals(p *profile.Profile) map[string]totals {
	all := map[string]totals{}
	for _, s := range p.Sample {
		name := s.Location[0].Line[0].Function.Name
		sum := all[name]
		all[name] = totals{sum.calls + s.Value[0], sum.self + s.Value[1]}
	}
	return all
}

func sameTotals(t *testing.T, got, want map[string]totals) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("the profile has %d functions, statistics %d", len(got), len(want))
	}
	for name, w := range want {
		if g := got[name]; g != w {
			t.Errorf("%s: the profile says %+v, statistics %+v", name, g, w)
		}
	}
}

// TestProfileEqualsStatistics compares two independent ways to the same sums: the profile follows every event, statistics
// were summed up block by block when they were written.
func TestProfileEqualsStatistics(t *testing.T) {
	ctx := context.Background()
	recordings, err := store.Open(ctx, filepath.Join(t.TempDir(), "runs.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := recordings.Close(); err != nil {
			t.Error(err)
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		id, err := recording.NewRunID()
		if err != nil {
			rt.Fatal(err)
		}
		blocks, err := sample.Record(id, func(b *recording.Builder) error { return program(rt, b) })
		if err != nil {
			rt.Fatal(err)
		}
		for _, block := range blocks {
			if _, err := recordings.Append(ctx, block); err != nil {
				rt.Fatal(err)
			}
		}
		run, err := analysis.Open(ctx, recordings.Reader, id.String())
		if err != nil {
			rt.Fatal(err)
		}
		p, err := export.Profile(ctx, run)
		if err != nil {
			rt.Fatal(err)
		}
		sameTotals(t, profileTotals(p), statisticsTotals(t, run))
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// program appends the events of a made-up program: calls and returns on several goroutines, panics that unwind some
// calls, returns that nobody saw, and calls that never end.
func program(t *rapid.T, b *recording.Builder) error {
	const goroutines = 3
	depth := [goroutines + 1]int{}
	stacks := [goroutines + 1][]recording.FunctionID{}
	for g := int64(1); g <= goroutines; g++ {
		if err := b.Define(recording.Definitions{Goroutines: []recording.Goroutine{{ID: g}}}); err != nil {
			return err
		}
	}
	frame := func(depth int) uint64 { return uint64(100 * (depth + 1)) }
	now := int64(0)
	for range rapid.IntRange(0, 200).Draw(t, "steps") {
		g := rapid.Int64Range(1, goroutines).Draw(t, "goroutine")
		now += rapid.Int64Range(0, 1000).Draw(t, "time")
		raw := recording.Raw{Goroutine: g, Time: now}
		switch action := rapid.IntRange(0, 9).Draw(t, "action"); {
		case action < 5 || depth[g] == 0:
			raw.Kind, raw.Frame = recording.KindCall, frame(depth[g])
			raw.Function = rapid.SampledFrom([]recording.FunctionID{sample.Main, sample.Add, sample.Work, sample.Risky}).Draw(t, "function")
			stacks[g] = append(stacks[g][:depth[g]], raw.Function)
			depth[g]++
		case action < 8:
			depth[g]--
			raw.Kind, raw.Frame, raw.Function = recording.KindReturn, frame(depth[g]), stacks[g][depth[g]]
		case action == 8:
			// A panic that is recovered in some call further out: what is above it ends without a return.
			if err := b.Append(&recording.Raw{Kind: recording.KindPanic, Goroutine: g, Time: now}); err != nil {
				return err
			}
			depth[g] = rapid.IntRange(1, depth[g]).Draw(t, "recovered in")
			raw.Kind, raw.Frame = recording.KindRecovered, frame(depth[g]-1)
		default:
			// A return that nobody saw: the next event shows that the call is over.
			depth[g]--
			continue
		}
		if err := b.Append(&raw); err != nil {
			return err
		}
		if rapid.IntRange(0, 20).Draw(t, "cut") == 0 {
			if err := b.Cut(now); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestProfileIsTheSameEachTime writes the profile of a run again and again: what is kept beside a run, or in its history, changes
// only if the run does.
func TestProfileIsTheSameEachTime(t *testing.T) {
	run := openShop(t)
	var first []byte
	for range 10 {
		p, err := export.Profile(context.Background(), run)
		if err != nil {
			t.Fatal(err)
		}
		var written bytes.Buffer
		if err := p.Write(&written); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = written.Bytes()
		}
		if !bytes.Equal(first, written.Bytes()) {
			t.Fatal("two profiles of one run differ")
		}
	}
}

// TestPprofReadsProfile lets the real tool read a profile and compares what it prints with statistics.
func TestPprofReadsProfile(t *testing.T) {
	run := openShop(t)
	p, err := export.Profile(context.Background(), run)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "run.pb.gz")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Write(f), f.Close()); err != nil {
		t.Fatal(err)
	}
	want := statisticsTotals(t, run)
	for column, sample := range []string{"calls", "time"} {
		command := exec.Command("go", "tool", "pprof", "-top", "-nodecount=100", "-unit=ns", "-sample_index="+sample, file)
		var complaints bytes.Buffer
		command.Stderr = &complaints
		out, err := command.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, complaints.String())
		}
		rows := regexp.MustCompile(`(?m)^ *(\d+)(?:ns)? +\S+ +\S+ +\d+(?:ns)? +\S+  (\S+)$`).FindAllStringSubmatch(string(out), -1)
		if len(rows) != len(want) {
			t.Fatalf("pprof shows %d functions of %d:\n%s", len(rows), len(want), out)
		}
		for _, row := range rows {
			flat, err := strconv.ParseInt(row[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if w := []int64{want[row[2]].calls, want[row[2]].self}[column]; flat != w {
				t.Errorf("%s: pprof says %d %s, statistics %d", row[2], flat, sample, w)
			}
		}
	}
}

// TestProfileOfDeepRecursion keeps profiles small: a stack's frames in the middle are left out.
func TestProfileOfDeepRecursion(t *testing.T) {
	const deep = 5000
	blocks, err := sample.Record(sample.ID, func(b *recording.Builder) error {
		if err := b.Define(recording.Definitions{Goroutines: []recording.Goroutine{{ID: 1}}}); err != nil {
			return err
		}
		for i := range deep {
			raw := recording.Raw{Kind: recording.KindCall, Function: sample.Add, Goroutine: 1, Time: int64(i), Frame: uint64(100 * (i + 1)), Data: sample.Ints(1, 2)}
			if i == 0 {
				raw.Function, raw.Data = sample.Main, sample.Ints()
			}
			if err := b.Append(&raw); err != nil {
				return err
			}
		}
		return nil
	})
	run := sample.Open(t, "last", blocks, err)
	p, err := export.Profile(context.Background(), run)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Sample) != deep {
		t.Errorf("%d samples, want one a distinct stack: %d", len(p.Sample), deep)
	}
	for _, s := range p.Sample {
		if outermost := s.Location[len(s.Location)-1].Line[0].Function.Name; outermost != "main.main" || len(s.Location) > 512 {
			t.Fatalf("a sample of %d frames begins in %s", len(s.Location), outermost)
		}
	}
	if got := strings.Join(p.Comments, "\n"); !strings.Contains(got, sample.ID.String()) {
		t.Errorf("the comments %q do not say which run this is", got)
	}
}
