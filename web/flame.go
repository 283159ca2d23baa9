package web

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

// flameStack is a call stack with what happened in its innermost call, merged over all its calls.
type flameStack struct {
	function recording.FunctionID
	calls    uint64
	total    int64 // ns, of calls that ended
	children map[recording.FunctionID]*flameStack
	example  uint64 // seq of its longest call
	longest  int64
	within   int64 // calls of it and of all below it, set by weigh
}

func (s *flameStack) child(id recording.FunctionID) *flameStack {
	c := s.children[id]
	if c == nil {
		if s.children == nil {
			s.children = map[recording.FunctionID]*flameStack{}
		}
		c = &flameStack{function: id}
		s.children[id] = c
	}
	return c
}

type flameBox struct {
	X, Width          string // percent
	Y                 int
	Name, Title, Href string
	Label             string
	Tone              int
	TextX             string
}

type flameRow struct {
	Name, Href, Calls, Time, Call string
	Level, Share                  int
}

type flameContent struct {
	Boxes       []flameBox
	Rows        []flameRow
	Height      int
	ByCalls     bool
	Time, Calls string // addresses of the two weights
	Whole       string // what the full width stands for
	Top         string // address without focus
	Partial     bool
	Upto, Total string
	Empty       bool
	Focused     string
	RowsCut     bool
}

type flameJSON struct {
	Run     string     `json:"run"`
	Weight  string     `json:"weight"` // "time" or "calls"
	Through uint64     `json:"through"`
	Partial bool       `json:"partial"` // the run goes on behind through
	Stack   *flameNode `json:"stack"`
}

type flameNode struct {
	Function string       `json:"function,omitempty"`
	Calls    uint64       `json:"calls"`
	Total    int64        `json:"total_ns"`
	Longest  uint64       `json:"longest_call,omitempty"`
	Children []*flameNode `json:"children,omitempty"`
}

const (
	flameEvents = 1_000_000
	flameBoxes  = 1500
	flameRows   = 300
	flameLine   = 20  // px of a level
	flameLevels = 120 // levels drawn
	flameStacks = 200_000
)

// flameView draws where the time went, by stack: all of the run, or what happened in the call in focus.
func flameView(q *request) (*page, error) {
	weight := cmp.Or(q.query.Get("weight"), "time")
	if weight != "time" && weight != "calls" {
		return nil, recording.Errorf(recording.CodeInvalid, "a flame graph cannot be weighed by %q", shorten(weight, 40)).
			WithHint("weight=time or weight=calls")
	}
	root, through, err := q.stacks()
	if err != nil {
		return nil, err
	}
	root.weigh()
	partial := through < q.flameEnd()
	d := &flameDrawing{q: q, byCalls: weight == "calls"}
	p := &page{Template: "flame", Title: "Flame graph", View: "flame", Island: "flame", JSON: &flameJSON{
		Run: q.links.run, Weight: weight, Through: through, Partial: partial, Stack: d.json(root, 0),
	}}
	if q.wantsJSON() {
		return p, nil
	}
	l := q.links
	c := &flameContent{
		ByCalls: d.byCalls, Time: l.to("flame"), Calls: l.to("flame", "weight", "calls"), Top: l.to("flame", "at", 0),
		Partial: partial, Upto: count(through), Total: count(q.info.Events), Empty: len(root.children) == 0,
	}
	if q.focus.At != 0 {
		for id := range root.children {
			c.Focused = q.names.shortName(id)
		}
	}
	d.draw(c, root)
	p.Content = c
	return p, nil
}

// flameEnd is the last event that belongs to what is drawn.
func (q *request) flameEnd() uint64 {
	if q.focus.At != 0 {
		if call, err := q.reader.Call(q.Context(), q.info.ID, q.focus.At); err == nil && call.EndSeq != 0 {
			return call.EndSeq
		}
	}
	return q.info.Events
}

type flameFrame struct {
	seq   uint64
	stack *flameStack
	start int64
}

// stacks merges calls by stack, up to a bound; through is the last event that it looked at.
func (q *request) stacks() (root *flameStack, through uint64, err error) {
	ctx, cancel := context.WithTimeout(q.Context(), scanTime(scanShare))
	defer cancel()
	root = &flameStack{}
	query := store.EventQuery{Goroutine: q.focus.Goroutine, FromSeq: q.focus.At, Limit: flameEvents}
	end := q.flameEnd()
	if q.focus.At != 0 {
		call, err := q.reader.Call(ctx, q.info.ID, q.focus.At)
		if err != nil {
			return nil, 0, webHints(err)
		}
		query.Goroutine = call.Goroutine
	}
	open, n, whole := map[int64][]flameFrame{}, 0, true
	for e, err := range q.reader.Events(ctx, q.info.ID, query) {
		if err != nil {
			if through > 0 && stopped(q, err) {
				whole = false
				break
			}
			return nil, 0, err
		}
		if e.Seq > end {
			break
		}
		through = e.Seq
		frames := open[e.Goroutine]
		for k := e.Unwound; k > 0 && len(frames) > 0; k-- {
			frames = closeFrame(root, frames, e.Time)
		}
		switch {
		case e.Kind == recording.KindCall:
			from := root
			if len(frames) > 0 {
				from = frames[len(frames)-1].stack
			}
			s := from.child(e.Function)
			if s.calls++; s.calls == 1 {
				n++
			}
			frames = append(frames, flameFrame{e.Seq, s, e.Time})
		case e.Kind == recording.KindReturn && e.Call != 0 && len(frames) > 0:
			frames = closeFrame(root, frames, e.Time)
		}
		open[e.Goroutine] = frames
		if n > flameStacks {
			whole = false
			break
		}
	}
	// Calls that were still open count as far as they were seen.
	last := q.info.Last
	for _, frames := range open {
		for len(frames) > 0 {
			frames = closeFrame(root, frames, max(last, frames[len(frames)-1].start))
		}
	}
	if whole && query.Limit > 0 && through < end && through < q.lastOf(query.Goroutine, end) {
		whole = false
	}
	if whole {
		through = end
	}
	return root, through, nil
}

