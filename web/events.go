package web

import (
	"bytes"
	"time"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
)

// eventRow is a row of the details: an event, or a call and the return that followed it at once.
type eventRow struct {
	callRow
	Kind    string
	Text    string // of anything but calls and returns
	Code    string // the source line
	Spans   []span // the same, coloured
	Stream  string // "stdout" or "stderr"
	Leaf    bool   // call and return in one
	Related string // address of the call that started a goroutine
	To      string // address of this event
}

type eventsContent struct {
	Rows                     []eventRow
	Filter, FilterHint       string
	Goroutine                int64
	First, Previous, Next    string
	Continue                 string // the search was stopped; go on from there
	ContinueAt               string
	From, Total              string
	NextError, NextPanic     string
	Everything               string
	Filtered, Empty, Jumpbox bool
	Action                   string
	At                       uint64
	Live                     bool
	Builder                  filterParts
	Quick                    []quickFilter
	SearchedTo               uint64
	Events                   uint64
}

// quickFilter is a filter of one word, at hand.
type quickFilter struct {
	Name, Href string
	Current    bool
}

type eventsJSON struct {
	Run    string           `json:"run"`
	Events []analysis.Event `json:"events"`
	// Next is the seq to go on from, 0 at the end of the run. Complete is false when the page ends because a search came to
	// its bound and not because the page is full.
	Next     uint64 `json:"next,omitempty"`
	Complete bool   `json:"complete"`
	From     uint64 `json:"from"` // where the page begins; a search backwards came so far
}

const (
	eventsPage    = 200
	eventsPageMax = 1000
	eventsContext = 8    // events before the one in focus
	lookBehind    = 2000 // events before a page that tell what changed
)

// eventsView is the run in order.
func eventsView(q *request) (*page, error) {
	if address := q.builtFilter(); address != "" {
		return &page{Redirect: address}, nil
	}
	f, err := parseFilter(q.focus.Filter, q.names)
	if err != nil {
		return nil, err
	}
	size, err := parseSize(q.query, "n", eventsPage, eventsPageMax)
	if err != nil {
		return nil, err
	}
	found, from, err := q.eventsFound(f, size)
	if err != nil {
		return nil, err
	}
	events := found.events
	if !f.all() {
		if err := q.fillData(events); err != nil {
			return nil, err
		}
	}
	n := q.namer()
	named := make([]analysis.Event, len(events))
	for i := range events {
		if named[i], err = n.event(&events[i]); err != nil {
			return nil, err
		}
	}
	out := eventsJSON{Run: q.links.run, Events: named, Next: found.next, Complete: found.next == 0 || found.full, From: from}
	p := &page{Template: "events", Title: "Details", View: "events", JSON: &out}
	if q.wantsJSON() {
		return p, nil
	}
	c, err := q.eventsContent(n, f, &found, from, size)
	if err != nil {
		return nil, err
	}
	if c.Rows, err = q.eventRows(n, events, named); err != nil {
		return nil, err
	}
	if f.onlyReturns() {
		if err := q.addArguments(n, events, c.Rows); err != nil {
			return nil, err
		}
	}
	c.Empty = len(c.Rows) == 0
	p.Searching = c.Empty && c.Continue != ""
	p.Content = c
	return p, nil
}

// eventsFound finds the events of the page that the address asks for, and the seq that it begins at.
func (q *request) eventsFound(f *filter, size int) (scan, uint64, error) {
	from, err := parseSeq(q.query, "from")
	if err != nil {
		return scan{}, 0, err
	}
	before, err := parseSeq(q.query, "before")
	if err != nil {
		return scan{}, 0, err
	}
	if before > 0 {
		found, err := q.backward(before, size, f)
		from = found.next
		if len(found.events) > 0 {
			from = found.events[0].Seq
		}
		found.next, found.full = before, true
		return found, from, err
	}
	query := f.query()
	query.FromSeq, query.Goroutine = from, q.focus.Goroutine
	if moment := q.query.Get("t"); moment != "" {
		d, err := time.ParseDuration(moment)
		if err != nil || d < 0 {
			return scan{}, 0, recording.Errorf(recording.CodeInvalid, "%q is not a time since the run's start", shorten(moment, 40)).
				WithHint(`write it as in "1.5s" or "250ms"`)
		}
		query.FromTime = int64(d)
	} else if from == 0 && q.focus.At > eventsContext && f.all() {
		query.FromSeq = q.focus.At - eventsContext
	} else if from == 0 {
		query.FromSeq = q.focus.At
	}
	found, err := q.searchForward(query, size, f)
	if len(found.events) > 0 {
		return found, found.events[0].Seq, err
	}
	return found, max(query.FromSeq, 1), err
}

