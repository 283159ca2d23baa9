package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"smiley/recording"
)

// fineBlocks is how many blocks a question may decode for buckets that are shorter than the cells of their nodes. When it
// would take more, the buckets become longer.
const fineBlocks = 24

// timeBuckets answers a TimeQuery.
func (r *Reader) timeBuckets(ctx context.Context, id recording.RunID, query TimeQuery) (*TimeBuckets, error) {
	run, err := r.runRow(ctx, r.db, id)
	if err != nil {
		return nil, err
	}
	answer, shift, err := query.begin(run.Last)
	if err != nil {
		return nil, err
	}
	q := timeQuestion{r: r, run: run, shift: shift, answer: answer, wanted: map[int64]bool{0: true}}
	for i := range answer.Tracks {
		q.wanted[answer.Tracks[i].Goroutine] = true
	}
	q.chosen = fmt.Sprint(slices.Sorted(maps.Keys(q.wanted)))
	err = r.digests.of(r, run.key).await(ctx, run.blocks, query.Wait, func(d *digest) error {
		answer.Coverage = d.coverage(run.blocks)
		q.lag, q.pending = d.lag, maps.Clone(d.nodes)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = r.snapshot(ctx, func(rows queries) error {
		q.queries = rows
		return q.answerAll(ctx)
	})
	return answer, err
}

// timeQuestion answers a TimeQuery from the nodes of a digest.
type timeQuestion struct {
	queries
	r       *Reader
	run     *runRow
	lag     uint32
	pending map[timeNodeKey][]byte
	wanted  map[int64]bool
	chosen  string // the same, to compare
	shift   uint
	answer  *TimeBuckets
	parts   []timePart
	tracks  []trackInMaking
}

// timePart is a node that the answer is put together from, or a block that must be decoded because its node's cells are
// too long.
type timePart struct {
	timeNodeKey
	node  *timeNode
	block bool
}

// trackInMaking is a track of the answer.
type trackInMaking struct {
	*TimeTrack
	place place
	line  *timeLine
	open  int64 // goroutines with an open call before the first part that knows the track
	known bool
}

func (q *timeQuestion) answerAll(ctx context.Context) error {
	for i := range q.answer.Tracks {
		t := trackInMaking{TimeTrack: &q.answer.Tracks[i]}
		if t.Goroutine != 0 {
			var err error
			if t.place, err = q.r.placeOf(ctx, q, q.run, t.Goroutine); err != nil {
				return err
			}
		}
		q.tracks = append(q.tracks, t)
	}
	if q.answer.Blocks == 0 {
		return nil
	}
	first, last, err := q.window(ctx)
	if err != nil {
		return err
	}
	if err := q.choose(ctx, first, last); err != nil {
		return err
	}
	for i := range q.tracks {
		q.tracks[i].line = q.newLine()
	}
	for i := range q.parts {
		if err := q.add(ctx, &q.parts[i]); err != nil {
			return err
		}
	}
	q.answer.Width = 1 << q.shift
	for i := range q.tracks {
		t := &q.tracks[i]
		if !t.known {
			if err := q.between(ctx, t, last); err != nil {
				return err
			}
		}
		t.Buckets = t.line.buckets(t.open, q.answer.Last)
	}
	return nil
}

func (q *timeQuestion) newLine() *timeLine { return newTimeLine(q.shift, q.answer.From, q.answer.To) }

// window returns the blocks that can hold events of the wanted time, and some. All events of the blocks before them are
// earlier.
func (q *timeQuestion) window(ctx context.Context) (first, last uint32, err error) {
	find := func(time int64) (uint32, error) {
		var number uint32
		err := q.QueryRowContext(ctx, queryBlockAt, q.run.key, time).Scan(&number)
		if errors.Is(err, sql.ErrNoRows) {
			return q.answer.Blocks - 1, nil
		}
		return min(number, q.answer.Blocks-1), err
	}
	// Buckets at the edges reach beyond the wanted time.
	if first, err = find(q.answer.From >> q.shift << q.shift); err != nil {
		return 0, 0, err
	}
	last, err = find(((q.answer.To-1)>>q.shift + 1) << q.shift)
	return first, min(last+min(q.lag, q.answer.Blocks), q.answer.Blocks-1), err
}

// choose finds the parts: the largest groups whose cells are short enough.
func (q *timeQuestion) choose(ctx context.Context, first, last uint32) error {
	fine := 0
	q.parts = q.parts[:0]
	for number := first; number <= last; {
		at, err := q.part(ctx, number, last)
		if err != nil {
			return err
		}
		if at.block {
			fine++
		}
		q.parts = append(q.parts, at)
		number += q.r.span(at.level)
	}
	if fine <= q.r.fineBlocks {
		return nil
	}
	// With longer buckets the window may begin and end with other blocks.
	q.shift++
	first, last, err := q.window(ctx)
	if err != nil {
		return err
	}
	return q.choose(ctx, first, last)
}

// part returns the part that begins with a block.
func (q *timeQuestion) part(ctx context.Context, number, last uint32) (timePart, error) {
	for level := presenceLevels - 1; ; level-- {
		span := q.r.span(level)
		if level > 0 && (number%span != 0 || uint64(number)+uint64(span) > uint64(last)+1) {
			continue
		}
		at := timePart{timeNodeKey: timeNodeKey{level, number / span}}
		var err error
		if at.node, err = q.node(ctx, at.timeNodeKey); err != nil {
			return at, err
		}
		short := at.node.all.shift <= q.shift && (len(q.wanted) == 1 || at.node.shift <= q.shift)
		if short {
			return at, nil
		}
		if level == 0 {
			at.block = true
			return at, nil
		}
	}
}

// keptNodeKey names a node as one question wants it: with some tracks, of cells of 1 << shift ns at least. A node does not change
// once it is there, and keys of runs are never used twice.
type keptNodeKey struct {
	run int64
	timeNodeKey
	tracks string
	shift  uint
}

// nodeCacheBytes bounds the decoded nodes that a Reader keeps. Moves through a time line look at the same ones again.
const nodeCacheBytes = 8 << 20

// node returns a node with the wanted tracks.
func (q *timeQuestion) node(ctx context.Context, at timeNodeKey) (*timeNode, error) {
	key := keptNodeKey{q.run.key, at, q.chosen, q.shift}
	if node := q.r.nodes.get(key); node != nil {
		return node, nil
	}
	node, err := readNode(ctx, q, q.run.key, q.pending, at, q.wanted)
	if err != nil {
		return nil, err
	}
	node.shorten(q.shift)
	q.r.nodes.put(key, node)
	return node, nil
}

// add adds a part to the tracks.
func (q *timeQuestion) add(ctx context.Context, part *timePart) error {
	var lines map[int64]*timeLine
	if part.block {
		block, err := readBlock(ctx, q, q.run.key, part.number)
		if err != nil {
			return err
		}
		if lines, err = q.lines(block); err != nil {
			return err
		}
	}
	for i := range q.tracks {
		t := &q.tracks[i]
		if err := q.addTo(ctx, t, part.timeNodeKey, part.node, lines); err != nil {
			return err
		}
	}
	return nil
}

// addTo adds a node to a track, or, when the node leaves it out because it lies within one of those below, that one.
func (q *timeQuestion) addTo(ctx context.Context, t *trackInMaking, at timeNodeKey, node *timeNode, lines map[int64]*timeLine) error {
	if track := node.track(t.Goroutine); track != nil {
		if !t.known {
			t.open, t.known = track.open, true
		}
		if line := lines[t.Goroutine]; line != nil {
			t.line.addAll(line)
			return nil
		}
		for i := range track.cells {
			t.line.merge(track.cells[i].number, track.shift, &track.cells[i].timeCell)
		}
		return nil
	}
	if at.level == 0 || t.place.none {
		return nil
	}
	below := q.r.span(at.level - 1)
	from, to := at.number*q.r.fan, (at.number+1)*q.r.fan-1
	if t.place.indexed {
		if t.place.first/below != t.place.last/below || t.place.first/below < from || t.place.first/below > to {
			return nil
		}
		from = t.place.first / below
		to = from
	}
	for number := from; number <= to; number++ {
		child := timeNodeKey{at.level - 1, number}
		node, err := q.node(ctx, child)
		if err != nil {
			return err
		}
		if err := q.addTo(ctx, t, child, node, nil); err != nil {
			return err
		}
	}
	return nil
}

// lines counts the events of a block for the tracks whose cells in its node are too long.
func (q *timeQuestion) lines(block *recording.Block) (map[int64]*timeLine, error) {
	lines := make(map[int64]*timeLine, len(q.tracks))
	for i := range q.tracks {
		lines[q.tracks[i].Goroutine] = q.newLine()
	}
	all := lines[0]
	for e, err := range block.Events(recording.Structure) {
		if err != nil {
			return nil, err
		}
		line := lines[e.Goroutine]
		if e.Goroutine == 0 {
			line = nil
		}
		if all == nil && line == nil {
			continue
		}
		steps := eventSteps(&e)
		if line != nil {
			line.add(e.Time, e.Kind, e.Failed, steps)
		}
		if all != nil {
			all.add(e.Time, e.Kind, e.Failed, steps)
		}
	}
	return lines, nil
}

// between finds out whether a goroutine had an open call in a window of blocks in which it has no events, from its next
// event or else from its last one.
func (q *timeQuestion) between(ctx context.Context, t *trackInMaking, last uint32) error {
	if t.place.none || t.place.first > last {
		return nil
	}
	wanted := map[int64]bool{t.Goroutine: true}
	for from := last + 1; ; {
		next, ok, err := t.place.next(ctx, q, from, false)
		if err != nil {
			return err
		}
		if !ok || next >= q.answer.Blocks {
			break
		}
		node, err := readNode(ctx, q, q.run.key, q.pending, timeNodeKey{0, next}, wanted)
		if err != nil {
			return err
		}
		if track := node.track(t.Goroutine); track != nil {
			t.open = track.open
			return nil
		}
		from = next + 1
	}
	if t.place.last > last {
		return nil // its next event is not covered yet
	}
	node, err := readNode(ctx, q, q.run.key, q.pending, timeNodeKey{0, t.place.last}, wanted)
	if err != nil {
		return err
	}
	if track := node.track(t.Goroutine); track != nil {
		t.open = track.open
		for i := range track.cells {
			t.open += track.cells[i].steps
		}
	}
	return nil
}
