package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"smiley/recording"
)

// What a run's first and last block say comes back.
func TestRunComesBack(t *testing.T) {
	s := openStore(t)
	f := small(t, newRun(t, 0))
	o := newOracle(t, f.blocks)
	keep(t, s, f)
	got, err := s.Run(t.Context(), f.run.ID)
	check(t, err)
	if !got.Start.Equal(f.run.Start) || !got.End.End.Equal(f.end.End) {
		t.Errorf("start %v, end %v", got.Start, got.End.End)
	}
	got.Start, got.End.End = f.run.Start, f.end.End
	want := RunInfo{
		Run: f.run, Status: recording.StatusComplete, End: &f.end, Last: got.Last, Blocks: uint32(len(f.blocks)),
		Events: uint64(len(o.events)), Calls: uint64(len(o.calls)), Errors: got.Errors, Panics: got.Panics,
		Goroutines: uint64(len(o.goroutines)), Quiet: o.quiet, Functions: 6, Files: 2,
		Ledger: recording.Ledger{Captured: o.captured, Stored: uint64(len(o.events)), Dropped: o.dropped, Untraced: 1},
	}
	if got.Quiet == 0 {
		t.Error("no goroutine was quiet")
	}
	equal(t, "end", *got.End, *want.End)
	got.End, want.End = nil, nil
	equal(t, "run", fmt.Sprintf("%+v", *got), fmt.Sprintf("%+v", want))
}

func TestDefinitionsComeBack(t *testing.T) {
	s := openStore(t)
	f := small(t, newRun(t, 0))
	keep(t, s, f)
	want := testTables()
	functions, err := s.Functions(t.Context(), f.run.ID)
	check(t, err)
	equal(t, "functions", fmt.Sprintf("%+v", functions), fmt.Sprintf("%+v", want.Functions))
	types, err := s.Types(t.Context(), f.run.ID)
	check(t, err)
	for _, typ := range want.Types {
		got, ok := types.Get(typ.ID)
		if !ok {
			t.Fatalf("type %d is not there", typ.ID)
		}
		equal(t, "type", fmt.Sprintf("%+v", *got), fmt.Sprintf("%+v", typ))
	}
	files, err := s.Files(t.Context(), f.run.ID)
	check(t, err)
	equal(t, "number of files", len(files), 2)
	equal(t, "why there is no source", files[1].Missing, "not found")
	body, err := s.FileBody(t.Context(), files[0].Hash)
	check(t, err)
	equal(t, "source", string(body), sourceText)
	_, err = s.FileBody(t.Context(), files[1].Hash)
	wantCode(t, err, recording.CodeNotFound)
}

// Types that a program shows only while it runs are added to the table that readers have seen already.
func TestTypesGrow(t *testing.T) {
	s := openStore(t)
	f := build(t, newRun(t, 0), true, func(b *recording.Builder) {
		check(t, b.Cut(1))
		check(t, b.Define(recording.Definitions{Types: []recording.Type{{ID: 3, Name: "bool", Kind: recording.KindBool, Size: 1}}}))
		check(t, b.Cut(2))
	})
	for i, want := range []bool{false, true} {
		_, err := s.Append(t.Context(), f.blocks[i])
		check(t, err)
		types, err := s.Types(t.Context(), f.run.ID)
		check(t, err)
		_, ok := types.Get(3)
		equal(t, fmt.Sprintf("bool is known after block %d", i), ok, want)
	}
}

