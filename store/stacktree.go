package store

import (
	"smiley/recording"
)

// stackTree is the call stacks of a run, merged: a node for each different stack. It is bounded in depth and in nodes;
// calls beyond a bound are counted at the node where their stack was cut, their anchor.
type stackTree struct {
	nodes []stackNode // the first is the root, which stands for no call
	keys  []uint64    // of the nodes: parent and function; what is looked up lies close together
	index []uint32    // hash table of the others: linear probing, at most half full, 0 for empty
	depth int32
	limit int // of nodes, to which it is pruned now and then
	most  int // of nodes at any time
}

type stackNode struct {
	parent   int32
	level    int32 // 0 for the root
	function recording.FunctionID
	calls    uint64 // that ended, as the next two
	total    int64  // ns
	self     int64
	longest  uint64 // seq
	took     int64
	cutCalls uint64
	cutTotal int64 // of direct callees that were cut
}

// openStack is the open calls of a goroutine, the outermost first.
type openStack []stackFrame

type stackFrame struct {
	seq      uint64
	start    int64
	children int64 // ns in direct callees that ended
	node     int32 // its node; below 0: it was cut, and ^node is its anchor
}

func (f *stackFrame) anchor() int32 {
	if f.node < 0 {
		return ^f.node
	}
	return f.node
}

func newStackTree(depth, limit int) *stackTree {
	return &stackTree{
		nodes: make([]stackNode, 1, 64), keys: make([]uint64, 1, 64), index: make([]uint32, 128), depth: int32(depth), limit: limit,
		most: 2 * limit,
	}
}

// call opens a call.
func (t *stackTree) call(s openStack, seq uint64, function recording.FunctionID, time int64) openStack {
	from, cut := int32(0), false
	if n := len(s); n > 0 {
		from, cut = s[n-1].anchor(), s[n-1].node < 0
	}
	f := stackFrame{seq: seq, start: time}
	if at := t.child(from, function, cut); at != 0 {
		f.node = at
	} else {
		f.node = ^from
		t.nodes[from].cutCalls++
	}
	return append(s, f)
}

// followAll brings the open calls of a goroutine up to its next events.
func (t *stackTree) followAll(s openStack, steps []stackStep) openStack {
	for i := range steps {
		step := &steps[i]
		if step.unwound > 0 {
			s = t.end(s, int(step.unwound), step.time)
		}
		switch step.kind {
		case recording.KindCall:
			s = t.call(s, step.seq, step.function, step.time)
		case recording.KindReturn:
			s = t.end(s, 1, step.time)
		}
	}
	return s
}

// longer takes note of a call that ended.
func (n *stackNode) longer(seq uint64, took int64) {
	if n.longest == 0 || took > n.took || took == n.took && seq < n.longest {
		n.longest, n.took = seq, took
	}
}

// take adds the stacks of another tree, and says where each of its nodes is now: below 0 it was cut, as in stackFrame.
func (t *stackTree) take(o *stackTree) []int32 {
	moved := make([]int32, len(o.nodes))
	t.nodes[0].cutCalls += o.nodes[0].cutCalls
	t.nodes[0].cutTotal += o.nodes[0].cutTotal
	for at := 1; at < len(o.nodes); at++ {
		from := &o.nodes[at]
		parent := moved[from.parent]
		if parent < 0 { // its time is part of one further out
			moved[at] = parent
			t.nodes[^parent].cutCalls += from.calls + from.cutCalls
			continue
		}
		to := t.child(parent, from.function, false)
		if to == 0 {
			moved[at] = ^parent
			t.nodes[parent].cutCalls += from.calls + from.cutCalls
			t.nodes[parent].cutTotal += from.total
			continue
		}
		moved[at] = to
		n := &t.nodes[to]
		n.calls += from.calls
		n.total += from.total
		n.self += from.self
		n.cutCalls += from.cutCalls
		n.cutTotal += from.cutTotal
		if from.longest != 0 {
			n.longer(from.longest, from.took)
		}
	}
	return moved
}

// end ends the n innermost calls.
func (t *stackTree) end(s openStack, n int, time int64) openStack {
	for ; n > 0 && len(s) > 0; n-- {
		last := len(s) - 1
		f := &s[last]
		took := time - f.start
		if last > 0 {
			s[last-1].children += took
		}
		switch {
		case f.node >= 0:
			node := &t.nodes[f.node]
			node.calls++
			node.total += took
			node.self += took - f.children
			node.longer(f.seq, took)
		case last == 0 || s[last-1].node >= 0:
			t.nodes[^f.node].cutTotal += took
		}
		s = s[:last]
	}
	return s
}

// child returns the node of a function called from a node, 0 when there can be none.
func (t *stackTree) child(from int32, function recording.FunctionID, cut bool) int32 {
	if cut {
		return 0
	}
	mask := uint32(len(t.index) - 1)
	key := stackKey(from, function)
	i := stackHash(key) & mask
	for ; t.index[i] != 0; i = (i + 1) & mask {
		if at := t.index[i]; t.keys[at] == key {
			return int32(at)
		}
	}
	level := t.nodes[from].level + 1
	if level > t.depth || len(t.nodes) > t.most {
		return 0
	}
	t.nodes = append(t.nodes, stackNode{parent: from, level: level, function: function})
	t.keys = append(t.keys, key)
	at := len(t.nodes) - 1
	t.index[i] = uint32(at)
	if 2*len(t.nodes) > len(t.index) {
		t.reindex()
	}
	return int32(at)
}

// reindex makes the keys and the hash table anew, with room.
func (t *stackTree) reindex() {
	size := len(t.index)
	for size < 4*len(t.nodes) {
		size *= 2
	}
	t.index = make([]uint32, size)
	t.keys = append(t.keys[:0], 0)
	mask := uint32(size - 1)
	for at := 1; at < len(t.nodes); at++ {
		n := &t.nodes[at]
		key := stackKey(n.parent, n.function)
		t.keys = append(t.keys, key)
		i := stackHash(key) & mask
		for t.index[i] != 0 {
			i = (i + 1) & mask
		}
		t.index[i] = uint32(at)
	}
}

func stackKey(parent int32, function recording.FunctionID) uint64 {
	return uint64(uint32(parent))<<32 | uint64(function)
}

func stackHash(key uint64) uint32 { return uint32(key * 0x9E3779B97F4A7C15 >> 32) }
