package store

import (
	"math"

	"smiley/recording"
)

// rollUpBlocks is how many blocks the roll-ups may lag behind. A program's few hot functions change with every block;
// writing them with each would cost more than writing the block.
const rollUpBlocks = 32

// rollUpEntries bounds what is held back, so that memory stays flat when every block brings new goroutines.
const rollUpEntries = 32 << 10

// rollUp is what some consecutive blocks add to the roll-ups of their run. The writer gathers one and adds it to the
// tables; a reader gathers one from the blocks that the tables do not cover yet.
type rollUp struct {
	functions  map[recording.FunctionID]*recording.FunctionDelta
	edges      map[edge]*recording.EdgeDelta
	goroutines map[int64]*goroutineDelta
	opened     map[uint64]*longCall       // by seq: calls that outlive their block, begun in these blocks
	closed     map[uint64]*recording.Call // calls begun before these blocks that ended in them
}

// longCall is a call that outlives its block.
type longCall struct {
	recording.Call
	position uint64 // among the calls of its parent, or among the outermost calls of its goroutine
}

type edge struct{ caller, callee recording.FunctionID }

// goroutineDelta is what some blocks say about a goroutine.
type goroutineDelta struct {
	recording.Goroutine
	begins   int  // how often it was defined in these blocks: more than once when its number was given again; 0: only ID is set above
	active   bool // it has events in these blocks; otherwise nothing below means anything
	ended    bool
	firstSeq uint64
	lastSeq  uint64
	first    int64
	last     int64
	events   uint64
	calls    uint64
}

func newRollUp() *rollUp {
	return &rollUp{
		functions:  make(map[recording.FunctionID]*recording.FunctionDelta),
		edges:      make(map[edge]*recording.EdgeDelta),
		goroutines: make(map[int64]*goroutineDelta),
		opened:     make(map[uint64]*longCall),
		closed:     make(map[uint64]*recording.Call),
	}
}

func (u *rollUp) entries() int {
	return len(u.functions) + len(u.edges) + len(u.goroutines) + len(u.opened) + len(u.closed)
}

// add adds the next block.
func (u *rollUp) add(b *recording.Block) {
	s := &b.Summary
	for i := range s.Functions {
		u.addFunction(&s.Functions[i])
	}
	for i := range s.Edges {
		d := s.Edges[i]
		key := edge{d.Caller, d.Callee}
		if sum, ok := u.edges[key]; ok {
			sum.Calls += d.Calls
			sum.Total = addTime(sum.Total, d.Total)
		} else {
			u.edges[key] = &d
		}
	}
	for i := range b.Definitions.Goroutines {
		g := &b.Definitions.Goroutines[i]
		d := u.goroutine(g.ID)
		if d.begins == 0 {
			d.Goroutine = *g
		}
		d.begins++
	}
	for i := range s.Goroutines {
		if g := &s.Goroutines[i]; g.ID != 0 { // 0: events of no goroutine
			u.goroutine(g.ID).add(g)
		}
	}
	for i := range s.Closed {
		c := s.Closed[i]
		if open, ok := u.opened[c.Seq]; ok {
			open.Call = c
		} else {
			u.closed[c.Seq] = &c
		}
	}
	for i := range s.Opened {
		o := &s.Opened[i]
		u.opened[o.Seq] = &longCall{openCall(o), o.Position}
	}
}

func openCall(o *recording.OpenCall) recording.Call {
	return recording.Call{
		Seq: o.Seq, Goroutine: o.Goroutine, Function: o.Function, Parent: o.Parent, Depth: o.Depth, Start: o.Start,
		End: -1, Self: -1, Outcome: recording.OutcomeOpen,
	}
}

func (u *rollUp) addFunction(d *recording.FunctionDelta) {
	sum, ok := u.functions[d.Function]
	if !ok {
		sum = &recording.FunctionDelta{Function: d.Function}
		u.functions[d.Function] = sum
	}
	sum.Calls += d.Calls
	sum.Ended += d.Ended
	sum.Errors += d.Errors
	sum.Panics += d.Panics
	sum.Total = addTime(sum.Total, d.Total)
	sum.Self = addTime(sum.Self, d.Self)
	sum.Duration.Merge(&d.Duration)
}

// addTime adds up times of calls. A sum that is more than an integer holds is the greatest there is, and not one that is less than
// nothing: a hundred thousand goroutines that wait for a day come to that, and so does a sender that lies.
func addTime(a, b int64) int64 {
	switch sum := a + b; {
	case a > 0 && b > 0 && sum < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && sum >= 0:
		return math.MinInt64
	default:
		return sum
	}
}

func (u *rollUp) goroutine(id int64) *goroutineDelta {
	d, ok := u.goroutines[id]
	if !ok {
		d = &goroutineDelta{}
		d.ID = id
		u.goroutines[id] = d
	}
	return d
}

func (d *goroutineDelta) add(a *recording.GoroutineActivity) {
	if !d.active {
		d.active, d.firstSeq, d.first = true, a.FirstSeq, a.First
	}
	d.lastSeq, d.last = a.LastSeq, a.Last
	d.ended = d.ended || a.Ended
	d.events += uint64(a.Events)
	d.calls += uint64(a.Calls)
}
