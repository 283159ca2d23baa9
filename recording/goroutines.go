package recording

import (
	"math"
	"slices"
)

// goroutine returns the state of a goroutine, a new one when it is not live.
func (b *Builder) goroutine(id, time int64) *goroutineState {
	cached := &b.recent[uint64(id)%recentGoroutines]
	g := *cached
	if g == nil || g.id != id {
		if g = b.live[id]; g == nil {
			g = b.revive(id)
			if id != 0 {
				b.define(Goroutine{ID: id, Start: time})
			}
		}
		*cached = g
	}
	b.current = g
	return g
}

// revive makes id a live goroutine.
func (b *Builder) revive(id int64) *goroutineState {
	var g *goroutineState
	if n := len(b.free); n > 0 {
		g, b.free = b.free[n-1], b.free[:n-1]
	} else {
		g = &goroutineState{}
	}
	g.id, g.last = id, math.MinInt64
	b.live[id] = g
	return g
}

func (b *Builder) define(g Goroutine) {
	b.d.definitions.Goroutines = append(b.d.definitions.Goroutines, g)
	b.d.definitionBytes += 16
}

// activate gives a goroutine its place in the block.
func (b *Builder) activate(g *goroutineState, time int64) {
	d := b.d
	g.stamp = b.stamp
	g.actor = uint16(len(d.actors))
	g.low = len(g.frames)
	b.active = append(b.active, g)
	d.actors = append(d.actors, actor{entryDepth: g.depth(), activity: GoroutineActivity{
		ID: g.id, FirstSeq: b.next, First: max(time, g.last),
	}})
	if n := len(g.frames); n > 0 {
		d.addEntry(g.actor, &g.frames[n-1])
	}
}

// addEntry writes an open call down as it was at the block's start.
func (d *draftState) addEntry(index uint16, f *frame) {
	d.entries = append(d.entries, entry{seq: f.seq, start: f.start, children: f.children, function: f.function})
	at := int32(len(d.entries))
	a := &d.actors[index]
	if a.lastEntry == 0 {
		a.firstEntry = at
	} else {
		d.entries[a.lastEntry-1].next = at
	}
	a.lastEntry = at
}

// sealGoroutine writes down which of a goroutine's calls this block leaves open, and frees the state of one that ended.
func (b *Builder) sealGoroutine(d *draftState, g *goroutineState) {
	a := &d.actors[g.actor]
	if g.low >= 2 {
		a.below = g.frames[g.low-2].seq
	}
	first := len(g.frames)
	for first > 0 && g.frames[first-1].seq >= b.firstSeq {
		first--
	}
	for i := first; i < len(g.frames); i++ {
		f := &g.frames[i]
		o := OpenCall{Seq: f.seq, Goroutine: g.id, Function: f.function, Position: f.position, Depth: g.parked.count + i, Start: f.start}
		if i > 0 {
			o.Parent = g.frames[i-1].seq
		}
		d.summary.Opened = append(d.summary.Opened, o)
	}
	if g.ended && len(g.frames) == 0 {
		b.retire(g)
		return
	}
	g.park(b.parkedAtOnce)
	usual := 1024
	if g.parked.count > 0 {
		usual = 4 * BlockEvents // frames of a block come on top of those that are kept, and go again
	}
	if cap(g.frames) > usual && len(g.frames) < cap(g.frames)/8 {
		// A deep recursion is over, or many of its frames were brought back at once.
		g.frames = slices.Clone(g.frames)
	}
}

// retire forgets a goroutine.
func (b *Builder) retire(g *goroutineState) {
	delete(b.live, g.id)
	if cached := &b.recent[uint64(g.id)%recentGoroutines]; *cached == g {
		*cached = nil
	}
	if b.current == g {
		b.current = nil
	}
	if len(b.free) < maxFree && cap(g.frames) <= 1024 {
		*g = goroutineState{frames: g.frames[:0], open: g.open, panics: g.panics[:0]}
		b.free = append(b.free, g)
	}
}
