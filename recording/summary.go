package recording

import "math"

// appendSummary appends the section of a summary. Lists are by column where that compresses better.
func appendSummary(dst []byte, s *Summary) []byte {
	for _, v := range []uint64{s.Calls, s.Errors, s.Panics, s.Truncated, s.Unreadable} {
		dst = appendUint(dst, v)
	}
	dst = appendFunctionDeltas(dst, s.Functions)
	dst = appendEdges(dst, s.Edges)
	dst = appendOpened(dst, s.Opened)
	dst = appendClosed(dst, s.Closed)
	return appendActivities(dst, s.Goroutines)
}

// appendQuiet appends the section of goroutines without events, which readers of the summary alone need not know.
func appendQuiet(dst []byte, n uint64) []byte {
	raw := appendUint(nil, n)
	return append(appendSectionHead(dst, sectionQuiet, 0, sectionOptional, len(raw), len(raw)), raw...)
}

func (s *scanner) summary() Summary {
	var m Summary
	for _, p := range []*uint64{&m.Calls, &m.Errors, &m.Panics, &m.Truncated, &m.Unreadable} {
		*p = s.uint()
	}
	m.Functions = s.functionDeltas()
	m.Edges = s.edges()
	m.Opened = s.opened()
	m.Closed = s.closed()
	m.Goroutines = s.activities()
	return m
}

func appendFunctionDeltas(dst []byte, functions []FunctionDelta) []byte {
	dst = appendUint(dst, uint64(len(functions)))
	last := FunctionID(0)
	for i := range functions {
		f := &functions[i]
		dst = appendUint(dst, uint64(f.Function-last))
		last = f.Function
		for _, v := range []uint64{f.Calls, f.Ended, f.Errors, f.Panics} {
			dst = appendUint(dst, v)
		}
		dst = appendInt(dst, f.Total)
		dst = appendInt(dst, f.Self)
		dst = f.Duration.append(dst)
	}
	return dst
}

func (s *scanner) functionDeltas() []FunctionDelta {
	functions := make([]FunctionDelta, s.count(8))
	last := FunctionID(0)
	for i := range functions {
		f := &functions[i]
		last += FunctionID(s.uint32())
		f.Function = last
		for _, p := range []*uint64{&f.Calls, &f.Ended, &f.Errors, &f.Panics} {
			*p = s.uint()
		}
		f.Total = s.int()
		f.Self = s.int()
		f.Duration = s.histogram()
	}
	return functions
}

func appendEdges(dst []byte, edges []EdgeDelta) []byte {
	dst = appendUint(dst, uint64(len(edges)))
	last := FunctionID(0)
	for i := range edges {
		dst = appendUint(dst, uint64(edges[i].Caller-last))
		last = edges[i].Caller
	}
	for i := range edges {
		dst = appendUint(dst, uint64(edges[i].Callee))
	}
	for i := range edges {
		dst = appendUint(dst, edges[i].Calls)
	}
	for i := range edges {
		dst = appendInt(dst, edges[i].Total)
	}
	return dst
}

func (s *scanner) edges() []EdgeDelta {
	edges := make([]EdgeDelta, s.count(4))
	last := FunctionID(0)
	for i := range edges {
		last += FunctionID(s.uint32())
		edges[i].Caller = last
	}
	for i := range edges {
		edges[i].Callee = FunctionID(s.uint32())
	}
	for i := range edges {
		edges[i].Calls = s.uint()
	}
	for i := range edges {
		edges[i].Total = s.int()
	}
	return edges
}

func appendOpened(dst []byte, opened []OpenCall) []byte {
	dst = appendUint(dst, uint64(len(opened)))
	for i := range opened {
		o := &opened[i]
		dst = appendUint(dst, o.Seq)
		dst = appendInt(dst, o.Goroutine)
		dst = appendUint(dst, uint64(o.Function))
		dst = appendUint(dst, o.Seq-o.Parent)
		dst = appendUint(dst, o.Position)
		dst = appendUint(dst, uint64(o.Depth))
		dst = appendInt(dst, o.Start)
	}
	return dst
}

func (s *scanner) opened() []OpenCall {
	opened := make([]OpenCall, s.count(7))
	for i := range opened {
		o := &opened[i]
		o.Seq = s.uint()
		o.Goroutine = s.int()
		o.Function = FunctionID(s.uint32())
		o.Parent = o.Seq - s.within(o.Seq)
		o.Position = s.within(o.Seq)
		o.Depth = s.small()
		o.Start = s.int()
	}
	return opened
}

func appendClosed(dst []byte, closed []Call) []byte {
	dst = appendUint(dst, uint64(len(closed)))
	for i := range closed {
		c := &closed[i]
		dst = appendUint(dst, c.Seq)
		dst = appendInt(dst, c.Goroutine)
		dst = appendUint(dst, uint64(c.Function))
		dst = appendUint(dst, c.Seq-c.Parent)
		dst = appendUint(dst, uint64(c.Depth))
		dst = appendInt(dst, c.Start)
		dst = appendUint(dst, uint64(c.End-c.Start))
		dst = appendUint(dst, c.EndSeq-c.Seq)
		dst = appendInt(dst, c.Self)
		dst = append(dst, byte(c.Outcome))
		dst = appendBool(dst, c.Failed)
	}
	return dst
}

func (s *scanner) closed() []Call {
	closed := make([]Call, s.count(11))
	for i := range closed {
		c := &closed[i]
		c.Seq = s.uint()
		c.Goroutine = s.int()
		c.Function = FunctionID(s.uint32())
		c.Parent = c.Seq - s.within(c.Seq)
		c.Depth = s.small()
		c.Start = s.int()
		c.End = c.Start + int64(s.uint())
		c.EndSeq = c.Seq + s.uint()
		c.Self = s.int()
		c.Outcome = Outcome(s.byte())
		c.Failed = s.bool()
		if c.End < c.Start || c.Outcome > OutcomeLost {
			s.fail()
		}
	}
	return closed
}

func appendActivities(dst []byte, goroutines []GoroutineActivity) []byte {
	dst = appendUint(dst, uint64(len(goroutines)))
	for i := range goroutines {
		g := &goroutines[i]
		dst = appendInt(dst, g.ID)
		dst = appendUint(dst, uint64(g.Events))
		dst = appendUint(dst, uint64(g.Calls))
		dst = appendUint(dst, g.FirstSeq)
		dst = appendUint(dst, g.LastSeq-g.FirstSeq)
		dst = appendInt(dst, g.First)
		dst = appendUint(dst, uint64(g.Last-g.First))
		dst = appendBool(dst, g.Ended)
	}
	return dst
}

func (s *scanner) activities() []GoroutineActivity {
	goroutines := make([]GoroutineActivity, s.count(8))
	for i := range goroutines {
		g := &goroutines[i]
		g.ID = s.int()
		g.Events = s.uint32()
		g.Calls = s.uint32()
		g.FirstSeq = s.uint()
		g.LastSeq = g.FirstSeq + s.within(math.MaxUint32)
		g.First = s.int()
		g.Last = g.First + int64(s.uint())
		g.Ended = s.bool()
	}
	return goroutines
}
