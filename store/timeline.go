package store

import (
	"math/bits"

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

// timeLine is a part of a track: cells of 1 << shift ns for a window of time. A cell's number is its time >> shift.
type timeLine struct {
	shift       uint
	first, last int64    // numbers of the window's first and last cell
	before      int64    // steps before the window
	index       []uint16 // by number less first: place in cells + 1, 0 for a cell in which nothing happened
	cells       []timeCell
}

// newTimeLine returns a line for the buckets that overlap the time from from to to. There are some thousand at most.
func newTimeLine(shift uint, from, to int64) *timeLine {
	l := &timeLine{shift: shift, first: from >> shift, last: (to - 1) >> shift}
	l.index = make([]uint16, l.last-l.first+1)
	return l
}

// cell returns a cell of the window.
func (l *timeLine) cell(number int64) *timeCell {
	at := &l.index[number-l.first]
	if *at == 0 {
		l.cells = append(l.cells, timeCell{})
		*at = uint16(len(l.cells))
	}
	return &l.cells[*at-1]
}

// add adds an event.
func (l *timeLine) add(time int64, kind recording.Kind, failed bool, steps int) {
	number := time >> l.shift
	switch {
	case number < l.first:
		l.before += int64(steps)
	case number <= l.last:
		l.cell(number).add(kind, failed, steps, (number+1)<<l.shift-time)
	}
}

// merge adds a cell of cells that are 1 << shift ns long, no longer than l's own.
func (l *timeLine) merge(number int64, shift uint, o *timeCell) {
	end := (number + 1) << shift
	own := (end - 1) >> l.shift
	switch {
	case own < l.first:
		l.before += o.steps
	case own <= l.last:
		l.cell(own).merge(o, (own+1)<<l.shift-end)
	}
}

// addAll adds another line of the same window.
func (l *timeLine) addAll(o *timeLine) {
	l.before += o.before
	for i, at := range o.index {
		if at != 0 {
			l.cell(l.first+int64(i)).merge(&o.cells[at-1], 0)
		}
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

// buckets returns the buckets in which something happened or was open. open goroutines had an open call before all that was
// added. end is when time ends: what is open then is not counted further.
func (l *timeLine) buckets(open, end int64) []TimeBucket {
	var list []TimeBucket
	open += l.before
	width := int64(1) << l.shift
	for i, at := range l.index {
		b := TimeBucket{Start: (l.first + int64(i)) << l.shift}
		if at == 0 {
			if b.Busy = open * min(width, end-b.Start); open == 0 || b.Start >= end {
				continue
			}
			list = append(list, b)
			continue
		}
		c := &l.cells[at-1]
		b.Calls, b.Events, b.Errors, b.Panics, b.Output, b.Gaps = c.calls, c.events, c.errors, c.panics, c.output, c.gaps
		b.Busy = open*width + c.late
		open += c.steps
		if over := b.Start + width - end; over > 0 {
			b.Busy -= over * open
		}
		list = append(list, b)
	}
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
