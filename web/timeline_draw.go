package web

import (
	"cmp"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

// Sizes of the drawing, in px.
const (
	lineHeight = 16 // of a level
	callHeight = 15 // of a call on it
	trackName  = 20 // above the calls
	trackGap   = 8
	axisHeight = 22
	markHeight = 12
)

const (
	timelineRows  = 200 // calls in the table
	timelineTicks = 6
)

// timelineContent is what the template shows. X and widths are percent of the drawing's width, Y px from its top.
type timelineContent struct {
	From, To, Length string
	Begin, End       string // of the window, exactly
	Links            timelineLinks
	Overview         []activityBar
	WindowX, WindowW string // of the window in the overview
	Ticks            []timelineTick
	Axis, Height     int
	Program          []timelineMark
	Tracks           []timelineTrack
	Arrows           []timelineArrow
	Selected         *timelineSelection
	Rows             []callRow
	RowsCut          bool
	Complete         bool
	Partial          bool
	Reading          readingProgress
	Narrowest        string
	Goroutines, Hint string // the choice, and how to write one
	Goroutine        int64  // in focus, when the choice is not in words
	Filter           string
	FilterHint       string
	Chosen           string // how many calls match the filter
	Unfiltered       string // address
	Matching         string // address of the events that match
	Everything       string // address of all there is
	Action           string
	At               uint64
	// For the script: the run's address, and times in ns.
	Island, Plain                  bool
	Run                            string
	FromNs, ToNs, BeginNs, WholeNs int64
	First, More                    string
	Unseen                         bool // no goroutine was found yet, but there are more to look at
}

type timelineLinks struct {
	In, Out, Earlier, Later, Whole string
	PreviousError, NextError       string
}

type timelineTick struct {
	X, Text, Href string
	Minor         bool // without text in a narrow window
}

type timelineTrack struct {
	ID                    int64
	Y, Height             int
	Name, Href            string
	Function, By, ByHref  string
	Counts                string
	Calls, Errors, Panics string // for the table
	Chosen                string // calls that match the filter
	Life, LifeW           string
	Open, Selected        bool
	Boxes                 []timelineBox
	Marks                 []timelineMark
}

type timelineBox struct {
	X, W, Text, Title, Href string
	Y, H, Tone              int
	Class                   string
	Dense                   bool
}

// Drawn is the boxes of a track as a part of a page. They are a thousand, which takes a template as long as finding them.
func (tr *timelineTrack) Drawn() template.HTML {
	var b strings.Builder
	for i := range tr.Boxes {
		tr.Boxes[i].draw(&b)
	}
	return template.HTML(b.String())
}

// draw writes the box. X and W are numbers and Class is ours; all else is escaped.
func (x *timelineBox) draw(b *strings.Builder) {
	class := x.Class
	if !x.Dense {
		class = "t" + strconv.Itoa(x.Tone) + " " + class
	}
	place := ` x="` + x.X + `%" y="` + strconv.Itoa(x.Y) + `" width="` + x.W + `%" height="`
	b.WriteString(`<a href="` + template.HTMLEscapeString(x.Href) + `" tabindex="-1" class="` + class + `"><title>` + template.HTMLEscapeString(x.Title) + `</title><rect` +
		place + strconv.Itoa(x.H) + `" rx="1.5"/>`)
	if x.Text != "" {
		b.WriteString(`<svg` + place + `15"><text x="4" y="11.5">` + template.HTMLEscapeString(x.Text) + `</text></svg>`)
	}
	b.WriteString("</a>")
}

// timelineMark is a moment with a shape of its own for each kind.
type timelineMark struct {
	X, Kind, Title, Href, Shape string
	Y                           int
	Other                       bool // the filter does not choose it
}

// timelineArrow leads from a goroutine to one that it started.
type timelineArrow struct {
	X      string
	Y1, Y2 int
	Title  string
	Down   bool
}

type timelineSelection struct {
	callRow
	Goroutine string
	Started   string // who started the goroutine
	StartHref string
	Self      string
	Show      string // address of a window around it
	Tree      string
	Details   string
}

// shapes of marks, around their moment.
var markShapes = map[recording.Kind]string{
	recording.KindPanic:     "M0 1 L5.5 11 L-5.5 11 Z",              // a triangle
	recording.KindRecovered: "M-4 6 A4 4 0 1 0 4 6 A4 4 0 1 0 -4 6", // a ring
	recording.KindOutput:    "M-3.5 2 H3.5 V10 H-3.5 Z",             // a square
	recording.KindGap:       "M-4 2 L4 10 M4 2 L-4 10",              // a cross
}

const errorShape = "M0 1 L5 6 L0 11 L-5 6 Z" // a diamond

func (t *timeline) content() (*timelineContent, error) {
	query, l := &t.query, t.q.links
	length := query.to - query.from
	c := &timelineContent{
		From: moment(query.from, length), To: moment(query.to, length), Length: export.Duration(length),
		Begin: momentParameter(query.from), End: momentParameter(query.to), Complete: t.complete, Partial: t.partial, Narrowest: export.Duration(t.narrowest),
		Goroutines: query.text, Hint: goroutinesHint, Action: "/runs/" + l.run + "/timeline", At: t.q.focus.At,
		Island: len(t.tracks) > 0 && query.plain == "", Plain: query.plain != "", Run: "/runs/" + l.run, FromNs: query.from, ToNs: query.to, BeginNs: query.begin, WholeNs: query.whole,
	}
	c.Reading = readingProgress{Covered: t.covered, Blocks: t.blocks, Stopped: t.wait < 0, Stop: t.at(query.from, query.to, "after", query.after, "read", "no"), GoOn: t.at(query.from, query.to, "after", query.after, "read", "")}
	if query.after > 0 {
		c.First = t.at(query.from, query.to)
	}
	if t.next > 0 {
		c.More = t.at(query.from, query.to, "after", t.next)
	}
	c.Unseen = len(t.tracks) == 0 && t.next > 0
	c.Everything = t.q.links.to("timeline", "at", 0, "g", 0)
	t.sayFilter(c)
	t.drawAxis(c)
	c.Axis, c.Height = axisHeight, axisHeight
	for i := range t.program.marks {
		c.Program = append(c.Program, t.drawMark(&t.program.marks[i], c.Height))
	}
	if len(c.Program) > 0 {
		c.Height += markHeight + trackGap
	}
	for _, tr := range t.tracks {
		c.Tracks = append(c.Tracks, t.drawTrack(tr, c.Height))
		c.Height += c.Tracks[len(c.Tracks)-1].Height + trackGap
	}
	t.drawArrows(c)
	if err := t.overview(c); err != nil {
		return nil, err
	}
	if err := t.selection(c); err != nil {
		return nil, err
	}
	t.table(c)
	return c, t.steps(c)
}

// sayFilter says what the filter chooses.
func (t *timeline) sayFilter(c *timelineContent) {
	if t.query.text == "" {
		c.Goroutine = t.q.focus.Goroutine
	}
	c.Filter, c.FilterHint = t.filter.text, "other calls are dimmed: "+filterHint
	if t.filter.all() {
		return
	}
	c.Unfiltered = t.at(t.query.from, t.query.to, "after", t.query.after, "f", "")
	c.Matching = t.q.links.to("events", "at", 0)
	if !t.complete {
		return
	}
	var chosen, all uint64
	for _, tr := range t.tracks {
		chosen, all = chosen+tr.counts.Chosen, all+tr.counts.Calls
	}
	c.Chosen = count(chosen) + " of " + export.Plural(all, "call")
}

// at is the address of a window.
func (t *timeline) at(from, to int64, extra ...any) string {
	from = max(0, from)
	parameters := []any{"to", momentParameter(max(to, from+shortestWindow)), "goroutines", t.query.text, "plain", t.query.plain}
	if from > 0 {
		parameters = append(parameters, "from", momentParameter(from))
	}
	if t.wait < 0 {
		parameters = append(parameters, "read", "no")
	}
	if t.query.page != tracksPage {
		parameters = append(parameters, "n", t.query.page)
	}
	return t.q.links.to("timeline", append(parameters, extra...)...)
}

// same is the address of a window with the same goroutines.
func (t *timeline) same(from, to int64) string { return t.at(from, to, "after", t.query.after) }

// steps are the ways from this window to others.
func (t *timeline) steps(c *timelineContent) error {
	from, to, whole := t.query.from, t.query.to, t.query.whole
	length := to - from
	middle := from + length/2
	links := &c.Links
	if length >= 2*shortestWindow {
		links.In = t.same(middle-length/4, middle+length/4)
	}
	if length < whole {
		low := max(0, min(middle-length, whole-2*length))
		links.Out = t.same(low, min(whole, low+2*length))
	}
	if from != t.query.begin || to != whole {
		links.Whole = t.same(t.query.begin, whole)
	}
	if from > 0 {
		links.Earlier = t.same(max(0, from-length/2), max(0, from-length/2)+length)
	}
	if to < whole {
		links.Later = t.same(from+length/2, to+length/2)
	}
	if t.q.info.Errors == 0 {
		return nil
	}
	at := t.q.focus.At
	if t.selected != nil && t.selected.Failed {
		at = t.selected.EndSeq // the error itself
	}
	if at == 0 && from > 0 {
		seq, err := t.q.firstFrom(from)
		if err != nil {
			return err
		}
		at = max(seq, 1) - 1
	}
	links.NextError = t.q.links.to("go", "to", "error", "from", at+1, "view", "timeline")
	if at > 1 {
		links.PreviousError = t.q.links.to("go", "to", "error", "before", at, "view", "timeline")
	}
	return nil
}

// x is where a moment lies, in percent.
func (t *timeline) x(at int64) float64 {
	return float64(at-t.query.from) / float64(t.query.to-t.query.from) * 100
}

// stretch is where a stretch of time lies, cut at the window.
func (t *timeline) stretch(from, to int64) (x, width string) {
	low, high := max(0, min(100, t.x(from))), max(0, min(100, t.x(to)))
	return percent(low), percent(max(high-low, 0.1))
}

func (t *timeline) drawAxis(c *timelineContent) {
	length := t.query.to - t.query.from
	step := niceStep(length / timelineTicks)
	for at := (t.query.from + step - 1) / step * step; at < t.query.to; at += step {
		if x := t.x(at); x < 93 { // its text would be cut
			c.Ticks = append(c.Ticks, timelineTick{percent(x), moment(at, step), t.same(at, min(at+step, t.query.to)), len(c.Ticks)%3 > 0})
		}
	}
}

// niceStep is the smallest of 1, 2, 5, 10, 20, … that is not below ns.
func niceStep(ns int64) int64 {
	for power := int64(1); ; power *= 10 {
		for _, n := range []int64{1, 2, 5} {
			if n*power >= ns || power > math.MaxInt64/100 {
				return n * power
			}
		}
	}
}

// moment writes a time since the run's start so that times that lie apart by a fraction of step differ.
func moment(ns, step int64) string {
	digits := 3
	for scale := int64(1_000_000); digits < 9 && step < 10*scale; scale /= 10 {
		digits++
	}
	text := strconv.FormatInt(ns+1_000_000_000*10, 10) // at least eleven digits
	seconds, fraction := ns/1_000_000_000, text[len(text)-9:]
	return "+" + strconv.FormatInt(seconds, 10) + "." + fraction[:digits] + "s"
}

func (t *timeline) drawTrack(tr *track, y int) timelineTrack {
	l, g := t.q.links, &tr.goroutine
	out := timelineTrack{
		ID: g.ID, Y: y, Name: goroutineName(g.ID), Href: l.to("tree", "at", 0, "g", g.ID), Function: t.q.names.shortName(g.StartFunction),
		Selected: t.selected != nil && t.selected.Goroutine == g.ID || t.q.focus.Goroutine == g.ID, Open: g.End < 0,
	}
	if g.StartFunction == 0 {
		out.Function = ""
	}
	if g.Parent != 0 {
		out.By, out.ByHref = startedBy(t.q.names, g.Parent, g.CreatedIn, int(g.CreatedLine)), l.call(g.Creator)
	}
	out.Calls, out.Errors, out.Panics, out.Chosen = "–", "–", "–", "–"
	if t.complete {
		out.Counts = export.Plural(tr.counts.Calls, "call")
		if !t.filter.all() {
			out.Chosen = count(tr.counts.Chosen)
			out.Counts = out.Chosen + " of " + out.Counts
		}
		out.Calls, out.Errors, out.Panics = count(tr.counts.Calls), count(tr.counts.Errors), count(tr.counts.Panics)
	}
	end := g.End
	if end < 0 {
		end = t.query.whole
	}
	out.Life, out.LifeW = t.stretch(g.Start, end)
	top, levels := y+trackName, 0
	if len(tr.marks) > 0 {
		top += markHeight
	}
	for i := range tr.calls {
		call := &tr.calls[i]
		levels = max(levels, call.Depth+1)
		out.Boxes = append(out.Boxes, t.drawCall(call, top))
		if call.Failed && call.End < t.query.to {
			out.Marks = append(out.Marks, timelineMark{
				X: percent(t.x(call.End)), Kind: "error", Title: "error returned by " + t.q.names.shortName(call.Function) + " at " + since(call.End),
				Href: l.to("timeline", "at", call.Seq), Shape: errorShape, Y: top + call.Depth*lineHeight + 2, Other: !t.filter.matchCall(call),
			})
		}
	}
	for i := range tr.bars {
		b := &tr.bars[i]
		levels = max(levels, b.depth+1)
		out.Boxes = append(out.Boxes, t.drawDense(b, top))
	}
	for i := range tr.marks {
		out.Marks = append(out.Marks, t.drawMark(&tr.marks[i], y+trackName-2))
	}
	for i := range tr.buckets {
		out.Boxes = append(out.Boxes, t.drawBucket(&tr.buckets[i], top+levels*lineHeight))
	}
	if len(tr.buckets) > 0 {
		levels++
	}
	out.Height = top - y + max(levels, 1)*lineHeight
	return out
}

func startedBy(n *names, parent int64, in recording.FunctionID, line int) string {
	text := "started by " + goroutineName(parent)
	if in != 0 {
		text += " in " + n.shortName(in)
	}
	if line > 0 {
		text += ":" + itoa(line)
	}
	return text
}

func (t *timeline) drawCall(c *recording.Call, top int) timelineBox {
	name := t.q.names.shortName(c.Function)
	end, took := c.End, durationText(callDuration(c))
	if c.Outcome == recording.OutcomeOpen {
		end = t.query.whole
	}
	box := timelineBox{
		H: callHeight,
		Y: top + c.Depth*lineHeight, Tone: tone(t.q.names.function(c.Function)), Href: t.at(t.query.from, t.query.to, "at", c.Seq, "after", t.query.after),
		Title: name + ", " + took + " from " + since(c.Start),
	}
	box.X, box.W = t.stretch(c.Start, end)
	var classes []string
	if words := endedText[outcomes[c.Outcome]]; words != "" {
		box.Title += ", " + words
		classes = append(classes, outcomes[c.Outcome])
	}
	if c.Failed {
		box.Title += ", returned an error"
		classes = append(classes, "failed")
	}
	if t.selected != nil && c.Seq == t.selected.Seq {
		classes = append(classes, "selected")
	}
	if !t.filter.matchCall(c) {
		classes = append(classes, "other")
	}
	box.Class = strings.Join(classes, " ")
	if width, _ := strconv.ParseFloat(box.W, 64); width > 2.5 {
		box.Text = shorten(name, int(width*1.6))
	}
	return box
}

func (t *timeline) drawDense(b *denseBar, top int) timelineBox {
	margin := max((b.to-b.from)/8, shortestWindow)
	box := timelineBox{
		H: callHeight,
		Y: top + b.depth*lineHeight, Href: t.same(b.from-margin, b.to+margin), Class: "dense", Dense: true,
		Title: export.Plural(b.calls, "call") + " of up to " + export.Duration(t.narrowest) + " from " + since(b.from) + ": zoom in to tell them apart",
	}
	box.X, box.W = t.stretch(b.from, b.to)
	if b.errors+b.panics > 0 {
		box.Class = "dense failed"
		box.Title += "; " + export.Plural(b.errors, "error") + ", " + export.Plural(b.panics, "panic")
	}
	if !t.filter.all() {
		box.Title += "; " + count(b.chosen) + " of them match the filter"
		if b.chosen == 0 {
			box.Class += " other"
		}
	}
	return box
}

// drawBucket draws how much happened in a stretch of time: as high as the part of it in which a call was open.
func (t *timeline) drawBucket(b *store.TimeBucket, y int) timelineBox {
	height := max(2, min(callHeight, int(float64(b.Busy)/float64(t.bucket)*callHeight)))
	box := timelineBox{
		Y: y + callHeight - height, H: height, Href: t.same(b.Start, b.Start+t.bucket), Class: "dense", Dense: true,
		Title: export.Plural(b.Calls, "call") + " from " + since(b.Start) + " for " + export.Duration(t.bucket) + ": zoom in to see them",
	}
	box.X, box.W = t.stretch(b.Start, b.Start+t.bucket)
	if b.Errors+b.Panics > 0 {
		box.Class = "dense failed"
		box.Title += "; " + export.Plural(b.Errors, "error") + ", " + export.Plural(b.Panics, "panic")
	}
	return box
}

func (t *timeline) drawMark(m *trackMark, y int) timelineMark {
	kind := m.Kind.String()
	out := timelineMark{X: percent(t.x(m.Time)), Kind: kind, Title: kind + " at " + since(m.Time), Shape: markShapes[m.Kind], Y: y, Other: !t.filter.matchMoment(m.Kind)}
	out.Href = t.q.links.to("events", "at", 0, "from", m.Seq)
	if m.count > 1 {
		out.Title = export.Plural(uint64(m.count), kind) + " from " + since(m.Time)
		out.Href = t.same(m.Time-max(1, (m.last-m.Time)/8), m.last+max(1, (m.last-m.Time)/8)+1)
	}
	return out
}

// drawArrows leads from the goroutine in focus to those it started, and to it from the one that started it. Without a focus all are
// drawn.
func (t *timeline) drawArrows(c *timelineContent) {
	where := map[int64]*timelineTrack{}
	for i := range c.Tracks {
		where[c.Tracks[i].ID] = &c.Tracks[i]
	}
	focus := t.q.focus.Goroutine
	if t.selected != nil {
		focus = t.selected.Goroutine
	}
	for _, tr := range t.tracks {
		g := &tr.goroutine
		from, to := where[g.Parent], where[g.ID]
		if from == nil || g.Start < t.query.from || g.Start >= t.query.to || focus != 0 && focus != g.ID && focus != g.Parent {
			continue
		}
		a := timelineArrow{X: percent(t.x(g.Start)), Y1: from.Y + trackName, Y2: to.Y + trackName, Down: to.Y > from.Y}
		if a.Down {
			a.Y1 = from.Y + from.Height
		} else {
			a.Y2 = to.Y + to.Height
		}
		a.Title = to.Name + " " + startedBy(t.q.names, g.Parent, g.CreatedIn, int(g.CreatedLine))
		c.Arrows = append(c.Arrows, a)
	}
}

// overview draws how much the run did over all its time, and where the window lies in it.
func (t *timeline) overview(c *timelineContent) error {
	var err error
	if c.Overview, err = t.q.activity(); err != nil {
		return err
	}
	whole := float64(t.query.whole)
	x := float64(t.query.from) / whole * activityWidth
	c.WindowX = strconv.FormatFloat(x, 'f', 1, 64)
	c.WindowW = strconv.FormatFloat(max(2, min(activityWidth-x, float64(t.query.to-t.query.from)/whole*activityWidth)), 'f', 1, 64)
	for i := range c.Overview {
		c.Overview[i].Href = t.at(c.Overview[i].from, c.Overview[i].to)
	}
	return nil
}

// selection describes the call in focus.
func (t *timeline) selection(c *timelineContent) error {
	if t.selected == nil {
		return nil
	}
	events, err := t.q.callEvents(t.q.namer(), []recording.Call{*t.selected})
	if err != nil {
		return err
	}
	l := t.q.links
	s := &timelineSelection{callRow: t.q.callRow(t.selected, &events[0]), Tree: l.to("tree"), Details: l.to("events")}
	s.Goroutine, s.Self = goroutineName(t.selected.Goroutine), s.callRow.Self
	s.Show = t.at(t.query.around(t.selected))
	for _, tr := range t.tracks {
		if g := &tr.goroutine; g.ID == t.selected.Goroutine && g.Parent != 0 {
			s.Started, s.StartHref = startedBy(t.q.names, g.Parent, g.CreatedIn, int(g.CreatedLine)), l.to("timeline", "at", g.Creator)
			if g.Creator == 0 {
				s.StartHref = ""
			}
		}
	}
	c.Selected = s
	return nil
}

// table lists the calls that are drawn, for those who do not see a drawing: the longest of them.
func (t *timeline) table(c *timelineContent) {
	var calls []recording.Call
	for _, tr := range t.tracks {
		calls = append(calls, tr.calls...)
	}
	length := func(call *recording.Call) int64 {
		if call.Outcome == recording.OutcomeOpen {
			return t.query.whole - call.Start
		}
		return call.End - call.Start
	}
	slices.SortFunc(calls, func(a, b recording.Call) int {
		return cmp.Or(cmp.Compare(length(&b), length(&a)), cmp.Compare(a.Seq, b.Seq))
	})
	if len(calls) > timelineRows {
		calls, c.RowsCut = calls[:timelineRows], true
	}
	slices.SortFunc(calls, func(a, b recording.Call) int { return cmp.Compare(a.Seq, b.Seq) })
	for i := range calls {
		call := &calls[i]
		row := t.q.callRow(call, &analysis.Event{
			Function: t.q.names.functionName(call.Function), Outcome: outcomes[call.Outcome], Failed: call.Failed,
			Duration: callDuration(call), Self: knownTime(call.Self),
		})
		row.Expand = t.q.links.to("timeline", "at", call.Seq)
		row.Start, row.Other = since(call.Start), !t.filter.matchCall(call)
		c.Rows = append(c.Rows, row)
	}
}
