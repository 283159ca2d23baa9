package store

import (
	"maps"
	"math/bits"
	"slices"

	"smiley/recording"
)

// timeCell is what happened on a track in a bucket of time, in a form that adds up: of two cells of the same time, of a
// time's halves, and of goroutines.
type timeCell struct {
	calls, events, errors, panics, output, gaps uint64
	// steps is how many goroutines began to have an open call less how many ceased to. late is each step times what was
	// left of the bucket then: how much longer something was open, in ns, than if the step had come at the bucket's end.
	steps int64
	late  int64
}

// add adds an event at a time that left ns before the end of the cell.
func (c *timeCell) add(kind recording.Kind, failed bool, steps int, left int64) {
	c.events++
	switch kind {
	case recording.KindCall:
		c.calls++
	case recording.KindReturn:
		if failed {
			c.errors++
		}
	case recording.KindPanic:
		c.panics++
	case recording.KindOutput:
		c.output++
	case recording.KindGap:
		c.gaps++
	}
	c.steps += int64(steps)
	c.late += int64(steps) * left
}

// merge adds a cell that ends left ns before c does.
func (c *timeCell) merge(o *timeCell, left int64) {
	c.calls += o.calls
	c.events += o.events
	c.errors += o.errors
	c.panics += o.panics
	c.output += o.output
	c.gaps += o.gaps
	c.steps += o.steps
	c.late += o.late + o.steps*left
}

// timeLine is a track: cells of 1 << shift ns by their number, which is their time >> shift.
type timeLine struct {
	shift uint
	cells map[int64]*timeCell
}

func newTimeLine(shift uint) *timeLine { return &timeLine{shift, make(map[int64]*timeCell)} }

func (l *timeLine) cell(number int64) *timeCell {
	c := l.cells[number]
	if c == nil {
		c = &timeCell{}
		l.cells[number] = c
	}
	return c
}

// left returns what is left at a time of its cell.
func (l *timeLine) left(time int64) int64 { return (time>>l.shift+1)<<l.shift - time }

// add adds an event.
func (l *timeLine) add(time int64, kind recording.Kind, failed bool, steps int) {
	l.cell(time>>l.shift).add(kind, failed, steps, l.left(time))
}

// merge adds a cell of cells that are 1 << shift ns long, no longer than l's own.
func (l *timeLine) merge(number int64, shift uint, o *timeCell) {
	end := (number + 1) << shift
	own := (end - 1) >> l.shift
	l.cell(own).merge(o, (own+1)<<l.shift-end)
}

// addAll adds a line whose cells are as long.
func (l *timeLine) addAll(o *timeLine) {
	for number, c := range o.cells {
		l.cell(number).merge(c, 0)
	}
}

// eventSteps is how many goroutines begin to have an open call with an event, less how many cease to: 1, 0 or −1.
func eventSteps(e *recording.Event) int {
	after := e.Depth
	before := after + e.Unwound
	switch {
	case e.Kind == recording.KindCall:
		after++
	case e.Kind == recording.KindReturn && e.Call != 0:
		before++
	case e.Kind != recording.KindReturn && e.Call != 0:
		before, after = before+1, after+1
	}
	return min(after, 1) - min(before, 1)
}

// buckets returns the buckets that overlap the time from from to to. open goroutines had an open call before the line's
// first cell. last is when time ends: what is open then is not counted further.
func (l *timeLine) buckets(open, from, to, last int64) []TimeBucket {
	var list []TimeBucket
	first, end := from>>l.shift, (to-1)>>l.shift
	width := int64(1) << l.shift
	next := first // the number of the next bucket
	idle := func(until int64) {
		for ; open != 0 && next < until && next<<l.shift < last; next++ {
			busy := open * min(width, last-next<<l.shift)
			list = append(list, TimeBucket{Start: next << l.shift, Busy: busy})
		}
		next = max(next, until)
	}
	for _, number := range slices.Sorted(maps.Keys(l.cells)) {
		c := l.cells[number]
		if number > end {
			break
		}
		if number >= first {
			idle(number)
			b := TimeBucket{
				Start: number << l.shift, Calls: c.calls, Events: c.events, Errors: c.errors, Panics: c.panics,
				Output: c.output, Gaps: c.gaps, Busy: open*width + c.late,
			}
			if over := b.Start + width - last; over > 0 {
				b.Busy -= over * (open + c.steps)
			}
			if b != (TimeBucket{Start: b.Start}) {
				list = append(list, b)
			}
			next = number + 1
		}
		open += c.steps
	}
	idle(end + 1)
	return list
}

// begin fills in what a query leaves open. last is the time of the run's latest event.
func (query *TimeQuery) begin(last int64) (*TimeBuckets, uint, error) {
	answer := &TimeBuckets{From: query.From, To: query.To}
	if answer.To == 0 {
		answer.To = max(last, answer.From) + 1
	}
	if answer.To <= answer.From || answer.To-answer.From < 0 {
		return nil, 0, recording.Errorf(recording.CodeInvalid, "the time from %d to %d ns is none", answer.From, answer.To)
	}
	span := answer.To - answer.From
	width := query.Width
	if width <= 0 {
		width = max(1, span/1024)
	}
	shift := uint(bits.Len64(uint64(width))) - 1
	for (answer.To-1)>>shift-answer.From>>shift >= MaxBuckets {
		shift++
	}
	answer.Width = 1 << shift
	goroutines := query.Goroutines
	if goroutines == nil {
		goroutines = []int64{0}
	}
	for _, g := range goroutines {
		answer.Tracks = append(answer.Tracks, TimeTrack{Goroutine: g})
	}
	return answer, shift, nil
}
