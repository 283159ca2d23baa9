package store

import (
	"cmp"
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
	// kept in the file, and not here: all that follows. The run does not go on.
	kept bool
	// shared has the stacks of all goroutines that have none of their own.
	shared *stackTree
	own    map[int64]*ownStacks
	open   map[int64]openStack // open calls by goroutine, of those that have any
	// nodes holds the stored form of what is not in the file yet; recent is those of the last group's blocks, decoded, as far
	// as they are known.
	nodes  map[timeNodeKey][]byte
	recent []*timeNode
	gone   map[int64]bool // goroutines whose own stacks the file has, but that have none any more
}

// ownStacks are the stacks of one goroutine, from its first event on.
type ownStacks struct {
	tree   *stackTree
	blocks uint32 // in which it has events
	stored bool   // the file has them as they are
}

// Bounds of a digest.
const (
	// ownTrees is how many goroutines have stacks of their own, at most. Those with events in the most blocks are kept.
	ownTrees = 256
	// readBlocks is in how many blocks a goroutine may have events to be read from them, whenever somebody asks.
	readBlocks = 6
)

// timeNodeKey names a time node of a run.
type timeNodeKey struct {
	level  int
	number uint32
}

func newDigest(t tuning, key int64) *digest {
	return &digest{
		tuning: t, key: key, shared: newStackTree(t.stackLevels, t.stackNodes), own: map[int64]*ownStacks{},
		open: map[int64]openStack{}, nodes: map[timeNodeKey][]byte{}, gone: map[int64]bool{},
	}
}

// ownNodes is how many different stacks of a goroutine of its own are kept: fewer when there are many.
func (t *tuning) ownNodes(trees int) int {
	return max(4, t.stackNodes/64, min(t.stackNodes/4, 2*t.stackNodes/max(trees, 1)))
}

func (d *digest) newOwnTree() *stackTree {
	return newOwnTree(d.stackLevels, d.stackNodes)
}

func newOwnTree(levels, nodes int) *stackTree {
	t := newStackTree(levels, nodes/4)
	t.most = nodes/4 + nodes/2 // a block has fewer calls than that
	return t
}

// add adds the next block.
func (d *digest) add(p *digestPart) {
	p.node.all.open = int64(len(d.open))
	for i := range p.streams {
		s := &p.streams[i]
		frames := d.open[s.goroutine]
		if track := p.node.track(s.goroutine); s.goroutine != 0 && len(frames) > 0 {
			track.open = 1
		}
		tree := d.shared
		own := d.own[s.goroutine]
		if own == nil && s.began && !s.ended && s.goroutine != 0 && len(d.own) < 2*d.ownTrees {
			own = &ownStacks{tree: d.newOwnTree()}
			d.own[s.goroutine] = own
		}
		if own != nil {
			tree = own.tree
			own.blocks++
			own.stored = false
		}
		frames = tree.followAll(frames, s.steps)
		if len(frames) == 0 {
			delete(d.open, s.goroutine)
		} else {
			d.open[s.goroutine] = frames
		}
	}
	d.bound(p)
	d.blocks = p.number + 1
	d.events += p.events
	if d.last = max(d.last, p.node.last); p.number == 0 {
		d.last = p.node.last
	}
	d.lag = max(d.lag, p.back)
}

// bound keeps the digest within its bounds, after a block.
func (d *digest) bound(p *digestPart) {
	for i := range p.streams {
		s := &p.streams[i]
		if own := d.own[s.goroutine]; own != nil && s.ended && own.blocks <= d.readBlocks {
			d.share(s.goroutine)
		}
	}
	if excess := len(d.own) - d.ownTrees; excess > 0 {
		ids := make([]int64, 0, len(d.own))
		for id := range d.own {
			ids = append(ids, id)
		}
		slices.SortFunc(ids, func(a, b int64) int { return cmp.Or(cmp.Compare(d.own[a].blocks, d.own[b].blocks), cmp.Compare(b, a)) })
		for _, id := range ids[:excess] {
			d.share(id)
		}
	}
	limit := d.ownNodes(len(d.own))
	for id, own := range d.own {
		if len(own.tree.nodes) > limit {
			own.tree.limit = limit
			own.tree.prune([]openStack{d.open[id]})
			own.stored = false
		}
	}
	if len(d.shared.nodes) > d.shared.limit {
		d.shared.prune(d.sharedOpen())
	}
}

// sharedOpen returns the open calls of the goroutines without stacks of their own.
func (d *digest) sharedOpen() []openStack {
	list := make([]openStack, 0, len(d.open))
	for id, frames := range d.open {
		if d.own[id] == nil {
			list = append(list, frames)
		}
	}
	return list
}

