package web

import (
	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
)

// Bounds of the call tree. A call shows a page of its children; calls above the focus are opened, and below it the tree
// opens by itself as far as these go.
const (
	treePage    = 60 // direct children of the call in focus
	treePageMax = 500
	treeBranch  = 12 // children of calls further down
	treeLevels  = 3  // levels below the focus
	treeRows    = 160
	treeMaxPath = 200 // callers shown above the focus
	treeReach   = 12  // what opening calls below the focus may cost: see reach
	treeFar     = 1 << 16
)

type treeContent struct {
	Goroutine  int64
	Goroutines []goroutineChoice
	MoreOfThem string // address of the goroutines page, when they are more than are listed

	AllGoroutines string // the same address
	Rows          []callRow
	Up            string // address of the tree from its top
	Empty         bool
	Cut           bool   // callers were left out
	Values        bool   // some values were not loaded
	Base          string // address of the run, for the island
	Events        uint64 // of the run
}

type goroutineChoice struct {
	ID      int64
	Text    string
	Href    string
	Current bool
}

type treeJSON struct {
	Run       string     `json:"run"`
	Goroutine int64      `json:"goroutine"`
	Path      []treeCall `json:"path"`  // callers of the focus, the outermost first, and itself
	Calls     []treeCall `json:"calls"` // its direct children, or the outermost calls
	After     uint64     `json:"after,omitempty"`
	Before    uint64     `json:"before,omitempty"` // of a list that was asked for from its end: there are calls before this one
}

// treeCall is a call with the event that ended it: calls between the two were made by it or by others meanwhile.
type treeCall struct {
	analysis.Event
	EndSeq uint64 `json:"end_seq,omitempty"`
}

// treeNode is a row of the tree before it has values: a call, or the rest of a list.
type treeNode struct {
	call  recording.Call
	level int
	path  bool // above the focus
	open  bool
	leaf  bool
	whole int64 // ns of its parent
	more  uint64
	prior uint64 // the calls of the list before this one
}

// treeView is the call tree of a goroutine, opened at the call in focus.
func treeView(q *request) (*page, error) {
	b := &treeBuilder{q: q, near: map[uint64]bool{}}
	var err error
	if b.page, err = parseSize(q.query, "n", treePage, treePageMax); err != nil {
		return nil, err
	}
	if b.after, err = parseSeq(q.query, "after"); err != nil {
		return nil, err
	}
	if b.back = q.query.Has("before"); b.back && q.query.Get("before") != "last" {
		if b.before, err = parseSeq(q.query, "before"); err != nil {
			return nil, err
		}
	}
	goroutine, err := q.treeGoroutine()
	if err != nil {
		return nil, err
	}
	p := &page{Template: "tree", Title: "Call tree", View: "tree", Island: "tree"}
	if goroutine == 0 {
		p.Content, p.JSON = &treeContent{Empty: true, AllGoroutines: q.links.to("goroutines", "g", 0)}, &treeJSON{Run: q.links.run, Path: []treeCall{}, Calls: []treeCall{}}
		return p, nil
	}
	if err := b.build(goroutine); err != nil {
		return nil, err
	}
	n := q.namer()
	calls := make([]recording.Call, len(b.nodes))
	for i := range b.nodes {
		calls[i] = b.nodes[i].call
	}
	events, err := q.callEvents(n, calls)
	if err != nil {
		return nil, err
	}
	p.JSON = b.json(goroutine, events)
	if q.wantsJSON() {
		return p, nil
	}
	c, err := b.content(goroutine, events)
	p.Content = c
	return p, err
}

// treeGoroutine is the goroutine whose tree is shown: that of the focus, else the first one that made calls.
func (q *request) treeGoroutine() (int64, error) {
	if q.focus.At != 0 {
		call, err := q.reader.Call(q.Context(), q.info.ID, q.focus.At)
		if err != nil {
			return 0, webHints(err)
		}
		return call.Goroutine, nil
	}
	if q.focus.Goroutine != 0 {
		return q.focus.Goroutine, nil
	}
	list, err := q.reader.Goroutines(q.Context(), q.info.ID, 0, 100)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	for i := range list {
		if list[i].Calls > 0 {
			return list[i].ID, nil
		}
	}
	return list[0].ID, nil
}

// treeBuilder gathers the rows of a tree.
type treeBuilder struct {
	q      *request
	page   int
	after  uint64
	back   bool   // the focus's list is read from its end
	before uint64 // or from this event; 0: its end
	nodes  []treeNode
	cut    bool
	spent  int             // of treeReach
	near   map[uint64]bool // stretches of the run that were read
}

