package web

import (
	"cmp"
	"slices"
)

// graphNode is a node of a drawing, by index.
type graphNode struct {
	Width int
	Layer int // from the top
	X, Y  int // of its middle
	order float64
}

// graphEdge goes from one node to another, which may be itself.
type graphEdge struct{ From, To int }

const (
	layerHeight = 84
	nodeGap     = 22
	nodeHeight  = 34
	sweeps      = 8
	bendWidth   = 4
)

// layoutGraph places nodes in layers, callers above callees, with few crossings: the scheme of Sugiyama, Tagawa and Toda.
// Edges that close a cycle are ignored for the layers, and so go upwards. Nodes must come with the important ones first:
// cycles are opened where they come back to one of those.
//
// It returns the size of the drawing, and for edges that pass through layers the places where they do, so that they go
// round the nodes there.
func layoutGraph(nodes []graphNode, edges []graphEdge) (width, height int, bends map[graphEdge][]graphNode) {
	if len(nodes) == 0 {
		return 0, 0, nil
	}
	down := acyclic(len(nodes), edges)
	assignLayers(nodes, down)
	all, short, chains := split(nodes, down)
	layers := make([][]int, 0)
	for i := range all {
		for len(layers) <= all[i].Layer {
			layers = append(layers, nil)
		}
		layers[all[i].Layer] = append(layers[all[i].Layer], i)
	}
	orderLayers(all, layers, short)
	width, height = place(all, layers, short)
	copy(nodes, all)
	bends = map[graphEdge][]graphNode{}
	for e, chain := range chains {
		for _, i := range chain {
			bends[e] = append(bends[e], all[i])
		}
	}
	return width, height, bends
}

// split puts a narrow node wherever an edge passes through a layer, so that all edges lead to the next layer.
func split(nodes []graphNode, down []graphEdge) (all []graphNode, short []graphEdge, chains map[graphEdge][]int) {
	all = slices.Clone(nodes)
	chains = map[graphEdge][]int{}
	for _, e := range down {
		from := e.From
		for layer := nodes[e.From].Layer + 1; layer < nodes[e.To].Layer; layer++ {
			all = append(all, graphNode{Width: bendWidth, Layer: layer})
			short = append(short, graphEdge{from, len(all) - 1})
			from = len(all) - 1
			chains[e] = append(chains[e], from)
		}
		short = append(short, graphEdge{from, e.To})
	}
	return all, short, chains
}

// acyclic returns the edges without those that lead back to a node on the way to them, and without loops.
func acyclic(n int, edges []graphEdge) []graphEdge {
	out := make([][]int, n)
	in := make([]int, n)
	for _, e := range edges {
		if e.From != e.To {
			out[e.From] = append(out[e.From], e.To)
			in[e.To]++
		}
	}
	const (
		unseen = iota
		onPath
		done
	)
	state := make([]int, n)
	var kept []graphEdge
	var visit func(int)
	visit = func(i int) {
		state[i] = onPath
		for _, to := range out[i] {
			if state[to] == onPath {
				continue
			}
			kept = append(kept, graphEdge{i, to})
			if state[to] == unseen {
				visit(to)
			}
		}
		state[i] = done
	}
	for i := range n { // those that nobody calls first
		if in[i] == 0 && state[i] == unseen {
			visit(i)
		}
	}
	for i := range n {
		if state[i] == unseen {
			visit(i)
		}
	}
	return kept
}

// assignLayers puts every node one layer below the lowest of its callers.
func assignLayers(nodes []graphNode, down []graphEdge) {
	for range nodes { // at most so many rounds: the longest path
		changed := false
		for _, e := range down {
			if nodes[e.To].Layer <= nodes[e.From].Layer {
				nodes[e.To].Layer = nodes[e.From].Layer + 1
				changed = true
			}
		}
		if !changed {
			return
		}
	}
}

// orderLayers sorts each layer by where the neighbours of its nodes lie, down and up in turn.
func orderLayers(nodes []graphNode, layers [][]int, down []graphEdge) {
	for _, layer := range layers {
		for at, i := range layer {
			nodes[i].order = float64(at)
		}
	}
	for sweep := range sweeps {
		for k := range layers {
			layer := layers[k]
			if sweep%2 == 1 {
				layer = layers[len(layers)-1-k]
			}
			centres := make(map[int]float64, len(layer))
			for _, i := range layer {
				centres[i] = centre(nodes, down, i, sweep%2 == 0)
			}
			slices.SortStableFunc(layer, func(a, b int) int { return cmp.Compare(centres[a], centres[b]) })
			for at, i := range layer {
				nodes[i].order = float64(at) - float64(len(layer))/2
			}
		}
	}
}

// centre is the mean order of a node's callers, or of its callees; its own when it has none.
func centre(nodes []graphNode, down []graphEdge, i int, callers bool) float64 {
	sum, n := 0.0, 0
	for _, e := range down {
		if callers && e.To == i {
			sum, n = sum+nodes[e.From].order, n+1
		} else if !callers && e.From == i {
			sum, n = sum+nodes[e.To].order, n+1
		}
	}
	if n == 0 {
		return nodes[i].order
	}
	return sum / float64(n)
}

// place gives nodes their coordinates: packed from the left, then pulled below their callers as far as there is room.
func place(nodes []graphNode, layers [][]int, down []graphEdge) (width, height int) {
	for _, layer := range layers {
		x := 0
		for _, i := range layer {
			nodes[i].X = x + nodes[i].Width/2
			x += nodes[i].Width + nodeGap
		}
		width = max(width, x-nodeGap)
	}
	for k, layer := range layers {
		taken := nodes[layer[len(layer)-1]].X + nodes[layer[len(layer)-1]].Width/2
		shift := (width - taken) / 2
		for _, i := range layer {
			nodes[i].X += shift
			nodes[i].Y = k*layerHeight + nodeHeight/2
		}
	}
	for range 2 {
		for k := 1; k < len(layers); k++ {
			pull(nodes, layers[k], down, width)
		}
	}
	return width, (len(layers)-1)*layerHeight + nodeHeight
}

// pull moves the nodes of a layer below the middle of their callers, without changing their order or touching.
func pull(nodes []graphNode, layer []int, down []graphEdge, width int) {
	wish := make([]int, len(layer))
	for at, i := range layer {
		sum, n := 0, 0
		for _, e := range down {
			if e.To == i {
				sum, n = sum+nodes[e.From].X, n+1
			}
		}
		if wish[at] = nodes[i].X; n > 0 {
			wish[at] = sum / n
		}
	}
	right := 0
	for at, i := range layer { // as far left as the wish, but not over the one before
		x := max(wish[at], right+nodes[i].Width/2)
		nodes[i].X = x
		right = x + nodes[i].Width/2 + nodeGap
	}
	left := width
	for at := len(layer) - 1; at >= 0; at-- { // and back when that went over the edge
		n := &nodes[layer[at]]
		n.X = min(n.X, left-n.Width/2)
		left = n.X - n.Width/2 - nodeGap
	}
}
