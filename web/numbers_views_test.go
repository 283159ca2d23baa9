package web

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"smiley/analysis"
	"smiley/export"
)

// TestNumbersOfViews reads what is drawn and listed in the call tree, the time line, the flame graph, the call graph, the
// files and the comparison, as it is without scripts, and compares it with the calls that `smiley replay --json` prints and
// the runs that `smiley show --json` does.
func TestNumbersOfViews(t *testing.T) {
	s, truths := newTruths(t)
	var both []*numbers
	for _, truth := range truths {
		n := &numbers{T: t, s: s, base: truth.base, truth: truth}
		n.trees()
		n.timelines()
		n.flames()
		n.drawnGraph()
		n.files()
		n.mostOfAll()
		both = append(both, n)
	}
	both[0].compare(both[1])
	both[1].compare(both[0])
	both[0].compare(both[0])
}

// tables returns the cells of all tables of a page.
func (d *document) tables() [][][]string {
	var all [][][]string
	for n := range d.root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "table" {
			continue
		}
		var rows [][]string
		for r := range n.Descendants() {
			if r.Data != "tr" || r.Parent.Data != "tbody" {
				continue
			}
			var cells []string
			for c := range r.ChildNodes() {
				if c.Type == html.ElementNode {
					cells = append(cells, textOf(c))
				}
			}
			rows = append(rows, cells)
		}
		all = append(all, rows)
	}
	return all
}

// classed returns the elements that have a class.
func (d *document) classed(class string) []*html.Node {
	var found []*html.Node
	for n := range d.root.Descendants() {
		if n.Type == html.ElementNode && hasClass(n, class) {
			found = append(found, n)
		}
	}
	return found
}

// titleOf is the title of an element of a drawing.
func titleOf(n *html.Node) string {
	if title := find(n, func(n *html.Node) bool { return n.Data == "title" }); title != nil {
		return textOf(title)
	}
	return ""
}

var callAddress = regexp.MustCompile(`(?:/call/|[?&]at=)(\d+)`)

// seqOf is the call that an element leads to.
func seqOf(n *html.Node) uint64 {
	link := n
	if n.Data != "a" {
		link = find(n, func(n *html.Node) bool { return n.Data == "a" && hasClass(n, "fn") })
	}
	if link == nil {
		return 0
	}
	match := callAddress.FindStringSubmatch(attribute(link, "href"))
	if match == nil {
		return 0
	}
	seq, err := strconv.ParseUint(match[1], 10, 64)
	if err != nil {
		return 0
	}
	return seq
}

// bySeq are the calls of the run.
func (n *numbers) bySeq() map[uint64]*analysis.Event {
	calls := map[uint64]*analysis.Event{}
	for i := range n.truth.calls {
		calls[n.truth.calls[i].Seq] = &n.truth.calls[i]
	}
	return calls
}

// trees compares every row of the tree, from the top and with calls in focus: each is a call with its times, and the list
// below the one in focus is that of its calls.
func (n *numbers) trees() {
	calls, below := n.bySeq(), map[uint64][]uint64{}
	for i := range n.truth.calls {
		c := &n.truth.calls[i]
		below[c.Parent] = append(below[c.Parent], c.Seq)
	}
	addresses := map[string]uint64{"/tree": 0}
	for i := range n.truth.calls {
		if c := &n.truth.calls[i]; i < 12 || len(below[c.Seq]) > 1 || c.Outcome != analysis.OutcomeReturned {
			addresses[fmt.Sprintf("/tree?at=%d", c.Seq)] = c.Seq
		}
	}
	for address, focus := range addresses {
		page := n.s.document(n.T, n.base+address)
		var listed []uint64
		for row := range page.root.Descendants() {
			seq := uint64(0)
			if row.Type == html.ElementNode && row.Data == "tr" && row.Parent.Data == "tbody" {
				seq = seqOf(row)
			}
			if seq == 0 {
				continue
			}
			c := calls[seq]
			var cells []string
			for cell := range row.ChildNodes() {
				if cell.Type == html.ElementNode {
					cells = append(cells, textOf(cell))
				}
			}
			n.same(address+": call "+strconv.FormatUint(seq, 10), [][]string{cells}, [][]string{{"*", durationText(c.Duration), durationText(c.Self), "*", since(c.Time)}})
			if c.Parent == focus && (focus != 0 || c.Goroutine == n.truth.calls[0].Goroutine) {
				listed = append(listed, seq)
			}
		}
		want := below[focus]
		if focus == 0 {
			want = slices.DeleteFunc(slices.Clone(want), func(seq uint64) bool { return calls[seq].Goroutine != n.truth.calls[0].Goroutine })
		}
		if !slices.Equal(listed, want[:min(len(want), treePage)]) {
			n.Errorf("%s lists %v, want %v", address, listed, want)
		}
	}
}

