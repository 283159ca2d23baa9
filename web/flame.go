package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

type flameBox struct {
	X, Width          string // percent
	Y                 int
	Name, Title, Href string
	Label             string
	Tone              int
	Found             bool // by the search
}

type flameRow struct {
	Name, Href, Calls, Time, Self, Call string
	Level, Share                        int
	Found                               bool
}

// flameChoice is one of some ways to see the graph.
type flameChoice struct {
	Name, Href string
	Current    bool
}

type flameContent struct {
	Boxes                []flameBox
	Rows                 []flameRow
	Height               int
	Weights, Ways        []flameChoice
	Whole                string // what the full width stands for
	Path                 []flameChoice
	Top                  string // address without focus
	Focused              string
	FocusedText          string // what is known of it
	Function, Merged     string // addresses: the function, and all its calls wherever they were made
	Longest              string
	Inverted             bool
	Partial              bool
	Reading              readingProgress
	Goroutine            int64
	Empty                bool
	Short                bool // the stack that was asked for was cut
	RowsCut              bool
	Hidden, Cut          string
	Source               string // address of the JSON
	Action, Search       string
	Fields               []flameField // what a search must keep
	Matched              string
	SearchFailed, IsFind bool
}

// readingProgress says how far a run was read, with the ways to stop that and to go on.
type readingProgress struct {
	Covered, Blocks uint32
	Stopped         bool
	Stop, GoOn      string
}

// patience is how long to wait for what is still being read: below 0, nothing is read.
func (q *request) patience(normal time.Duration) time.Duration {
	switch {
	case q.server.patient:
		return 0
	case q.query.Get("read") == "no":
		return -1
	}
	return normal
}

type flameField struct{ Name, Value string }

type flameJSON struct {
	Run      string       `json:"run"`
	Weight   string       `json:"weight"` // "time" or "calls"
	Inverted bool         `json:"inverted,omitempty"`
	Through  uint64       `json:"through"`
	Partial  bool         `json:"partial"` // the run goes on behind through
	Path     []flameFrame `json:"path,omitempty"`
	Short    int          `json:"short,omitempty"` // functions of the stack that was asked for which were cut
	Stack    *flameNode   `json:"stack"`
	Hidden   int          `json:"hidden"` // stacks left out, as far as they were looked at
	CutCalls uint64       `json:"cut_calls"`
	CutTime  int64        `json:"cut_ns"`
	Matched  *flameMatch  `json:"matched,omitempty"`
}

// flameFrame is one function of the path to the focus.
type flameFrame struct {
	ID       recording.FunctionID `json:"id"`
	Function string               `json:"function"`
}

type flameMatch struct {
	Calls uint64 `json:"calls"`
	Time  int64  `json:"total_ns"`
}

type flameNode struct {
	ID       recording.FunctionID `json:"id,omitempty"`
	Function string               `json:"function,omitempty"`
	Calls    uint64               `json:"calls"`
	Open     uint64               `json:"open,omitempty"`
	Total    int64                `json:"total_ns"`
	Self     int64                `json:"self_ns"`
	Within   uint64               `json:"within"`
	CutCalls uint64               `json:"cut_calls,omitempty"`
	CutTime  int64                `json:"cut_ns,omitempty"`
	Hidden   int                  `json:"hidden,omitempty"`
	Longest  uint64               `json:"longest_call,omitempty"`
	Children []*flameNode         `json:"children,omitempty"`
}

const (
	flameBoxes  = 1500
	flameMost   = 20_000
	flameRows   = 300
	flameLine   = 20  // px of a level
	flameLevels = 120 // levels drawn
	flamePath   = 256 // functions of a path
	// flameWait is how long a page waits for a part of the run that nobody asked for before.
	flameWait = 50 * time.Millisecond
)

// flame is a question for a flame graph and its answer.
type flame struct {
	q *request
	store.StackQuery
	search string
	found  map[recording.FunctionID]bool
	answer *store.Stacks
}

