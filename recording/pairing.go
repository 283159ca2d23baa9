package recording

import "slices"

// goroutineState is what the builder knows of a live goroutine.
type goroutineState struct {
	id     int64
	last   int64   // time of its last event
	frames []frame // at least two while others are parked: those further out are not missed
	parked parkedFrames
	roots  uint64 // calls made without an open call
	open   openSet
	panics []panicking
	stamp  uint32 // the block it was active in last
	actor  uint16 // its index there
	// low is the smallest number of frames since that block began: the frame below it and all above were written
	// to the block as entries. Parked frames do not count.
	low   int
	ended bool
}

// frame is an open call.
type frame struct {
	seq      uint64
	offset   uint64 // Raw.Frame
	start    int64
	children int64 // ns spent in direct callees that ended
	function FunctionID
	place    int32  // in the open set; −1: a call further out has the same function
	edge     int32  // in the block of its call
	slot     uint32 // in the block of its call
	position uint64 // among the calls of its parent
	calls    uint64 // that it made
}

// panicking is a panic that is not over.
type panicking struct {
	seq    uint64 // of its event
	offset uint64 // frame of the call it began in
}

// openSet holds the functions with an open call on one goroutine. Members leave in the reverse order of their coming, so
// with linear probing a place is just cleared: no member added later can have been pushed past it.
type openSet struct {
	places []FunctionID
	count  int
}

func (s *openSet) hash(function FunctionID) uint32 {
	return uint32(function) * 0x9E3779B1 >> 7
}

// add returns the place of function, or −1 when it is in the set already. The caller has made room.
func (s *openSet) add(function FunctionID) int32 {
	mask := uint32(len(s.places) - 1)
	for i := s.hash(function) & mask; ; i = (i + 1) & mask {
		switch s.places[i] {
		case function:
			return -1
		case 0:
			s.places[i] = function
			s.count++
			return int32(i)
		}
	}
}

func (s *openSet) remove(place int32) {
	if place >= 0 {
		s.places[place] = 0
		s.count--
	}
}

// grow doubles the set. The frames give the order in which to add again.
func (s *openSet) grow(frames []frame) {
	s.places = make([]FunctionID, max(16, 2*len(s.places)))
	s.count = 0
	for i := range frames {
		if frames[i].place >= 0 {
			frames[i].place = s.add(frames[i].function)
		}
	}
}

// depth returns how many calls are open.
func (g *goroutineState) depth() int { return g.parked.count + len(g.frames) }

// push opens a call of a function, whose frame the caller fills in.
func (g *goroutineState) push(function FunctionID) *frame {
	if 2*g.open.count >= len(g.open.places) {
		g.unparkAll()
		g.open.grow(g.frames)
	}
	g.frames = append(g.frames, frame{})
	f := &g.frames[len(g.frames)-1]
	f.function, f.place = function, g.open.add(function)
	return f
}

// above returns how many of the innermost frames have an offset greater than offset.
func (g *goroutineState) above(offset uint64) int {
	for n := len(g.frames); ; n = g.unpark() {
		for n > 0 && g.frames[n-1].offset > offset {
			n--
		}
		if n > 0 || g.parked.count == 0 {
			return len(g.frames) - n
		}
	}
}

// aboveOrAt returns how many of the innermost frames have an offset of at least offset.
func (g *goroutineState) aboveOrAt(offset uint64) int {
	if offset == 0 {
		g.unparkAll()
		return len(g.frames)
	}
	return g.above(offset - 1)
}

// beginPanic notes a panic. offset is 0 when the engine did not say where: then it is the innermost call's.
func (g *goroutineState) beginPanic(seq, offset uint64) {
	if n := len(g.frames); offset == 0 && n > 0 {
		offset = g.frames[n-1].offset
	}
	g.panics = append(g.panics, panicking{seq, offset})
}

// settle forgets the panics that began at offset or further in, because the goroutine runs at offset again.
func (g *goroutineState) settle(offset uint64) {
	g.panics = slices.DeleteFunc(g.panics, func(p panicking) bool { return p.offset >= offset })
}

// recovered forgets the last panic and those that began at offset or further in.
func (g *goroutineState) recovered(offset uint64) {
	if n := len(g.panics); n > 0 {
		g.panics = g.panics[:n-1]
	}
	g.settle(offset)
}

// explain divides the n innermost frames, about to be popped without a return.
func (g *goroutineState) explain(n int, goexit bool) unwind {
	if goexit {
		return unwind{explained: uint32(n), cause: OutcomeExited}
	}
	if len(g.panics) == 0 {
		return unwind{lost: uint32(n)}
	}
	began := g.panics[len(g.panics)-1].seq
	lost := 0
	for lost < n && g.frames[len(g.frames)-1-lost].seq > began {
		lost++
	}
	if lost == n {
		return unwind{lost: uint32(n)}
	}
	return unwind{lost: uint32(lost), explained: uint32(n - lost), cause: OutcomePanicked}
}
