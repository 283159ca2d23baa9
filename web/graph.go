package web

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"smiley/export"
	"smiley/recording"
)

type graphBox struct {
	X, Y, Width, Height int // of the upper left corner
	TextX, NameY, NoteY int
	Name, Note, Title   string
	Href                string
	Heat                int
	Focus, Failed       bool
}

type graphLine struct {
	Path, Title, Label string
	LabelX, LabelY     int
	Weight             string
	Back               bool
}

type graphContent struct {
	Width, Height int
	ViewBox       string
	Boxes         []graphBox
	Lines         []graphLine
	Shown, Total  string
	More, Fewer   string
	Packages      bool
	ByFunction    string
	ByPackage     string
	Rows          []edgeRowFull
	Empty, Cut    bool
	Slider        int // most nodes to choose; 0: there is nothing to choose
	Action        string
	Hidden        []choice // parameters that stay
	Nodes         int
	EdgesCut      bool
}

type edgeRowFull struct {
	Caller, CallerHref, Callee, CalleeHref, Calls, Time string
}

type graphJSON struct {
	Run   string     `json:"run"`
	By    string     `json:"by"` // "function" or "package"
	Nodes int        `json:"nodes"`
	Edges []edgeJSON `json:"edges"`
}

const (
	graphNodes    = 24
	graphNodesMax = 120
	graphRows     = 500
	letterWidth   = 7 // px, of the label's font
)

// graphItem is a function or a package in the graph.
type graphItem struct {
	key   string
	id    recording.FunctionID // 0 for packages
	name  string
	calls uint64
	ended uint64
	self  int64
	total int64 // with what it called
	errs  uint64
}

type graphPair struct{ from, to string }

type graphWeight struct {
	calls uint64
	total int64
}

// graphView draws who calls whom.
func graphView(q *request) (*page, error) {
	most, err := parseSize(q.query, "n", graphNodes, graphNodesMax)
	if err != nil {
		return nil, err
	}
	by := cmp.Or(q.query.Get("by"), "function")
	if by != "function" && by != "package" {
		return nil, recording.Errorf(recording.CodeInvalid, "the graph has no nodes by %q", shorten(by, 40)).WithHint("by=function or by=package")
	}
	items, pairs, err := q.graphData(by == "package")
	if err != nil {
		return nil, err
	}
	p := &page{Template: "graph", Title: "Call graph", View: "graph"}
	p.JSON = &graphJSON{Run: q.links.run, By: by, Nodes: len(items), Edges: graphEdges(pairs)}
	if q.wantsJSON() {
		return p, nil
	}
	l := q.links
	c := &graphContent{
		Total: count(uint64(len(items))), Packages: by == "package", Nodes: min(most, len(items)),
		ByFunction: l.to("graph", "n", most), ByPackage: l.to("graph", "by", "package", "n", most), Empty: len(pairs) == 0 && len(items) == 0,
	}
	extra := []any{"n", min(2*most, graphNodesMax)}
	fewer := []any{"n", max(most/2, 3)}
	if c.Packages {
		extra, fewer = append(extra, "by", "package"), append(fewer, "by", "package")
	}
	if len(items) > most {
		c.Cut = true
		if most < graphNodesMax {
			c.More = l.to("graph", extra...)
		}
	}
	if c.Nodes > 6 {
		c.Fewer = l.to("graph", fewer...)
	}
	c.Shown = count(uint64(c.Nodes))
	if len(items) > 3 {
		c.Slider, c.Action = min(len(items), graphNodesMax), "/runs/"+l.run+"/graph"
		for _, name := range []string{"by", "at", "g", "f"} {
			if value := q.query.Get(name); value != "" {
				c.Hidden = append(c.Hidden, choice{Name: name, Value: value})
			}
		}
	}
	q.edgeRows(c, items, pairs)
	q.draw(c, items[:c.Nodes], pairs)
	p.Content = c
	return p, nil
}

