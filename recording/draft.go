package recording

import (
	"slices"
	"sync"
)

// Draft is a block that is not encoded yet. It is independent of its builder, so another goroutine may encode it.
type Draft struct{ *draftState }

// Header returns the head that the encoded block will have.
func (d *Draft) Header() Header { return d.header }

// draftState holds what the builder wrote down. It is large, so states are used again.
type draftState struct {
	home        *draftPool // where it goes when it is encoded; nil: nowhere
	header      Header
	start       *Run
	end         *RunEnd
	definitions Definitions
	// definitionBytes is about what the definitions take when encoded.
	definitionBytes int
	backwards       bool // an event is earlier than the one before it, of another goroutine

	records []record
	data    []byte   // of the events, those of a group together, see room
	bytes   int      // how many of these there are; data has room between
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
	time  int64
	data  extent
	slot  uint32
	actor uint16
	code  uint8
}

// extent is where the data of a record lies in that of the draft.
type extent struct{ begin, end uint32 }

// room is where the data of the next events of a group goes: what is compared when a block is encoded lies together.
type room struct{ next, end, size uint32 }

// maxRoom is the size of a group's rooms when it has filled smaller ones.
const maxRoom = 16 << 10

// put writes the data of an event down in its group's room, and returns where.
func (d *draftState) put(in *room, r *Raw) extent {
	n := uint32(r.size())
	if in.end-in.next < n {
		d.makeRoom(in, n)
	}
	at := extent{in.next, in.next + n}
	in.next = at.end
	d.bytes += int(n)
	if r.Template != nil {
		r.Template.Append(d.data[at.begin:at.begin:at.end], r.Data)
	} else {
		copy(d.data[at.begin:at.end], r.Data)
	}
	return at
}

// makeRoom gives a group a room for n bytes at least, twice as large as its last one.
func (d *draftState) makeRoom(in *room, n uint32) {
	in.size = max(n, min(2*in.size, maxRoom))
	begin := len(d.data)
	d.data = slices.Grow(d.data, int(in.size))[:begin+int(in.size)]
	in.next, in.end = uint32(begin), uint32(len(d.data))
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
	callData   room // of slot 0: that of all events that are no calls and no returns
	returnData room
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

// draftPool holds encoded states, to be used again. The one that was used last is used next: it may be in the processor's caches yet.
type draftPool struct {
	mu   sync.Mutex
	free []*draftState
}

func (p *draftPool) get() *draftState {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free)
	if n == 0 {
		return &draftState{home: p}
	}
	d := p.free[n-1]
	p.free = p.free[:n-1]
	return d
}

func (p *draftPool) put(d *draftState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) < maxDrafts {
		p.free = append(p.free, d)
	}
}

func (b *Builder) newDraft() *draftState {
	d := b.drafts.get()
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
	d.bytes = 0
	d.lines = d.lines[:0]
	d.unwinds = d.unwinds[:0]
	d.slots = d.slots[:0]
	d.actors = d.actors[:0]
	d.entries = d.entries[:0]
	d.ends = d.ends[:0]
	d.edges.reset()
	opened, closed := d.summary.Opened[:0], d.summary.Closed[:0]
	d.summary = Summary{Opened: opened, Closed: closed}
	if d.home != nil {
		d.home.put(d)
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
