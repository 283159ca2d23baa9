package recording

// Draft is a block that is not encoded yet. It is independent of its builder, so another goroutine may encode it.
type Draft struct{ *draftState }

// Header returns the head that the encoded block will have.
func (d *Draft) Header() Header { return d.header }

// draftState holds what the builder wrote down. It is large, so states are used again.
type draftState struct {
	home        chan<- *draftState // where it goes when it is encoded
	header      Header
	start       *Run
	end         *RunEnd
	definitions Definitions
	// definitionBytes is about what the definitions take when encoded.
	definitionBytes int
	backwards       bool // an event is earlier than the one before it, of another goroutine

	records []record
	data    []byte
	lines   []uint32 // of the line events
	unwinds []unwind // of the events with codeUnwound
	slots   []slot   // functions of this block; records and ends refer to them by index
	actors  []actor  // goroutines of this block; records refer to them by index
	entries []entry
	ends    []callEnd
	edges   edgeTable
	summary Summary // without Functions, Edges and Goroutines, which slots, edges and actors hold
}

// record is one event. Kept together and small: the builder writes one for each event.
type record struct {
	time    int64
	dataEnd uint32 // its data lies between the previous record's dataEnd and this
	slot    uint32
	actor   uint16
	code    uint8
}

// unwind counts the calls that ended without a return just before an event: first the innermost whose end nothing
// explains, then those that cause ended.
type unwind struct {
	lost, explained uint32
	cause           Outcome
}

// slot is a function in a block. Slot 0 stands for no function.
type slot struct {
	function   FunctionID
	callSize   int32 // of the fixed part of a call's data
	returnSize int32
	calls      uint32
	ended      uint32
	errors     uint32
	panics     uint32
	total      int64
	self       int64
	// lastCaller and lastEdge remember the edge of the last call, because the next one is often the same.
	lastCaller FunctionID
	lastEdge   int32
}

// actor is a goroutine in a block: what it did, and the calls that were open before its first event here as far as the
// block's events touch them.
type actor struct {
	activity   GoroutineActivity
	entryDepth int    // open calls at the block's start
	below      uint64 // seq of the call under the last entry; 0: none
	firstEntry int32  // index + 1 of its entries, innermost first, chained by next
	lastEntry  int32
}

// entry is a call that was open at the block's start.
type entry struct {
	seq      uint64
	start    int64
	children int64 // ns spent in direct callees that ended before the block
	function FunctionID
	next     int32 // index + 1
}

// callEnd is the end of a call, for the histograms.
type callEnd struct {
	duration int64
	slot     uint32
}

// maxDrafts is how many encoded states a builder keeps for its next blocks: as many as there can be when the tracer has four on
// their way, one is being encoded, and one built. A state takes about 4 MB once it has held a full block with values. A
// sync.Pool would lose them at every garbage collection, and growing anew costs more than building.
const maxDrafts = 6

func (b *Builder) newDraft() *draftState {
	var d *draftState
	select {
	case d = <-b.drafts:
	default:
		d = &draftState{home: b.drafts}
	}
	d.slots = append(d.slots, slot{})
	return d
}

// release forgets everything but the memory. References are cleared so that a pooled draft keeps nothing alive.
func (d *draftState) release() {
	d.header = Header{}
	d.start, d.end = nil, nil
	d.definitions = Definitions{}
	d.definitionBytes = 0
	d.backwards = false
	d.records = d.records[:0]
	d.data = d.data[:0]
	d.lines = d.lines[:0]
	d.unwinds = d.unwinds[:0]
	d.slots = d.slots[:0]
	d.actors = d.actors[:0]
	d.entries = d.entries[:0]
	d.ends = d.ends[:0]
	d.edges.reset()
	opened, closed := d.summary.Opened[:0], d.summary.Closed[:0]
	d.summary = Summary{Opened: opened, Closed: closed}
	select {
	case d.home <- d:
	default: // there are enough
	}
}

// empty reports whether there is nothing to make a block of.
func (d *draftState) empty() bool {
	return len(d.records) == 0 && d.definitionBytes == 0 && d.start == nil && d.end == nil
}

// edgeTable counts caller-callee pairs: a list, and a hash table of indexes + 1 into it (linear probing, at most half
// full).
type edgeTable struct {
	list  []EdgeDelta
	index []uint32
}

func (t *edgeTable) reset() {
	t.list = t.list[:0]
	clear(t.index)
}

// find returns the index of a pair, adding it when it is new.
func (t *edgeTable) find(caller, callee FunctionID) int32 {
	if len(t.list)*2 >= len(t.index) {
		t.grow()
	}
	mask := uint32(len(t.index) - 1)
	for i := edgeHash(caller, callee) & mask; ; i = (i + 1) & mask {
		at := t.index[i]
		if at == 0 {
			t.list = append(t.list, EdgeDelta{Caller: caller, Callee: callee})
			t.index[i] = uint32(len(t.list))
			return int32(len(t.list) - 1)
		}
		if e := &t.list[at-1]; e.Caller == caller && e.Callee == callee {
			return int32(at - 1)
		}
	}
}

func (t *edgeTable) grow() {
	t.index = make([]uint32, max(64, 2*len(t.index)))
	mask := uint32(len(t.index) - 1)
	for at, e := range t.list {
		i := edgeHash(e.Caller, e.Callee) & mask
		for t.index[i] != 0 {
			i = (i + 1) & mask
		}
		t.index[i] = uint32(at + 1)
	}
}

func edgeHash(caller, callee FunctionID) uint32 {
	h := (uint64(caller)<<32 | uint64(callee)) * 0x9E3779B97F4A7C15
	return uint32(h >> 32)
}
