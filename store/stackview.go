package store

import (
	"cmp"
	"container/heap"
	"slices"
	"unsafe"

	"smiley/recording"
)

// stackView is a stackTree at a moment, with the open calls counted up to it, in the form that questions need. It is
// read only.
type stackView struct {
	nodes []viewNode
	kids  []int32 // the nodes below node i are kids[nodes[i].kids:nodes[i+1].kids]
	Coverage
	cutCalls uint64
	cutTotal int64
}

type viewNode struct {
	stackNode
	open   uint64
	within uint64
	kids   int32
}

// bytes is the memory that a view takes.
func (v *stackView) bytes() int {
	return cap(v.nodes)*int(unsafe.Sizeof(viewNode{})) + cap(v.kids)*4
}

// stackPart is some stacks, with the open calls of the goroutines that they are of.
type stackPart struct {
	tree *stackTree
	open []openStack
}

// viewOf makes a view of some stacks together, and takes over their open calls. c.Last is the time up to which those count.
func viewOf(parts []stackPart, c Coverage) *stackView {
	if len(parts) == 1 {
		return parts[0].tree.view(parts[0].open, c)
	}
	nodes := 0
	for i := range parts {
		nodes += len(parts[i].tree.nodes)
	}
	sum := newStackTree(int(parts[0].tree.depth), nodes) // none is cut
	var open []openStack
	for i := range parts {
		moved := sum.take(parts[i].tree)
		for _, frames := range parts[i].open {
			for j := range frames {
				f := &frames[j]
				if f.node >= 0 {
					f.node = moved[f.node]
				} else {
					f.node = ^moved[^f.node]
				}
			}
		}
		open = append(open, parts[i].open...)
	}
	return sum.view(open, c)
}

// view makes a view of the tree.
func (t *stackTree) view(open []openStack, c Coverage) *stackView {
	v := &stackView{nodes: make([]viewNode, len(t.nodes)+1), kids: make([]int32, len(t.nodes)), Coverage: c}
	for i := range t.nodes {
		v.nodes[i].stackNode = t.nodes[i]
	}
	for _, frames := range open {
		v.addOpen(frames, c.Last)
	}
	root := &v.nodes[0]
	// Nodes come before those below them.
	for i := len(t.nodes) - 1; i > 0; i-- {
		n := &v.nodes[i]
		n.within += n.calls + n.cutCalls
		v.cutCalls += n.cutCalls
		v.cutTotal += n.cutTotal
		parent := &v.nodes[n.parent]
		parent.within += n.within
		parent.kids++
		if n.parent == 0 {
			root.total += n.total
		}
	}
	root.within += root.cutCalls
	root.total += root.cutTotal
	v.cutCalls += root.cutCalls
	v.cutTotal += root.cutTotal
	at := int32(0)
	for i := range v.nodes { // counts become places
		at, v.nodes[i].kids = at+v.nodes[i].kids, at
	}
	next := make([]int32, len(t.nodes))
	for i := 1; i < len(t.nodes); i++ {
		parent := t.nodes[i].parent
		v.kids[v.nodes[parent].kids+next[parent]] = int32(i)
		next[parent]++
	}
	return v
}

// addOpen counts the open calls of a goroutine up to a time.
func (v *stackView) addOpen(frames openStack, now int64) {
	inner := int64(0)
	for i := len(frames) - 1; i >= 0; i-- {
		f := &frames[i]
		took := max(0, now-f.start)
		switch {
		case f.node >= 0:
			n := &v.nodes[f.node]
			n.calls++
			n.open++
			n.total += took
			n.self += max(0, took-f.children-inner)
		case i == 0 || frames[i-1].node >= 0:
			v.nodes[^f.node].cutTotal += took
		}
		inner = took
	}
}

func (v *stackView) below(at int32) []int32 { return v.kids[v.nodes[at].kids:v.nodes[at+1].kids] }

// count is how many nodes there are; the one behind them only ends the last list of kids.
func (v *stackView) count() int { return len(v.nodes) - 1 }

// member is a node that is merged into a stack of an answer: leaf has its numbers, at is how far the answer has gone from
// there. In a tree that is not inverted they are the same.
type member struct{ leaf, at int32 }

// merged is a stack of an answer in the making.
type merged struct {
	Stack
	members []member
	parent  *merged
	level   int
	kids    []*merged // those that are part of the answer
}

// stackQuestion answers a StackQuery.
type stackQuestion struct {
	*stackView
	*StackQuery
	queue stackQueue
}

