package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"smiley/recording"
)

// busy makes a run of many blocks, with goroutines that stay and others that come and go.
func busy(t tb, run recording.Run, unfinished bool) *fixture {
	t.Helper()
	return build(t, run, unfinished, func(b *recording.Builder) {
		w := newWorld(t, b, 5)
		for range 40 {
			w.steps(25)
			check(t, b.Cut(w.now))
		}
	})
}

// digested returns what the file has of a run's digest: the blocks that it covers, and how many time nodes there are.
func digested(t testing.TB, r *Reader, id recording.RunID) (blocks, nodes int) {
	t.Helper()
	err := r.db.QueryRowContext(t.Context(), `SELECT (SELECT ifnull(max(blocks), 0) FROM digests d WHERE d.run = r.key),
		(SELECT count(*) FROM time_nodes n WHERE n.run = r.key) FROM runs r WHERE id = ?`, id.String()).Scan(&blocks, &nodes)
	check(t, err)
	return blocks, nodes
}

// ask asks for everything that comes from a digest.
func ask(t testing.TB, r *Reader, id recording.RunID) (*Stacks, *TimeBuckets) {
	t.Helper()
	stacks, err := r.Stacks(t.Context(), id, StackQuery{})
	check(t, err)
	buckets, err := r.TimeBuckets(t.Context(), id, TimeQuery{})
	check(t, err)
	if !stacks.Complete() || !buckets.Complete() || len(stacks.Stacks) == 0 || len(buckets.Tracks[0].Buckets) == 0 {
		t.Fatalf("the answers cover %+v, %+v", stacks.Coverage, buckets.Coverage)
	}
	return stacks, buckets
}

// A file from before digests is brought up to date, and answers as if it had been made today.
func TestFileWithoutDigestsIsMigrated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	s, err := Open(t.Context(), file)
	check(t, err)
	f := busy(t, newRun(t, 0), false)
	keep(t, s, f)
	want, wantBuckets := ask(t, s.Reader, f.run.ID)
	for _, statement := range []string{`DROP TABLE digests`, `DROP TABLE digest_stacks`, `DROP INDEX long_calls_by_length`, `ALTER TABLE long_calls DROP COLUMN length`, `DROP TABLE time_nodes`, `ALTER TABLE runs DROP COLUMN quiet`, `ALTER TABLE files DROP COLUMN codec`, `DROP TABLE definitions`, `PRAGMA user_version = 1`} {
		_, err := s.w.ExecContext(t.Context(), statement)
		check(t, err)
	}
	check(t, s.Close())

	r, err := OpenReader(t.Context(), file)
	check(t, err)
	blocks, _ := digested(t, r, f.run.ID)
	equal(t, "blocks in the digest before anybody asked", blocks, 0)
	got, gotBuckets := ask(t, r, f.run.ID)
	equalLists(t, "stacks", got.Stacks, want.Stacks)
	equalLists(t, "buckets", gotBuckets.Tracks[0].Buckets, wantBuckets.Tracks[0].Buckets)
	check(t, r.Close()) // waits until it is written
	r, err = OpenReader(t.Context(), file)
	check(t, err)
	defer r.Close() //nolint:errcheck // only read
	blocks, nodes := digested(t, r, f.run.ID)
	equal(t, "blocks in the digest", blocks, len(f.blocks))
	if nodes < len(f.blocks) {
		t.Fatalf("%d time nodes of %d blocks", nodes, len(f.blocks))
	}
}

// A digest that was cut off at any block goes on from there, and comes to the same.
func TestDigestGoesOnWhereItWasCutOff(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	f := busy(t, newRun(t, 0), true)
	whole := openStore(t)
	keep(t, whole, f)
	want, wantBuckets := ask(t, whole.Reader, f.run.ID)
	for i, block := range f.blocks {
		s, err := Open(t.Context(), file, withTuning(3, 1))
		check(t, err)
		_, err = s.Append(t.Context(), block)
		check(t, err)
		ask(t, s.Reader, f.run.ID)
		if i%7 == 0 { // an interrupted run is written at once, one that is recorded now and then
			check(t, s.Interrupt(t.Context(), f.run.ID))
		}
		check(t, s.Close())
	}
	r, err := OpenReader(t.Context(), file, withTuning(3, 1))
	check(t, err)
	defer r.Close() //nolint:errcheck // only read
	if blocks, _ := digested(t, r, f.run.ID); blocks == 0 {
		t.Fatal("nothing was written")
	}
	got, gotBuckets := ask(t, r, f.run.ID)
	equalLists(t, "stacks", got.Stacks, want.Stacks)
	equalLists(t, "buckets", gotBuckets.Tracks[0].Buckets, wantBuckets.Tracks[0].Buckets)
}