// flameView draws where the time went, by stack: all of the run, or what the stack in focus called.
func flameView(q *request) (*page, error) {
	f := &flame{q: q}
	if err := f.parse(); err != nil {
		return nil, err
	}
	var err error
	if f.answer, err = q.reader.Stacks(q.Context(), q.info.ID, f.StackQuery); err != nil {
		return nil, webHints(err)
	}
	if f.answer.Focus.Calls > 0 || f.answer.Focus.Function == 0 {
		f.Path = f.Path[:len(f.Path)-min(f.answer.Short, len(f.Path))]
	}
	p := &page{Template: "flame", Title: "Flame graph", View: "flame", Island: "flame", JSON: f.json()}
	if q.wantsJSON() {
		return p, nil
	}
	c := f.content()
	if !f.answer.Complete() && f.Wait >= 0 {
		p.Refresh = 1
	}
	p.Content = c
	return p, nil
}

// parse reads the parameters.
func (f *flame) parse() error {
	q := f.q
	switch weight := cmp.Or(q.query.Get("weight"), "time"); weight {
	case "time":
	case "calls":
		f.By = store.ByCalls
	default:
		return recording.Errorf(recording.CodeInvalid, "a flame graph cannot be weighed by %q", shorten(weight, 40)).
			WithHint("weight=time or weight=calls")
	}
	f.Inverted = q.query.Get("inverted") != ""
	f.Goroutine = q.focus.Goroutine
	f.Wait = q.patience(flameWait)
	var err error
	normal := flameBoxes
	if f.Limit, err = parseSize(q.query, "n", normal, flameMost); err != nil {
		return err
	}
	if f.Depth, err = parseSize(q.query, "levels", flameLevels, flamePath); err != nil {
		return err
	}
	if f.Path, err = parsePath(q.query.Get("stack")); err != nil {
		return err
	}
	function, err := parseSeq(q.query, "function")
	if err != nil {
		return err
	}
	f.Function = recording.FunctionID(function)
	if q.focus.At != 0 && f.Path == nil && f.Function == 0 && q.query.Get("whole") == "" {
		if err := f.focusCall(); err != nil {
			return err
		}
	}
	if f.search = strings.TrimSpace(q.query.Get("q")); f.search != "" {
		if len(f.search) > 200 || export.Escape(f.search) != f.search {
			return recording.Errorf(recording.CodeInvalid, "this cannot be part of a function's name").WithHint("a part of a name, or a pattern of --include")
		}
		var names filter
		names.addFunctions(f.search, q.names)
		f.found = names.functions
		f.Match = f.found
	}
	return nil
}

// parsePath reads functions' numbers with points between them.
func parsePath(text string) ([]recording.FunctionID, error) {
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, ".")
	path := make([]recording.FunctionID, 0, len(parts))
	for _, part := range parts {
		id, err := strconv.ParseUint(part, 10, 32)
		if err != nil || id == 0 || len(parts) > flamePath {
			return nil, recording.Errorf(recording.CodeInvalid, "stack=%s is not a stack", shorten(text, 40)).
				WithHint("follow a link of the page instead of editing its address")
		}
		path = append(path, recording.FunctionID(id))
	}
	return path, nil
}

func pathText(path []recording.FunctionID) string {
	var text []byte
	for i, id := range path {
		if i > 0 {
			text = append(text, '.')
		}
		text = strconv.AppendUint(text, uint64(id), 10)
	}
	return string(text)
}

// focusCall makes the stack of the call in focus the one that is drawn.
func (f *flame) focusCall() error {
	calls, err := f.q.reader.Callers(f.q.Context(), f.q.info.ID, f.q.focus.At, 4*flamePath)
	if err != nil {
		return webHints(err)
	}
	if f.Inverted {
		f.Path = []recording.FunctionID{calls[0].Function}
		return nil
	}
	for _, c := range slices.Backward(calls) {
		f.Path = append(f.Path, c.Function)
	}
	f.Path = f.Path[:min(len(f.Path), store.StackLevels)] // deeper ones were merged into the last of them
	return nil
}

// to returns the address of this view with another focus. Names and values of further parameters come behind.
func (f *flame) to(path []recording.FunctionID, function recording.FunctionID, extra ...any) string {
	whole := ""
	if len(path) == 0 && function == 0 && f.q.focus.At != 0 {
		whole = "1"
	}
	list := []any{"stack", pathText(path), "function", function, "whole", whole, "q", f.search}
	if f.By == store.ByCalls {
		list = append(list, "weight", "calls")
	}
	if f.Inverted {
		list = append(list, "inverted", "1")
	}
	if f.Wait < 0 {
		list = append(list, "read", "no")
	}
	return f.q.links.to("flame", append(list, extra...)...)
}

