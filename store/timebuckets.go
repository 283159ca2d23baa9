package store

import (
	"context"
	"time"

	"smiley/recording"
)

// TimeQuery chooses a part of a run's time line.
type TimeQuery struct {
	// Goroutines are the tracks, in the order of the answer. 0 stands for all goroutines together; nil asks for that
	// track alone.
	Goroutines []int64
	From, To   int64 // ns since the run's start; To itself is not part of it. To 0: up to the last event
	// Width is how long a bucket is wanted to be, in ns. Buckets are a power of two long: the largest that is not
	// longer, but at least so long that a track has at most MaxBuckets. 0: some thousand buckets from From to To.
	Width int64
	Wait  time.Duration // as in StackQuery
}

// MaxBuckets bounds the buckets of a track.
const MaxBuckets = 4096

// TimeBucket is what happened on a track from Start to Start + Width.
type TimeBucket struct {
	Start  int64  // ns since the run's start, a multiple of the width
	Calls  uint64 // calls that began
	Events uint64 // of every kind
	Errors uint64 // returns with an error result that is not nil
	Panics uint64 // panic events
	Output uint64 // output events
	Gaps   uint64 // gap events: places where events are missing
	// Busy is how long a recorded call was open, in ns: at most the width for a goroutine. For all together it is the
	// sum over the goroutines. A call that has not ended counts up to Coverage.Last.
	Busy int64
}

// TimeTrack is the time line of a goroutine.
type TimeTrack struct {
	Goroutine int64
	Buckets   []TimeBucket // in the order of time; those in which nothing happened and nothing was open are left out
}

// TimeBuckets is a part of a run's time line.
type TimeBuckets struct {
	From, To int64 // what was asked for, with To filled in
	Width    int64 // ns that a bucket is long; the first and the last may reach beyond From and To, and count all the same
	Tracks   []TimeTrack
	Coverage
}

// TimeBuckets returns what happened when, as counts by buckets of time, for some goroutines or for all together. It takes
// about as long for all of a large run as for a microsecond of it.
//
// It comes from the same digest as Stacks, which says when that is made. Buckets shorter than what the digest tells apart
// are counted from the events themselves, of at most some tens of blocks.
//
// Errors: CodeNotFound (unknown run or goroutine), CodeInvalid (From behind To), CodeDamaged, CodeCanceled.
func (r *Reader) TimeBuckets(ctx context.Context, id recording.RunID, query TimeQuery) (*TimeBuckets, error) {
	t, err := r.timeBuckets(ctx, id, query)
	return t, wrap(r.file, err)
}