// A block counts once however often it is sent; one that leaves a gap, or follows the end, is refused.
func TestBlocksCountOnceAndInOrder(t *testing.T) {
	s := openStore(t)
	f := small(t, newRun(t, 0))
	last := len(f.blocks) - 1
	_, err := s.Append(t.Context(), f.blocks[1])
	wantCode(t, err, recording.CodeInvalid)
	for i, block := range f.blocks {
		if i+2 <= last {
			_, err := s.Append(t.Context(), f.blocks[i+2])
			wantCode(t, err, recording.CodeInvalid)
		}
		for range 2 {
			h, err := s.Append(t.Context(), block)
			check(t, err)
			equal(t, "acknowledged block", h.Number, uint32(i))
		}
		next, err := s.NextBlock(t.Context(), f.run.ID)
		check(t, err)
		equal(t, "next block", next, uint32(i+1))
	}
	run, err := s.Run(t.Context(), f.run.ID)
	check(t, err)
	equal(t, "events", run.Events, uint64(len(newOracle(t, f.blocks).events)))
	next, err := s.NextBlock(t.Context(), newRun(t, 1).ID)
	check(t, err)
	equal(t, "next block of a run that is not here", next, 0)
}

// Every byte of a block is protected: whatever one of them becomes, the block is refused and nothing changes.
func TestFlippedBytesAreRefused(t *testing.T) {
	s := openStore(t)
	f := small(t, newRun(t, 0))
	_, err := s.Append(t.Context(), f.blocks[0])
	check(t, err)
	before := dump(t, s)
	block := f.blocks[1]
	for i := range block {
		broken := bytes.Clone(block)
		broken[i] ^= 1 << (i % 8)
		if h, err := recording.ParseHeader(broken); err == nil && h.Number < 1 {
			continue // it says that it is block 0, which is here already
		}
		if _, err := s.Append(t.Context(), broken); err == nil {
			t.Fatalf("a block with byte %d changed was taken", i)
		}
	}
	equal(t, "database", dump(t, s), before)
	keep(t, s, f)
}

// dump is what the tables that follow from blocks hold.
func dump(t testing.TB, s *Store) string {
	t.Helper()
	var text string
	for _, table := range []string{"runs", "blocks", "definitions", "goroutines", "long_calls", "function_stats", "edge_stats", "presence"} {
		var n int
		check(t, s.w.QueryRow(`SELECT count(*) FROM `+table).Scan(&n))
		text += fmt.Sprintln(table, n)
	}
	var stored, captured, dropped int
	check(t, s.w.QueryRow(`SELECT ifnull(sum(stored), 0), ifnull(sum(captured), 0), ifnull(sum(dropped), 0) FROM runs`).
		Scan(&stored, &captured, &dropped))
	return text + fmt.Sprintln(stored, captured, dropped)
}

// A sender that lies in the head of a block, with a checksum that fits, is found out.
func TestLyingHeadsAreRefused(t *testing.T) {
	f := small(t, newRun(t, 0))
	for _, lie := range []struct {
		name   string
		change func(head []byte)
	}{
		{"first seq", func(head []byte) { binary.LittleEndian.PutUint64(head[32:], 9) }},
		{"captured", func(head []byte) { binary.LittleEndian.PutUint64(head[56:], 1<<40) }},
		{"captured beyond any number", func(head []byte) { binary.LittleEndian.PutUint64(head[56:], 1<<63) }},
		{"dropped", func(head []byte) { binary.LittleEndian.PutUint64(head[64:], 5) }},
		{"final", func(head []byte) { head[6] ^= 1 }},
		{"another run", func(head []byte) { head[8] ^= 1 }},
	} {
		t.Run(lie.name, func(t *testing.T) {
			s := openStore(t)
			block := bytes.Clone(f.blocks[0])
			lie.change(block)
			reseal(block)
			_, err := s.Append(t.Context(), block)
			wantCode(t, err, recording.CodeDamaged)
			runs, err := s.Runs(t.Context(), RunsQuery{})
			check(t, err)
			equal(t, "runs", len(runs), 0)
		})
	}
}

