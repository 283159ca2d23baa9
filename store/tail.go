package store

import (
	"context"
	"sync"
)

// A tail is what the last blocks of a run add to its roll-ups: the blocks that the tables do not cover yet. It is read
// only.
type tail struct {
	key         int64
	from, until uint32 // block numbers
	*rollUp
	siblings map[sibling]uint64 // seq of the opened calls
}

// sibling names a call by its place among the calls of its parent, or among the outermost calls of its goroutine.
type sibling struct {
	goroutine int64
	parent    uint64
	position  uint64
}

// tailCache keeps the tail that was last used: whoever watches a run asks for the same one again and again.
type tailCache struct {
	mu   sync.Mutex
	last *tail
}

// tail returns what is not in the tables of a run yet.
func (r *Reader) tail(ctx context.Context, q queries, run *runRow) (*tail, error) {
	if run.rolledUp == run.blocks {
		return &tail{key: run.key, from: run.blocks, until: run.blocks, rollUp: newRollUp()}, nil
	}
	r.tails.mu.Lock()
	cached := r.tails.last
	r.tails.mu.Unlock()
	if cached != nil && cached.key == run.key && cached.from == run.rolledUp && cached.until == run.blocks {
		return cached, nil
	}
	t := &tail{key: run.key, from: run.rolledUp, until: run.blocks, rollUp: newRollUp()}
	for number := t.from; number < t.until; number++ {
		block, err := readBlock(ctx, q, run.key, number)
		if err != nil {
			return nil, err
		}
		t.add(block)
	}
	t.siblings = make(map[sibling]uint64, len(t.opened))
	for seq, c := range t.opened {
		t.siblings[sibling{c.Goroutine, c.Parent, c.position}] = seq
	}
	r.tails.mu.Lock()
	r.tails.last = t
	r.tails.mu.Unlock()
	return t, nil
}