// graphData returns the nodes, the one that took most time with all that it called first, and the calls between them. So callers come before
// what they call, and however few nodes are drawn, they hang together.
func (q *request) graphData(packages bool) ([]graphItem, map[graphPair]graphWeight, error) {
	stats, err := q.statsByFunction()
	if err != nil {
		return nil, nil, err
	}
	edges, err := q.edgeStats()
	if err != nil {
		return nil, nil, err
	}
	byKey := map[string]*graphItem{}
	keyOf := func(id recording.FunctionID) string {
		f := q.names.function(id)
		if f == nil {
			return ""
		}
		if packages {
			return f.Package
		}
		return f.Name
	}
	for _, id := range slices.Sorted(maps.Keys(stats)) { // instances of a generic function are one, which leads to the first of them
		d, key := stats[id], keyOf(id)
		item := byKey[key]
		if item == nil {
			item = &graphItem{key: key, name: key}
			if !packages {
				item.id, item.name = id, q.names.shortName(id)
			}
			byKey[key] = item
		}
		item.calls, item.self, item.errs = item.calls+d.Calls, item.self+d.Self, item.errs+d.Errors+d.Panics
		item.ended += d.Ended
		item.total += d.Self
		if !packages && d.Ended == d.Calls {
			item.total += d.Total - d.Self
		}
	}
	pairs := map[graphPair]graphWeight{}
	for _, e := range edges {
		from, to := keyOf(e.Caller), keyOf(e.Callee)
		if e.Caller == 0 || byKey[from] == nil || byKey[to] == nil || packages && from == to {
			continue
		}
		if packages || from != to && byKey[from].ended < byKey[from].calls {
			byKey[from].total += e.Total // what others took for a package; of a call that did not end, as much as is known
		}
		w := pairs[graphPair{from, to}]
		pairs[graphPair{from, to}] = graphWeight{w.calls + e.Calls, w.total + e.Total}
	}
	items := make([]graphItem, 0, len(byKey))
	for _, item := range byKey {
		items = append(items, *item)
	}
	slices.SortFunc(items, func(a, b graphItem) int {
		return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(b.self, a.self), cmp.Compare(b.calls, a.calls), cmp.Compare(a.key, b.key))
	})
	return items, pairs, nil
}