// timelines compares the tables and the drawing for windows of all sizes.
func (n *numbers) timelines() {
	var whole timelineJSON
	n.s.ask(n.base+"/timeline.json", &whole)
	for _, part := range [][2]int64{{0, 1}, {0, 2}, {1, 2}, {1, 3}, {1, 40}, {17, 40}, {39, 40}} {
		from := whole.Whole * part[0] / part[1]
		if part[0] == 0 {
			from = 0
		}
		to := from + whole.Whole/part[1]
		if to > whole.Whole || to-from < shortestWindow {
			continue
		}
		for _, px := range []int{1000, 40} {
			n.timeline(fmt.Sprintf("/timeline?plain=1&from=%d&to=%d&px=%d", from, to, px), from, to, max(1, (to-from)/int64(px)))
		}
	}
	for i := range n.truth.calls {
		if c := &n.truth.calls[i]; i < 6 || c.Failed && i < 100 || c.Outcome != analysis.OutcomeReturned {
			page := n.s.document(n.T, fmt.Sprintf("%s/timeline?at=%d", n.base, c.Seq))
			want := fmt.Sprintf("%s, %s by itself, from %s in g%d", durationText(c.Duration), durationText(c.Self), since(c.Time), c.Goroutine)
			if got := page.labelled("The call in focus"); !strings.Contains(got, want) {
				n.Errorf("call %d in focus: %q, want %q", c.Seq, got, want)
			}
		}
	}
}

// drawnCalls counts calls by the kind of box that shows them.
type drawnCalls struct {
	titles map[string]int // of calls that are drawn one by one
	dense  uint64
}

func (n *numbers) timeline(address string, from, to, narrowest int64) {
	page := n.s.document(n.T, n.base+address)
	var tracks, rows [][]string
	want := drawnCalls{titles: map[string]int{}}
	for g, err := range n.truth.run.Goroutines(n.Context()) {
		check(n, err)
		if g.Start >= to || g.End != nil && *g.End < from {
			continue
		}
		var calls, errors, panics uint64
		for i := range n.truth.calls {
			c := &n.truth.calls[i]
			if c.Goroutine != g.ID || c.Time >= to || c.Duration != nil && c.Time+*c.Duration < from {
				continue
			}
			calls++
			if c.Failed {
				errors++
			}
			if c.Outcome == analysis.OutcomePanicked {
				panics++
			}
			if c.Duration != nil && *c.Duration < narrowest {
				want.dense++
				continue
			}
			rows = append(rows, []string{"*", durationText(c.Duration), durationText(c.Self), since(c.Time), itoa(int(c.Goroutine)), strconv.FormatUint(c.Seq, 10)})
			title := durationText(c.Duration) + " from " + since(c.Time)
			if words := endedText[c.Outcome]; words != "" {
				title += ", " + words
			}
			if c.Failed {
				title += ", returned an error"
			}
			want.titles[title]++
		}
		tracks = append(tracks, []string{itoa(int(g.ID)), "*", "*", count(calls), count(errors), count(panics), "*"})
	}
	slices.SortFunc(rows, func(a, b []string) int { return cmp.Or(cmp.Compare(len(a[5]), len(b[5])), cmp.Compare(a[5], b[5])) })
	for i := range rows {
		rows[i] = rows[i][:5]
	}
	tables := page.tables()
	n.same(address, tables[0], tracks)
	if len(rows) <= timelineRows {
		var listed [][]string
		if len(tables) > 1 {
			listed = tables[1]
		}
		n.same(address, listed, rows)
	}
	n.drawn(page, address, want)
	if head := textOf(page.classed("quick")[0]); !strings.Contains(head, export.Duration(to-from)) {
		n.Errorf("%s: %q, want %s", address, head, export.Duration(to-from))
	}
}

