package store

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smiley/recording"
)

// finish makes a run that ended in a certain way.
func finish(t testing.TB, n int, end recording.RunEnd) *fixture {
	t.Helper()
	f := &fixture{run: newRun(t, n)}
	b := recording.NewBuilder(f.run, func(d *recording.Draft) error {
		encoded, err := d.Encode(nil)
		f.blocks = append(f.blocks, encoded)
		return err
	})
	end.End = f.run.Start
	check(t, b.Finish(end))
	return f
}

// Runs come newest first, page by page, and --errors leaves the ones that failed.
func TestRunsPageByPage(t *testing.T) {
	s := openStore(t)
	ends := []recording.RunEnd{
		{}, {ExitCode: 1}, {}, {Signal: "SIGKILL"}, {Error: "panic: boom", ExitCode: 2}, {ExitCode: recording.ExitUnknown}, {},
	}
	var all, failed []string
	for n, end := range ends {
		f := finish(t, n, end)
		keep(t, s, f)
		all = append([]string{f.run.ID.String()}, all...)
		if end != (recording.RunEnd{}) && end.ExitCode != recording.ExitUnknown {
			failed = append([]string{f.run.ID.String()}, failed...)
		}
	}
	for _, size := range []int{1, 2, 5, 100} {
		equalLists(t, "runs", runIDs(t, s.Reader, false, size), all)
		equalLists(t, "failed runs", runIDs(t, s.Reader, true, size), failed)
	}
	page, err := s.Runs(t.Context(), RunsQuery{Failed: true})
	check(t, err)
	for i := range page {
		if !page[i].Failed() {
			t.Errorf("run %s is listed as failed", page[i].ID)
		}
	}
}

func runIDs(t *testing.T, r *Reader, failed bool, size int) []string {
	t.Helper()
	var ids []string
	var before recording.RunID
	for {
		page, err := r.Runs(t.Context(), RunsQuery{Failed: failed, Before: before, Limit: size})
		check(t, err)
		if len(page) == 0 {
			return ids
		}
		for i := range page {
			ids = append(ids, page[i].ID.String())
		}
		before = page[len(page)-1].ID
	}
}

func TestFindRun(t *testing.T) {
	s := openStore(t)
	_, err := s.FindRun(t.Context(), LastRun)
	wantError(t, err, recording.CodeNotFound, "")
	var ids []string
	for n := range 5 {
		f := finish(t, n, recording.RunEnd{})
		f.run.ID = recording.RunID{0x01, 0x9a, byte(n / 2), byte(n)}
		f = build(t, f.run, false, func(*recording.Builder) {})
		keep(t, s, f)
		ids = append(ids, f.run.ID.String())
	}
	for name, want := range map[string]string{
		"last": ids[4], ids[1]: ids[1], strings.ToUpper(ids[1]): ids[1], ids[1][:8]: ids[1], "019a02": ids[4],
		ids[1][:30]: ids[1], // with dashes
	} {
		id, err := s.FindRun(t.Context(), name)
		if err != nil || id.String() != want {
			t.Errorf("%q is %s (%v), want %s", name, id, err, want)
		}
	}
	for name, want := range map[string]recording.Code{
		"019a": recording.CodeAmbiguous, "019a00": recording.CodeAmbiguous, "02": recording.CodeNotFound, "": recording.CodeInvalid,
		"first": recording.CodeInvalid, "%": recording.CodeInvalid, "019a'": recording.CodeInvalid, ids[1] + "0": recording.CodeInvalid,
	} {
		_, err := s.FindRun(t.Context(), name)
		if code := recording.CodeOf(err); code != want {
			t.Errorf("%q: code %q, want %q", name, code, want)
		}
		wantError(t, err, want, "")
	}
	_, err = s.FindRun(t.Context(), "019a")
	for _, id := range ids[:3] {
		if !strings.Contains(err.Error(), id) {
			t.Errorf("%q does not name %s", err, id)
		}
	}
}