// fillData fetches the data of events that were found without it.
func (q *request) fillData(events []recording.Event) error {
	seqs := make([]uint64, 0, 2*len(events))
	for i := range events {
		seqs = append(seqs, events[i].Seq)
	}
	data, err := q.fetch(seqs, fetchJumps)
	for i := range events {
		if e, ok := data[events[i].Seq]; ok {
			events[i].Data = e.Data
		} else {
			events[i].Data = recording.AppendNoValues(nil, "not loaded for this list")
		}
	}
	return err
}

func (q *request) eventsContent(n *namer, f *filter, found *scan, from uint64, size int) (*eventsContent, error) {
	l := q.links
	c := &eventsContent{
		Filter: f.text, FilterHint: filterHint, Goroutine: q.focus.Goroutine, From: count(from), Total: count(q.info.Events),
		Everything: l.to("events", "f", ""), Filtered: !f.all(), Action: "/runs/" + l.run + "/events", At: q.focus.At,
		Live: q.info.Status == recording.StatusRecording, Builder: q.filterParts(), Events: q.info.Events,
	}
	for _, name := range []string{"errors", "panics", "output"} {
		c.Quick = append(c.Quick, quickFilter{Name: name, Href: l.to("events", "f", name), Current: f.text == name})
	}
	sized := func(extra ...any) string {
		if size != eventsPage {
			extra = append(extra, "n", size)
		}
		return l.to("events", append([]any{"at", 0}, extra...)...)
	}
	last := from
	if k := len(found.events); k > 0 {
		last = found.events[k-1].Seq
	}
	if from > 1 {
		c.First, c.Previous = sized(), sized("before", from)
	}
	if found.full {
		c.Next = sized("from", found.next)
	} else if found.next > 0 {
		c.Continue, c.ContinueAt, c.SearchedTo = sized("from", found.next), count(found.next), found.next
	}
	if q.info.Errors > 0 {
		c.NextError = l.to("go", "to", "error", "from", last+1, "view", "events")
	}
	if q.info.Panics > 0 {
		c.NextPanic = l.to("go", "to", "panic", "from", last+1, "view", "events")
	}
	return c, nil
}