// A summary that claims more than its events can have done is found out, also where its sums are more than an integer holds.
func TestLyingSummariesAreRefused(t *testing.T) {
	f := small(t, newRun(t, 0))
	const huge = 1 << 63
	for name, lie := range map[string]func(*recording.Summary){
		"truncated":              func(s *recording.Summary) { s.Truncated = huge },
		"unreadable":             func(s *recording.Summary) { s.Unreadable = huge },
		"errors and panics":      func(s *recording.Summary) { s.Errors, s.Panics = huge, huge },
		"errors of a function":   func(s *recording.Summary) { s.Functions[0].Errors = huge },
		"panics of a function":   func(s *recording.Summary) { s.Functions[0].Panics = huge },
		"ended of a function":    func(s *recording.Summary) { s.Functions[0].Ended = huge },
		"calls of two functions": func(s *recording.Summary) { s.Functions[0].Calls += huge; s.Functions[1].Calls += huge },
		"ended beyond its events": func(s *recording.Summary) {
			ended := uint64(len(s.Closed)) + 1
			for i := range s.Goroutines {
				ended += uint64(s.Goroutines[i].Events)
			}
			s.Functions[0].Ended, s.Functions[0].Duration.Count = ended, ended
		},
		"ended and durations": func(s *recording.Summary) { s.Functions[0].Duration.Count++ },
		"calls of an edge":    func(s *recording.Summary) { s.Edges[0].Calls = huge },
		"quiet goroutines":    func(s *recording.Summary) { s.Quiet = huge },
	} {
		b, err := recording.Decode(f.blocks[0])
		check(t, err)
		if reason := checkSummary(b); reason != "" {
			t.Fatal(reason)
		}
		lie(&b.Summary)
		if checkSummary(b) == "" {
			t.Errorf("%s: it is believed", name)
		}
	}
}

// Times that add up to more than an integer holds are the greatest there is, and the run can be written to its end and read: whether
// they were added in memory or in the file.
func TestTimesBeyondAnyNumberAddUp(t *testing.T) {
	const far = 1 << 62
	f := build(t, newRun(t, 0), false, func(b *recording.Builder) {
		for i, kind := range []recording.Kind{recording.KindCall, recording.KindReturn} {
			for g := int64(1); g <= 5; g++ {
				check(t, b.Append(&recording.Raw{Kind: kind, Function: 2, Goroutine: g, Time: int64(i) * far, Frame: 64}))
				check(t, b.Cut(int64(i)*far))
			}
		}
	})
	for _, rollUp := range []uint32{1, 3, 100} {
		s := openStore(t, withTuning(4, rollUp))
		keep(t, s, f)
		for range 2 { // the second time from what the first kept
			askEverything(t, s.Reader, f.run.ID)
		}
		stats, err := s.FunctionStats(t.Context(), f.run.ID)
		check(t, err)
		edges, err := s.EdgeStats(t.Context(), f.run.ID)
		check(t, err)
		equal(t, "functions and edges", [2]int{len(stats), len(edges)}, [2]int{1, 1})
		d := stats[0]
		equal(t, "ended", d.Ended, 5)
		equal(t, "times", [3]int64{d.Total, d.Self, edges[0].Total}, [3]int64{math.MaxInt64, math.MaxInt64, math.MaxInt64})
	}
}

// reseal makes the checksum at the end of a block fit again.
func reseal(block []byte) {
	end := len(block) - 4
	binary.LittleEndian.PutUint32(block[end:], crc32.Checksum(block[:end], crc32.MakeTable(crc32.Castagnoli)))
}

// A run whose recorder went away is interrupted, goes on when its blocks come again, and is complete in the end.
func TestInterruptedRunGoesOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	f := small(t, newRun(t, 0))
	for i, block := range f.blocks {
		s, err := Open(t.Context(), file)
		check(t, err)
		_, err = s.Append(t.Context(), block)
		check(t, err)
		wantStatus(t, s.Reader, f, map[bool]recording.Status{true: recording.StatusComplete, false: recording.StatusRecording}[i == len(f.blocks)-1])
		check(t, s.Close())
		if i < len(f.blocks)-1 {
			r, err := OpenReader(t.Context(), file)
			check(t, err)
			wantStatus(t, r, f, recording.StatusInterrupted)
			check(t, r.Close())
		}
	}
}

