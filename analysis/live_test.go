package analysis_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"smiley/analysis"
	"smiley/internal/sample"
	"smiley/recording"
	"smiley/store"
)

// talk draws a recording of goroutines that call, return and write, with functions that are defined while they run, cut into
// blocks anywhere.
type talk struct {
	t         *rapid.T
	b         *recording.Builder
	now       int64
	functions int
	open      map[int64][]recording.FunctionID
}

func drawTalk(t *rapid.T, id recording.RunID) [][]byte {
	blocks, err := sample.Record(id, func(b *recording.Builder) error {
		w := talk{t: t, b: b, functions: int(sample.Inlined), open: map[int64][]recording.FunctionID{}}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			if err := w.step(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

func (w *talk) step() error {
	w.now += int64(rapid.IntRange(0, 3).Draw(w.t, "time"))
	g := int64(rapid.IntRange(1, 3).Draw(w.t, "goroutine"))
	open, known := w.open[g]
	depth := uint64(len(open))
	raw := recording.Raw{Goroutine: g, Time: w.now}
	what := rapid.IntRange(0, 8).Draw(w.t, "what")
	switch {
	case what == 0:
		return w.b.Cut(w.now)
	case what == 1:
		w.functions++
		return w.b.Define(recording.Definitions{Functions: []recording.Function{{
			ID: recording.FunctionID(w.functions), Name: fmt.Sprintf("main.late%d", w.functions), Package: "main", File: 1, Line: 3,
		}}})
	case !known:
		w.open[g] = nil
		if err := w.b.Define(recording.Definitions{Goroutines: []recording.Goroutine{{ID: g, StartFunction: sample.Work}}}); err != nil {
			return err
		}
		raw.Kind = recording.KindGoroutineStart
	case what == 2 && depth > 0:
		raw.Kind, raw.Function, raw.Frame, raw.Data = recording.KindReturn, open[depth-1], 100*depth, sample.Ints(3)
		w.open[g] = open[:depth-1]
	case what <= 4:
		raw.Kind, raw.Data = recording.KindOutput, []byte("\x01hello\n")
	default:
		f := recording.FunctionID(rapid.IntRange(1, w.functions).Draw(w.t, "function"))
		raw.Kind, raw.Function, raw.Frame, raw.Data = recording.KindCall, f, 100*(depth+1), sample.Ints(1, 2)
		w.open[g] = append(open, f)
	}
	return w.b.Append(&raw)
}

// replayed is what the events of a recording are when they are read from a store.
func replayed(t *rapid.T, s *store.Store, id recording.RunID, blocks [][]byte) (list []analysis.Event) {
	ctx := context.Background()
	for _, b := range blocks {
		if _, err := s.Append(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	run, err := analysis.Open(ctx, s.Reader, id.String())
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range run.Events(ctx, analysis.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, *e)
	}
	return list
}

// Whatever blocks are shown, left out, or never come but for what they define: the events that are shown are those of a replay
// of the whole run, and the others are counted.
func TestLiveEqualsReplay(t *testing.T) {
	recordings, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer recordings.Close() //nolint:errcheck // a test
	rapid.Check(t, func(t *rapid.T) {
		id, err := recording.NewRunID()
		if err != nil {
			t.Fatal(err)
		}
		blocks := drawTalk(t, id)
		whole := replayed(t, recordings, id, blocks)
		live := analysis.NewLive(analysis.Filter{})
		var check analysis.LiveCheck
		var before, shown, skipped uint64
		joined := false
		for i, encoded := range blocks {
			b, err := recording.Decode(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if err := check.Block(b); err != nil {
				t.Fatal(err)
			}
			fate := rapid.IntRange(0, 3).Draw(t, "fate")
			if fate > 0 && !joined {
				joined, before = true, b.FirstSeq-1 // which is no concern of one who joins
			}
			switch fate {
			case 0:
				live.Define(b) // and its events never come
			case 1:
				live.Skip(b)
			default:
				atMost := rapid.IntRange(0, 40).Draw(t, "at most")
				for e, err := range live.Events(b) {
					if err != nil {
						t.Fatal(err)
					}
					if want := whole[e.Seq-1]; !reflect.DeepEqual(*e, want) {
						t.Fatalf("block %d:\n%+v, replayed\n%+v", i, *e, want)
					}
					shown++
					if atMost--; atMost < 0 {
						break
					}
				}
			}
			skipped += live.Skipped()
		}
		live.Missed(uint64(len(whole)) + 1)
		skipped += live.Skipped()
		if joined && before+shown+skipped != uint64(len(whole)) {
			t.Fatalf("%d before, %d shown and %d skipped of %d", before, shown, skipped, len(whole))
		}
	})
}

// Blocks that decode and lie about what they define are refused.
func TestLiveCheckRefuses(t *testing.T) {
	encoded, err := sample.Shop()
	if err != nil {
		t.Fatal(err)
	}
	function := func(change func(*recording.Function)) func(*recording.Block) {
		return func(b *recording.Block) { change(&b.Definitions.Functions[1]) }
	}
	for name, change := range map[string]func(*recording.Block){
		"number":            func(b *recording.Block) { b.Number = 7 },
		"seq":               func(b *recording.Block) { b.FirstSeq = 7 },
		"ledger":            func(b *recording.Block) { b.Captured++ },
		"run":               func(b *recording.Block) { b.Start.ID[3] ^= 1 },
		"type":              func(b *recording.Block) { b.Definitions.Types[1].ID = 1 },
		"file":              func(b *recording.Block) { b.Definitions.Files[1].ID = 9 },
		"function":          function(func(f *recording.Function) { f.ID = 1 << 31 }),
		"function's file":   function(func(f *recording.Function) { f.File = 3 }),
		"parameters":        function(func(f *recording.Function) { f.Params = make([]recording.Param, 1<<20) }),
		"name":              function(func(f *recording.Function) { f.Name = string(make([]byte, 1<<20)) }),
		"size":              func(b *recording.Block) { b.Definitions.Files[0].Body = bytes.Repeat([]byte("\n"), 16<<20) },
		"goroutine":         func(b *recording.Block) { b.Definitions.Goroutines[0].ID = 0 },
		"goroutine's start": func(b *recording.Block) { b.Definitions.Goroutines[0].StartFunction = 6 },
	} {
		b, err := recording.Decode(encoded[0])
		if err != nil {
			t.Fatal(err)
		}
		change(b)
		var check analysis.LiveCheck
		if err := check.Block(b); recording.CodeOf(err) != recording.CodeDamaged {
			t.Errorf("%s: %v", name, err)
		}
	}
	var check analysis.LiveCheck
	for i, e := range append(encoded, encoded[0]) {
		b, err := recording.Decode(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := check.Block(b); (err != nil) != (i == len(encoded)) {
			t.Errorf("block %d: %v", i, err)
		}
	}
}

// reseal makes the checksum of a block fit.
func reseal(encoded []byte) {
	body := encoded[:len(encoded)-4]
	binary.LittleEndian.PutUint32(encoded[len(body):], crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// Whatever the bytes of the next block, with a checksum that fits: it is refused, or its events are those that
// it says, in order.
func FuzzLive(f *testing.F) {
	for _, record := range []func() ([][]byte, error){sample.Shop, busy} {
		blocks, err := record()
		if err != nil {
			f.Fatal(err)
		}
		for _, b := range blocks {
			f.Add(b)
		}
	}
	busyBlocks, err := busy()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		if len(encoded) < 100 {
			return
		}
		reseal(encoded)
		b, err := recording.Decode(encoded)
		if err != nil {
			return
		}
		var check analysis.LiveCheck
		live := analysis.NewLive(analysis.Filter{})
		if b.Number > 0 && b.Number < 4 {
			for _, before := range busyBlocks[:b.Number] {
				first, err := recording.Decode(before)
				if err != nil {
					t.Fatal(err)
				}
				if err := check.Block(first); err != nil {
					t.Fatal(err)
				}
				live.Skip(first)
			}
			live.Skipped()
		}
		if check.Block(b) != nil {
			return
		}
		next := b.FirstSeq
		for e, err := range live.Events(b) {
			if err != nil {
				if recording.CodeOf(err) != recording.CodeDamaged {
					t.Fatal(err)
				}
				return
			}
			if e.Seq != next || e.Seq >= b.FirstSeq+uint64(b.Header.Events) {
				t.Fatalf("event %d, %d is expected in %+v", e.Seq, next, b.Header)
			}
			next++
			if _, err := json.Marshal(e); err != nil {
				t.Fatal(err)
			}
		}
		if next != b.FirstSeq+uint64(b.Header.Events) || live.Skipped() != 0 {
			t.Fatalf("%d events of %d", next-b.FirstSeq, b.Header.Events)
		}
	})
}

// Definitions may come again, and blocks may be missing behind them; but ids have no holes, and no block comes twice.
func TestLiveCheckDefines(t *testing.T) {
	encoded, err := busy()
	if err != nil {
		t.Fatal(err)
	}
	var blocks []*recording.Block
	for _, e := range encoded {
		b, err := recording.Decode(e)
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, b)
	}
	var check analysis.LiveCheck
	size := check.Size()
	for i, step := range []struct {
		check   func(*recording.Block) error
		block   *recording.Block
		refused bool
	}{
		{check.Define, blocks[0], false}, // it joins
		{check.Block, blocks[2], false},
		{check.Block, blocks[3], false},
		{check.Define, blocks[0], false}, // it comes back
		{check.Block, blocks[5], false},
		{check.Define, blocks[0], false},
		{check.Block, blocks[4], true}, // that is behind it
	} {
		if err := step.check(step.block); (err != nil) != step.refused || err != nil && recording.CodeOf(err) != recording.CodeDamaged {
			t.Fatalf("step %d: %v", i, err)
		}
		if i == 0 {
			size = check.Size()
		} else if check.Size() != size {
			t.Errorf("step %d: what is defined again counts again: %d bytes, %d before", i, check.Size(), size)
		}
	}
	check = analysis.LiveCheck{}
	if err := check.Block(blocks[2]); err == nil {
		t.Error("a block in the middle is taken of a run that nobody has joined")
	}
	holes := *blocks[0]
	holes.Definitions.Functions = holes.Definitions.Functions[1:]
	check = analysis.LiveCheck{}
	if err := check.Define(&holes); err == nil {
		t.Error("definitions with a hole are taken")
	}
}