// stacks answers a query.
func (v *stackView) stacks(query *StackQuery) (*Stacks, error) {
	q := &stackQuestion{stackView: v, StackQuery: query}
	answer := &Stacks{CutCalls: v.cutCalls, CutTotal: v.cutTotal, Coverage: v.Coverage}
	focus, err := q.focus(answer)
	if err != nil {
		return nil, err
	}
	answer.MatchedTotal, answer.MatchedCalls = q.matched(focus)
	answer.Hidden = q.expand(focus)
	focus.Stack.Parent = -1
	answer.Stacks = q.flatten(nil, focus, -1)
	answer.Focus = focus.Stack
	return answer, nil
}

// focus follows the path.
func (q *stackQuestion) focus(answer *Stacks) (*merged, error) {
	path := q.Path
	if q.Function != 0 && len(path) == 0 {
		path = []recording.FunctionID{q.Function}
	}
	at := &merged{members: []member{{}}}
	switch {
	case q.Inverted:
		at.members = q.leaves(func(*viewNode) bool { return true })
	case q.Function != 0:
		at.members = q.outermost()
	}
	q.sum(at)
	way := make([]*merged, 0, len(path)) // by the number of functions that lead there
	for i, function := range path {
		way = append(way, at)
		var next *merged
		switch {
		case i == 0 && q.Inverted:
			next = &merged{members: q.leaves(func(n *viewNode) bool { return n.function == function })}
		case i == 0 && q.Function != 0:
			next = &merged{}
			if function == q.Function {
				next = at
			}
		default:
			for _, kid := range q.kidsOf(at) {
				if kid.Function == function {
					next = kid
				}
			}
		}
		if (next == nil || len(next.members) == 0) && !q.Complete() {
			answer.Short = len(path) - i // it may yet come
			return &merged{Stack: Stack{Function: path[len(path)-1]}}, nil
		}
		if next == nil && i > 0 || next == nil && q.Function == 0 {
			// A stack that was cut is counted in one further out, though what lies between may have come again since.
			for j := len(way) - 1; j >= 0; j-- {
				if way[j].CutCalls > 0 {
					answer.Short = len(path) - j
					answer.Path = answer.Path[:min(len(answer.Path), j)]
					return way[j], nil
				}
			}
		}
		if i == 0 && (q.Function != 0 || q.Inverted) && q.cutCalls > 0 && (next == nil || len(next.members) == 0) {
			// Its calls can all be among those that were cut.
			answer.Short = 1
			return &merged{Stack: Stack{Function: function}}, nil
		}
		if next == nil || len(next.members) == 0 {
			return nil, recording.Errorf(recording.CodeNotFound, "no call of the run has this stack").
				WithHint("begin with the flame graph of the whole run")
		}
		if i > 0 || q.Function == 0 && !q.Inverted {
			answer.Path = append(answer.Path, at.Stack)
		}
		next.Function, next.level, next.parent = function, 0, nil
		q.sum(next)
		at = next
	}
	return at, nil
}

// leaves returns the nodes that want chooses, as the innermost ends of inverted stacks.
func (q *stackQuestion) leaves(want func(*viewNode) bool) []member {
	var list []member
	for i := 1; i < q.count(); i++ {
		if n := &q.nodes[i]; want(n) {
			list = append(list, member{int32(i), int32(i)})
		}
	}
	return list
}

// outermost returns the nodes of the query's function that are not below another one of it.
func (q *stackQuestion) outermost() []member {
	var list []member
	inside := make([]bool, q.count())
	for i := 1; i < q.count(); i++ {
		n := &q.nodes[i]
		inside[i] = inside[n.parent]
		if n.function == q.Function {
			if !inside[i] {
				list = append(list, member{int32(i), int32(i)})
			}
			inside[i] = true
		}
	}
	return list
}

// sum adds up the members of a stack.
func (q *stackQuestion) sum(m *merged) {
	function := m.Function
	m.Stack = Stack{Function: function}
	s := &m.Stack
	for _, member := range m.members {
		n := &q.nodes[member.leaf]
		s.Calls += n.calls
		s.Open += n.open
		s.Self += n.self
		if n.longest != 0 && (n.took > s.Took || s.Longest == 0 || n.took == s.Took && n.longest < s.Longest) {
			s.Longest, s.Took = n.longest, n.took
		}
		if !q.Inverted {
			s.Total += n.total
			s.Within += n.within
			s.CutCalls += n.cutCalls
			s.CutTotal += n.cutTotal
		}
	}
	if q.Inverted {
		s.Total, s.Within = s.Self, s.Calls
	}
}

