package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

// wantsJSON is the key in a request's context that says its path ended in ".json".
type wantsJSON struct{}

// page is what a template shows, or its JSON twin.
type page struct {
	Template string
	Title    string
	View     string // which of the run's views it belongs to
	Content  any    // for the template
	JSON     any    // the same for programs
	Redirect string // go there instead
	Refresh  int    // seconds after which the page asks for itself again, without scripts; 0: never
	Island   string // what a script draws on it, see web/islands
	Status   int    // 0: 200

	// The frame around the content, set by the server.
	Run       *runHead
	Tabs      []tab
	Focus     *focusHead
	Self      string // address of the page, with its focus
	Twin      string // of its JSON
	FormToken string
	ReadOnly  bool
	Notice    *notice
	Searching bool   // a search goes on by itself
	Live      string // address that tells of changes; "": there will be none
}

// runHead is what every page of a run says about it.
type runHead struct {
	ID, Short, Name, Href, State, StateText string
	Losses                                  []string
	LossesHref                              string
}

type tab struct {
	Name, Href, Key string
	Current         bool
}

// focusHead is the call in focus, above every view.
type focusHead struct {
	Seq                       uint64
	Name, Href, Clear         string
	Goroutine                 int64
	AllGoroutines             string // address without the goroutine
	Previous, Next, Into, Out string
}

// notice is something that just happened, with a way back.
type notice struct {
	Text, Action, Label string
}

// request is one request of a person, with what its page needs.
type request struct {
	*http.Request
	server *Server
	reader *store.Reader
	query  url.Values

	info  *store.RunInfo // of a page about a run
	focus focus
	links links
	names *names
}

// view makes a page.
type view func(*request) (*page, error)

// global serves a page that is not about a run. It makes do without a database.
func (s *Server) global(make view) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := &request{Request: r, server: s, query: r.URL.Query()}
		reader, done, err := s.database.acquire(r.Context())
		if err == nil {
			defer done()
			q.reader = reader
		} else if recording.CodeOf(err) != recording.CodeNotFound {
			s.fail(w, r, nil, err)
			return
		}
		p, err := make(q)
		s.look(reader, err)
		s.answer(w, q, p, err)
	}
}

// look finds out whether a failure says that the file is another one by now.
func (s *Server) look(reader *store.Reader, err error) {
	if reader != nil && recording.CodeOf(err) == recording.CodeDamaged {
		s.database.doubt(reader)
	}
}

// bare serves a page that needs no recordings, so that nothing that happens to them takes it away.
func (s *Server) bare(make view) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := &request{Request: r, server: s, query: r.URL.Query()}
		p, err := make(q)
		s.answer(w, q, p, err)
	}
}

// ofRun serves a page about a run.
func (s *Server) ofRun(make view) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reader, done, err := s.database.acquire(r.Context())
		if err != nil {
			s.fail(w, r, nil, err)
			return
		}
		defer done()
		q := &request{Request: r, server: s, reader: reader, query: r.URL.Query()}
		p, err := s.takeTurn(q, make)
		s.look(reader, err)
		s.answer(w, q, p, err)
	}
}

// takeTurn makes a page when it is its turn: a few are made at a time. More would not be ready earlier, and each holds
// decoded blocks. Whoever takes long to read an answer holds up nobody.
func (s *Server) takeTurn(q *request, make view) (*page, error) {
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-q.Context().Done():
		return nil, recording.Errorf(recording.CodeCanceled, "there were too many requests before this one")
	}
	return q.prepare(make)
}

// prepare finds the run and the focus, and makes the page.
func (q *request) prepare(make view) (*page, error) {
	name := q.PathValue("run")
	id, err := q.reader.FindRun(q.Context(), name)
	if err != nil {
		return nil, webHints(err)
	}
	if id.String() != name && !q.wantsJSON() {
		address := *q.URL
		address.Path, address.RawPath = strings.Replace(address.Path, "/"+name, "/"+id.String(), 1), ""
		return &page{Redirect: address.RequestURI()}, nil
	}
	if q.server.trash.holds(id) {
		return nil, recording.Errorf(recording.CodeNotFound, "run %s was deleted a moment ago", shortRun(id)).
			WithHint("the list of runs can still bring it back")
	}
	if q.info, err = q.reader.Run(q.Context(), id); err != nil {
		return nil, webHints(err)
	}
	q.links = links{run: id.String()}
	if q.focus, err = parseFocus(q.query); err != nil {
		return nil, err
	}
	q.links.focus = q.focus
	if q.names, err = q.server.tables.names(q.Context(), q.reader, q.info); err != nil {
		return nil, err
	}
	return make(q)
}

func (q *request) wantsJSON() bool {
	is, _ := q.Context().Value(wantsJSON{}).(bool)
	return is
}

// Hints where what was asked for is not there: there is no such run, or the run has no such thing.
const (
	runsHint = "the list of runs shows what there is"
	runHint  = "the details of the run show what there is"
)

// webHints puts what a person can do in the browser in place of a command.
func webHints(err error) error {
	var known *recording.Error
	if !errors.As(err, &known) {
		return err
	}
	switch known.Code {
	case recording.CodeNotFound, recording.CodeInvalid:
		other := *known
		other.Hint = runsHint
		return &other
	}
	return err
}

