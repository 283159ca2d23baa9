package store

import (
	"context"
	"errors"
	"time"

	"smiley/recording"
)

// StackWeight is what a flame graph's widths stand for.
type StackWeight uint8

const (
	ByTime  StackWeight = iota // time; in an inverted tree, time in the function itself
	ByCalls                    // calls of a stack and of all below it; in an inverted tree, of the function itself
)

// StackQuery chooses a part of the merged call stacks of a run. The zero value asks for the heaviest stacks of all of it.
type StackQuery struct {
	// Path is the focus: functions from the outermost inwards. The answer begins with the stack it names, or with what is
	// left of it when it was cut: see Stacks.Short.
	Path []recording.FunctionID
	// Function, when it is not 0, merges all stacks that hold this function into one: what it called, wherever it was
	// called from. A call inside a call of the same function is part of the outer one. Path begins with it then.
	Function recording.FunctionID
	// Inverted asks who called instead of what was called: below a function stand its callers. Path goes from the
	// innermost function outwards then, and Function is the same as a Path that begins with it.
	Inverted bool
	// Goroutine asks for the stacks of one goroutine; 0: of all. The digest has them for some hundred goroutines with events in
	// the most blocks; those of others are read from their blocks, which takes longer the more there are, and are remembered
	// for a while.
	Goroutine int64
	By        StackWeight
	Depth     int // levels below the focus; 0: all
	Limit     int // stacks, the heaviest of all; 0: DefaultStacks
	// Match says which functions a search found; the answer sums up the stacks that hold one.
	Match map[recording.FunctionID]bool
	// Wait is how long to wait for blocks that were not read yet; 0: as long as ctx. What was not read then is missing
	// from the answer, whose Coverage says so. Below 0 nothing is read, and reading that nobody else waits for ends.
	Wait time.Duration
}

// DefaultStacks is how many stacks an answer holds when nobody asks for another number.
const DefaultStacks = 2000

// Bounds of what is kept of a run's stacks. What is beyond them is counted where it was cut: see Stack.CutCalls.
const (
	// StackLevels is how many calls deep stacks are told apart.
	StackLevels = 256
	// StackNodes is how many different stacks are kept. When there are more, the lightest are cut to make room.
	StackNodes = 64 << 10
)

// Stack is a call stack with what happened in its innermost function, merged over all goroutines and calls.
type Stack struct {
	Parent   int // index of the stack it was called from (inverted: of the function that it called); −1: the focus
	Function recording.FunctionID
	Calls    uint64
	Open     uint64 // of them, those that had not ended; they count up to Coverage.Last
	Total    int64  // ns in the function and all it called; in an inverted tree the same as Self
	Self     int64  // ns in the function without the recorded ones it called
	Within   uint64 // calls of it and of all below; in an inverted tree the same as Calls
	// CutCalls are the calls below this stack, at whatever depth, that were beyond a bound; CutTotal is what they took.
	// They are part of Within and of Total. An inverted tree has them only in its sum.
	CutCalls uint64
	CutTotal int64
	Longest  uint64 // seq of the call of this stack that took longest; 0: none ended
	Took     int64  // ns that it took
	Hidden   int    // stacks directly below that Depth or Limit left out
}

// Stacks is a part of the merged call stacks of a run. It agrees with itself: for every stack,
// Total = Self + CutTotal + the Totals of the stacks directly below, and Within = Calls + CutCalls + their Withins.
type Stacks struct {
	Focus Stack // what the answer is about; Function 0: all of the run
	// Path leads to the focus, without it; empty when the focus is all of the run, or one function wherever it is.
	Path []Stack
	// Short is how many functions at the end of the query's Path are missing: their stack was cut, and the focus is the
	// one that counts it. A query for one function wherever it is, all of whose stacks were cut, is short of 1 and has an
	// empty focus; so has a stack that was not met in what is covered so far.
	Short int
	// Stacks below the focus, in the order of drawing: each stack before those below it, the heaviest first.
	Stacks []Stack
	Hidden int // stacks left out by Depth and Limit, as far as they were looked at
	// Matched is the weight of all stacks below the focus that hold a function of Match, none counted twice.
	MatchedTotal int64
	MatchedCalls uint64
	// CutCalls and CutTotal are what bounds cut from the whole run.
	CutCalls uint64
	CutTotal int64
	Coverage
}

