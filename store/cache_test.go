package store

import (
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"smiley/recording"
)

// weight is a value of so many bytes.
type weight struct{ size int }

func (w *weight) bytes() int { return w.size }

// TestCacheKeepsWhatWasUsedLast compares a cache with a list of what was used, after every step: what it keeps is the part
// used last that fits its limit, and the last value even when that alone does not fit.
func TestCacheKeepsWhatWasUsedLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 40).Draw(t, "limit")
		c := newCache[int, *weight](limit)
		var used []int // keys, most recent first
		kept := map[int]*weight{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			key := rapid.IntRange(0, 9).Draw(t, "key")
			if rapid.Bool().Draw(t, "get") {
				if got := c.get(key); got != kept[key] {
					t.Fatalf("key %d is %v, want %v", key, got, kept[key])
				}
			} else {
				value := &weight{rapid.IntRange(0, 25).Draw(t, "bytes")}
				c.put(key, value)
				if kept[key] != nil {
					continue // the first stays: others may hold it
				}
				kept[key] = value
			}
			if kept[key] != nil {
				used = append([]int{key}, slices.DeleteFunc(used, func(k int) bool { return k == key })...)
			}
			size, fit := 0, 0
			for fit < len(used) && (fit == 0 || size+kept[used[fit]].size <= limit) {
				size += kept[used[fit]].size
				fit++
			}
			for _, gone := range used[fit:] {
				delete(kept, gone)
			}
			used = used[:fit]
			checkCache(t, c, used, kept)
		}
	})
}

// checkCache looks at all that a cache keeps.
func checkCache(t *rapid.T, c *cache[int, *weight], used []int, kept map[int]*weight) {
	size := 0
	var got []int
	for e := c.order.Front(); e != nil; e = e.Next() {
		entry := e.Value.(*cacheEntry[int, *weight])
		got = append(got, entry.key)
		size += entry.value.bytes()
		if entry.value != kept[entry.key] || c.entries[entry.key] != e {
			t.Fatalf("key %d is another value than was put there", entry.key)
		}
	}
	if !slices.Equal(got, used) || len(c.entries) != len(got) {
		t.Fatalf("keeps %v by %d keys, want %v", got, len(c.entries), used)
	}
	if size != c.size || size > c.limit && len(got) > 1 {
		t.Fatalf("%d values of %d bytes, counted as %d, with a limit of %d", len(got), size, c.size, c.limit)
	}
}

// TestCacheIsShared lets many put and get at once: all that use a key have the same value of it, and the limit holds.
func TestCacheIsShared(t *testing.T) {
	c := newCache[int, *weight](64)
	var group sync.WaitGroup
	for g := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range 500 {
				key := (g + i) % 20
				if v := c.get(key); v != nil && v.size != key {
					t.Errorf("key %d has the value of %d", key, v.size)
				}
				c.put(key, &weight{key})
			}
		}()
	}
	group.Wait()
	size := 0
	for key, e := range c.entries {
		v := e.Value.(*cacheEntry[int, *weight])
		if v.key != key {
			t.Errorf("key %d leads to %d", key, v.key)
		}
		size += v.value.size
	}
	if size != c.size || size > c.limit || c.order.Len() != len(c.entries) {
		t.Errorf("%d bytes, counted as %d, in %d of %d", size, c.size, c.order.Len(), len(c.entries))
	}
}

// answers are what a reader says of a run, of all kinds that a cache stands behind.
type answers struct {
	Roots, Children []recording.Call
	Calls           []recording.Call
	Marks           int
	Stacks          *Stacks
	Buckets         []TimeBucket
}

func askAll(t *testing.T, r *Reader, run recording.RunID) *answers {
	t.Helper()
	a := &answers{}
	var err error
	a.Roots, err = r.Roots(t.Context(), run, 1, 0, 1000)
	check(t, err)
	for i := range a.Roots {
		children, err := r.Children(t.Context(), run, a.Roots[i].Seq, 0, 1000)
		check(t, err)
		a.Children = append(a.Children, children...)
	}
	window := WindowQuery{To: int64(time.Hour), Goroutines: map[int64]bool{1: true}, Levels: 64}
	_, err = r.Window(t.Context(), run, window, func(c *recording.Call) { a.Calls = append(a.Calls, *c) }, func(*Mark) { a.Marks++ })
	check(t, err)
	slices.SortFunc(a.Calls, func(x, y recording.Call) int { return int(x.Seq) - int(y.Seq) })
	a.Stacks, err = r.Stacks(t.Context(), run, StackQuery{Depth: 64, Limit: 1000})
	check(t, err)
	buckets, err := r.TimeBuckets(t.Context(), run, TimeQuery{To: int64(time.Hour), Width: 1000, Goroutines: []int64{1}})
	check(t, err)
	a.Buckets = buckets.Tracks[0].Buckets
	return a
}

// TestCachedAnswersAreRead shows that a reader which was asked before need not read the blocks again: its answers stay as
// they were when somebody damages the blocks behind its back, where one that comes new says that they are damaged.
func TestCachedAnswersAreRead(t *testing.T) {
	s := openStore(t, withTuning(2, 2))
	f := small(t, newRun(t, 1))
	keep(t, s, f)
	r, err := OpenReader(t.Context(), s.File())
	check(t, err)
	defer func() { check(t, r.Close()) }()
	askAll(t, r, f.run.ID)
	first, err := r.Roots(t.Context(), f.run.ID, 1, 0, 1000)
	check(t, err)
	_, err = s.w.Exec(`UPDATE block_bodies SET body = x'00'`)
	check(t, err)
	again, err := r.Roots(t.Context(), f.run.ID, 1, 0, 1000)
	if err != nil || !reflect.DeepEqual(again, first) || len(first) == 0 {
		t.Errorf("what was read before: %v, want %v (%v)", again, first, err)
	}
	other, err := OpenReader(t.Context(), s.File())
	check(t, err)
	defer func() { check(t, other.Close()) }()
	if _, err := other.Roots(t.Context(), f.run.ID, 1, 0, 1000); recording.CodeOf(err) != recording.CodeDamaged {
		t.Errorf("a reader that comes new: %v, want that the blocks are damaged", err)
	}
}

