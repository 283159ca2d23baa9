package web

import (
	"cmp"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
)

type compareContent struct {
	Runs []compareHead
	Rows []compareRow
}

type compareHead struct{ Name, Args, Href, Short, State, StateText, Start, Statistics string }

// compareRow is something about each of two runs.
type compareRow struct {
	Name   string
	Texts  [2]string
	Change string // of the second against the first, when both are known numbers
	Worse  bool
}

type compareJSON struct {
	Runs []analysis.Summary `json:"runs"`
}

// compareView shows two runs side by side.
func compareView(q *request) (*page, error) {
	names := q.query["run"]
	if len(names) != 2 {
		return nil, recording.Errorf(recording.CodeInvalid, "two runs can be compared, and %s chosen", chosen(len(names))).
			WithHint("tick two of them in the list of runs")
	}
	if q.reader == nil {
		return nil, recording.Errorf(recording.CodeNotFound, "there are no runs").WithHint("record a program first: smiley run ./your/program")
	}
	c, out := &compareContent{}, &compareJSON{}
	for _, name := range names {
		id, err := q.reader.FindRun(q.Context(), name)
		if err != nil {
			return nil, webHints(err)
		}
		if q.server.trash.holds(id) {
			return nil, recording.Errorf(recording.CodeNotFound, "run %s was deleted a moment ago", shortRun(id)).
				WithHint("the list of runs can still bring it back")
		}
		info, err := q.reader.Run(q.Context(), id)
		if err != nil {
			return nil, webHints(err)
		}
		out.Runs = append(out.Runs, analysis.Summarize(info))
		row, l := newRunRow(info), links{run: id.String()}
		c.Runs = append(c.Runs, compareHead{row.Name, row.Args, row.Href, row.Short, row.State, row.StateText, row.Start, l.to("statistics")})
	}
	c.Rows = compareRows(&out.Runs[0], &out.Runs[1])
	return &page{Template: "compare", Title: "Compare", Content: c, JSON: out}, nil
}

func chosen(n int) string {
	switch n {
	case 0:
		return "none was"
	case 1:
		return "one was"
	}
	return count(uint64(n)) + " were"
}

func compareRows(a, b *analysis.Summary) []compareRow {
	rows := []compareRow{{Name: "Duration", Texts: [2]string{durationText(a.Duration), durationText(b.Duration)}}}
	if a.Duration != nil && b.Duration != nil {
		rows[0].Change = signed(cmp.Compare(*b.Duration, *a.Duration), export.Duration(max(*b.Duration-*a.Duration, *a.Duration-*b.Duration)))
	}
	number := func(name string, a, b uint64, bad bool) {
		rows = append(rows, compareRow{
			Name: name, Texts: [2]string{count(a), count(b)}, Change: signed(cmp.Compare(b, a), count(max(a, b)-min(a, b))), Worse: bad && b > a,
		})
	}
	number("Calls", a.Calls, b.Calls, false)
	number("Events", a.Events, b.Events, false)
	number("Goroutines", a.Goroutines, b.Goroutines, false)
	number("Errors returned", a.Errors, b.Errors, true)
	number("Panics", a.Panics, b.Panics, true)
	number("Events dropped", a.Loss.Dropped, b.Loss.Dropped, true)
	text := func(name, a, b string) {
		rows = append(rows, compareRow{Name: name, Texts: [2]string{cmp.Or(shown(a, 200), "–"), cmp.Or(shown(b, 200), "–")}})
	}
	text("Error", a.Error, b.Error)
	text("Revision", a.Revision, b.Revision)
	text("Go", a.GoVersion, b.GoVersion)
	text("Host", a.Host, b.Host)
	return rows
}

// signed is a difference with its sign; "" when there is none.
func signed(sign int, text string) string {
	switch {
	case sign > 0:
		return "+" + text
	case sign < 0:
		return "−" + text
	}
	return ""
}
