package store

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"smiley/recording"
)

// maxOpen is how many open calls a stored digest may have. One with more is kept in memory only.
const maxOpen = 1 << 20

// appendStacks appends the stored form of a tree, as varints: the number of nodes, then of each its parent, function,
// calls, total and self time, longest call and what it took, cut calls and their time. The first node is the root.
func appendStacks(dst []byte, t *stackTree) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(t.nodes)))
	for i := range t.nodes {
		n := &t.nodes[i]
		for _, v := range [...]uint64{
			uint64(n.parent), uint64(n.function), n.calls, uint64(n.total), uint64(n.self), n.longest, uint64(n.took),
			n.cutCalls, uint64(n.cutTotal),
		} {
			dst = binary.AppendUvarint(dst, v)
		}
	}
	return dst
}

// decodeStacks reads stored stacks into an empty tree.
func decodeStacks(stored []byte, t *stackTree) (*stackTree, error) {
	r := varints{rest: stored}
	t.nodes = make([]stackNode, r.count(9))
	for i := range t.nodes {
		n := &t.nodes[i]
		parent := r.uint()
		n.function = recording.FunctionID(r.uint())
		n.calls = r.uint()
		n.total, n.self = int64(r.uint()), int64(r.uint())
		n.longest, n.took = r.uint(), int64(r.uint())
		n.cutCalls, n.cutTotal = r.uint(), int64(r.uint())
		if i == 0 {
			continue
		}
		if parent >= uint64(i) || n.total < 0 || n.self < 0 || n.cutTotal < 0 || n.function == 0 {
			return nil, errDigest
		}
		n.parent = int32(parent)
		if n.level = t.nodes[parent].level + 1; n.level > t.depth {
			return nil, errDigest
		}
	}
	if r.failed || len(r.rest) > 0 || len(t.nodes) == 0 || len(t.nodes) > math.MaxInt32 {
		return nil, errDigest
	}
	t.reindex()
	return t, nil
}

// appendOpen appends the stored form of open calls, as varints: the number of goroutines, then of each its id, its number
// of open calls, and of each call, the outermost first, its seq, start, time in ended callees, node, and whether it was
// cut there.
func appendOpen(dst []byte, open map[int64]openStack) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(open)))
	for _, id := range slices.Sorted(maps.Keys(open)) {
		frames := open[id]
		dst = binary.AppendVarint(dst, id)
		dst = binary.AppendUvarint(dst, uint64(len(frames)))
		for i := range frames {
			f := &frames[i]
			dst = binary.AppendUvarint(dst, f.seq)
			dst = binary.AppendVarint(dst, f.start)
			dst = binary.AppendVarint(dst, f.children)
			dst = binary.AppendVarint(dst, int64(f.node))
		}
	}
	return dst
}

// decodeOpen reads stored open calls. nodes says how many nodes the tree of a goroutine has.
func decodeOpen(stored []byte, nodes func(goroutine int64) int) (map[int64]openStack, error) {
	r := varints{rest: stored}
	count := r.count(6)
	open := make(map[int64]openStack, count)
	for range count {
		id := r.int()
		frames := make(openStack, r.count(4))
		for i := range frames {
			f := &frames[i]
			f.seq, f.start, f.children = r.uint(), r.int(), r.int()
			node, most := r.int(), int64(nodes(id))
			if node >= most || node < -most {
				return nil, errDigest
			}
			f.node = int32(node)
		}
		if len(frames) == 0 {
			return nil, errDigest
		}
		open[id] = frames
	}
	if r.failed || len(r.rest) > 0 || len(open) != count {
		return nil, errDigest
	}
	return open, nil
}

func (d *digest) openCalls() int {
	n := 0
	for _, frames := range d.open {
		n += len(frames)
	}
	return n
}

func compress(b []byte) []byte { return encoder().EncodeAll(b, nil) }

func decompress(b []byte) ([]byte, error) {
	raw, err := decoder().DecodeAll(b, nil)
	if err != nil {
		return nil, errDigest
	}
	return raw, nil
}
