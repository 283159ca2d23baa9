package web

import (
	"net/http"
	"slices"
	"strings"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

type runRow struct {
	ID, Short, Href, Name, Args, Path string
	State, StateText, Error           string
	Start, Duration                   string
	Calls, Goroutines, Errors         string
	Lossy                             bool
	LossesText                        string
	Live                              bool
	Delete                            string
}

type runsContent struct {
	Rows              []runRow
	Text, State, Next string
	Program           string
	States, Programs  []choice
	Filtered, Fresh   bool // there are no runs at all
	File              string
	First             string
	Several           bool // there is something to compare
	Stopped           bool // the filter looked at a bounded number of runs
}

type choice struct {
	Name, Value string
	Current     bool
}

type runsJSON struct {
	Runs   []analysis.Summary `json:"runs"`
	Before string             `json:"before,omitempty"` // more runs follow this one
}

const (
	runsPage    = 50
	runsPageMax = 500
	runsLooked  = 5000 // runs that a filter looks at for one page
)

// runsView lists the runs, the newest first.
func runsView(q *request) (*page, error) {
	size, err := parseSize(q.query, "n", runsPage, runsPageMax)
	if err != nil {
		return nil, err
	}
	c := &runsContent{Text: shorten(q.query.Get("q"), 200), State: shorten(q.query.Get("status"), 20), File: export.Escape(q.server.database.file)}
	c.Program = shorten(q.query.Get("program"), 200)
	c.Filtered = c.Text != "" || c.State != "" || c.Program != ""
	for _, s := range []choice{{Name: "any status", Value: ""}, {Name: "ok", Value: "ok"}, {Name: "failed", Value: "failed"}, {Name: "recording", Value: "live"}, {Name: "interrupted", Value: "broken"}} {
		s.Current = s.Value == c.State
		c.States = append(c.States, s)
	}
	out := &runsJSON{Runs: []analysis.Summary{}}
	p := &page{Template: "runs", Title: "Recordings", View: "runs", Content: c, JSON: out, Notice: q.undoNotice()}
	if q.reader == nil {
		c.Fresh = true
		return p, nil
	}
	if err := q.programs(c); err != nil {
		return nil, err
	}
	found, more, err := q.findRuns(c, size)
	if err != nil {
		return nil, err
	}
	for i := range found {
		out.Runs = append(out.Runs, analysis.Summarize(&found[i]))
		c.Rows = append(c.Rows, newRunRow(&found[i]))
	}
	c.Several = len(c.Rows) > 1
	if more != (recording.RunID{}) {
		out.Before = more.String()
		query := q.query
		query.Set("before", out.Before)
		c.Next = "/?" + query.Encode()
	}
	if q.query.Get("before") != "" {
		c.First = "/"
	}
	c.Fresh = len(c.Rows) == 0 && !c.Filtered && q.query.Get("before") == ""
	return p, nil
}

// programs offers the programs of the newest runs as a filter, when there are several.
func (q *request) programs(c *runsContent) error {
	const newest = 200
	list, err := q.reader.Runs(q.Context(), store.RunsQuery{Limit: newest})
	if err != nil {
		return err
	}
	names := []string{}
	for i := range list {
		names = append(names, shorten(programName(&list[i]), 200))
	}
	if c.Program != "" {
		names = append(names, c.Program)
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) < 2 {
		return nil
	}
	c.Programs = []choice{{Name: "all programs", Current: c.Program == ""}}
	for _, name := range names {
		c.Programs = append(c.Programs, choice{Name: shown(name, 60), Value: name, Current: name == c.Program})
	}
	return nil
}

// findRuns returns a page of the runs that the filter chooses, and the last one when more may follow.
func (q *request) findRuns(c *runsContent, size int) ([]store.RunInfo, recording.RunID, error) {
	query := store.RunsQuery{Failed: c.State == "failed", Limit: size + 1}
	if before := q.query.Get("before"); before != "" {
		id, err := q.reader.FindRun(q.Context(), before)
		if err != nil {
			return nil, recording.RunID{}, webHints(err)
		}
		query.Before = id
	}
	var found []store.RunInfo
	for looked := 0; ; {
		list, err := q.reader.Runs(q.Context(), query)
		if err != nil {
			return nil, recording.RunID{}, err
		}
		for i := range list {
			query.Before = list[i].ID
			if q.server.trash.holds(list[i].ID) || !c.match(&list[i]) {
				continue
			}
			if len(found) == size {
				return found, found[size-1].ID, nil
			}
			found = append(found, list[i])
		}
		if looked += len(list); len(list) < query.Limit {
			return found, recording.RunID{}, nil
		}
		if looked >= runsLooked {
			c.Stopped = true
			return found, query.Before, nil
		}
	}
}

func (c *runsContent) match(info *store.RunInfo) bool {
	if class, _ := state(info); c.State != "" && class != c.State {
		return false
	}
	if c.Program != "" && programName(info) != c.Program {
		return false
	}
	text := strings.ToLower(info.Program + " " + strings.Join(info.Args, " ") + " " + info.ID.String())
	for _, word := range strings.Fields(strings.ToLower(c.Text)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

func newRunRow(info *store.RunInfo) runRow {
	s := analysis.Summarize(info)
	row := runRow{
		ID: s.ID, Short: shortRun(info.ID), Href: links{run: s.ID}.to(""), Name: programName(info), Args: shown(strings.Join(s.Args, " "), 120),
		Path: shown(s.Program, 400), Start: clock(s.Start), Duration: durationText(s.Duration), Calls: count(s.Calls),
		Goroutines: count(s.Goroutines), Errors: count(s.Errors), Live: info.Status == recording.StatusRecording,
		Delete: links{run: s.ID}.to("delete"), Error: shown(s.Error, 160),
	}
	row.State, row.StateText = state(info)
	if losses := export.Losses(&s); len(losses) > 0 {
		row.Lossy, row.LossesText = true, strings.Join(losses, "; ")
	}
	return row
}

// undoNotice offers to bring back the run that was deleted last.
func (q *request) undoNotice() *notice {
	id, name, n := q.server.trash.latest()
	if n == 0 {
		return nil
	}
	return &notice{Text: "Deleted " + name + " (" + shortRun(id) + ").", Action: "/runs/" + id.String() + "/restore", Label: "Undo"}
}

// deleteRun takes a run out of sight and removes it when nobody wants it back.
func (s *Server) deleteRun(w http.ResponseWriter, r *http.Request) {
	if err := s.allowed(r); err != nil {
		s.fail(w, r, nil, err)
		return
	}
	reader, done, err := s.database.acquire(r.Context())
	if err != nil {
		s.fail(w, r, nil, err)
		return
	}
	defer done()
	id, err := reader.FindRun(r.Context(), r.PathValue("run"))
	if err != nil {
		s.fail(w, r, nil, webHints(err))
		return
	}
	info, err := reader.Run(r.Context(), id)
	if err == nil && info.Status == recording.StatusRecording {
		err = recording.Errorf(recording.CodeLocked, "run %s is being recorded", shortRun(id)).
			WithHint("end the program first, or wait until it has ended")
	}
	if err != nil {
		s.fail(w, r, nil, err)
		return
	}
	s.trash.put(id, programName(info), s.Undo, func() error { return s.discard(id) })
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// restoreRun brings a deleted run back into sight.
func (s *Server) restoreRun(w http.ResponseWriter, r *http.Request) {
	if err := s.allowed(r); err != nil {
		s.fail(w, r, nil, err)
		return
	}
	id, err := parseRunID(r.PathValue("run"))
	if err == nil && !s.trash.restore(id) {
		err = recording.Errorf(recording.CodeNotFound, "run %s is not waiting to be deleted", shortRun(id)).
			WithHint("the list of runs shows what is there")
	}
	if err != nil {
		s.fail(w, r, nil, err)
		return
	}
	http.Redirect(w, r, "/runs/"+id.String(), http.StatusSeeOther)
}

func parseRunID(text string) (recording.RunID, error) {
	var id recording.RunID
	if err := id.UnmarshalText([]byte(text)); err != nil {
		return id, recording.Errorf(recording.CodeInvalid, "%q is not the id of a run", shorten(text, 60)).
			WithHint("the list of runs shows what is there")
	}
	return id, nil
}
