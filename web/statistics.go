package web

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
)

type statRow struct {
	Name, Full, Package, Href   string
	Calls, Errors, Panics       string
	HasErrors, HasPanics        bool
	Total, Self                 string
	Min, P50, P95, P99, Max     string
	TotalShare, SelfShare       int
	Spark                       *sparkline
	Slowest, Failing, Typical   string
	All                         string
	ErrorsHref, PanicsHref      string
	TotalNS, SelfNS, DurationNS int64
}

type statColumn struct {
	Name, Title, Href string
	Current, Number   bool
}

// statisticsPage is how many functions are on a page: a browser takes longer to lay thousands of rows out than we do to make them.
const statisticsPage = 200

type statisticsContent struct {
	Columns               []statColumn
	Rows                  []statRow
	Filter, Everything    string // Everything is the address without the filter
	Action                string
	Sort                  string
	Empty                 bool
	Total                 string
	Shown                 string // which of them are on this page, when not all are
	First, Previous, Next string
}

// statColumns are the columns, by the names that analysis orders by.
var statColumns = []statColumn{
	{Name: "function", Title: "Function"},
	{Name: "calls", Title: "Calls", Number: true},
	{Name: "errors", Title: "Errors", Number: true},
	{Name: "panics", Title: "Panics", Number: true},
	{Name: "total", Title: "Total", Number: true},
	{Name: "self", Title: "Self", Number: true},
	{Name: "", Title: "Spread"},
	{Name: "min", Title: "Min", Number: true},
	{Name: "p50", Title: "p50", Number: true},
	{Name: "p95", Title: "p95", Number: true},
	{Name: "p99", Title: "p99", Number: true},
	{Name: "max", Title: "Max", Number: true},
}

