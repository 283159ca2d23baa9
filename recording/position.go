package recording

// Position is how far the blocks of a run go that a store has.
type Position struct {
	Blocks   uint32 // how many there are; 0: the run is not known
	Events   uint64 // events in them
	Captured uint64 // events, stored and dropped ones
	Dropped  uint64
	Last     int64 // time of the last event, ns since the run's start
}

// Continue goes on with a run whose builder died, behind the blocks that were stored. Nothing is known of the goroutines and their
// open calls: it is for events that belong to none of them, such as a gap in place of what was lost, and takes no definitions of
// functions or types.
func Continue(run Run, at Position, emit func(*Draft) error) *Builder {
	if at.Blocks == 0 {
		return NewBuilder(run, emit)
	}
	b := NewBuilder(run, emit)
	b.stamp, b.next, b.latest = at.Blocks, at.Events+1, at.Last
	b.captured, b.dropped = at.Captured, at.Dropped
	b.begin()
	return b
}
