package web

import (
	"slices"
	"strconv"
	"strings"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
)

// Lengths of what is shown of one thing in a list. A call's own page shows all of it.
const (
	valueRunes  = 160
	valuesRunes = 320 // of all arguments, or all results
	nameRunes   = 400 // of functions and types, in short JSON
	treeRunes   = 80
	sourceRunes = 160
	outputRunes = 4000
	deepest     = 24 // levels of indentation
)

// valueRow is a value in a list.
type valueRow struct {
	Name, Text, Type string
	Class            string // what it is, for its colour
	Changed          bool   // it differs from the function's previous call
}

// valueClass tells kinds of values apart by their Go syntax.
func valueClass(text string) string {
	switch {
	case strings.HasPrefix(text, "<unreadable"):
		return "unknown"
	case text == "nil":
		return "nil"
	case strings.HasPrefix(text, `"`), strings.HasSuffix(text, `")`):
		return "text"
	case text == "true", text == "false":
		return "bool"
	case text != "" && (text[0] >= '0' && text[0] <= '9' || text[0] == '-'):
		return "number"
	}
	return "other"
}

// valueRows shows values. previous are those of the function's previous call, nil when there was none.
func valueRows(values, previous []analysis.Value) []valueRow {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = shown(v.Value, valueRunes)
	}
	export.Fit(texts, valuesRunes)
	rows := make([]valueRow, len(values))
	for i, v := range values {
		rows[i] = valueRow{
			Name: shown(v.Name, 60), Text: texts[i], Type: shown(v.Type, 200), Class: valueClass(v.Value),
			Changed: len(previous) == len(values) && previous[i].Value != v.Value,
		}
	}
	return rows
}

// localRows shows the variables of a line, and which of them have changed since the line before.
func localRows(values, before []analysis.Value) []valueRow {
	rows := valueRows(values, nil)
	for i, v := range values {
		at := slices.IndexFunc(before, func(b analysis.Value) bool { return b.Name == v.Name })
		rows[i].Changed = len(before) > 0 && (at < 0 || before[at].Value != v.Value)
	}
	return rows
}

// resultRows shows results; names of results add nothing in a list.
func resultRows(values []analysis.Value, failed bool) []valueRow {
	rows := valueRows(values, nil)
	for i := range rows {
		rows[i].Name = ""
		if failed && strings.HasPrefix(rows[i].Text, "error(") {
			rows[i].Class = "error"
		}
	}
	return rows
}

// callRow is a call in a list or tree.
type callRow struct {
	Seq       uint64
	Name      string // short
	Full      string
	Href      string // its page
	Function  string // the function's page
	Place     string // file:line
	Source    string // address of that
	Depth     int
	Level     int // of indentation
	Args      []valueRow
	Results   []valueRow
	Known     bool // values were fetched
	Outcome   string
	Ended     string // words, when it did not return
	Failed    bool
	Start     string
	Duration  string
	Self      string
	Share     int // 0…100: duration as a part of the parent's
	Goroutine int64
	Focused   bool
	Other     bool   // the filter does not choose it
	Expand    string // address that opens or closes it
	Open      bool
	Leaf      bool
	More      string // not a call: address of the rest of a list
	Last      string // and of its end
	Prior     string // not a call: address of what comes before in a list
	First     string // and of its beginning
}

// endedText says in words how a call ended that did not return.
var endedText = map[string]string{
	analysis.OutcomePanicked: "panicked", analysis.OutcomeExited: "ended by runtime.Goexit",
	analysis.OutcomeOpen: "did not end", analysis.OutcomeLost: "end not seen",
}

// outcomes are the names of the outcomes in the JSON contract.
var outcomes = map[recording.Outcome]string{
	recording.OutcomeOpen: analysis.OutcomeOpen, recording.OutcomeReturned: analysis.OutcomeReturned,
	recording.OutcomePanicked: analysis.OutcomePanicked, recording.OutcomeExited: analysis.OutcomeExited,
	recording.OutcomeLost: analysis.OutcomeLost,
}

