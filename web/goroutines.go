package web

import (
	"strconv"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

type goroutineRow struct {
	ID                     int64
	Function, FunctionHref string
	Parent, ParentHref     string
	Created, CreatedHref   string
	Start, Duration        string
	Calls, Events          string
	Details, Tree          string
	Current                bool
	BarX, BarWidth         string // percent of the run's time
	Open                   bool
}

type goroutinesContent struct {
	Rows        []goroutineRow
	Next, First string
	Total       string
	Quiet       string // "" when there are no such
	Empty       bool
}

const (
	goroutinesPage    = 100
	goroutinesPageMax = 1000
)

// goroutinesView lists the goroutines, by number.
func goroutinesView(q *request) (*page, error) {
	size, err := parseSize(q.query, "n", goroutinesPage, goroutinesPageMax)
	if err != nil {
		return nil, err
	}
	after, err := parseSeq(q.query, "after")
	if err != nil {
		return nil, err
	}
	list, err := q.reader.Goroutines(q.Context(), q.info.ID, int64(after), size+1)
	if err != nil {
		return nil, err
	}
	c := &goroutinesContent{Total: export.Plural(q.info.Goroutines, "goroutine"), Empty: len(list) == 0}
	if n := q.info.Quiet; n > 0 {
		c.Quiet = export.Plural(n, "further goroutine")
	}
	var next int64
	if len(list) > size {
		list = list[:size]
		next = list[size-1].ID
		c.Next = q.links.to("goroutines", "after", next)
	}
	if after > 0 {
		c.First = q.links.to("goroutines")
	}
	named := make([]analysis.Goroutine, len(list))
	for i := range list {
		named[i] = q.goroutine(&list[i])
		c.Rows = append(c.Rows, q.goroutineRow(&list[i]))
	}
	return &page{
		Template: "goroutines", Title: "Goroutines", View: "goroutines", Content: c,
		JSON: map[string]any{"run": q.links.run, "goroutines": named, "after": next},
	}, nil
}

// goroutine is a goroutine as the JSON contract has it.
func (q *request) goroutine(g *store.GoroutineInfo) analysis.Goroutine {
	return analysis.Goroutine{
		ID: g.ID, Parent: g.Parent, CreatedBy: g.Creator, CreatedIn: q.names.functionName(g.CreatedIn),
		CreatedLine: g.CreatedLine, Function: q.names.functionName(g.StartFunction), Start: g.Start, End: knownTime(g.End),
		Calls: g.Calls, Events: g.Events,
	}
}

func (q *request) goroutineRow(g *store.GoroutineInfo) goroutineRow {
	l := q.links
	row := goroutineRow{
		ID: g.ID, Function: q.names.shortName(g.StartFunction), FunctionHref: l.function(g.StartFunction),
		Start: since(g.Start), Duration: "–", Calls: count(g.Calls), Events: count(g.Events),
		Details: l.to("events", "at", 0, "g", g.ID), Tree: l.to("tree", "at", 0, "g", g.ID),
		Current: g.ID == q.focus.Goroutine, Open: g.End < 0,
	}
	if g.Parent != 0 {
		row.Parent, row.ParentHref = goroutineName(g.Parent), l.to("tree", "at", 0, "g", g.Parent)
	}
	if g.CreatedIn != 0 {
		row.Created, row.CreatedHref = q.names.shortName(g.CreatedIn), l.call(g.Creator)
		if g.CreatedLine > 0 {
			row.Created += ":" + strconv.Itoa(g.CreatedLine)
		}
	}
	end := g.End
	if end < 0 {
		end = max(g.Last, g.Start)
	} else {
		row.Duration = export.Duration(end - g.Start)
	}
	whole := float64(max(q.info.Last, 1))
	if q.info.End != nil {
		whole = float64(max(q.info.End.Duration, q.info.Last, 1))
	}
	x := max(0, min(99.5, float64(g.Start)/whole*100))
	row.BarX = strconv.FormatFloat(x, 'f', 2, 64)
	row.BarWidth = strconv.FormatFloat(max(0.5, min(100-x, float64(end-g.Start)/whole*100)), 'f', 2, 64)
	return row
}

// lossesContent says in words what a recording lacks.
type lossesContent struct {
	Ledger   recording.Ledger
	Balances bool
	Lines    []lossLine
	Untraced []untracedRow
	Cut      bool
	Complete bool
}

type lossLine struct{ Count, Name, Why string }

type untracedRow struct{ Name, Reason, Href string }

// lossesView is the loss ledger of a run.
func lossesView(q *request) (*page, error) {
	g := q.info.Ledger
	c := &lossesContent{Ledger: g, Balances: g.Balances()}
	b := q.info.Settings.Bounds
	line := func(n uint64, thing, how, why string) lossLine {
		return lossLine{count(n), noun(count(n), thing) + " " + how, why}
	}
	c.Lines = []lossLine{
		line(g.Captured, "event", "captured", "The engine saw them happen."),
		line(g.Stored, "event", "stored", "They are in the database, and in every view."),
		line(g.Dropped, "event", "dropped", "They were given up, because nobody took them in time or the recorder died. Gaps in the details say where."),
		line(g.Truncated, "value", "cut short", "Strings are kept up to "+export.Plural(uint64(max(0, b.StringBytes)), "byte")+", slices up to "+export.Plural(uint64(max(0, b.Elements)), "element")+"; --string-bytes and --elements change that."),
		line(g.Unreadable, "value", "unreadable", "Each says why where it stands. None is shown as something it may not have been."),
		line(g.Untraced, "function", "not traced", "They were asked for, but their calls could not be seen."),
	}
	const most = 1000
	untraced := []analysis.Untraced{}
	for i := range q.names.functions {
		f := &q.names.functions[i]
		if f.Trace != recording.TraceNot {
			continue
		}
		untraced = append(untraced, analysis.Untraced{Function: f.Name, Package: f.Package, Reason: f.Reason})
		if len(c.Untraced) < most {
			c.Untraced = append(c.Untraced, untracedRow{q.names.shortName(f.ID), shown(f.Reason, 300), q.links.function(f.ID)})
		} else {
			c.Cut = true
		}
	}
	c.Complete = g.Balances() && g.Dropped+g.Unreadable+g.Untraced == 0 && q.info.Status == recording.StatusComplete
	return &page{
		Template: "losses", Title: "Losses", View: "losses", Content: c,
		JSON: map[string]any{"run": q.links.run, "loss": g, "untraced": untraced},
	}, nil
}
