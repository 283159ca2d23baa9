package store

import (
	"slices"

	"smiley/recording"
)

// digest is what the first blocks of a run come to for its flame graph and its time line. Blocks are added in order.
type digest struct {
	tuning
	key    int64
	blocks uint32 // it covers the blocks below this one
	events uint64
	last   int64  // the latest moment of these blocks
	lag    uint32 // as in the table
	tree   *stackTree
	open   map[int64]openStack // open calls by goroutine, of those that have any
	// nodes holds the stored form of what is not in the file yet.
	nodes map[timeNodeKey][]byte
}

// timeNodeKey names a time node of a run.
type timeNodeKey struct {
	level  int
	number uint32
}

func newDigest(t tuning, key int64) *digest {
	return &digest{
		tuning: t, key: key, tree: newStackTree(t.stackLevels, t.stackNodes), open: map[int64]openStack{},
		nodes: map[timeNodeKey][]byte{},
	}
}

// digestGoroutine is a goroutine while a block is read.
type digestGoroutine struct {
	frames openStack
	track  nodeTrack
}

// add adds the next block. It leaves the digest as it was when the block is damaged.
func (d *digest) add(b *recording.Block) (*timeNode, error) {
	first, last := blockTimes(b)
	n := &timeNode{first: first, last: last, shift: cellShift(first, last, blockCells)}
	n.all = nodeTrack{shift: n.shift, open: int64(len(d.open))}
	w := digestWalk{d: d, n: n, goroutines: make(map[int64]*digestGoroutine, len(b.Summary.Goroutines))}
	for e, err := range b.Events(recording.Structure) {
		if err != nil {
			return nil, err // nothing can follow such a block; the digest is given up
		}
		if err := w.event(&e); err != nil {
			return nil, err
		}
	}
	w.finish(b)
	d.blocks = b.Number + 1
	d.events += uint64(b.Header.Events)
	if d.last = max(d.last, last); b.Number == 0 {
		d.last = last
	}
	if len(d.tree.nodes) > d.tree.limit {
		d.tree.prune(d.open)
	}
	return n, nil
}

// digestWalk reads the events of a block into a digest.
type digestWalk struct {
	d          *digest
	n          *timeNode
	goroutines map[int64]*digestGoroutine
	recent     [16]*digestGoroutine // by the lowest bits of their number
}

func (w *digestWalk) goroutine(id int64) *digestGoroutine {
	recent := &w.recent[id&int64(len(w.recent)-1)]
	if g := *recent; g != nil && g.track.goroutine == id {
		return g
	}
	g := w.goroutines[id]
	if g == nil {
		g = &digestGoroutine{frames: w.d.open[id], track: nodeTrack{goroutine: id, shift: w.n.shift}}
		if len(g.frames) > 0 {
			g.track.open = 1
		}
		w.goroutines[id] = g
	}
	*recent = g
	return g
}

func (w *digestWalk) event(e *recording.Event) error {
	g := w.goroutine(e.Goroutine)
	before := len(g.frames)
	g.frames = w.d.tree.follow(g.frames, e)
	steps := min(len(g.frames), 1) - min(before, 1)
	number := e.Time >> w.n.shift
	if e.Time < w.n.first || e.Time > w.n.last {
		return errDigest
	}
	cells := g.track.cells
	if n := len(cells); n == 0 || cells[n-1].number != number {
		cells = append(cells, nodeCell{number: number})
		g.track.cells = cells
	}
	cells[len(cells)-1].add(e.Kind, e.Failed, steps, (number+1)<<w.n.shift-e.Time)
	return nil
}

// finish puts what was gathered in its place.
func (w *digestWalk) finish(b *recording.Block) {
	base := w.n.first >> w.n.shift
	all := make([]timeCell, w.n.last>>w.n.shift-base+1)
	for _, g := range w.goroutines {
		for i := range g.track.cells {
			c := &g.track.cells[i]
			all[c.number-base].merge(&c.timeCell, 0)
		}
	}
	for i := range all {
		if all[i] != (timeCell{}) {
			w.n.all.cells = append(w.n.all.cells, nodeCell{base + int64(i), all[i]})
		}
	}
	for i := range b.Definitions.Goroutines {
		if g := w.goroutines[b.Definitions.Goroutines[i].ID]; g != nil {
			g.track.flags |= presenceBegan
		}
	}
	for i := range b.Summary.Goroutines {
		if g := w.goroutines[b.Summary.Goroutines[i].ID]; g != nil && b.Summary.Goroutines[i].Ended {
			g.track.flags |= presenceEnded
		}
	}
	for id, g := range w.goroutines {
		if len(g.frames) == 0 {
			delete(w.d.open, id)
		} else {
			w.d.open[id] = g.frames
		}
		if id != 0 {
			w.n.tracks = append(w.n.tracks, g.track)
		}
	}
	slices.SortFunc(w.n.tracks, func(a, b nodeTrack) int { return int(min(max(a.goroutine-b.goroutine, -1), 1)) })
	w.n.bound()
}

func (d *digest) coverage(of uint32) Coverage {
	return Coverage{Blocks: d.blocks, Of: of, Events: d.events, Last: d.last}
}