// A question about what is not there is answered with CodeNotFound.
func TestUnknown(t *testing.T) {
	s := openStore(t)
	f := small(t, newRun(t, 0))
	keep(t, s, f)
	ctx, id, none := t.Context(), f.run.ID, newRun(t, 1).ID
	run, err := s.Run(ctx, id)
	check(t, err)
	ask := map[string]func() error{
		"run":            func() error { _, err := s.Run(ctx, none); return err },
		"functions":      func() error { _, err := s.Functions(ctx, none); return err },
		"types":          func() error { _, err := s.Types(ctx, none); return err },
		"files":          func() error { _, err := s.Files(ctx, none); return err },
		"goroutines":     func() error { _, err := s.Goroutines(ctx, none, 0, 1); return err },
		"goroutine":      func() error { _, err := s.Goroutine(ctx, id, 99999); return err },
		"roots":          func() error { _, err := s.Roots(ctx, id, 99999, 0, 1); return err },
		"call":           func() error { _, err := s.Call(ctx, id, run.Events+1); return err },
		"call 0":         func() error { _, err := s.Call(ctx, id, 0); return err },
		"what is none":   func() error { _, err := s.Call(ctx, id, 1); return err }, // a goroutine's start
		"children":       func() error { _, err := s.Children(ctx, id, run.Events+1, 0, 1); return err },
		"last children":  func() error { _, err := s.ChildrenBefore(ctx, id, run.Events+1, 0, 1); return err },
		"last roots":     func() error { _, err := s.RootsBefore(ctx, id, 99999, 0, 1); return err },
		"statistics":     func() error { _, err := s.FunctionStats(ctx, none); return err },
		"call graph":     func() error { _, err := s.EdgeStats(ctx, none); return err },
		"time line":      func() error { _, err := s.BlockTimeline(ctx, none, 0, 1); return err },
		"its last error": func() error { _, err := s.LastTrouble(ctx, none, false, 1); return err },
		"its stretches":  func() error { _, err := s.BlockSpans(ctx, none, 1); return err },
		"events":         func() error { return firstError(s.Reader, t, none, EventQuery{}) },
		"its events":     func() error { return firstError(s.Reader, t, id, EventQuery{Goroutine: 99999}) },
		"exported run":   func() error { return s.Export(ctx, none, filepath.Join(t.TempDir(), "x.db"), false) },
		"deleted run":    func() error { return s.Delete(ctx, none) },
		"imported file":  func() error { _, err := s.Import(ctx, filepath.Join(t.TempDir(), "x.db")); return err },
		"its directory":  func() error { return s.Export(ctx, id, filepath.Join(t.TempDir(), "no", "x.db"), false) },
		"one of several": func() error { return s.Delete(ctx, id, none) },
	}
	for name, question := range ask {
		if err := question(); recording.CodeOf(err) != recording.CodeNotFound {
			t.Errorf("unknown %s: %v", name, err)
		}
	}
	if _, err := s.Run(ctx, id); err != nil {
		t.Errorf("a delete of several runs, one of them unknown, deleted the other: %v", err)
	}
}

func firstError(r *Reader, t *testing.T, id recording.RunID, query EventQuery) error {
	for _, err := range r.Events(t.Context(), id, query) {
		return err
	}
	return nil
}

// The time line is the blocks, with what the oracle counts in them.
func TestBlockTimeline(t *testing.T) {
	s := openStore(t)
	f := small(t, newRun(t, 0))
	keep(t, s, f)
	var all []BlockInfo
	for from := uint32(0); ; from = all[len(all)-1].Number + 1 {
		page, err := s.BlockTimeline(t.Context(), f.run.ID, from, 2)
		check(t, err)
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
	}
	equal(t, "blocks", len(all), len(f.blocks))
	for i := range all {
		o := newOracle(t, f.blocks[:i+1])
		first := uint64(0)
		if i > 0 {
			first = uint64(len(newOracle(t, f.blocks[:i]).events))
		}
		equal(t, "first event", all[i].FirstSeq, first+1)
		equal(t, "events", all[i].Events, uint64(len(o.events))-first)
		equal(t, "captured", all[i].Captured, o.captured)
		b, err := recording.Decode(f.blocks[i])
		check(t, err)
		equal(t, "bytes", all[i].Bytes, int64(len(b.WithoutFileBodies(f.blocks[i]))))
	}
}

// Stretches of time hold all calls and panics of the blocks that lie in them.
func TestBlockSpans(t *testing.T) {
	s := openStore(t)
	f := busy(t, newRun(t, 0), false)
	keep(t, s, f)
	blocks, err := s.BlockTimeline(t.Context(), f.run.ID, 0, 1000)
	check(t, err)
	last := mustRun(t, s.Reader, f.run.ID).Last
	for _, width := range []int64{0, 1, 7, last / 3, last, 2 * last} {
		want := map[[2]int64]BlockSpan{}
		for i := range blocks {
			b := &blocks[i]
			if b.Events == 0 {
				continue
			}
			first, last := max(b.First, 0)/max(width, 1), max(b.Last, 0)/max(width, 1)
			sum := want[[2]int64{first, last}]
			want[[2]int64{first, last}] = BlockSpan{first, last, sum.Calls + b.Calls, sum.Panics + b.Panics}
		}
		got, err := s.BlockSpans(t.Context(), f.run.ID, width)
		check(t, err)
		equal(t, "spans", len(got), len(want))
		for _, span := range got {
			equal(t, "span", span, want[[2]int64{span.First, span.Last}])
		}
	}
}

// The last block with an error or a panic before any event is the last one that says so.
func TestLastTrouble(t *testing.T) {
	s := openStore(t)
	f := busy(t, newRun(t, 0), false)
	keep(t, s, f)
	blocks, err := s.BlockTimeline(t.Context(), f.run.ID, 0, 1000)
	check(t, err)
	found := 0
	for _, panics := range []bool{false, true} {
		for i := range blocks {
			for _, before := range []uint64{blocks[i].FirstSeq, blocks[i].FirstSeq + 1} {
				want := slices.Clone(blocks)
				want = slices.DeleteFunc(want, func(b BlockInfo) bool {
					return b.Events == 0 || b.FirstSeq >= before || b.Errors == 0 && !panics || b.Panics == 0 && panics
				})
				got, err := s.LastTrouble(t.Context(), f.run.ID, panics, before)
				check(t, err)
				if len(want) == 0 {
					equal(t, "no block", got == nil, true)
					continue
				}
				found++
				equal(t, "block", *got, want[len(want)-1])
			}
		}
	}
	if found < 2 {
		t.Fatalf("%d blocks were looked for", found)
	}
}