// kidsOf groups what is directly below a stack by function.
func (q *stackQuestion) kidsOf(m *merged) []*merged {
	var list []*merged
	byFunction := map[recording.FunctionID]*merged{}
	add := func(next member) {
		function := q.nodes[next.at].function
		kid := byFunction[function]
		if kid == nil {
			kid = &merged{Stack: Stack{Function: function}, parent: m, level: m.level + 1}
			byFunction[function] = kid
			list = append(list, kid)
		}
		kid.members = append(kid.members, next)
	}
	for _, from := range m.members {
		switch {
		case !q.Inverted:
			for _, at := range q.below(from.at) {
				add(member{at, at})
			}
		case m.Function == 0:
			add(from)
		default:
			if parent := q.nodes[from.at].parent; parent != 0 {
				add(member{from.leaf, parent})
			}
		}
	}
	for _, kid := range list {
		q.sum(kid)
	}
	return list
}

func (q *stackQuestion) weight(s *Stack) uint64 {
	if q.By == ByCalls {
		return s.Within
	}
	return uint64(max(0, s.Total))
}

func (q *stackQuestion) heavier(a, b *Stack) int {
	return cmp.Or(cmp.Compare(q.weight(b), q.weight(a)), cmp.Compare(a.Function, b.Function))
}

// expand finds the heaviest stacks below the focus. It returns how many it saw and left out.
func (q *stackQuestion) expand(focus *merged) int {
	limit := q.Limit
	if limit <= 0 {
		limit = DefaultStacks
	}
	q.queue = stackQueue{q: q}
	hidden, taken := 0, 0
	spread := func(m *merged) {
		kids := q.kidsOf(m)
		if q.Depth > 0 && m.level >= q.Depth || taken >= limit {
			m.Hidden += len(kids)
			hidden += len(kids)
			return
		}
		for _, kid := range kids {
			heap.Push(&q.queue, kid)
		}
	}
	spread(focus)
	for q.queue.Len() > 0 {
		m := heap.Pop(&q.queue).(*merged)
		if taken >= limit {
			m.parent.Hidden++
			hidden++
			continue
		}
		taken++
		m.parent.kids = append(m.parent.kids, m)
		spread(m)
		m.members = nil
	}
	return hidden
}

// flatten lists what was found in the order of drawing.
func (q *stackQuestion) flatten(list []Stack, m *merged, at int) []Stack {
	slices.SortFunc(m.kids, func(a, b *merged) int { return q.heavier(&a.Stack, &b.Stack) })
	for _, kid := range m.kids {
		kid.Stack.Parent = at
		list = append(list, kid.Stack)
		list = q.flatten(list, kid, len(list)-1)
	}
	return list
}

// matched adds up the stacks below the focus, and the focus, that hold a function that was searched for.
func (q *stackQuestion) matched(focus *merged) (total int64, calls uint64) {
	if len(q.Match) == 0 {
		return 0, 0
	}
	if q.Inverted {
		holds := make([]bool, q.count())
		for i := 1; i < q.count(); i++ {
			holds[i] = q.Match[q.nodes[i].function] || holds[q.nodes[i].parent]
		}
		for _, m := range focus.members {
			if n := &q.nodes[m.leaf]; holds[m.leaf] {
				total += n.self
				calls += n.calls
			}
		}
		return total, calls
	}
	var visit func(at int32)
	visit = func(at int32) {
		if n := &q.nodes[at]; at != 0 && q.Match[n.function] {
			total += n.total
			calls += n.within
			return
		}
		for _, kid := range q.below(at) {
			visit(kid)
		}
	}
	for _, m := range focus.members {
		visit(m.at)
	}
	return total, calls
}

// stackQueue is a heap of stacks, the heaviest on top.
type stackQueue struct {
	q    *stackQuestion
	list []*merged
}

func (s *stackQueue) Len() int           { return len(s.list) }
func (s *stackQueue) Less(i, j int) bool { return s.q.heavier(&s.list[i].Stack, &s.list[j].Stack) < 0 }
func (s *stackQueue) Swap(i, j int)      { s.list[i], s.list[j] = s.list[j], s.list[i] }
func (s *stackQueue) Push(x any)         { s.list = append(s.list, x.(*merged)) }
func (s *stackQueue) Pop() any {
	last := len(s.list) - 1
	m := s.list[last]
	s.list[last] = nil
	s.list = s.list[:last]
	return m
}