func wantStatus(t *testing.T, r *Reader, f *fixture, want recording.Status) {
	t.Helper()
	run, err := r.Run(t.Context(), f.run.ID)
	check(t, err)
	equal(t, "status", run.Status, want)
	if !run.Ledger.Balances() {
		t.Errorf("ledger %+v does not balance", run.Ledger)
	}
}

// Where the writer's process cannot be looked at, its heartbeat decides.
func TestHeartbeatDecidesElsewhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	now := testStart
	s, err := Open(t.Context(), file, WithClock(func() time.Time { return now }))
	check(t, err)
	defer s.Close() //nolint:errcheck // only read from here on
	f := small(t, newRun(t, 0))
	_, err = s.Append(t.Context(), f.blocks[0])
	check(t, err)
	_, err = s.w.Exec(`UPDATE runs SET writer = 'another machine/1-2'`)
	check(t, err)
	for _, c := range []struct {
		after time.Duration
		want  recording.Status
	}{{time.Second, recording.StatusRecording}, {time.Minute, recording.StatusInterrupted}} {
		now = testStart.Add(c.after)
		wantStatus(t, s.Reader, f, c.want)
	}
}

// The process of a writer is told from another one with the same number.
func TestAlive(t *testing.T) {
	me := identity()
	now := testStart
	if !alive(me, now.Add(-time.Hour), now) && processSpace() != "" {
		t.Error("this process does not live")
	}
	if processSpace() != "" && alive(me+"1", now, now) {
		t.Error("a process that began at another time lives")
	}
	for _, writer := range []string{"", "/", "x/1-2", "\x00/\x00"} {
		if alive(writer, now.Add(-time.Hour), now) {
			t.Errorf("%q lives with an old heartbeat", writer)
		}
	}
}

// Only one process at a time takes the blocks of a run.
func TestRunOfAnotherRecorderIsRefused(t *testing.T) {
	s := openStore(t)
	f := small(t, newRun(t, 0))
	_, err := s.Append(t.Context(), f.blocks[0])
	check(t, err)
	delete(s.live, f.run.ID)
	_, err = s.w.Exec(`UPDATE runs SET writer = 'another machine/1-2', heartbeat_ns = ?`, time.Now().UnixNano())
	check(t, err)
	_, err = s.Append(t.Context(), f.blocks[1])
	wantCode(t, err, recording.CodeLocked)
}

// A list of the presence index that is read is what was written, and its members are within no block list when they
// began and ended there.
func TestPresenceListRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := presence{}
		for range rapid.IntRange(0, 50).Draw(t, "members") {
			id := rapid.Int64Range(1, 1<<40).Draw(t, "id")
			p.merge(id, presenceFlags(rapid.IntRange(0, 7).Draw(t, "flags")))
		}
		stored := appendPresence(nil, p)
		got := presence{}
		if !eachPresence(stored, func(id int64, flags presenceFlags) bool { got[id] = flags; return true }) {
			t.Fatalf("a fresh list is damaged")
		}
		equal(t, "list", fmt.Sprint(got), fmt.Sprint(p))
		for id, want := range p {
			flags, found, ok := findPresence(stored, id)
			if !found || !ok || flags != want || flags.within() {
				t.Fatalf("goroutine %d: %v %v %v, want %v", id, flags, found, ok, want)
			}
		}
	})
}

// Whatever the bytes, a list yields ascending members or says that it is damaged.
func FuzzPresence(f *testing.F) {
	f.Add([]byte{8, 9, 10}, int64(2))
	f.Add([]byte{0}, int64(0))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, int64(1))
	f.Fuzz(func(t *testing.T, stored []byte, id int64) {
		last := int64(0)
		eachPresence(stored, func(id int64, _ presenceFlags) bool {
			if id <= last {
				t.Fatalf("%d follows %d", id, last)
			}
			last = id
			return true
		})
		findPresence(stored, id)
	})
}