// share makes the own stacks of a goroutine a part of those of all others.
func (d *digest) share(id int64) {
	moved := d.shared.take(d.own[id].tree)
	frames := d.open[id]
	for i := range frames {
		f := &frames[i]
		to := moved[f.anchor()]
		switch {
		case f.node < 0 && to >= 0:
			to = ^to
		case f.node >= 0 && to < 0:
			d.shared.nodes[^to].cutCalls++ // as if it had been cut when it began
		}
		f.node = to
	}
	delete(d.own, id)
	d.gone[id] = true
}

func (d *digest) coverage(of uint32) Coverage {
	return Coverage{Blocks: d.blocks, Of: of, Events: d.events, Last: d.last}
}

// digestPart is what a block adds to a digest, as far as the block alone says it.
type digestPart struct {
	number  uint32
	back    uint32 // see digest.lag
	events  uint64
	node    *timeNode // without what was open before it
	streams []stackStream
}

// stackStream is what happened to the stack of a goroutine in a block.
type stackStream struct {
	goroutine    int64
	began, ended bool
	steps        []stackStep
}

// stackStep is an event, as far as it changes the stack.
type stackStep struct {
	seq      uint64
	time     int64
	function recording.FunctionID
	unwound  int32
	kind     recording.Kind // call, return of a call, or none of them
}

func newStackStep(e *recording.Event) stackStep {
	step := stackStep{seq: e.Seq, time: e.Time, function: e.Function, unwound: int32(e.Unwound)}
	if e.Kind == recording.KindCall || e.Kind == recording.KindReturn && e.Call != 0 {
		step.kind = e.Kind
	}
	return step
}

// newDigestPart reads a block.
func newDigestPart(b *recording.Block) (*digestPart, error) {
	first, last := blockTimes(b)
	n := &timeNode{first: first, last: last, shift: cellShift(first, last, blockCells)}
	n.all = nodeTrack{shift: n.shift}
	w := digestWalk{n: n, goroutines: make(map[int64]*digestGoroutine, len(b.Summary.Goroutines))}
	w.expect(b)
	for e, err := range b.Events(recording.Structure) {
		if err != nil {
			return nil, err
		}
		if err := w.event(&e); err != nil {
			return nil, err
		}
	}
	return w.finish(b), nil
}

// digestGoroutine is a goroutine while a block is read.
type digestGoroutine struct {
	stackStream
	track nodeTrack
}

// digestWalk reads the events of a block.
type digestWalk struct {
	n          *timeNode
	goroutines map[int64]*digestGoroutine
	recent     [16]*digestGoroutine // by the lowest bits of their number
}

// expect makes room for the events of the goroutines, in one piece.
func (w *digestWalk) expect(b *recording.Block) {
	room := make([]stackStep, b.Header.Events)
	for i := range b.Summary.Goroutines {
		a := &b.Summary.Goroutines[i]
		n := min(int(a.Events), len(room))
		g := w.goroutine(a.ID)
		if g.steps == nil {
			g.steps, room = room[:0:n], room[n:]
		}
	}
}

func (w *digestWalk) goroutine(id int64) *digestGoroutine {
	recent := &w.recent[id&int64(len(w.recent)-1)]
	if g := *recent; g != nil && g.goroutine == id {
		return g
	}
	g := w.goroutines[id]
	if g == nil {
		g = &digestGoroutine{stackStream{goroutine: id}, nodeTrack{goroutine: id, shift: w.n.shift}}
		w.goroutines[id] = g
	}
	*recent = g
	return g
}

func (w *digestWalk) event(e *recording.Event) error {
	if e.Time < w.n.first || e.Time > w.n.last {
		return errDigest
	}
	g := w.goroutine(e.Goroutine)
	if step := newStackStep(e); step.kind != 0 || step.unwound > 0 {
		g.steps = append(g.steps, step)
	}
	number := e.Time >> w.n.shift
	cells := g.track.cells
	if n := len(cells); n == 0 || cells[n-1].number != number {
		cells = append(cells, nodeCell{number: number})
		g.track.cells = cells
	}
	cells[len(cells)-1].add(e.Kind, e.Failed, eventSteps(e), (number+1)<<w.n.shift-e.Time)
	return nil
}

// finish puts what was gathered in its place.
func (w *digestWalk) finish(b *recording.Block) *digestPart {
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
			g.began = true
		}
	}
	for i := range b.Summary.Goroutines {
		if g := w.goroutines[b.Summary.Goroutines[i].ID]; g != nil && b.Summary.Goroutines[i].Ended {
			g.track.flags |= presenceEnded
			g.ended = true
		}
	}
	p := &digestPart{number: b.Number, events: uint64(b.Header.Events), node: w.n}
	for id, g := range w.goroutines {
		p.streams = append(p.streams, g.stackStream)
		if id != 0 {
			w.n.tracks = append(w.n.tracks, g.track)
		}
	}
	slices.SortFunc(p.streams, func(a, b stackStream) int { return cmp.Compare(a.goroutine, b.goroutine) })
	slices.SortFunc(w.n.tracks, func(a, b nodeTrack) int { return cmp.Compare(a.goroutine, b.goroutine) })
	w.n.bound()
	return p
}