// lastOf is the last event of a goroutine, or end when all are looked at.
func (q *request) lastOf(goroutine int64, end uint64) uint64 {
	if goroutine == 0 {
		return end
	}
	g, err := q.reader.Goroutine(q.Context(), q.info.ID, goroutine)
	if err != nil {
		return end
	}
	return min(g.LastSeq, end)
}

// closeFrame ends the innermost call. A recursive function's time counts at every level it is drawn at.
func closeFrame(root *flameStack, frames []flameFrame, at int64) []flameFrame {
	f := &frames[len(frames)-1]
	took := max(0, at-f.start)
	f.stack.total += took
	if took >= f.stack.longest {
		f.stack.longest, f.stack.example = took, f.seq
	}
	if len(frames) == 1 {
		root.total += took
		root.calls++
	}
	return frames[:len(frames)-1]
}

// flameDrawing makes boxes, rows and JSON of stacks.
type flameDrawing struct {
	q       *request
	byCalls bool
}

func (d *flameDrawing) weight(s *flameStack) int64 {
	if d.byCalls {
		return s.within
	}
	return s.total
}

// weigh counts the calls of every stack and of everything below it: by calls, a box must hold its children.
func (s *flameStack) weigh() int64 {
	s.within = 0
	if s.function != 0 {
		s.within = int64(s.calls)
	}
	for _, c := range s.children {
		s.within += c.weigh()
	}
	return s.within
}

// sorted returns the stacks below one, the heaviest first.
func (d *flameDrawing) sorted(s *flameStack) []*flameStack {
	list := make([]*flameStack, 0, len(s.children))
	weights := make(map[*flameStack]int64, len(s.children))
	for _, c := range s.children {
		list = append(list, c)
		weights[c] = d.weight(c)
	}
	slices.SortFunc(list, func(a, b *flameStack) int {
		return cmp.Or(cmp.Compare(weights[b], weights[a]), cmp.Compare(a.function, b.function))
	})
	return list
}

func (d *flameDrawing) json(s *flameStack, level int) *flameNode {
	node := &flameNode{Function: d.q.names.functionName(s.function), Calls: s.calls, Total: s.total, Longest: s.example}
	if level < flameLevels {
		for _, c := range d.sorted(s) {
			node.Children = append(node.Children, d.json(c, level+1))
		}
	}
	return node
}

func (d *flameDrawing) draw(c *flameContent, root *flameStack) {
	whole := d.weight(root)
	c.Whole = export.Duration(root.total)
	if d.byCalls {
		c.Whole = export.Plural(uint64(whole), "call")
	}
	if whole > 0 {
		d.boxes(c, root, 0, 0, float64(whole))
	}
	d.rows(c, root, 0, whole)
	c.Height += flameLine
}

// boxes draws what is below a stack from x on, left-heavy. whole is the weight of the full width.
func (d *flameDrawing) boxes(c *flameContent, s *flameStack, level int, x, whole float64) {
	if level >= flameLevels {
		return
	}
	for _, child := range d.sorted(s) {
		weight := float64(d.weight(child))
		width := weight / whole * 100
		if width < 0.08 || len(c.Boxes) >= flameBoxes {
			return
		}
		name := d.q.names.shortName(child.function)
		box := flameBox{
			X: percent(x), Width: percent(width - 0.04), Y: level * flameLine, TextX: percent(x + 0.25), Name: name, Tone: tone(d.q.names.function(child.function)),
			Title: name + ": " + export.Duration(child.total) + " in " + export.Plural(child.calls, "call") + ", " + percent(width) + " %",
			Href:  d.q.links.to("flame", "at", child.example), Label: shorten(name, int(width*1.5)),
		}
		if width < 1.6 {
			box.Label = ""
		}
		c.Boxes = append(c.Boxes, box)
		c.Height = max(c.Height, level*flameLine)
		d.boxes(c, child, level+1, x, whole)
		x += width
	}
}

// rows is the same as a table.
func (d *flameDrawing) rows(c *flameContent, s *flameStack, level int, whole int64) {
	for _, child := range d.sorted(s) {
		if len(c.Rows) >= flameRows {
			c.RowsCut = true
			return
		}
		weight := d.weight(child)
		if weight*1000 < whole {
			return
		}
		c.Rows = append(c.Rows, flameRow{
			Name: d.q.names.shortName(child.function), Href: d.q.links.function(child.function), Calls: count(child.calls),
			Time: export.Duration(child.total), Call: d.q.links.call(child.example), Level: min(level, deepest), Share: share(weight, whole),
		})
		d.rows(c, child, level+1, whole)
	}
}

func percent(f float64) string { return strconv.FormatFloat(max(0, f), 'f', 2, 64) }

// tone is a colour for a function's package, the same on every page.
func tone(f *recording.Function) int {
	if f == nil {
		return 0
	}
	h := uint32(2166136261)
	for i := range len(f.Package) {
		h = (h ^ uint32(f.Package[i])) * 16777619
	}
	for i := range len(f.Name) { // functions of a package differ a little
		h = (h ^ uint32(f.Name[i])) * 16777619
	}
	return int(h % 8)
}