// reach reports whether the tree may open a call by itself. Calls that lie close together are read at the price of one; a
// long call costs more, because what it called may lie anywhere in it. In a small run all are close together.
func (b *treeBuilder) reach(c *recording.Call) bool {
	stretch := c.Seq / treeFar
	cost := 0
	if !b.near[stretch] {
		cost++
	}
	if c.Outcome == recording.OutcomeOpen && b.q.info.Events-c.Seq > treeFar || c.EndSeq > c.Seq+treeFar {
		const long = 4
		cost += long
	}
	if b.spent+cost > treeReach {
		return false
	}
	b.spent += cost
	b.near[stretch] = true
	return true
}

func (b *treeBuilder) build(goroutine int64) error {
	q := b.q
	level, whole := 0, int64(0)
	if q.focus.At != 0 && q.query.Get("path") != "no" {
		path, err := q.callers(q.focus.At, treeMaxPath)
		if err != nil {
			return err
		}
		b.cut = path[0].Depth > 0 && path[0].Parent != 0
		for i := range path {
			b.nodes = append(b.nodes, treeNode{call: path[i], level: level, path: true, open: true, whole: whole})
			level, whole = level+1, duration(&path[i])
		}
	}
	above, levels := len(b.nodes), treeLevels
	if q.wantsJSON() { // which has one list
		levels = 1
	}
	list := b.list
	if b.back {
		list = b.listBack
	}
	if err := list(goroutine, q.focus.At, b.after, level, whole, b.page, levels); err != nil {
		return err
	}
	if above > 0 && len(b.nodes) == above && b.after == 0 && b.before == 0 {
		b.nodes[above-1].leaf = true
	}
	return nil
}

// callers returns a call with the calls it was made from, the outermost first, at most n of them.
func (q *request) callers(seq uint64, n int) ([]recording.Call, error) {
	path, err := q.reader.Callers(q.Context(), q.info.ID, seq, n)
	if err != nil {
		return nil, webHints(err)
	}
	for i, j := 0, len(path)-1; i < j; i, j = i+1, j-1 {
		path[i], path[j] = path[j], path[i]
	}
	return path, nil
}

// list adds the children of a call, or the outermost calls of a goroutine, and what is below them.
func (b *treeBuilder) list(goroutine int64, parent, after uint64, level int, whole int64, n, levels int) error {
	q := b.q
	var children []recording.Call
	var err error
	if parent == 0 {
		children, err = q.reader.Roots(q.Context(), q.info.ID, goroutine, after, n+1)
	} else {
		children, err = q.reader.Children(q.Context(), q.info.ID, parent, after, n+1)
	}
	if err != nil {
		return err
	}
	rest := len(children) > n
	if rest {
		children = children[:n]
	}
	if err := b.rows(goroutine, children, level, whole, levels); err != nil {
		return err
	}
	if rest {
		last := children[len(children)-1]
		b.nodes = append(b.nodes, treeNode{call: recording.Call{Parent: parent, Goroutine: goroutine}, level: level, more: last.Seq})
	}
	return nil
}

// listBack adds the last calls of a list.
func (b *treeBuilder) listBack(goroutine int64, parent, _ uint64, level int, whole int64, n, levels int) error {
	q := b.q
	var children []recording.Call
	var err error
	if parent == 0 {
		children, err = q.reader.RootsBefore(q.Context(), q.info.ID, goroutine, b.before, n+1)
	} else {
		children, err = q.reader.ChildrenBefore(q.Context(), q.info.ID, parent, b.before, n+1)
	}
	if err != nil {
		return err
	}
	if len(children) > n {
		children = children[1:]
		b.nodes = append(b.nodes, treeNode{call: recording.Call{Parent: parent, Goroutine: goroutine}, level: level, prior: children[0].Seq})
	}
	if err := b.rows(goroutine, children, level, whole, levels); err != nil {
		return err
	}
	if len(children) > 0 && b.before != 0 { // what follows was seen on the page that leads here
		last := children[len(children)-1]
		b.nodes = append(b.nodes, treeNode{call: recording.Call{Parent: parent, Goroutine: goroutine}, level: level, more: last.Seq})
	}
	return nil
}