// A digest that makes no sense is made again.
func TestDamagedDigestIsMadeAgain(t *testing.T) {
	f := busy(t, newRun(t, 0), false)
	for _, damage := range []string{
		`UPDATE digests SET stacks = x'00'`,
		`UPDATE digests SET open = stacks`,
		`UPDATE digests SET stacks = open`,
	} {
		file := filepath.Join(t.TempDir(), "smiley.db")
		s, err := Open(t.Context(), file)
		check(t, err)
		keep(t, s, f)
		want, _ := ask(t, s.Reader, f.run.ID)
		_, err = s.w.ExecContext(t.Context(), damage)
		check(t, err)
		check(t, s.Close())
		for range 2 {
			r, err := OpenReader(t.Context(), file)
			check(t, err)
			got, _ := ask(t, r, f.run.ID)
			equalLists(t, "stacks", got.Stacks, want.Stacks)
			check(t, r.Close())
		}
	}
}

// Two readers that make the same digest at the same time both answer right.
func TestTwoReadersMakeTheSameDigest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	f := busy(t, newRun(t, 0), false)
	s, err := Open(t.Context(), file)
	check(t, err)
	keep(t, s, f)
	check(t, s.Close())
	var readers [2]*Reader
	for i := range readers {
		readers[i], err = OpenReader(t.Context(), file, withTuning(3, 1))
		check(t, err)
	}
	answers := make(chan *Stacks, len(readers))
	failed := make(chan error, len(readers))
	for _, r := range readers {
		go func() {
			got, err := r.Stacks(context.WithoutCancel(t.Context()), f.run.ID, StackQuery{})
			answers <- got
			failed <- err
		}()
	}
	var list []*Stacks
	for range readers {
		check(t, <-failed)
		list = append(list, <-answers)
	}
	equalLists(t, "stacks", list[0].Stacks, list[1].Stacks)
	for _, r := range readers {
		check(t, r.Close())
	}
}

// A file that cannot be written is read all the same.
func TestDigestOfReadOnlyFileStaysInMemory(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "smiley.db")
	f := busy(t, newRun(t, 0), false)
	s, err := Open(t.Context(), file)
	check(t, err)
	keep(t, s, f)
	check(t, s.Close())
	check(t, os.Chmod(file, 0o400))
	check(t, os.Chmod(dir, 0o500))
	t.Cleanup(func() { check(t, os.Chmod(dir, 0o700)) })
	r, err := OpenReader(t.Context(), file)
	check(t, err)
	defer r.Close() //nolint:errcheck // only read
	ask(t, r, f.run.ID)
	ask(t, r, f.run.ID)
	blocks, _ := digested(t, r, f.run.ID)
	equal(t, "blocks in the file's digest", blocks, 0)
}

// Which of stacks that weigh the same are left out is the same each time.
func TestStacksOfTheSameWeightAreChosenInOneOrder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smiley.db")
	s, err := Open(t.Context(), file)
	check(t, err)
	f := build(t, newRun(t, 0), false, func(b *recording.Builder) {
		now := int64(0)
		add := func(kind recording.Kind, f recording.FunctionID, goroutine int64, frame uint64) {
			now += 10
			check(t, b.Append(&recording.Raw{Kind: kind, Function: f, Goroutine: goroutine, Time: now, Frame: frame}))
		}
		outer := []recording.FunctionID{1, 3, 4, 5}
		for round := range 2 { // goroutines that live on in another block have stacks of their own
			for i := range int64(len(outer) * len(outer)) {
				if round == 0 {
					check(t, b.Define(recording.Definitions{Goroutines: []recording.Goroutine{{ID: 1 + i, StartFunction: 4, Start: now}}}))
					add(recording.KindGoroutineStart, 0, 1+i, 0)
				}
				path := []recording.FunctionID{outer[i%4], outer[i/4], 2}
				for depth, f := range path {
					add(recording.KindCall, f, 1+i, uint64(64*(depth+1)))
				}
				for depth := len(path) - 1; depth >= 0; depth-- {
					add(recording.KindReturn, path[depth], 1+i, uint64(64*(depth+1)))
				}
			}
			check(t, b.Cut(now))
		}
	})
	keep(t, s, f)
	check(t, s.Close())
	var first []Stack
	for range 8 {
		r, err := OpenReader(t.Context(), file)
		check(t, err)
		got, err := r.Stacks(t.Context(), f.run.ID, StackQuery{Limit: 4 + 16 + 8})
		check(t, err)
		equal(t, "stacks left out", got.Hidden, 8)
		if first == nil {
			first = got.Stacks
		}
		equalLists(t, "stacks", got.Stacks, first)
		check(t, r.Close())
	}
}

