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

// structure is what call tree and time line need of a block: the calls that begin in it, by seq, and the moments that are marked.
// Calls that are open at its end are as they were there. It is read only.
type structure struct {
	calls []recording.Call
	marks []Mark
}

func (s *structure) bytes() int {
	return cap(s.calls)*int(unsafe.Sizeof(recording.Call{})) + cap(s.marks)*int(unsafe.Sizeof(Mark{})) + 256
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

// newStructure gathers the calls that begin in a block, and its marks.
func newStructure(block *recording.Block) (*structure, error) {
	s := &structure{}
	var err error
	s.calls, err = block.Begun(func(e *recording.Event) {
		switch e.Kind {
		case recording.KindPanic, recording.KindRecovered, recording.KindOutput, recording.KindGap:
			s.marks = append(s.marks, Mark{e.Seq, e.Time, e.Goroutine, e.Call, e.Kind})
		}
	})
	return s, err
}
