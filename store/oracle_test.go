package store

import (
	"cmp"
	"maps"
	"slices"

	"smiley/recording"
)

// oracle answers questions about a run by reading all of it, one event after the other.
type oracle struct {
	events     []recording.Event
	calls      map[uint64]*recording.Call
	order      []uint64 // of calls, by seq
	args       map[uint64][]byte
	results    map[uint64][]byte
	goroutines map[int64]*GoroutineInfo
	captured   uint64
	dropped    uint64
	blockOf    []int // by event
	quiet      uint64
}

func newOracle(t tb, blocks [][]byte) *oracle {
	t.Helper()
	o := &oracle{
		calls: map[uint64]*recording.Call{}, args: map[uint64][]byte{}, results: map[uint64][]byte{},
		goroutines: map[int64]*GoroutineInfo{},
	}
	open := map[int64][]*recording.Call{}
	children := map[uint64]int64{}
	end := func(e *recording.Event, outcome recording.Outcome) {
		stack := open[e.Goroutine]
		c := stack[len(stack)-1]
		open[e.Goroutine] = stack[:len(stack)-1]
		c.End, c.EndSeq, c.Outcome = e.Time, e.Seq, outcome
		c.Self = c.End - c.Start - children[c.Seq]
		c.Failed = outcome == recording.OutcomeReturned && e.Failed
		children[c.Parent] += c.End - c.Start
		delete(children, c.Seq)
	}
	for number, encoded := range blocks {
		b, err := recording.Decode(encoded)
		check(t, err)
		o.captured, o.dropped = b.Captured, b.Dropped
		o.quiet += b.Summary.Quiet
		for _, g := range b.Definitions.Goroutines {
			o.goroutines[g.ID] = &GoroutineInfo{Goroutine: g, End: -1}
		}
		for e, err := range b.Events(recording.WithData) {
			check(t, err)
			e.Data = slices.Clone(e.Data)
			o.events, o.blockOf = append(o.events, e), append(o.blockOf, number)
			for i := range e.Unwound {
				if i < e.UnwoundLost {
					end(&e, recording.OutcomeLost)
				} else {
					end(&e, e.UnwoundBy)
				}
			}
			switch e.Kind {
			case recording.KindCall:
				c := &recording.Call{
					Seq: e.Seq, Goroutine: e.Goroutine, Function: e.Function, Parent: e.Parent, Depth: e.Depth, Start: e.Time,
					End: -1, Self: -1,
				}
				o.calls[e.Seq] = c
				o.order = append(o.order, e.Seq)
				o.args[e.Seq] = e.Data
				open[e.Goroutine] = append(open[e.Goroutine], c)
			case recording.KindReturn:
				if e.Call != 0 {
					o.results[e.Call] = e.Data
					end(&e, recording.OutcomeReturned)
				}
			}
			o.see(&e)
		}
	}
	return o
}

func (o *oracle) see(e *recording.Event) {
	g, ok := o.goroutines[e.Goroutine]
	if !ok {
		return
	}
	if g.FirstSeq == 0 {
		g.FirstSeq, g.First = e.Seq, e.Time
	}
	g.LastSeq, g.Last = e.Seq, e.Time
	g.Events++
	switch e.Kind {
	case recording.KindCall:
		g.Calls++
	case recording.KindGoroutineEnd:
		g.End = e.Time
	}
}

// list returns the calls that want chooses, by seq.
func (o *oracle) list(want func(*recording.Call) bool) []recording.Call {
	var list []recording.Call
	for _, seq := range o.order {
		if c := o.calls[seq]; want(c) {
			list = append(list, *c)
		}
	}
	return list
}

func (o *oracle) children(parent uint64) []recording.Call {
	return o.list(func(c *recording.Call) bool { return c.Parent == parent })
}

func (o *oracle) roots(goroutine int64) []recording.Call {
	return o.list(func(c *recording.Call) bool { return c.Parent == 0 && c.Goroutine == goroutine })
}

// functionStats are the statistics without the histograms, of which only the bounds are kept.
type plainStats struct {
	Calls, Ended, Errors, Panics uint64
	Total, Self, Min, Max        int64
}

func plain(d *recording.FunctionDelta) plainStats {
	return plainStats{d.Calls, d.Ended, d.Errors, d.Panics, d.Total, d.Self, d.Duration.Min, d.Duration.Max}
}

func (o *oracle) functionStats() map[recording.FunctionID]plainStats {
	stats := map[recording.FunctionID]plainStats{}
	for _, c := range o.calls {
		s := stats[c.Function]
		s.Calls++
		if c.Outcome != recording.OutcomeOpen {
			duration := c.End - c.Start
			if s.Ended++; s.Ended == 1 {
				s.Min, s.Max = duration, duration
			}
			s.Min, s.Max = min(s.Min, duration), max(s.Max, duration)
			s.Self += c.Self
			if !o.inside(c) {
				s.Total += duration
			}
		}
		if c.Outcome == recording.OutcomePanicked {
			s.Panics++
		}
		stats[c.Function] = s
	}
	for _, e := range o.events {
		if e.Kind == recording.KindReturn && e.Failed {
			s := stats[e.Function]
			s.Errors++
			stats[e.Function] = s
		}
	}
	return stats
}

// inside reports whether a call further out is of the same function.
func (o *oracle) inside(c *recording.Call) bool {
	for p := c.Parent; p != 0; p = o.calls[p].Parent {
		if o.calls[p].Function == c.Function {
			return true
		}
	}
	return false
}

func (o *oracle) edgeStats() []recording.EdgeDelta {
	sum := map[edge]recording.EdgeDelta{}
	for _, c := range o.calls {
		key := edge{callee: c.Function}
		if p := o.calls[c.Parent]; p != nil {
			key.caller = p.Function
		}
		d := sum[key]
		d.Caller, d.Callee = key.caller, key.callee
		d.Calls++
		if c.Outcome != recording.OutcomeOpen {
			d.Total += c.End - c.Start
		}
		sum[key] = d
	}
	return slices.SortedFunc(maps.Values(sum), func(a, b recording.EdgeDelta) int {
		return cmp.Or(cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Callee, b.Callee))
	})
}

func (o *oracle) sortedGoroutines() []GoroutineInfo {
	var list []GoroutineInfo
	for _, id := range slices.Sorted(maps.Keys(o.goroutines)) {
		list = append(list, *o.goroutines[id])
	}
	return list
}

func (o *oracle) query(query EventQuery) []recording.Event {
	var list []recording.Event
	for _, e := range o.events {
		if query.Parts == recording.Structure {
			e.Data = nil
		}
		if query.match(&e) && (query.Limit == 0 || len(list) < query.Limit) {
			list = append(list, e)
		}
	}
	return list
}