var leadingCount = regexp.MustCompile(`^[\d,]+`)

// leading reads the number that a text begins with.
func (n *numbers) leading(text string) uint64 {
	number, err := strconv.ParseUint(strings.ReplaceAll(leadingCount.FindString(text), ",", ""), 10, 64)
	check(n, err)
	return number
}

// drawn compares the boxes and marks of a time line.
func (n *numbers) drawn(page *document, address string, want drawnCalls) {
	got := drawnCalls{titles: map[string]int{}}
	svg := page.classed("timeline")[0]
	for a := range svg.Descendants() {
		if a.Data != "a" || find(a, func(n *html.Node) bool { return n.Data == "rect" }) == nil {
			continue
		}
		title := titleOf(a)
		if hasClass(a, "dense") {
			got.dense += n.leading(title)
			continue
		}
		c := n.bySeq()[seqOf(a)]
		if c == nil {
			n.Errorf("%s: a box leads to no call: %q", address, title)
			continue
		}
		at := strings.LastIndex(title, ", "+durationText(c.Duration)+" from ")
		got.titles[title[max(at, -2)+2:]]++
	}
	if !maps.Equal(got.titles, want.titles) || got.dense != want.dense {
		n.Errorf("%s draws %v and %d merged, want %v and %d", address, got.titles, got.dense, want.titles, want.dense)
	}
}

// flames compares the table of the flame graph, and the titles of its boxes, with the calls put together by their stacks.
func (n *numbers) flames() {
	type sum struct {
		calls       uint64
		total, self int64
	}
	stacks, stackOf := map[string]*sum{}, map[uint64]string{}
	var whole int64
	names := n.shortNames()
	for i := range n.truth.calls {
		c := &n.truth.calls[i]
		stack := stackOf[c.Parent] + "\n" + names[c.Function]
		stackOf[c.Seq] = stack
		if stacks[stack] == nil {
			stacks[stack] = &sum{}
		}
		stacks[stack].calls++
		if c.Duration != nil {
			stacks[stack].total += *c.Duration
			stacks[stack].self += *c.Self
			if c.Parent == 0 {
				whole += *c.Duration
			}
		}
	}
	n.s.flame(n.base + "/flame.json") // until it has been read
	page := n.s.document(n.T, n.base+"/flame")
	want, got := map[string][3]string{}, map[string][3]string{}
	for stack, s := range stacks {
		if s.total*1000 >= whole {
			want[stack] = [3]string{count(s.calls), export.Duration(s.total), export.Duration(s.self)}
		}
	}
	var path []string
	for row := range page.root.Descendants() {
		if row.Data != "tr" || row.Parent.Data != "tbody" {
			continue
		}
		var cells []string
		level := 0
		for cell := range row.ChildNodes() {
			if cell.Type != html.ElementNode {
				continue
			}
			if hasClass(cell, "what") {
				var err error
				level, err = strconv.Atoi(strings.TrimPrefix(attribute(cell, "class"), "what i"))
				check(n, err)
			}
			cells = append(cells, textOf(cell))
		}
		path = append(path[:level], cells[0])
		got["\n"+strings.Join(path, "\n")] = [3]string{cells[1], cells[2], cells[3]}
	}
	if !maps.Equal(got, want) {
		n.Errorf("flame graph: %q, want %q", got, want)
	}
	if head := textOf(page.classed("head")[0]); !strings.Contains(head, "full width: "+export.Duration(whole)) {
		n.Errorf("flame graph: %q, want %s", head, export.Duration(whole))
	}
	boxes := 0
	for _, svg := range page.classed("flame") {
		for a := range svg.Descendants() {
			if a.Data == "a" {
				boxes++
				_, numbers, _ := strings.Cut(titleOf(a), ": ")
				known := false
				for _, s := range stacks {
					known = known || numbers == fmt.Sprintf("%s in %s, %s %%", export.Duration(s.total), export.Plural(s.calls, "call"), percent(float64(s.total)/float64(whole)*100))
				}
				if !known {
					n.Errorf("flame graph: a box says %q, which no stack does", titleOf(a))
				}
			}
		}
	}
	if boxes == 0 {
		n.Error("the flame graph has no boxes")
	}
}

