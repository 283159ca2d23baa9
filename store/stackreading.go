package store

import (
	"context"
	"time"

	"smiley/recording"
)

// stackReadings is how many goroutines whose stacks were read from their blocks are remembered.
const stackReadings = 8

// readings reads the stacks of single goroutines from their blocks, one goroutine at a time.
type readings struct {
	*tasks
	*recent[readingKey, *reading]
	turn chan struct{}
}

// readingKey names a goroutine. Keys of runs are never used twice.
type readingKey struct{ run, goroutine int64 }

func newReadings(t *tasks) *readings {
	return &readings{tasks: t, recent: newRecent[readingKey, *reading](stackReadings), turn: make(chan struct{}, 1)}
}

// reading reads the stacks of a goroutine that has none of its own in the digest.
type reading struct {
	task
	r   *Reader
	key readingKey

	place  place // of the question that asked last
	tree   *stackTree
	frames openStack
	next   uint32 // the blocks below were read
	events uint64
	last   int64
}

// of returns the reading of a goroutine.
func (s *readings) of(r *Reader, key readingKey) *reading {
	return s.recent.of(key, func() *reading {
		g := &reading{r: r, key: key}
		g.forget()
		g.task = task{tasks: s.tasks, linger: r.linger, turn: s.turn, work: g.read, failed: g.forget, step: make(chan struct{})}
		return g
	})
}

// forget begins anew.
func (g *reading) forget() {
	g.tree = newOwnTree(g.r.stackLevels, g.r.stackNodes)
	g.frames, g.next, g.events, g.last = nil, 0, 0, 0
}

// view returns the stacks of a goroutine as far as patience allows to read them.
func (g *reading) view(ctx context.Context, p place, patience time.Duration) (*stackView, error) {
	var v *stackView
	ready := func() bool {
		if g.place.run == nil || p.last >= g.place.last {
			g.place = p
		}
		return g.next > p.last
	}
	err := g.wait(ctx, patience, ready, func() error {
		c := Coverage{Blocks: min(g.next, p.run.blocks), Of: p.run.blocks, Events: g.events, Last: g.last}
		if g.next > p.last { // what is behind holds nothing of it
			c.Blocks, c.Last = c.Of, p.run.Last
		}
		v = g.tree.view([]openStack{g.frames}, c)
		return nil
	})
	return v, err
}

// read reads the blocks that are wanted.
func (g *reading) read(ctx context.Context) error {
	for {
		g.mu.Lock()
		p, from := g.place, max(g.next, g.place.first)
		g.mu.Unlock()
		if from > p.last {
			return nil
		}
		err := inOrder(ctx, from, p.last+1, func(ctx context.Context, number uint32) (*readPart, error) {
			return g.decode(ctx, &p, number)
		}, func(part *readPart) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.frames = g.tree.followAll(g.frames, part.steps)
			if limit := g.tree.limit; len(g.tree.nodes) > limit {
				g.tree.prune([]openStack{g.frames})
			}
			g.next = part.number + 1
			g.events += part.events
			g.last = max(g.last, part.last)
			g.changed()
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// readPart is what a block says about the stack of a goroutine.
type readPart struct {
	number uint32
	events uint64
	last   int64
	steps  []stackStep
}

func (g *reading) decode(ctx context.Context, p *place, number uint32) (*readPart, error) {
	part := &readPart{number: number}
	err := g.r.snapshot(ctx, func(q queries) error {
		if err := checkVisible(ctx, q, g.key.run); err != nil {
			return err
		}
		if skip, err := p.absent(ctx, q, number, false); err != nil || skip > 0 {
			return err
		}
		block, err := readBlock(ctx, q, g.key.run, number)
		if err != nil {
			return err
		}
		for e, err := range block.Events(recording.Structure) {
			if err != nil {
				return err
			}
			part.last = e.Time
			if e.Goroutine != g.key.goroutine {
				continue
			}
			part.events++
			if step := newStackStep(&e); step.kind != 0 || step.unwound > 0 {
				part.steps = append(part.steps, step)
			}
		}
		return nil
	})
	return part, err
}