// Coverage says how much of a run an answer covers. It covers all of it but for a moment after the first question to a
// large recording.
type Coverage struct {
	Blocks uint32 // it covers the blocks below this one
	Of     uint32 // of so many
	Events uint64 // in the covered ones
	Last   int64  // ns since the run's start: the end of the last of them, up to which open calls count
}

// Complete reports whether all of the run is covered, as it was when it was asked for.
func (c Coverage) Complete() bool { return c.Blocks >= c.Of }

// Stacks returns the merged call stacks of a run, or a part of them: what a flame graph shows. Calls of all goroutines
// with the same stack are one.
//
// The answer comes from a digest of the run that is made once, the first time that somebody asks, and then kept in the
// file; from then on only blocks are read that came since. Making it takes a second for some ten millions of calls: see
// StackQuery.Wait. It goes on for as long as somebody waits for it or asks again every few seconds.
//
// Errors: CodeNotFound (unknown run or goroutine, or no stack with this Path), CodeDamaged, CodeCanceled.
func (r *Reader) Stacks(ctx context.Context, id recording.RunID, query StackQuery) (*Stacks, error) {
	row, err := r.runRow(ctx, r.db, id)
	if err != nil {
		return nil, wrap(r.file, err)
	}
	var v *stackView
	if query.Goroutine == 0 {
		v, _, err = r.stackView(ctx, row, 0, query.Wait)
	} else {
		v, err = r.goroutineView(ctx, row, query.Goroutine, query.Wait)
	}
	if err != nil {
		return nil, wrap(r.file, err)
	}
	return v.stacks(&query)
}

// stackViewBytes bounds the views of stacks that a Reader keeps.
const stackViewBytes = 16 << 20

// stackViewKey names a view. What it shows does not change.
type stackViewKey struct {
	run, goroutine int64
	blocks         uint32
}

// stackView returns the merged stacks of a run, or those of a goroutine, as the digest has them; false when it has none for
// the goroutine alone.
func (r *Reader) stackView(ctx context.Context, row *runRow, goroutine int64, patience time.Duration) (*stackView, bool, error) {
	d := r.digests.of(r, row.key)
	for {
		var v stackView
		own := true
		err := d.await(ctx, row.blocks, patience, func(now *digest) error {
			key := stackViewKey{row.key, goroutine, now.blocks}
			kept := r.views.get(key)
			if kept == nil {
				parts, err := d.parts(ctx, now, goroutine)
				if err != nil {
					return err
				}
				if own = parts != nil; !own {
					v.Coverage = now.coverage(0)
					return nil
				}
				kept = viewOf(parts, now.coverage(0))
				r.views.put(key, kept)
			}
			v = *kept
			return nil
		})
		if errors.Is(err, errMoved) {
			continue
		}
		v.Of = row.blocks
		return &v, own, err
	}
}

// goroutineView returns the stacks of one goroutine: those that the digest has of it alone, or as its blocks have them.
func (r *Reader) goroutineView(ctx context.Context, row *runRow, goroutine int64, patience time.Duration) (*stackView, error) {
	var p place
	err := r.snapshot(ctx, func(q queries) error {
		var err error
		p, err = r.placeOf(ctx, q, row, goroutine)
		return err
	})
	if err != nil {
		return nil, err
	}
	nothing := newStackTree(r.stackLevels, 1)
	whole := Coverage{Blocks: row.blocks, Of: row.blocks, Last: row.Last}
	if p.none {
		return nothing.view(nil, whole), nil
	}
	if p.last-p.first >= r.readBlocks && p.indexed {
		v, own, err := r.stackView(ctx, row, goroutine, patience)
		if err != nil || own {
			return v, err
		}
		if !v.Complete() { // whether the digest will have it is not known yet
			return nothing.view(nil, v.Coverage), nil
		}
	}
	if p.last-p.first < r.readBlocks {
		patience = 0 // these are few
	}
	return r.readings.of(r, readingKey{row.key, goroutine}).view(ctx, p, patience)
}