// callEvent is a call with its end as the JSON contract has it. call and end are its events, nil when they were not fetched:
// then its values are missing.
func (n *namer) callEvent(c *recording.Call, call, end *recording.Event) (analysis.Event, error) {
	start := recording.Event{
		Seq: c.Seq, Time: c.Start, Goroutine: c.Goroutine, Kind: recording.KindCall, Function: c.Function, Call: c.Seq,
		Parent: c.Parent, Depth: c.Depth,
	}
	if call != nil {
		start.Data = call.Data
	}
	out, err := n.event(&start)
	if err != nil {
		return out, err
	}
	if call == nil {
		out.Args = nil
	}
	out.Outcome, out.Failed, out.Self = outcomes[c.Outcome], c.Failed, knownTime(c.Self)
	out.Duration = callDuration(c)
	if f := n.function(c.Function); end != nil && end.Kind == recording.KindReturn && f != nil {
		out.Results = n.values(f.Results, end.Data)
	}
	return out, nil
}

// callDuration returns how long a call took, nil while that is not known.
func callDuration(c *recording.Call) *int64 {
	if c.End < 0 || c.Outcome == recording.OutcomeOpen || c.Outcome == recording.OutcomeLost {
		return nil
	}
	return knownTime(c.End - c.Start)
}

// callEvents names calls, with the values of as many of them as can be had in time.
func (q *request) callEvents(n *namer, calls []recording.Call) ([]analysis.Event, error) {
	seqs := make([]uint64, 0, 2*len(calls))
	for i := range calls {
		seqs = append(seqs, calls[i].Seq)
		if calls[i].Outcome == recording.OutcomeReturned {
			seqs = append(seqs, calls[i].EndSeq)
		}
	}
	data, err := q.fetch(seqs, fetchJumps)
	if err != nil {
		return nil, err
	}
	events := make([]analysis.Event, len(calls))
	for i := range calls {
		var start, end *recording.Event
		if e, ok := data[calls[i].Seq]; ok {
			start = &e
		}
		if e, ok := data[calls[i].EndSeq]; ok && calls[i].Outcome == recording.OutcomeReturned {
			end = &e
		}
		if events[i], err = n.callEvent(&calls[i], start, end); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// callRow shows a named call.
func (q *request) callRow(c *recording.Call, e *analysis.Event) callRow {
	f := q.names.function(c.Function)
	row := callRow{
		Seq: c.Seq, Name: q.names.shortName(c.Function), Full: shown(e.Function, 400), Href: q.links.call(c.Seq),
		Function: q.links.function(c.Function), Place: q.names.position(f, e.Line), Depth: c.Depth,
		Args: valueRows(e.Args, nil), Results: resultRows(e.Results, e.Failed), Known: e.Args != nil,
		Outcome: e.Outcome, Ended: endedText[e.Outcome], Failed: e.Failed, Start: since(c.Start),
		Duration: durationText(e.Duration), Self: durationText(e.Self), Goroutine: c.Goroutine,
		Focused: c.Seq == q.focus.At,
	}
	for _, values := range [][]valueRow{row.Args, row.Results} {
		for i := range values {
			values[i].Text = shorten(values[i].Text, treeRunes)
		}
	}
	if f != nil {
		row.Source = q.links.source(f.File, e.Line)
	}
	return row
}

// share returns part as a percentage of whole, at least 1 when there is any.
func share(part, whole int64) int {
	if part <= 0 || whole <= 0 {
		return 0
	}
	return int(max(1, min(100, float64(part)/float64(whole)*100)))
}

// goroutineName is how pages call a goroutine.
func goroutineName(id int64) string {
	if id == 0 {
		return ""
	}
	return "g" + strconv.FormatInt(id, 10)
}

func count(n uint64) string { return export.Count(n) }