// eventRows shows events. Calls that return at once are one row.
func (q *request) eventRows(n *namer, events []recording.Event, named []analysis.Event) ([]eventRow, error) {
	previous, err := q.previousCalls(n, events)
	if err != nil {
		return nil, err
	}
	rows := make([]eventRow, 0, len(events))
	for i := 0; i < len(events); i++ {
		e, out := &events[i], &named[i]
		row := q.eventRow(e, out)
		if e.Kind == recording.KindCall {
			row.Args = valueRows(out.Args, previous[e.Function])
			previous[e.Function] = out.Args
			if i+1 < len(events) && events[i+1].Kind == recording.KindReturn && events[i+1].Call == e.Seq {
				i++
				row.Leaf, row.Failed = true, events[i].Failed
				row.Results = resultRows(named[i].Results, events[i].Failed)
				row.Duration = durationText(named[i].Duration)
			}
		}
		if e.Kind == recording.KindLine {
			row.Args = localRows(out.Locals, previous[e.Function])
			previous[e.Function] = out.Locals
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// addArguments shows with each return what its call was given, as far as that can be had in time. rows are those of events.
func (q *request) addArguments(n *namer, events []recording.Event, rows []eventRow) error {
	seqs := make([]uint64, 0, len(events))
	for i := range events {
		seqs = append(seqs, events[i].Call)
	}
	calls, err := q.fetch(seqs, callJumps)
	if err != nil {
		return err
	}
	for i := range events {
		call, ok := calls[events[i].Call]
		if f := n.function(events[i].Function); ok && f != nil {
			rows[i].Args, rows[i].Known = valueRows(n.values(f.Params, call.Data), nil), true
		}
	}
	return nil
}

func (q *request) eventRow(e *recording.Event, out *analysis.Event) eventRow {
	row := eventRow{Kind: out.Kind, Code: shown(out.Source, sourceRunes), Spans: highlight([]byte(shorten(out.Source, sourceRunes)), isGo(out.File))[0], To: q.links.to("events", "at", 0, "from", e.Seq)}
	depth := e.Depth
	if e.Call != 0 && e.Kind != recording.KindCall && e.Kind != recording.KindReturn {
		depth++
	}
	function := e.Function
	row.callRow = callRow{
		Seq: e.Seq, Name: shown(out.Function, 120), Full: shown(out.Function, 400), Depth: depth, Level: min(depth, deepest),
		Start: since(e.Time), Goroutine: e.Goroutine, Failed: e.Failed, Href: q.links.call(e.Call),
		Focused: e.Call == q.focus.At && e.Call != 0,
		Place:   shorten(export.Position(out.File, out.Line), 60),
	}
	if f := q.names.function(function); f != nil {
		row.Name, row.Source = q.names.shortName(function), q.links.source(f.File, out.Line)
	}
	switch e.Kind {
	case recording.KindReturn:
		row.Results, row.Duration = resultRows(out.Results, e.Failed), durationText(out.Duration)
	case recording.KindPanic:
		row.Text = shown(out.Text, outputRunes)
	case recording.KindOutput:
		row.Text, row.Stream = shownLines(out.Text, outputRunes), "stdout"
		if out.Descriptor == 2 {
			row.Stream = "stderr"
		}
	case recording.KindGap:
		row.Text = export.Plural(out.Missing, "event") + " missing here: " + shown(out.Text, outputRunes)
	case recording.KindGoroutineStart:
		row.Text = goroutineStartText(out)
		row.Related = q.links.call(out.CreatedBy)
	case recording.KindGoroutineEnd:
		row.Text = "goroutine ended"
	}
	return row
}

func goroutineStartText(e *analysis.Event) string {
	text := "goroutine started"
	if e.ParentGoroutine != 0 {
		text += " by " + goroutineName(e.ParentGoroutine)
	}
	if e.CreatedIn != "" {
		text += " in " + shown(e.CreatedIn, 120)
	}
	if e.CreatedLine > 0 {
		text += ", line " + itoa(e.CreatedLine)
	}
	if e.Function != "" {
		text += ": " + shown(e.Function, 120)
	}
	return text
}

// previousCalls returns the arguments that functions of a page had in their last call before it, as far as that lies close.
func (q *request) previousCalls(n *namer, events []recording.Event) (map[recording.FunctionID][]analysis.Value, error) {
	previous := map[recording.FunctionID][]analysis.Value{}
	if len(events) == 0 || events[0].Seq <= 1 {
		return previous, nil
	}
	first := events[0].Seq
	data := map[recording.FunctionID][]byte{}
	everything := &filter{depth: -1}
	before, err := q.stretch(first-min(first-1, lookBehind), first, everything)
	if err != nil {
		return nil, err
	}
	for i := range before {
		if before[i].Kind == recording.KindCall {
			data[before[i].Function] = bytes.Clone(before[i].Data)
		}
	}
	for i := range events {
		id := events[i].Function
		if f := n.function(id); f != nil && data[id] != nil && previous[id] == nil {
			previous[id] = n.values(f.Params, data[id])
		}
	}
	return previous, nil
}