// rows adds calls of a list, and what is below them.
func (b *treeBuilder) rows(goroutine int64, children []recording.Call, level int, whole int64, levels int) error {
	for i := range children {
		c := &children[i]
		at := len(b.nodes)
		// A call whose end is the next event made no calls.
		leaf := c.EndSeq == c.Seq+1
		b.nodes = append(b.nodes, treeNode{call: *c, level: level, leaf: leaf, whole: whole})
		if leaf || levels <= 1 || len(b.nodes) >= treeRows || !b.reach(c) {
			continue
		}
		b.nodes[at].open = true
		if err := b.list(goroutine, c.Seq, 0, level+1, duration(c), treeBranch, levels-1); err != nil {
			return err
		}
		if len(b.nodes) == at+1 {
			b.nodes[at].open, b.nodes[at].leaf = false, true
		}
	}
	return nil
}

func duration(c *recording.Call) int64 {
	if d := callDuration(c); d != nil {
		return *d
	}
	return 0
}

func (b *treeBuilder) json(goroutine int64, events []analysis.Event) *treeJSON {
	out := &treeJSON{Run: b.q.links.run, Goroutine: goroutine, Path: []treeCall{}, Calls: []treeCall{}}
	short := b.q.query.Has("short")
	for i := range b.nodes {
		node := &b.nodes[i]
		call := treeCall{Event: events[i], EndSeq: node.call.EndSeq}
		if short {
			call.shorten()
		}
		switch {
		case node.prior != 0:
			out.Before = node.prior
		case node.more != 0 && node.call.Parent == b.q.focus.At:
			out.After = node.more
		case node.more != 0:
		case node.path:
			out.Path = append(out.Path, call)
		case node.call.Parent == b.q.focus.At:
			out.Calls = append(out.Calls, call)
		}
	}
	return out
}

// shorten makes texts fit for rows of a list: nothing in them is unseen, and none is longer than is shown.
func (c *treeCall) shorten() {
	c.Source, c.Function, c.Package, c.File = "", shown(c.Function, nameRunes), shown(c.Package, nameRunes), shown(c.File, nameRunes)
	for _, values := range [][]analysis.Value{c.Args, c.Results} {
		for i := range values {
			v := &values[i]
			v.Name, v.Type, v.Value = shown(v.Name, nameRunes), shown(v.Type, nameRunes), shown(v.Value, valueRunes)
		}
	}
}

func (b *treeBuilder) content(goroutine int64, events []analysis.Event) (*treeContent, error) {
	q := b.q
	c := &treeContent{AllGoroutines: q.links.to("goroutines", "g", 0), Base: "/runs/" + q.links.run, Events: q.info.Events, Goroutine: goroutine, Up: q.links.to("tree", "at", 0, "g", goroutine), Cut: b.cut, Empty: len(b.nodes) == 0}
	for i := range b.nodes {
		node := &b.nodes[i]
		if node.more != 0 {
			c.Rows = append(c.Rows, callRow{
				Level: min(node.level, deepest),
				More:  q.links.to("tree", "at", node.call.Parent, "g", goroutine, "after", node.more),
				Last:  q.links.to("tree", "at", node.call.Parent, "g", goroutine, "before", "last"),
			})
			continue
		}
		if node.prior != 0 {
			c.Rows = append(c.Rows, callRow{
				Level: min(node.level, deepest),
				Prior: q.links.to("tree", "at", node.call.Parent, "g", goroutine, "before", node.prior),
				First: q.links.to("tree", "at", node.call.Parent, "g", goroutine),
			})
			continue
		}
		row := q.callRow(&node.call, &events[i])
		row.Level, row.Open, row.Leaf = min(node.level, deepest), node.open, node.leaf
		row.Share = share(duration(&node.call), node.whole)
		row.Expand = q.links.to("tree", "at", node.call.Seq)
		if node.open {
			row.Expand = q.links.to("tree", "at", node.call.Parent, "g", goroutine)
		}
		c.Values = c.Values || !row.Known
		c.Rows = append(c.Rows, row)
	}
	return c, q.goroutineChoices(c, goroutine)
}

// goroutineChoices lists some goroutines to change to.
func (q *request) goroutineChoices(c *treeContent, current int64) error {
	const most = 12
	list, err := q.reader.Goroutines(q.Context(), q.info.ID, 0, most+1)
	if err != nil {
		return err
	}
	if len(list) > most {
		list, c.MoreOfThem = list[:most], q.links.to("goroutines")
	}
	for i := range list {
		g := &list[i]
		c.Goroutines = append(c.Goroutines, goroutineChoice{
			ID: g.ID, Text: q.names.shortName(g.StartFunction) + ", " + export.Plural(g.Calls, "call"),
			Href: q.links.to("tree", "at", 0, "g", g.ID), Current: g.ID == current,
		})
	}
	return nil
}