// A deleted run takes its digest with it.
func TestDeleteRemovesDigest(t *testing.T) {
	s := openStore(t)
	f := busy(t, newRun(t, 0), false)
	keep(t, s, f)
	ask(t, s.Reader, f.run.ID)
	check(t, s.Delete(t.Context(), f.run.ID))
	var rows int
	check(t, s.db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM digests) + (SELECT count(*) FROM time_nodes)`).Scan(&rows))
	equal(t, "rows that are left", rows, 0)
}

// A question that does not want to wait has an answer at once, which says how much it covers.
func TestImpatientQuestionSaysWhatItCovers(t *testing.T) {
	s := openStore(t)
	f := busy(t, newRun(t, 0), false)
	keep(t, s, f)
	for {
		got, err := s.Stacks(t.Context(), f.run.ID, StackQuery{Wait: 1})
		check(t, err)
		part, err := s.Stacks(t.Context(), f.run.ID, StackQuery{Wait: 1, Function: 5})
		check(t, err) // a function that was not met so far is no mistake
		equal(t, "function in focus", part.Focus.Function, 5)
		if got.Blocks > got.Of || got.Of != uint32(len(f.blocks)) {
			t.Fatalf("it covers %+v", got.Coverage)
		}
		if got.Complete() {
			equal(t, "events", got.Events, mustRun(t, s.Reader, f.run.ID).Events)
			return
		}
	}
}

func mustRun(t testing.TB, r *Reader, id recording.RunID) *RunInfo {
	t.Helper()
	run, err := r.Run(t.Context(), id)
	check(t, err)
	return run
}

// The stacks of a goroutine are the same whether the digest has them or its blocks are read for them.
func TestStacksOfGoroutineAreKeptOrRead(t *testing.T) {
	f := busy(t, newRun(t, 0), false)
	answers := map[string][]Stack{}
	for _, way := range []struct {
		name        string
		trees, rows int
		readBlocks  uint32
	}{{"all kept", 1000, 1, 0}, {"some kept", 3, 1, 4}, {"none kept", 0, 0, 4}, {"few blocks", 1000, 0, 1000}} {
		file := filepath.Join(t.TempDir(), "smiley.db")
		s, err := Open(t.Context(), file, withTuning(3, 4), func(o *options) { o.ownTrees, o.readBlocks = way.trees, way.readBlocks })
		check(t, err)
		keep(t, s, f)
		list, err := s.Goroutines(t.Context(), f.run.ID, 0, 1000)
		check(t, err)
		for _, waiting := range []time.Duration{0, time.Nanosecond, time.Hour} {
			for _, g := range list {
				got, err := s.Stacks(t.Context(), f.run.ID, StackQuery{Goroutine: g.ID, Wait: waiting})
				check(t, err)
				if waiting == time.Nanosecond && !got.Complete() {
					continue
				}
				key := fmt.Sprint(g.ID)
				if answers[key] == nil {
					answers[key] = append([]Stack{}, got.Stacks...)
				}
				equalLists(t, way.name+": stacks of goroutine "+key, got.Stacks, answers[key])
				equal(t, "calls of goroutine "+key, got.Focus.Within, g.Calls)
			}
		}
		var rows int
		check(t, s.Close())
		r, err := OpenReader(t.Context(), file)
		check(t, err)
		check(t, r.db.QueryRowContext(t.Context(), `SELECT count(*) FROM digest_stacks`).Scan(&rows))
		check(t, r.Close())
		if rows > way.trees || rows < way.rows {
			t.Errorf("%s: %d goroutines have stacks of their own", way.name, rows)
		}
	}
}

// What was read stays when nobody wants more, and reading goes on from there.
func TestReadingStopsWhenNobodyWantsIt(t *testing.T) {
	f := busy(t, newRun(t, 0), false)
	whole := openStore(t)
	keep(t, whole, f)
	want, _ := ask(t, whole.Reader, f.run.ID)
	s := openStore(t, withTuning(3, 4), func(o *options) { o.linger, o.ownTrees, o.readBlocks = 0, 0, 0 })
	keep(t, s, f)
	none, err := s.Stacks(t.Context(), f.run.ID, StackQuery{Wait: -1})
	check(t, err)
	equal(t, "blocks that were read before anybody asked", none.Blocks, 0)
	for _, goroutine := range []int64{0, 1} {
		before := uint32(0)
		for patience := 10 * time.Microsecond; ; patience *= 2 {
			got, err := s.Stacks(t.Context(), f.run.ID, StackQuery{Wait: patience, Goroutine: goroutine})
			check(t, err)
			stopped, err := s.Stacks(t.Context(), f.run.ID, StackQuery{Wait: -1, Goroutine: goroutine})
			check(t, err)
			if stopped.Blocks < got.Blocks || got.Blocks < before {
				t.Fatalf("after %d blocks, %d were read, and %d when it was stopped", before, got.Blocks, stopped.Blocks)
			}
			if before = stopped.Blocks; stopped.Complete() {
				break
			}
		}
		got, err := s.Stacks(t.Context(), f.run.ID, StackQuery{Goroutine: goroutine})
		check(t, err)
		if goroutine == 0 {
			equalLists(t, "stacks", got.Stacks, want.Stacks)
		}
	}
}

// Whoever takes what was read already neither begins reading nor ends what others wait for.
func TestOnlyReadChangesNothing(t *testing.T) {
	f := busy(t, newRun(t, 0), false)
	s := openStore(t, withTuning(3, 4), func(o *options) { o.linger = time.Hour })
	keep(t, s, f)
	ask := func(wait time.Duration) *TimeBuckets {
		got, err := s.TimeBuckets(t.Context(), f.run.ID, TimeQuery{Wait: wait})
		check(t, err)
		return got
	}
	for range 10 {
		equal(t, "blocks that were read before anybody asked", ask(OnlyRead).Blocks, 0)
	}
	ask(time.Nanosecond)
	for !ask(OnlyRead).Complete() { // for ever, when the question ended the reading
	}
}

// A run that is deleted while its stacks are read is not there, and not damaged.
func TestDeletedRunIsNotRead(t *testing.T) {
	for _, goroutine := range []int64{0, 1} {
		s := openStore(t, withTuning(3, 4), func(o *options) { o.ownTrees, o.readBlocks = 0, 0 })
		f := busy(t, newRun(t, 0), false)
		keep(t, s, f)
		run, err := s.runRow(t.Context(), s.db, f.run.ID)
		check(t, err)
		p, err := s.placeOf(t.Context(), s.db, run, 1)
		check(t, err)
		check(t, s.Delete(t.Context(), f.run.ID))
		if goroutine == 0 {
			_, _, err = s.stackView(t.Context(), run, 0, 0)
		} else {
			_, err = s.readings.of(s.Reader, readingKey{run.key, goroutine}).view(t.Context(), p, 0)
		}
		equal(t, "code", recording.CodeOf(err), recording.CodeNotFound)
	}
}

// Times that no program has, further apart than an int64 can say, end neither the digest nor the process: what a sender says is stored as it
// is.
func TestDigestOfTimesFarApart(t *testing.T) {
	const far = 1 << 62
	s := openStore(t)
	f := build(t, newRun(t, 0), false, func(b *recording.Builder) {
		for goroutine, at := range map[int64]int64{1: -far, 2: far} {
			for i, kind := range []recording.Kind{recording.KindCall, recording.KindReturn} {
				raw := recording.Raw{Kind: kind, Function: 1, Goroutine: goroutine, Time: at + int64(i), Frame: 64}
				check(t, b.Append(&raw))
			}
		}
	})
	keep(t, s, f)
	askEverything(t, s.Reader, f.run.ID)
	stacks, _ := ask(t, s.Reader, f.run.ID)
	equal(t, "calls", stacks.Stacks[0].Calls, 2)
}

// A question that finds out that another process has made the digest further forgets the one in memory, also while it is about to be read
// on: that begins with the one in the file then.
func TestDigestThatIsForgottenWhileItIsRead(t *testing.T) {
	s := openStore(t)
	f := busy(t, newRun(t, 0), false)
	keep(t, s, f)
	ask(t, s.Reader, f.run.ID)
	check(t, s.Close()) // it is in the file then
	r, err := OpenReader(t.Context(), s.File())
	check(t, err)
	t.Cleanup(func() { check(t, r.Close()) })
	row, err := r.runRow(t.Context(), r.db, f.run.ID)
	check(t, err)
	d := r.digests.of(r, row.key) // nobody reads for it, and it has none
	d.target = row.blocks
	k := &digestKeeper{r: r}
	defer k.close()
	check(t, d.keepLast(t.Context(), k, true))
	state, err := d.readOn(t.Context(), k)
	check(t, err)
	equal(t, "more to read", state.more, false)
	equal(t, "blocks of the digest", int(d.digest.blocks), len(f.blocks))
}
