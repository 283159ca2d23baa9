package store

import (
	"cmp"
	"context"
	"slices"
	"unsafe"

	"smiley/recording"
)

// structureCacheBytes bounds the decoded blocks that a Reader keeps.
const structureCacheBytes = 64 << 20

// structure is what a call tree needs of a block: the calls that begin in it, by seq. Those that are open at its end are
// as they were there. It is read only.
type structure struct {
	calls []recording.Call
	marks []Mark // in the cache of marks only
}

func (s *structure) bytes() int {
	return len(s.calls)*int(unsafe.Sizeof(recording.Call{})) + len(s.marks)*markBytes + 256
}

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

// newStructure gathers the calls that begin in a block.
func newStructure(block *recording.Block) (*structure, error) {
	calls := make([]recording.Call, 0, min(block.Summary.Calls, uint64(block.Header.Events)))
	at := make([]int32, block.Header.Events) // by event: index in calls + 1
	add := func(c recording.Call) {
		if inBlock(block, c.Seq) {
			calls = append(calls, c)
			at[c.Seq-block.FirstSeq] = int32(len(calls))
		}
	}
	for c, err := range block.Calls() { // in the order of their end
		if err != nil {
			return nil, err
		}
		add(c)
	}
	for i := range block.Summary.Opened {
		add(openCall(&block.Summary.Opened[i]))
	}
	s := &structure{calls: make([]recording.Call, 0, len(calls))}
	for _, i := range at {
		if i > 0 {
			s.calls = append(s.calls, calls[i-1])
		}
	}
	return s, nil
}