// TestCachedAnswersGrow asks the same reader after every block of a run that is being recorded: what it remembers of the
// blocks before never stands in place of what the run has become.
func TestCachedAnswersGrow(t *testing.T) {
	s := openStore(t, withTuning(2, 2))
	f := build(t, newRun(t, 1), false, func(b *recording.Builder) {
		w := newWorld(t, b, 3)
		for range 9 {
			w.steps(25)
			check(t, b.Cut(w.now))
		}
	})
	r, err := OpenReader(t.Context(), s.File())
	if recording.CodeOf(err) == recording.CodeNotFound { // there is nothing in it yet
		keep(t, s, small(t, newRun(t, 0)))
		r, err = OpenReader(t.Context(), s.File())
	}
	check(t, err)
	defer func() { check(t, r.Close()) }()
	for i, block := range f.blocks {
		_, err := s.Append(t.Context(), block)
		check(t, err)
		fresh, err := OpenReader(t.Context(), s.File())
		check(t, err)
		got, want := askAll(t, r, f.run.ID), askAll(t, fresh, f.run.ID)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("after block %d:\n got %+v\nwant %+v", i, got, want)
		}
		if i == len(f.blocks)-1 && len(got.Calls) == 0 {
			t.Error("the run has no calls")
		}
		check(t, fresh.Close())
	}
}

// TestCachedAnswersOfADeletedRun deletes a run that a reader has all of in its caches, and records another one with the same
// numbers of blocks: the first is gone, and nothing of it shows in the second.
func TestCachedAnswersOfADeletedRun(t *testing.T) {
	s := openStore(t, withTuning(2, 2))
	stays := small(t, newRun(t, 0))
	keep(t, s, stays)
	r, err := OpenReader(t.Context(), s.File())
	check(t, err)
	defer func() { check(t, r.Close()) }()
	for seed := range uint64(3) {
		f := build(t, newRun(t, int(seed)+1), false, func(b *recording.Builder) {
			w := newWorld(t, b, seed)
			for range 3 {
				w.steps(20)
				check(t, b.Cut(w.now))
			}
		})
		keep(t, s, f)
		fresh, err := OpenReader(t.Context(), s.File())
		check(t, err)
		if got, want := askAll(t, r, f.run.ID), askAll(t, fresh, f.run.ID); !reflect.DeepEqual(got, want) {
			t.Errorf("run %d:\n got %+v\nwant %+v", seed, got, want)
		}
		check(t, fresh.Close())
		check(t, s.Delete(t.Context(), f.run.ID))
		for what, question := range map[string]func() error{
			"roots":  func() error { _, err := r.Roots(t.Context(), f.run.ID, 1, 0, 10); return err },
			"call":   func() error { _, err := r.Call(t.Context(), f.run.ID, 2); return err },
			"stacks": func() error { _, err := r.Stacks(t.Context(), f.run.ID, StackQuery{Depth: 4, Limit: 10}); return err },
			"window": func() error {
				_, err := r.Window(t.Context(), f.run.ID, WindowQuery{To: 1 << 40, Goroutines: map[int64]bool{1: true}, Levels: 4}, func(*recording.Call) {}, func(*Mark) {})
				return err
			},
			"buckets": func() error {
				_, err := r.TimeBuckets(t.Context(), f.run.ID, TimeQuery{To: 1 << 40, Width: 1 << 20, Goroutines: []int64{1}})
				return err
			},
		} {
			if err := question(); recording.CodeOf(err) != recording.CodeNotFound {
				t.Errorf("%s of a run that was deleted: %v", what, err)
			}
		}
	}
	if got := askAll(t, r, stays.run.ID); len(got.Roots) == 0 {
		t.Error("the run that stays has lost its calls")
	}
}

// TestCachedStructuresAreBounded asks about more blocks than a cache holds: it keeps to its limit, and the answers are right.
func TestCachedStructuresAreBounded(t *testing.T) {
	s := openStore(t)
	f := build(t, newRun(t, 1), false, func(b *recording.Builder) {
		w := newWorld(t, b, 5)
		for range 40 {
			w.steps(25)
			check(t, b.Cut(w.now))
		}
	})
	keep(t, s, f)
	r, err := OpenReader(t.Context(), s.File())
	check(t, err)
	defer func() { check(t, r.Close()) }()
	want := askAll(t, r, f.run.ID)
	all := r.structures.size
	const limit = 10_000
	if all < 2*limit {
		t.Fatalf("the run takes %d bytes in the cache, which says nothing about a limit of %d", all, limit)
	}
	r.structures = newCache[structureKey, *structure](limit)
	for range 2 {
		if got := askAll(t, r, f.run.ID); !reflect.DeepEqual(got, want) {
			t.Error("with a small cache the answers are others")
		}
		sum := 0
		for e := r.structures.order.Front(); e != nil; e = e.Next() {
			sum += e.Value.(*cacheEntry[structureKey, *structure]).value.bytes()
		}
		if sum != r.structures.size || sum > limit {
			t.Errorf("%d bytes, counted as %d, limit %d", sum, r.structures.size, limit)
		}
	}
}