func (f *flame) weight(s *store.Stack) uint64 {
	if f.By == store.ByCalls {
		return s.Within
	}
	return uint64(max(0, s.Total))
}

func (f *flame) json() *flameJSON {
	a := f.answer
	out := &flameJSON{
		Run: f.q.links.run, Weight: "time", Inverted: f.Inverted, Through: a.Events, Partial: !a.Complete(), Hidden: a.Hidden,
		CutCalls: a.CutCalls, CutTime: a.CutTotal, Short: a.Short, Stack: f.node(&a.Focus),
	}
	if f.By == store.ByCalls {
		out.Weight = "calls"
	}
	if f.search != "" {
		out.Matched = &flameMatch{a.MatchedCalls, a.MatchedTotal}
	}
	for _, id := range f.Path {
		out.Path = append(out.Path, flameFrame{id, f.q.names.functionName(id)})
	}
	nodes := make([]*flameNode, len(a.Stacks))
	for i := range a.Stacks {
		nodes[i] = f.node(&a.Stacks[i])
		above := out.Stack
		if at := a.Stacks[i].Parent; at >= 0 {
			above = nodes[at]
		}
		above.Children = append(above.Children, nodes[i])
	}
	return out
}

func (f *flame) node(s *store.Stack) *flameNode {
	return &flameNode{
		ID: s.Function, Function: f.q.names.functionName(s.Function), Calls: s.Calls, Open: s.Open, Total: s.Total, Self: s.Self,
		Within: s.Within, CutCalls: s.CutCalls, CutTime: s.CutTotal, Hidden: s.Hidden, Longest: s.Longest,
	}
}

func (f *flame) content() *flameContent {
	a, l := f.answer, f.q.links
	c := &flameContent{
		Inverted: f.Inverted, Partial: !a.Complete(), Goroutine: f.Goroutine, Empty: len(a.Stacks) == 0 && a.Focus.Function == 0,
		Top: f.to(nil, 0), Search: f.search, SearchFailed: f.search != "" && len(f.found) == 0, IsFind: f.search != "",
		Whole: f.amount(&a.Focus), Short: a.Short > 0,
	}
	c.Reading = readingProgress{Covered: a.Blocks, Blocks: a.Of, Stopped: f.Wait < 0, Stop: f.to(f.Path, f.Function, "read", "no"), GoOn: f.to(f.Path, f.Function, "read", "")}
	other := *f
	other.search = f.search
	for _, way := range []struct {
		name string
		by   store.StackWeight
	}{{"by time", store.ByTime}, {"by calls", store.ByCalls}} {
		other.By = way.by
		c.Weights = append(c.Weights, flameChoice{way.name, other.to(f.Path, f.Function), f.By == way.by})
	}
	other.By = f.By
	for _, way := range []struct {
		name     string
		inverted bool
	}{{"callees", false}, {"callers", true}} {
		// A path is another one the other way round: what stays is the function in focus.
		other.Inverted = way.inverted
		path, function := f.Path, f.Function
		switch {
		case way.inverted == f.Inverted:
		case way.inverted && a.Focus.Function != 0:
			path, function = []recording.FunctionID{a.Focus.Function}, 0
		case !way.inverted && len(path) > 0:
			path, function = nil, path[0]
		}
		c.Ways = append(c.Ways, flameChoice{way.name, other.to(path, function), f.Inverted == way.inverted})
	}
	f.head(c)
	u, err := url.Parse(f.to(f.Path, f.Function))
	if err == nil {
		c.Action, c.Source = u.Path, u.Path+".json?"+u.RawQuery
		query := u.Query()
		query.Del("q")
		for name, values := range query {
			c.Fields = append(c.Fields, flameField{name, values[0]})
		}
		slices.SortFunc(c.Fields, func(a, b flameField) int { return cmp.Compare(a.Name, b.Name) })
	}
	if len(f.found) > 0 {
		c.Matched = f.matched()
	}
	if a.Hidden > 0 {
		c.Hidden = export.Plural(uint64(a.Hidden), "smaller stack")
	}
	if a.CutCalls > 0 {
		c.Cut = export.Plural(a.CutCalls, "call")
	}
	if a.Focus.Function != 0 {
		c.Longest = l.call(a.Focus.Longest)
	}
	f.draw(c)
	return c
}