// answer writes a page, or what went wrong with it.
func (s *Server) answer(w http.ResponseWriter, q *request, p *page, err error) {
	if err != nil {
		s.fail(w, q.Request, q, err)
		return
	}
	if p.Redirect != "" {
		// Addresses that begin with two slashes would lead to another site.
		http.Redirect(w, q.Request, "/"+strings.TrimLeft(p.Redirect, "/"), http.StatusSeeOther)
		return
	}
	if q.wantsJSON() {
		writeJSON(w, p.Status, p.JSON)
		return
	}
	if err := q.frame(p); err != nil {
		s.fail(w, q.Request, q, err)
		return
	}
	s.render(w, q.Request, p)
}

// frame sets what stands around the content.
func (q *request) frame(p *page) error {
	p.Self, p.FormToken, p.ReadOnly = q.URL.RequestURI(), q.server.formToken, q.server.ReadOnly
	twin := *q.URL
	if twin.Path == "/" {
		twin.Path = "/runs"
	}
	twin.Path, twin.RawPath = twin.Path+".json", ""
	p.Twin = twin.RequestURI()
	if q.info == nil {
		if p.View == "runs" {
			p.Live = "/live"
		}
		return nil
	}
	if q.info.Status == recording.StatusRecording && liveViews[p.View] {
		p.Live = "/live?run=" + q.links.run
	}
	summary := analysis.Summarize(q.info)
	p.Run = &runHead{
		ID: summary.ID, Short: shortRun(q.info.ID), Name: programName(q.info), Href: q.links.to(""),
		Losses: export.Losses(&summary), LossesHref: q.links.to("losses"),
	}
	p.Run.State, p.Run.StateText = state(q.info)
	for i, t := range [...]struct{ name, view string }{
		{"Summary", ""},
		{"Details", "events"},
		{"Call tree", "tree"},
		{"Statistics", "statistics"},
		{"Call graph", "graph"},
		{"Flame graph", "flame"},
		{"Time line", "timeline"},
		{"Goroutines", "goroutines"},
		{"Files", "files"},
	} {
		p.Tabs = append(p.Tabs, tab{t.name, q.links.to(t.view), string(rune('1' + i)), t.view == p.View})
	}
	return q.frameFocus(p)
}

// frameFocus describes the call in focus.
func (q *request) frameFocus(p *page) error {
	if q.focus.At == 0 && q.focus.Goroutine == 0 {
		return nil
	}
	path := strings.TrimPrefix(q.URL.Path, "/runs/"+q.links.run)
	path = strings.TrimPrefix(path, "/")
	head := &focusHead{Seq: q.focus.At, Goroutine: q.focus.Goroutine, AllGoroutines: q.links.to(path, "g", 0)}
	p.Focus = head
	if q.focus.At == 0 {
		return nil
	}
	call, err := q.reader.Call(q.Context(), q.info.ID, q.focus.At)
	if err != nil {
		return webHints(err)
	}
	head.Name, head.Href = q.names.shortName(call.Function), q.links.call(call.Seq)
	head.Clear = q.links.to(path, "at", 0)
	if strings.HasPrefix(path, "call/") { // the page is about nothing else
		head.Clear = ""
	}
	step := func(where string) string { return q.links.to("go", "to", where, "view", path) }
	head.Previous, head.Next, head.Into, head.Out = step("previous"), step("next"), step("into"), step("out")
	return nil
}

// render runs the page's template. The page is complete before its first byte is sent, so that a slow reader holds
// nothing, and a failure shows as one.
func (s *Server) render(w http.ResponseWriter, r *http.Request, p *page) {
	var out bytes.Buffer
	if err := s.templates[p.Template].Execute(&out, p); err != nil {
		s.Log.Error("render", "page", p.Template, "error", err)
		http.Error(w, "The page could not be made. The log of smiley server says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if p.Status != 0 {
		w.WriteHeader(p.Status)
	}
	if r.Method != http.MethodHead {
		_, _ = out.WriteTo(w) // a reader that has gone misses nothing
	}
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		body, status = []byte(`{"error":{"code":"internal","message":"the answer could not be made"}}`), http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	if status != 0 {
		w.WriteHeader(status)
	}
	_, _ = w.Write(append(body, '\n'))
}

// programName is the last part of the program's path, as everything from a recording with nothing unseen in it.
func programName(info *store.RunInfo) string {
	return export.Escape(filepath.Base(strings.ReplaceAll(info.Program, `\`, "/")))
}

// shortRun is the beginning of an id by which people tell runs apart: the first part of it is the same for all that began
// within a minute.
func shortRun(id recording.RunID) string { return id.String()[:13] }

// state says how a run is or how it ended: a class for its colour, and words.
func state(info *store.RunInfo) (class, text string) {
	switch {
	case info.Status == recording.StatusRecording:
		return "live", "recording"
	case info.Status == recording.StatusInterrupted:
		return "broken", "interrupted"
	case info.End == nil:
		return "broken", string(info.Status)
	case info.End.Signal != "":
		return "failed", export.Escape(info.End.Signal)
	case info.End.ExitCode == recording.ExitUnknown:
		return "complete", "detached"
	case info.End.ExitCode != 0:
		return "failed", "exit " + itoa(info.End.ExitCode)
	case info.End.Error != "":
		return "failed", "failed"
	}
	return "ok", "ok"
}
