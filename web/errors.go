package web

import (
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"smiley/export"
	"smiley/recording"
)

// statusOf is the HTTP status of a code; codes that are not here are failures of ours.
var statusOf = map[recording.Code]int{
	recording.CodeInvalid: http.StatusBadRequest, recording.CodeNotFound: http.StatusNotFound,
	recording.CodeAmbiguous: http.StatusBadRequest, recording.CodePermission: http.StatusForbidden,
	recording.CodeLocked: http.StatusServiceUnavailable, recording.CodeCanceled: http.StatusServiceUnavailable,
	recording.CodeFull: http.StatusInsufficientStorage, recording.CodeNewer: http.StatusNotImplemented,
	recording.CodeUnsupported: http.StatusNotImplemented,
}

// errorContent is what an error page shows.
type errorContent struct {
	Message, Hint, Run string
}

type errorJSON struct {
	Error struct {
		Code    recording.Code `json:"code"`
		Message string         `json:"message"`
		Hint    string         `json:"hint,omitempty"`
	} `json:"error"`
}

// fail says what went wrong and leads back. q may be nil, and may lack whatever was not reached.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, q *request, err error) {
	var known *recording.Error
	if !errors.As(err, &known) {
		known = &recording.Error{Code: recording.CodeInternal, Err: err}
	}
	shown := *known
	switch known.Code {
	case recording.CodeInternal:
		shown.Message, shown.Hint = "something went wrong inside smiley", "the log of smiley server says what"
	case recording.CodeCanceled:
		shown.Message, shown.Hint = "this took too long and was stopped", "ask for less: a goroutine, a filter, a smaller page"
	}
	status := statusOf[known.Code]
	if status == 0 {
		status = http.StatusInternalServerError
	}
	if status >= http.StatusInternalServerError {
		s.Log.Error("request", "path", r.URL.Path, "code", known.Code, "error", err, "cause", known.Err)
	}
	var of *request
	if q != nil && q.info != nil && known.Code != recording.CodeDamaged {
		of = q
		if shown.Hint == runsHint {
			shown.Hint = runHint
		}
	}
	s.errorPage(w, r, of, status, &shown)
}

// refuse turns a request away that must not learn anything.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, err *recording.Error) {
	s.errorPage(w, r, nil, status, err)
}

// nowhere answers a request for a page that does not exist, or with a method that it does not have.
func (s *Server) nowhere(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	status, message := http.StatusNotFound, "there is no such page"
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		status, message = http.StatusMethodNotAllowed, "this page does not take "+export.Escape(shorten(r.Method, 20))
	}
	_ = handler // its answer would be bare text
	s.errorPage(w, r, nil, status, recording.Errorf(recording.CodeNotFound, "%s", message).WithHint("the list of runs leads everywhere"))
}

// sentence makes a message begin like a sentence: terminals continue a line with it, pages begin one.
func sentence(message string) string {
	first, size := utf8.DecodeRuneInString(message)
	word, _, _ := strings.Cut(message, " ")
	if strings.ContainsAny(word, ".=_/") { // a name, which is what it is
		return message
	}
	return string(unicode.ToUpper(first)) + message[size:]
}

func (s *Server) errorPage(w http.ResponseWriter, r *http.Request, q *request, status int, e *recording.Error) {
	if is, _ := r.Context().Value(wantsJSON{}).(bool); is {
		var out errorJSON
		out.Error.Code, out.Error.Message, out.Error.Hint = e.Code, e.Message, e.Hint
		writeJSON(w, status, out)
		return
	}
	content := errorContent{Message: sentence(export.Escape(e.Message)), Hint: sentence(export.Escape(e.Hint))}
	p := &page{Template: "error", Title: "Not like this", Status: status, Content: &content}
	if q != nil {
		content.Run = links{run: q.links.run}.to("")
	}
	s.render(w, r, p)
}