// threeBlocks are the first blocks of a run that goes on.
func threeBlocks(t testing.TB) *fixture {
	return build(t, newRun(t, 0), true, func(b *recording.Builder) {
		w := newWorld(t, b, 3)
		for range 3 {
			w.steps(10)
			check(t, b.Cut(w.now))
		}
	})
}

// Whatever the bytes of the next block, with a checksum that fits: it is refused, or its ledger balances and all that is
// derived from it can be derived. Without a database, which the fuzzer would spend its time in.
func FuzzBlock(f *testing.F) {
	fix := threeBlocks(f)
	first, err := recording.Decode(fix.blocks[0])
	check(f, err)
	for i := range fix.blocks {
		f.Add(fix.blocks[i])
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		if len(encoded) < 100 {
			return
		}
		reseal(encoded)
		block, err := recording.Decode(encoded)
		if err != nil {
			return
		}
		run := newLiveRun(false)
		if block.Number > 0 {
			run.advance(first)
		}
		if run.expects(block.Header) != nil || run.check(block) != nil {
			return
		}
		run.pending.add(block)
		stored := appendPresence(nil, blockPresence(block))
		if !eachPresence(stored, func(int64, presenceFlags) bool { return true }) {
			t.Fatal("the presence list of the block is damaged")
		}
		if s, err := newStructure(block); err == nil {
			for i := range s.calls {
				if !inBlock(block, s.calls[i].Seq) || i > 0 && s.calls[i].Seq <= s.calls[i-1].Seq {
					t.Fatalf("call %d lies out of order", s.calls[i].Seq)
				}
			}
		}
		if part, err := newDigestPart(block); err == nil {
			d := newDigest(defaultTuning, 1)
			d.add(part)
			if _, err := decodeNode(appendNode(nil, part.node), nil); err != nil {
				t.Fatal(err)
			}
			if _, err := d.shared.view(d.sharedOpen(), d.coverage(1)).stacks(&StackQuery{}); err != nil {
				t.Fatal(err)
			}
		}
		run.advance(block)
		if run.captured != run.stored+run.dropped {
			t.Fatalf("ledger: %d captured, %d stored, %d dropped", run.captured, run.stored, run.dropped)
		}
	})
}

// Blocks with changed bytes and a checksum that fits are refused, or the run's ledger still balances and every question
// gets an answer or a reason.
func TestMutatedBlocks(t *testing.T) {
	fix := threeBlocks(t)
	rng := rand.New(rand.NewPCG(11, 3))
	s := openStore(t)
	taken := 0
	for range 300 {
		block := bytes.Clone(fix.blocks[0])
		for range 1 + rng.IntN(3) {
			at := 40 + rng.IntN(len(block)-44) // the times of the head, and what is behind them
			if at >= 56 && at < 80 {
				continue
			}
			block[at] ^= byte(1 << rng.IntN(8))
		}
		reseal(block)
		if _, err := s.Append(t.Context(), block); err != nil {
			if recording.CodeOf(err) == recording.CodeInternal {
				t.Fatal(err)
			}
			continue
		}
		taken++
		run, err := s.Run(t.Context(), fix.run.ID)
		check(t, err)
		if !run.Ledger.Balances() {
			t.Fatalf("ledger %+v does not balance", run.Ledger)
		}
		askEverything(t, s.Reader, run.ID)
		// As if it had ended, so that it can be deleted. The heartbeat looks at the live runs, too.
		s.mu.Lock()
		s.live[fix.run.ID].final = true
		_, err = s.w.Exec(`UPDATE runs SET state = 'interrupted'`)
		s.mu.Unlock()
		check(t, err)
		check(t, s.Delete(t.Context(), fix.run.ID))
		s.mu.Lock()
		delete(s.live, fix.run.ID)
		s.mu.Unlock()
	}
	if taken == 0 {
		t.Error("not one of the changed blocks was taken: the test shows nothing")
	}
	t.Logf("%d of 300 changed blocks were taken", taken)
}