func sortedPairs(pairs map[graphPair]graphWeight) []graphPair {
	list := make([]graphPair, 0, len(pairs))
	for p := range pairs {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b graphPair) int {
		return cmp.Or(cmp.Compare(pairs[b].calls, pairs[a].calls), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	return list
}

func graphEdges(pairs map[graphPair]graphWeight) []edgeJSON {
	edges := []edgeJSON{}
	for _, p := range sortedPairs(pairs) {
		edges = append(edges, edgeJSON{p.from, p.to, pairs[p].calls, pairs[p].total})
	}
	return edges
}

// edgeRows lists the edges for people who do not see the drawing.
func (q *request) edgeRows(c *graphContent, items []graphItem, pairs map[graphPair]graphWeight) {
	byKey := make(map[string]*graphItem, len(items))
	for i := range items {
		byKey[items[i].key] = &items[i]
	}
	for i, p := range sortedPairs(pairs) {
		if i == graphRows {
			c.EdgesCut = true
			return
		}
		from, to := byKey[p.from], byKey[p.to]
		c.Rows = append(c.Rows, edgeRowFull{
			shown(from.name, 120), q.links.function(from.id), shown(to.name, 120), q.links.function(to.id),
			count(pairs[p].calls), export.Duration(pairs[p].total),
		})
	}
}

// draw lays the graph out and makes its boxes and lines.
func (q *request) draw(c *graphContent, items []graphItem, pairs map[graphPair]graphWeight) {
	const margin = 12
	index := make(map[string]int, len(items))
	nodes := make([]graphNode, len(items))
	names := make([]string, len(items))
	var most int64
	for i := range items {
		index[items[i].key] = i
		names[i] = graphName(items[i].name, items[i].id == 0)
		nodes[i].Width = max(90, utf8.RuneCountInString(names[i])*letterWidth+22)
		most = max(most, items[i].self)
	}
	var edges []graphEdge
	var kept []graphPair
	for _, p := range sortedPairs(pairs) {
		from, ok := index[p.from]
		to, also := index[p.to]
		if ok && also {
			edges, kept = append(edges, graphEdge{from, to}), append(kept, p)
		}
	}
	width, height, bends := layoutGraph(nodes, edges)
	c.Width, c.Height = width+2*margin+40, height+2*margin
	c.ViewBox = fmt.Sprintf("%d %d %d %d", -margin, -margin, c.Width, c.Height)
	focused := q.focusedFunction()
	for i := range items {
		n, item := &nodes[i], &items[i]
		self := "–" // unknown while no call has ended
		if item.ended > 0 {
			self = export.Duration(item.self)
		}
		box := graphBox{
			X: n.X - n.Width/2, Y: n.Y - nodeHeight/2, Width: n.Width, Height: nodeHeight, TextX: n.X, NameY: n.Y - 2, NoteY: n.Y + 12,
			Name: names[i], Note: count(item.calls) + " × · " + self, Title: shown(item.key, 300),
			Href: q.links.function(item.id), Failed: item.errs > 0, Focus: item.id != 0 && item.id == focused,
		}
		if item.id == 0 {
			box.Href = q.links.to("statistics", "f", "")
			if export.Escape(item.key) == item.key && !strings.Contains(item.key, " ") {
				box.Href = q.links.to("statistics", "f", item.key)
			}
		}
		if most > 0 {
			box.Heat = int(float64(item.self) / float64(most) * 4)
		}
		c.Boxes = append(c.Boxes, box)
	}
	for i, e := range edges {
		c.Lines = append(c.Lines, newGraphLine(&nodes[e.From], &nodes[e.To], e, kept[i], pairs[kept[i]], bends[e]))
	}
}

func (q *request) focusedFunction() recording.FunctionID {
	if q.focus.At == 0 {
		return 0
	}
	call, err := q.reader.Call(q.Context(), q.info.ID, q.focus.At)
	if err != nil {
		return 0 // the frame of the page says what is wrong with it
	}
	return call.Function
}

// newGraphLine draws an edge: down from box to box, or round the side where it leads back up.
func newGraphLine(from, to *graphNode, e graphEdge, p graphPair, w graphWeight, bends []graphNode) graphLine {
	line := graphLine{
		Title: shown(p.from, 200) + " calls " + shown(p.to, 200) + ": " + export.Plural(w.calls, "time") + ", " + export.Duration(w.total),
		Label: count(w.calls), Weight: fmt.Sprintf("%.1f", 1+math.Min(4, math.Log10(float64(w.calls)+1))),
	}
	x1, y1, x2, y2 := from.X, from.Y+nodeHeight/2, to.X, to.Y-nodeHeight/2-3
	switch {
	case e.From == e.To:
		side := from.X + from.Width/2
		line.Path = fmt.Sprintf("M%d,%d C%d,%d %d,%d %d,%d", side, from.Y-8, side+30, from.Y-16, side+30, from.Y+16, side+3, from.Y+8)
		line.LabelX, line.LabelY, line.Back = side+26, from.Y-12, true
	case to.Layer <= from.Layer:
		side1, side2 := from.X+from.Width/2, to.X+to.Width/2
		out := max(side1, side2) + 30
		line.Path = fmt.Sprintf("M%d,%d C%d,%d %d,%d %d,%d", side1, from.Y, out, from.Y, out, to.Y, side2+3, to.Y)
		line.LabelX, line.LabelY, line.Back = out-6, (from.Y+to.Y)/2, true
	default:
		first := graphNode{X: x2, Y: y2 + nodeHeight/2}
		if len(bends) > 0 {
			first = bends[0]
		}
		line.LabelX, line.LabelY = (x1+first.X)/2+4, (y1+first.Y-nodeHeight/2)/2+3
		path := fmt.Sprintf("M%d,%d", x1, y1)
		for _, b := range bends {
			path += curve(x1, y1, b.X, b.Y-nodeHeight/2) + fmt.Sprintf(" L%d,%d", b.X, b.Y+nodeHeight/2)
			x1, y1 = b.X, b.Y+nodeHeight/2
		}
		line.Path = path + curve(x1, y1, x2, y2)
	}
	return line
}

// curve leads from one height to another, leaving and arriving straight.
func curve(x1, y1, x2, y2 int) string {
	bend := (y2 - y1) / 2
	return fmt.Sprintf(" C%d,%d %d,%d %d,%d", x1, y1+bend, x2, y2-bend, x2, y2)
}

// graphName is a name short enough for a box.
func graphName(name string, pkg bool) string {
	if pkg {
		name = path.Base(name)
	}
	if utf8.RuneCountInString(name) <= 34 {
		return shown(name, 34)
	}
	if at := strings.LastIndex(name, ")."); at >= 0 {
		name = "…" + name[at+1:]
	}
	return shown(name, 34)
}