// shortNames are the names that pages give functions, by their own.
func (n *numbers) shortNames() map[string]string {
	short := map[string]string{}
	for id, name := range n.names() {
		if d := n.s.document(n.T, fmt.Sprintf("%s/function/%d", n.base, id+1)); short[name] == "" {
			short[name] = textOf(find(d.root, func(n *html.Node) bool { return n.Data == "h1" }))
		}
	}
	return short
}

// drawnGraph compares the boxes, the lines and the table of the call graph, by function and by package.
func (n *numbers) drawnGraph() {
	type sum struct {
		calls       uint64
		total, self int64
	}
	for _, by := range []string{"function", "package"} {
		of := map[uint64]string{}
		nodes, edges := map[string]*sum{}, map[string]*sum{}
		add := func(to map[string]*sum, key string, c *analysis.Event) {
			if to[key] == nil {
				to[key] = &sum{}
			}
			to[key].calls++
			if c.Duration != nil {
				to[key].total += *c.Duration
				to[key].self += *c.Self
			}
		}
		for i := range n.truth.calls {
			c := &n.truth.calls[i]
			key := c.Function
			if by == "package" {
				key = c.Package
			}
			of[c.Seq] = key
			add(nodes, key, c)
			if from := of[c.Parent]; c.Parent != 0 && (by == "function" || from != key) {
				add(edges, from+"\n"+key, c)
			}
		}
		page := n.s.document(n.T, n.base+"/graph?by="+by)
		var wantNodes, gotNodes, wantLines, gotLines, wantRows, gotRows []string
		for _, s := range nodes {
			wantNodes = append(wantNodes, count(s.calls)+" × · "+export.Duration(s.self))
		}
		for _, a := range page.classed("node") {
			gotNodes = append(gotNodes, textOf(find(a, func(n *html.Node) bool { return hasClass(n, "sub") })))
		}
		for _, s := range edges {
			wantLines = append(wantLines, export.Plural(s.calls, "time")+", "+export.Duration(s.total)+" "+count(s.calls))
			wantRows = append(wantRows, count(s.calls)+" "+export.Duration(s.total))
		}
		for _, g := range page.classed("edge") {
			title := titleOf(g)
			gotLines = append(gotLines, title[strings.LastIndex(title, ": ")+2:]+" "+textOf(find(g, func(n *html.Node) bool { return n.Data == "text" })))
		}
		if len(edges) > 0 {
			for _, row := range page.table("The same as a table") {
				gotRows = append(gotRows, row[2]+" "+row[3])
			}
		}
		for what, lists := range map[string][2][]string{"nodes": {gotNodes, wantNodes}, "lines": {gotLines, wantLines}, "rows": {gotRows, wantRows}} {
			slices.Sort(lists[0])
			slices.Sort(lists[1])
			if !slices.Equal(lists[0], lists[1]) {
				n.Errorf("graph by %s, %s: %q, want %q", by, what, lists[0], lists[1])
			}
		}
	}
}