// askEverything asks what must not panic whatever is stored.
func askEverything(t testing.TB, r *Reader, id recording.RunID) {
	t.Helper()
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	seen := 0
	for e, err := range r.Events(t.Context(), id, EventQuery{Parts: recording.WithData}) {
		note(err)
		if err == nil && e.Kind == recording.KindCall && seen < 20 {
			seen++
			_, err := r.Call(t.Context(), id, e.Seq)
			note(err)
			_, err = r.Children(t.Context(), id, e.Seq, 0, 3)
			note(err)
		}
	}
	goroutines, err := r.Goroutines(t.Context(), id, 0, 20)
	note(err)
	for i := range goroutines {
		_, err := r.Roots(t.Context(), id, goroutines[i].ID, 0, 3)
		note(err)
	}
	_, err = r.FunctionStats(t.Context(), id)
	note(err)
	_, err = r.EdgeStats(t.Context(), id)
	note(err)
	_, err = r.Functions(t.Context(), id)
	note(err)
	_, err = r.Types(t.Context(), id)
	note(err)
	note(askDigest(t, r, id, goroutines))
	for _, err := range errs {
		if recording.CodeOf(err) == recording.CodeInternal {
			t.Fatal(err)
		}
	}
}

// askDigest asks what flame graph and time line ask.
func askDigest(t testing.TB, r *Reader, id recording.RunID, goroutines []GoroutineInfo) error {
	t.Helper()
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	one := map[int64]bool{}
	for i := range goroutines {
		g := goroutines[i].ID
		one[g] = true
		_, err := r.Stacks(t.Context(), id, StackQuery{Goroutine: g})
		note(err)
		_, err = r.TimeBuckets(t.Context(), id, TimeQuery{Goroutines: []int64{0, g}})
		note(err)
	}
	for _, query := range []StackQuery{{}, {Inverted: true, By: ByCalls}, {Function: 1}} {
		_, err := r.Stacks(t.Context(), id, query)
		note(err)
	}
	for _, query := range []TimeQuery{{}, {From: -1 << 62, Width: 1}, {From: math.MinInt64, To: math.MaxInt64}, {To: 1}} {
		_, err := r.TimeBuckets(t.Context(), id, query)
		note(err)
	}
	for _, from := range []int64{math.MinInt64, 0} {
		nothing := func(*recording.Call) {}
		_, err := r.Window(t.Context(), id, WindowQuery{From: from, To: math.MaxInt64, Goroutines: one, Levels: 9}, nothing, func(*Mark) {})
		note(err)
		_, _, err = r.GoroutinesWithin(t.Context(), id, GoroutineQuery{From: from, To: math.MaxInt64})
		note(err)
	}
	_, err := r.BlockSpans(t.Context(), id, 1)
	note(err)
	return errors.Join(errs...)
}

// A goroutine's number that is given again, which Go does not do, hides nothing: the blocks of both are found.
func TestGoroutineNumberGivenAgain(t *testing.T) {
	s := openStore(t, withTuning(2, 1))
	f := build(t, newRun(t, 0), false, func(b *recording.Builder) {
		now := int64(0)
		live := func(id int64) {
			for _, kind := range []recording.Kind{recording.KindGoroutineStart, recording.KindCall, recording.KindReturn, recording.KindGoroutineEnd} {
				now++
				check(t, b.Append(&recording.Raw{Kind: kind, Function: 1, Goroutine: id, Time: now, Frame: 64}))
			}
			check(t, b.Cut(now))
		}
		for _, id := range []int64{5, 1, 2, 3, 4, 6, 7, 8, 9, 5} {
			live(id)
		}
	})
	keep(t, s, f)
	roots, err := s.Roots(t.Context(), f.run.ID, 5, 0, 10)
	check(t, err)
	equal(t, "calls of both", len(roots), 2)
	events := 0
	for _, err := range s.Events(t.Context(), f.run.ID, EventQuery{Goroutine: 5}) {
		check(t, err)
		events++
	}
	equal(t, "events of both", events, 8)
}