// statisticsView sums up every function.
func statisticsView(q *request) (*page, error) {
	order := cmp.Or(q.query.Get("sort"), "self")
	skip, err := parseSize(q.query, "skip", 0, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	run, err := analysis.Open(q.Context(), q.reader, q.links.run)
	if err != nil {
		return nil, webHints(err)
	}
	list, err := run.Statistics(q.Context(), order)
	if err != nil {
		return nil, err
	}
	if words := strings.Fields(strings.ToLower(q.focus.Filter)); len(words) > 0 {
		list = slices.DeleteFunc(list, func(s analysis.Statistics) bool {
			return slices.ContainsFunc(words, func(w string) bool {
				return !strings.Contains(w, ":") && w != "errors" && w != "panics" && w != "output" &&
					!strings.Contains(strings.ToLower(s.Function), w)
			})
		})
	}
	p := &page{
		Template: "statistics", Title: "Statistics", View: "statistics",
		JSON: map[string]any{"run": q.links.run, "sort": order, "functions": list},
	}
	if q.wantsJSON() {
		return p, nil
	}
	c := &statisticsContent{
		Filter: q.focus.Filter, Everything: q.links.to("statistics", "f", "", "sort", q.query.Get("sort")), Action: "/runs/" + q.links.run + "/statistics", Sort: order, Empty: len(list) == 0,
		Total: export.Plural(uint64(len(list)), "function"),
	}
	for _, column := range statColumns {
		column.Href, column.Current = q.links.to("statistics", "sort", column.Name), column.Name == strings.TrimSuffix(order, "_ns")
		c.Columns = append(c.Columns, column)
	}
	from := min(skip, len(list))
	c.page(q, order, from, len(list))
	c.Rows, err = q.statRows(list[from:min(from+statisticsPage, len(list))], list)
	p.Content = c
	return p, err
}

// page sets the addresses of the pages around the one that begins behind the first functions in the order.
func (c *statisticsContent) page(q *request, order string, from, all int) {
	if all <= statisticsPage && from == 0 {
		return
	}
	sorted := order
	if q.query.Get("sort") == "" {
		sorted = ""
	}
	to := func(skip int) string { return q.links.to("statistics", "sort", sorted, "skip", skip) }
	end := min(from+statisticsPage, all)
	c.Shown = count(uint64(min(from+1, all))) + " to " + count(uint64(end)) + " of " + count(uint64(all))
	if from > 0 {
		c.First, c.Previous = to(0), to(max(0, from-statisticsPage))
	}
	if end < all {
		c.Next = to(end)
	}
}

// statRows makes the rows of a list, which is all or a part of another. Bars compare them with all of that.
func (q *request) statRows(list, of []analysis.Statistics) ([]statRow, error) {
	stats, err := q.statsByFunction()
	if err != nil {
		return nil, err
	}
	var total, self int64
	for i := range of {
		total, self = max(total, of[i].Total), max(self, of[i].Self)
	}
	rows := make([]statRow, len(list))
	for i := range list {
		s := &list[i]
		rows[i] = q.statRow(s, stats[s.ID])
		rows[i].TotalShare, rows[i].SelfShare = share(s.Total, total), share(s.Self, self)
	}
	return rows, nil
}

func (q *request) statRow(s *analysis.Statistics, d *recording.FunctionDelta) statRow {
	row := statRow{
		Name: shown(s.Function, 120), Full: shown(s.Function, 400), Package: shown(s.Package, 200),
		Calls: count(s.Calls), Errors: count(s.Errors), Panics: count(s.Panics), HasErrors: s.Errors > 0, HasPanics: s.Panics > 0,
		Total: export.Duration(s.Total), Self: export.Duration(s.Self), Min: durationText(s.Min), P50: durationText(s.P50),
		P95: durationText(s.P95), P99: durationText(s.P99), Max: durationText(s.Max), TotalNS: s.Total, SelfNS: s.Self,
	}
	if s.Ended == 0 {
		row.Total, row.Self = "–", "–" // unknown, not nothing
	}
	if d == nil {
		return row
	}
	f := q.names.function(d.Function)
	if f == nil {
		return row
	}
	row.Name, row.Href = q.names.shortName(d.Function), q.links.function(d.Function)
	row.Spark = newSparkline(&d.Duration)
	word := q.names.functionWord(f)
	row.All = q.links.to("events", "at", 0, "g", 0, "f", word)
	if s.Max != nil {
		row.Typical = q.links.to("go", "at", 0, "g", 0, "f", "", "to", "typical", "function", d.Function)
		// Histograms round up to one part in sixteen, and what is asked for must be found.
		row.Slowest = q.links.to("events", "at", 0, "g", 0, "f", word+" over:"+itoa(int(max(*s.Max, 1)))+"ns")
	}
	if s.Errors > 0 {
		row.Failing = q.links.to("events", "at", 0, "g", 0, "f", word+" errors")
	}
	return row
}

// functionContent is what is known of one function.
type functionContent struct {
	statRow
	File, FileHref   string
	Called           bool
	Signature        []signaturePart
	Callers, Callees []edgeRow
	Code             []codeLine
	Trace            string
}

type signaturePart struct{ Kind, Name, Type, Note string }

type edgeRow struct {
	Name, Href, Calls, Time string
	Share                   int
	calls                   uint64
}

type edgeJSON struct {
	Caller string `json:"caller"` // "" when none was recorded
	Callee string `json:"callee"`
	Calls  uint64 `json:"calls"`
	Total  int64  `json:"total_ns"`
}

// functionView is one function: its figures, who called it, and what it called.
func functionView(q *request) (*page, error) {
	id, err := parseSeq(map[string][]string{"function": {q.PathValue("function")}}, "function")
	if err != nil {
		return nil, err
	}
	var f *recording.Function
	if id <= uint64(len(q.names.functions)) {
		f = q.names.function(recording.FunctionID(id))
	}
	if f == nil {
		return nil, recording.Errorf(recording.CodeNotFound, "the run has no function %d", id).WithHint("the statistics list them")
	}
	stats, err := q.statsByFunction()
	if err != nil {
		return nil, err
	}
	c := &functionContent{Signature: q.signature(f), Trace: traceText(f)}
	var figures *analysis.Statistics
	if d := stats[f.ID]; d != nil {
		of := analysis.StatisticsOf(f, d)
		figures = &of
		c.statRow, c.Called = q.statRow(figures, d), true
	}
	c.Name, c.Full = q.names.shortName(f.ID), shown(f.Name, 2000)
	c.File, c.FileHref = q.names.position(f, f.Line), q.links.source(f.File, f.Line)
	edges, err := q.edges(f.ID, c)
	if err != nil {
		return nil, err
	}
	c.Code, err = q.excerpt(f.ID)
	return &page{
		Template: "function", Title: c.Name, View: "statistics", Content: c,
		JSON: map[string]any{"run": q.links.run, "function": f.Name, "package": f.Package, "statistics": figures, "edges": edges},
	}, err
}

// edges finds the callers and callees of a function.
func (q *request) edges(id recording.FunctionID, c *functionContent) ([]edgeJSON, error) {
	all, err := q.edgeStats()
	if err != nil {
		return nil, err
	}
	edges := []edgeJSON{}
	for _, e := range all {
		if e.Caller != id && e.Callee != id {
			continue
		}
		edges = append(edges, edgeJSON{q.names.functionName(e.Caller), q.names.functionName(e.Callee), e.Calls, e.Total})
		if e.Callee == id {
			c.Callers = append(c.Callers, q.edgeRow(e.Caller, &e))
		}
		if e.Caller == id {
			c.Callees = append(c.Callees, q.edgeRow(e.Callee, &e))
		}
	}
	for _, list := range [][]edgeRow{c.Callers, c.Callees} {
		slices.SortStableFunc(list, func(a, b edgeRow) int { return cmp.Compare(b.calls, a.calls) })
		for i := range list {
			list[i].Share = share(int64(list[i].calls), int64(list[0].calls))
		}
	}
	return edges, nil
}

func (q *request) edgeRow(id recording.FunctionID, e *recording.EdgeDelta) edgeRow {
	row := edgeRow{Name: "nobody that was recorded", Calls: count(e.Calls), Time: export.Duration(e.Total), calls: e.Calls}
	if id != 0 {
		row.Name, row.Href = q.names.shortName(id), q.links.function(id)
	}
	return row
}

func (q *request) signature(f *recording.Function) []signaturePart {
	var parts []signaturePart
	add := func(kind string, params []recording.Param) {
		for i := range params {
			p := signaturePart{Kind: kind, Name: shown(shownName(params[i].Name), 60), Note: shown(params[i].Unreadable, 200)}
			if t, ok := q.names.types.Get(params[i].Type); ok {
				p.Type = shown(t.Name, 200)
			}
			parts = append(parts, p)
		}
	}
	add("parameter", f.Params)
	add("result", f.Results)
	return parts
}

func traceText(f *recording.Function) string {
	switch f.Trace {
	case recording.TraceProbe:
		return "traced by probes"
	case recording.TraceBreakpoint:
		return "traced by breakpoints"
	case recording.TraceNot:
		return "could not be traced: " + shown(f.Reason, 300)
	}
	return "not traced: only mentioned by a value or a goroutine"
}