// files compares the list of files and the margins of their source with the calls.
func (n *numbers) files() {
	calls, errors := map[string]uint64{}, map[string]uint64{}
	for i := range n.truth.calls {
		c := &n.truth.calls[i]
		calls[c.Function]++
		if c.Failed {
			errors[c.Function]++
		}
	}
	var all uint64
	reached := 0
	for _, c := range calls {
		all += c
		reached++
	}
	list := n.s.document(n.T, n.base+"/files").table("")
	n.same("files", list[:1], [][]string{{"*", fmt.Sprintf("%d of 5 1 not traced", reached), "", count(all)}})
	n.same("a file without functions", list[1:], [][]string{{"*", "0 of 0", "", "0"}})
	var twin struct{ Functions []fileLineJSON }
	n.s.ask(n.base+"/files/1.json", &twin)
	_, rows := n.s.document(n.T, n.base+"/files/1").codeRows()
	names := n.names()
	marked := 0
	for _, f := range twin.Functions {
		name := names[slices.IndexFunc(names, func(name string) bool { return string([]rune(name)) == f.Function })]
		want := count(calls[name])
		if calls[name] == 0 {
			want = "?" // it was inlined away
		}
		if errors[name] > 0 {
			want += " " + export.Plural(errors[name], "error")
		}
		if got := rows[fmt.Sprintf("L%d", f.Line)].Calls; strings.Join(strings.Fields(got), " ") != want || f.Calls != calls[name] {
			n.Errorf("line %d, %s: %q and %d, want %q", f.Line, name, got, f.Calls, want)
		}
		marked++
	}
	for _, row := range rows {
		if row.Calls != "" {
			marked--
		}
	}
	if marked != 0 {
		n.Errorf("%d lines more or less than there are functions have a number of calls", marked)
	}
}

// mostOfAll compares the lists of the summary's page: where the time went, and what failed.
func (n *numbers) mostOfAll() {
	list, err := n.truth.run.Statistics(n.Context(), "self")
	check(n, err)
	page := n.s.document(n.T, n.base)
	var hot, failing [][]string
	for i := range list {
		s := &list[i]
		hot = append(hot, []string{"*", count(s.Calls), export.Duration(s.Self), ""})
		if s.Errors+s.Panics > 0 {
			failing = append(failing, []string{"*", count(s.Errors), count(s.Panics)})
		}
	}
	n.same("where the time went", page.table("Where the time went"), hot)
	n.same("what failed", page.table("What failed"), failing)
	settings := n.truth.run.Summary().Settings
	text := textOf(page.root)
	for _, want := range []string{
		"up to " + export.Plural(uint64(settings.StringBytes), "byte"), "up to " + export.Plural(uint64(settings.Elements), "element"),
		"followed " + itoa(settings.Follow) + " deep", "up to 7 % of the program's own time",
		export.Plural(uint64(settings.RingBytes), "byte") + " a thread", "events are dropped and counted", "Line by line" + shown(settings.Lines[0], 400),
	} {
		if !strings.Contains(text, want) {
			n.Errorf("the summary does not say %q", want)
		}
	}
}

// compare compares the comparison of two runs with what is known of each.
func (n *numbers) compare(other *numbers) {
	a, b := n.truth.run.Summary(), other.truth.run.Summary()
	change := func(a, b uint64) string {
		switch {
		case b > a:
			return "+" + count(b-a)
		case b < a:
			return "−" + count(a-b)
		}
		return ""
	}
	took := ""
	switch {
	case *b.Duration > *a.Duration:
		took = "+" + export.Duration(*b.Duration-*a.Duration)
	case *b.Duration < *a.Duration:
		took = "−" + export.Duration(*a.Duration-*b.Duration)
	}
	want := [][]string{{"Duration", durationText(a.Duration), durationText(b.Duration), took}}
	for _, row := range []struct {
		name string
		a, b uint64
	}{
		{"Calls", a.Calls, b.Calls},
		{"Events", a.Events, b.Events},
		{"Goroutines", a.Goroutines, b.Goroutines},
		{"Errors returned", a.Errors, b.Errors},
		{"Panics", a.Panics, b.Panics},
		{"Events dropped", a.Loss.Dropped, b.Loss.Dropped},
	} {
		want = append(want, []string{row.name, count(row.a), count(row.b), change(row.a, row.b)})
	}
	address := "/compare?run=" + strings.TrimPrefix(n.base, "/runs/") + "&run=" + strings.TrimPrefix(other.base, "/runs/")
	n.same("comparison", n.s.document(n.T, address).table("")[:len(want)], want)
}
