package store

import "slices"

// prune cuts the lightest stacks until half of the bound is left. Stacks with an open call stay. A stack is as heavy as
// its share of all time or its share of all calls, whichever is more, so that neither view loses what it would show.
func (t *stackTree) prune(open []openStack) {
	pinned := make([]bool, len(t.nodes))
	pinned[0] = true
	for _, frames := range open {
		for i := range frames {
			pinned[frames[i].anchor()] = true
		}
	}
	within, weights := t.weights()
	// A sample says well enough how heavy what goes may be, without sorting all.
	const sampled = 4096
	loose := 0
	sample := make([]float64, 0, sampled+1)
	for i, weight := range weights {
		if !pinned[i] {
			if loose%(1+len(weights)/sampled) == 0 {
				sample = append(sample, weight)
			}
			loose++
		}
	}
	excess := len(t.nodes) - t.limit/2
	if loose == 0 || excess <= 0 {
		return
	}
	slices.Sort(sample)
	light := sample[min(len(sample)*excess/loose, len(sample)-1)]
	t.remove(open, within, func(at int) bool { return !pinned[at] && weights[at] <= light })
}

// weights returns, for each node, the calls of it and of all below, and what it weighs. A node without open calls weighs no
// less than those below it.
func (t *stackTree) weights() (within []uint64, weights []float64) {
	within, weights = make([]uint64, len(t.nodes)), make([]float64, len(t.nodes))
	var time int64
	for at := len(t.nodes) - 1; at > 0; at-- {
		n := &t.nodes[at]
		within[at] += n.calls + n.cutCalls
		within[n.parent] += within[at]
		time += n.self + n.cutTotal
	}
	calls := float64(max(within[0]+t.nodes[0].cutCalls, 1))
	all := float64(max(time, 1))
	for at := 1; at < len(t.nodes); at++ {
		weights[at] = max(float64(t.nodes[at].total)/all, float64(within[at])/calls)
	}
	return within, weights
}

// remove takes out the nodes that gone names, each with all below it, and counts them where they were cut.
func (t *stackTree) remove(open []openStack, within []uint64, gone func(at int) bool) {
	moved := make([]int32, len(t.nodes)) // below 0: gone
	kept := 1
	for at := 1; at < len(t.nodes); at++ {
		n := t.nodes[at]
		parent := moved[n.parent]
		if parent < 0 {
			moved[at] = -1 // with the one above it
			continue
		}
		if gone(at) {
			moved[at] = -1
			t.nodes[parent].cutCalls += within[at]
			t.nodes[parent].cutTotal += n.total
			continue
		}
		n.parent = parent
		t.nodes[kept] = n
		moved[at] = int32(kept)
		kept++
	}
	t.nodes = t.nodes[:kept]
	for _, frames := range open {
		for i := range frames {
			if f := &frames[i]; f.node >= 0 {
				f.node = moved[f.node]
			} else {
				f.node = ^moved[^f.node]
			}
		}
	}
	t.reindex()
}
