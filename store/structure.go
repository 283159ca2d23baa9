package store

import (
	"cmp"
	"container/list"
	"context"
	"slices"
	"sync"
	"unsafe"

	"smiley/recording"
)

// structureCacheBytes bounds the decoded blocks that a Reader keeps.
const structureCacheBytes = 64 << 20

// structure is what a call tree needs of a block: the calls that begin in it, by seq. Those that are open at its end are
// as they were there. It is read only.
type structure struct {
	calls []recording.Call
}

func (s *structure) bytes() int { return len(s.calls)*int(unsafe.Sizeof(recording.Call{})) + 256 }

// from returns the calls that begin at seq or later.
func (s *structure) from(seq uint64) []recording.Call {
	at, _ := slices.BinarySearchFunc(s.calls, seq, func(c recording.Call, seq uint64) int { return cmp.Compare(c.Seq, seq) })
	return s.calls[at:]
}

// call returns the call with this seq, nil when the event is none.
func (s *structure) call(seq uint64) *recording.Call {
	if rest := s.from(seq); len(rest) > 0 && rest[0].Seq == seq {
		return &rest[0]
	}
	return nil
}

// structureKey names a block in the cache. Keys of runs are never used twice.
type structureKey struct {
	run    int64
	number uint32
}

// structureCache keeps the structures used last.
type structureCache struct {
	mu      sync.Mutex
	limit   int
	size    int
	entries map[structureKey]*list.Element
	order   *list.List // most recent first
}

type structureEntry struct {
	key structureKey
	structure
}

func newStructureCache(limit int) *structureCache {
	return &structureCache{limit: limit, entries: make(map[structureKey]*list.Element), order: list.New()}
}

func (c *structureCache) get(key structureKey) *structure {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return &e.Value.(*structureEntry).structure
}

func (c *structureCache) put(key structureKey, s *structure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[key]; ok {
		return // another query was faster
	}
	c.entries[key] = c.order.PushFront(&structureEntry{key, *s})
	c.size += s.bytes()
	for c.size > c.limit && c.order.Len() > 1 {
		last := c.order.Remove(c.order.Back()).(*structureEntry)
		delete(c.entries, last.key)
		c.size -= last.bytes()
	}
}

// structure returns the structure of a block.
func (r *Reader) structure(ctx context.Context, q queries, key int64, number uint32) (*structure, error) {
	at := structureKey{key, number}
	if s := r.structures.get(at); s != nil {
		return s, nil
	}
	block, err := readBlock(ctx, q, key, number)
	if err != nil {
		return nil, err
	}
	s, err := newStructure(block)
	if err != nil {
		return nil, err
	}
	r.structures.put(at, s)
	return s, nil
}

// newStructure pairs the calls of a block. What a call does not know at the block's end is left open.
func newStructure(block *recording.Block) (*structure, error) {
	b := structureBuilder{open: make(map[int64]*[]openFrame)}
	b.calls = make([]recording.Call, 0, min(block.Summary.Calls, uint64(block.Header.Events)))
	for e, err := range block.Events(recording.Structure) {
		if err != nil {
			return nil, err
		}
		b.add(&e)
	}
	return &structure{calls: b.calls}, nil
}

// structureBuilder keeps, for each goroutine, the open calls that began in the block.
type structureBuilder struct {
	calls   []recording.Call
	open    map[int64]*[]openFrame
	current *[]openFrame // of goroutine
	of      int64
}

// openFrame is an open call.
type openFrame struct {
	at       int   // in calls
	children int64 // ns spent in its direct callees that ended
}

func (b *structureBuilder) add(e *recording.Event) {
	if b.current == nil || b.of != e.Goroutine {
		stack, ok := b.open[e.Goroutine]
		if !ok {
			stack = new([]openFrame)
			b.open[e.Goroutine] = stack
		}
		b.current, b.of = stack, e.Goroutine
	}
	for i := range e.Unwound {
		outcome := e.UnwoundBy
		if i < e.UnwoundLost {
			outcome = recording.OutcomeLost
		}
		b.end(e, outcome)
	}
	switch e.Kind {
	case recording.KindCall:
		*b.current = append(*b.current, openFrame{at: len(b.calls)})
		b.calls = append(b.calls, recording.Call{
			Seq: e.Seq, Goroutine: e.Goroutine, Function: e.Function, Parent: e.Parent, Depth: e.Depth, Start: e.Time,
			End: -1, Self: -1, Outcome: recording.OutcomeOpen,
		})
	case recording.KindReturn:
		if e.Call != 0 {
			b.end(e, recording.OutcomeReturned)
		}
	}
}

// end ends the innermost open call, if it began in this block.
func (b *structureBuilder) end(e *recording.Event, outcome recording.Outcome) {
	stack := *b.current
	n := len(stack) - 1
	if n < 0 {
		return
	}
	c := &b.calls[stack[n].at]
	duration := e.Time - c.Start
	c.End, c.EndSeq, c.Self = e.Time, e.Seq, duration-stack[n].children
	c.Outcome = outcome
	c.Failed = outcome == recording.OutcomeReturned && e.Failed
	*b.current = stack[:n]
	if n > 0 {
		stack[n-1].children += duration
	}
}