// head says what is in focus, and leads to its callers.
func (f *flame) head(c *flameContent) {
	a := f.answer
	if a.Focus.Function == 0 {
		return
	}
	names := f.q.names
	c.Focused = names.shortName(a.Focus.Function)
	c.FocusedText = export.Plural(a.Focus.Calls, "call") + ", " + export.Duration(a.Focus.Total) + ", of it " + export.Duration(a.Focus.Self) + " in itself"
	c.Function = f.q.links.function(a.Focus.Function)
	if f.Function == 0 && !f.Inverted {
		c.Merged = f.to(nil, a.Focus.Function)
	}
	c.Path = append(c.Path, flameChoice{Name: "the whole run", Href: c.Top})
	for i, id := range f.Path {
		c.Path = append(c.Path, flameChoice{names.shortName(id), f.to(f.Path[:i+1], f.Function), i == len(f.Path)-1})
	}
	if len(f.Path) == 0 {
		c.Path = append(c.Path, flameChoice{names.shortName(f.Function), f.to(nil, f.Function), true})
	}
}

// amount is a stack's weight in words.
func (f *flame) amount(s *store.Stack) string {
	if f.By == store.ByCalls {
		return export.Plural(s.Within, "call")
	}
	return export.Duration(s.Total)
}

// matched says how much of what is drawn a search found.
func (f *flame) matched() string {
	a := f.answer
	sum := store.Stack{Total: a.MatchedTotal, Within: a.MatchedCalls}
	text := f.amount(&sum)
	if whole := f.weight(&a.Focus); whole > 0 {
		text += ", " + percent(float64(f.weight(&sum))/float64(whole)*100) + " %"
	}
	return text
}

// draw makes the boxes, left-heavy, and the same as a table.
func (f *flame) draw(c *flameContent) {
	list := f.answer.Stacks
	whole := f.weight(&f.answer.Focus)
	type place struct {
		next  float64 // where the next box below begins
		level int
		path  []recording.FunctionID
	}
	base := f.Path
	if f.Function != 0 && len(base) == 0 {
		base = []recording.FunctionID{f.Function}
	}
	places := make([]place, len(list))
	top := place{path: base}
	for i := range list {
		s := &list[i]
		above := &top
		if s.Parent >= 0 {
			above = &places[s.Parent]
		}
		weight := f.weight(s)
		width := float64(weight) / float64(max(whole, 1)) * 100
		x := above.next
		above.next += width
		places[i] = place{next: x, level: above.level + 1, path: append(slices.Clip(above.path), s.Function)}
		found := f.found[s.Function]
		href := f.to(places[i].path, f.Function)
		if width >= 0.08 && len(c.Boxes) < flameBoxes {
			f.box(c, s, above.level, x, width, href)
		}
		switch {
		case len(c.Rows) >= flameRows:
			c.RowsCut = true
		case weight*1000 >= whole || found:
			c.Rows = append(c.Rows, flameRow{
				Name: f.q.names.shortName(s.Function), Href: href, Calls: count(s.Calls), Time: export.Duration(s.Total), Self: export.Duration(s.Self),
				Call: f.q.links.call(s.Longest), Level: min(above.level, deepest), Share: share(int64(weight), int64(whole)), Found: found,
			})
		}
	}
	c.Height += flameLine
}

func (f *flame) box(c *flameContent, s *store.Stack, level int, x, width float64, href string) {
	name := f.q.names.shortName(s.Function)
	box := flameBox{
		X: percent(x), Width: percent(width - 0.04), Y: level * flameLine, Name: name, Tone: tone(f.q.names.function(s.Function)),
		Title: name + ": " + export.Duration(s.Total) + " in " + export.Plural(s.Calls, "call") + ", " + percent(width) + " %",
		Href:  href, Label: shorten(name, int(width*1.5)), Found: f.found[s.Function],
	}
	if width < 1.6 {
		box.Label = ""
	}
	c.Boxes = append(c.Boxes, box)
	c.Height = max(c.Height, level*flameLine)
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
