package web

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/net/html"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

// ReportOptions say what a report holds. The zero value is a folder of a size that can be sent to somebody.
type ReportOptions struct {
	// Title stands above the report; "": the program and its arguments.
	Title string
	// MaxCalls is how many calls get pages of their own, and how many the details show; 0: DefaultReportCalls, in a single
	// file DefaultSingleFileCalls. There are no more source files and lists of calls than that, either.
	MaxCalls int
	// SingleFile makes one page that holds everything, in place of a folder.
	SingleFile bool
	// Replace lets a report take the place of an older one.
	Replace bool
	// Progress, when it is not nil, is told the number of pages that are made after each of them.
	Progress func(pages int)
}

// Calls that a report shows when nobody says otherwise.
const (
	DefaultReportCalls     = 2000
	DefaultSingleFileCalls = 200
)

// Bounds of a report, besides its calls.
const (
	reportLists      = 600 // pages that show the events of a filter
	reportListsLong  = 60  // the same in a run of more events than reportLong, where each is a search
	reportLong       = 1_000_000
	reportFunctions  = 2000
	reportFiles      = 2000
	reportPages      = 20 // of the goroutines
	reportStatistics = 60 // further pages of them, in all their orders
)

// ReportSummary says what a report holds and what it leaves out.
type ReportSummary struct {
	Run        string `json:"run"`
	Output     string `json:"output"`
	Pages      int    `json:"pages"`
	Bytes      int64  `json:"bytes"`
	Calls      int    `json:"calls"` // that have a page
	CallsInRun uint64 `json:"calls_in_run"`
	Events     uint64 `json:"events"` // shown in the details: the run's first ones
	EventsIn   uint64 `json:"events_in_run"`
	// LeftOut are what the report lacks, in words.
	LeftOut []string `json:"left_out"`
}

// report gathers the pages of a run. They are made by the same views as on the server, and then lead to each other.
type report struct {
	server  *Server
	options ReportOptions
	run     string // full id
	info    *store.RunInfo
	folder  string // where the pages are gathered

	pages   map[string]*reportPage // by key
	order   []*reportPage
	names   map[string]int // how many pages have a name
	soon    []string       // keys of pages to make: all but those of calls
	chosen  []string       // keys of calls that other pages point out
	later   []string       // keys of calls that were met
	known   map[string]bool
	calls   map[string]bool // calls that have pages
	starts  []uint64        // seq at which each page of the details begins
	files   []string        // names of these pages
	through uint64          // last event of the details
	listed  int             // calls in the details
	counts  map[string]int  // pages made, by what bounds them
	refused map[string]int  // pages left out, by the same
}

// reportPage is a page that is in the report.
type reportPage struct {
	key  string // its address within the run, as destination gives it
	name string // of its file, without extension
}

// Report writes the pages of a run so that they need no server, to a folder or a file that does not exist yet. What was
// begun is removed when it fails or ctx ends.
func Report(ctx context.Context, database, run, output string, options ReportOptions) (_ *ReportSummary, err error) {
	if options.MaxCalls < 0 {
		return nil, recording.Errorf(recording.CodeInvalid, "a report of %d calls is not possible", options.MaxCalls).WithHint("leave --max-calls out for %d", DefaultReportCalls)
	}
	if options.MaxCalls == 0 {
		options.MaxCalls = DefaultReportCalls
		if options.SingleFile {
			options.MaxCalls = DefaultSingleFileCalls
		}
	}
	if err := vacant(output, options.Replace); err != nil {
		return nil, err
	}
	server := New(database, Options{ReadOnly: true})
	server.patient = true
	defer func() { err = errors.Join(err, server.Close()) }()
	r := &report{
		server: server, options: options, pages: map[string]*reportPage{}, names: map[string]int{}, known: map[string]bool{},
		calls: map[string]bool{}, counts: map[string]int{}, refused: map[string]int{},
	}
	if err := r.find(ctx, run); err != nil {
		return nil, err
	}
	// Beside the output, so that moving it there is one step.
	if r.folder, err = os.MkdirTemp(filepath.Dir(filepath.Clean(output)), ".smiley-report-"); err != nil {
		return nil, cannotWrite(output, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.folder)) }()
	if err := r.gather(ctx); err != nil {
		return nil, err
	}
	if err := r.write(ctx, output); err != nil {
		return nil, err
	}
	return r.summary(output)
}

// vacant checks that a report can be put somewhere without harm to what is there.
func vacant(output string, replace bool) error {
	info, err := os.Lstat(output)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return cannotWrite(output, err)
	}
	if !replace {
		return recording.Errorf(recording.CodeInvalid, "%s is there already", output).WithHint("choose another place with -o, or replace it with --force")
	}
	if info.IsDir() {
		if _, err := os.Lstat(filepath.Join(output, "index.html")); err != nil {
			return recording.Errorf(recording.CodeInvalid, "%s is a folder without a report", output).WithHint("only a report is replaced; choose another place with -o")
		}
	}
	return nil
}

func cannotWrite(output string, err error) error {
	return recording.Errorf(recording.CodeInvalid, "the report cannot be written to %s: %w", output, err).WithHint("choose another place with -o")
}

// find finds the run.
func (r *report) find(ctx context.Context, run string) error {
	reader, done, err := r.server.database.acquire(ctx)
	if err != nil {
		return err
	}
	defer done()
	id, err := reader.FindRun(ctx, run)
	if err != nil {
		return err
	}
	r.run = id.String()
	r.info, err = reader.Run(ctx, id)
	return err
}

// gather makes the pages: the views of the run and what they point out first, then calls as they are met, as far as the
// bounds go.
func (r *report) gather(ctx context.Context) error {
	for _, view := range []string{"", "events", "tree", "statistics", "graph", "flame", "goroutines", "files", "losses", "timeline"} {
		r.want(destination{key: view}, "")
	}
	for _, queue := range []*[]string{&r.soon, &r.chosen, &r.later} {
		for len(*queue) > 0 {
			key := (*queue)[0]
			*queue = (*queue)[1:]
			if err := r.makePage(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// want puts a page on the list of those to make, unless it is there. from is the page that leads to it.
func (r *report) want(p destination, from string) {
	if p.key == "events" && p.seq > 0 || r.known[p.key] { // the details come one after the other
		return
	}
	r.known[p.key] = true
	switch {
	case callOf(p.key) == "":
		r.soon = append(r.soon, p.key)
	case callOf(from) == "" && from != "events" && !strings.HasPrefix(from, "events?from="):
		r.chosen = append(r.chosen, p.key)
	default:
		r.later = append(r.later, p.key)
	}
}

// admit reports whether there is room for a page, and takes it.
func (r *report) admit(key string) bool {
	bound, most := "", 0
	call := callOf(key)
	switch {
	case call != "" && strings.Contains(key, "after="):
		bound, most = "further calls", r.options.MaxCalls
	case call != "":
		if !r.calls[call] && len(r.calls) >= r.options.MaxCalls {
			r.refused["calls"]++
			return false
		}
		r.calls[call] = true
		return true
	case strings.HasPrefix(key, "events?from="):
		if r.listed >= r.options.MaxCalls {
			return false
		}
		return true
	case strings.HasPrefix(key, "events?"):
		bound, most = "lists", min(reportLists, r.options.MaxCalls)
		if r.info.Events > reportLong {
			most = min(reportListsLong, most)
		}
	case strings.HasPrefix(key, "function/"):
		bound, most = "functions", reportFunctions
	case strings.HasPrefix(key, "files/"):
		bound, most = "files", min(reportFiles, r.options.MaxCalls) // those that calls lead to come first
	case strings.HasPrefix(key, "statistics?") && strings.Contains(key, "skip="):
		bound, most = "statistics", reportStatistics
	case strings.HasPrefix(key, "goroutines"):
		bound, most = "goroutines", reportPages
	case strings.HasPrefix(key, "tree"):
		bound, most = "trees", r.options.MaxCalls
	default:
		return true
	}
	if r.counts[bound] >= most {
		r.refused[bound]++
		return false
	}
	r.counts[bound]++
	return true
}

// makePage makes one page, and notes where it leads.
func (r *report) makePage(ctx context.Context, key string) error {
	if !r.admit(key) {
		return nil
	}
	body, err := r.server.page(ctx, "/runs/"+r.run+addressOf(key))
	if body == nil || err != nil {
		return err
	}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return err
	}
	p := &reportPage{key: key, name: r.nameFor(key)}
	r.pages[key] = p
	r.order = append(r.order, p)
	details := key == "events" || strings.HasPrefix(key, "events?from=")
	if details {
		r.noteDetails(p, root)
	}
	for n := range root.Descendants() {
		href := attribute(n, "href")
		if n.Data != "a" || href == "" {
			continue
		}
		if details && attribute(n, "rel") == "next" {
			if next, ok := r.nextDetails(href); ok {
				r.want(next, key)
			}
		} else if to, ok := r.destination(href); ok {
			r.want(to, key)
		}
	}
	if err := os.WriteFile(filepath.Join(r.folder, p.name+".html"), body, 0o600); err != nil {
		return cannotWrite(r.folder, err)
	}
	if r.options.Progress != nil {
		r.options.Progress(len(r.order))
	}
	return nil
}

// noteDetails notes which events a page of the details shows.
func (r *report) noteDetails(p *reportPage, root *html.Node) {
	start := uint64(0)
	for n := range root.Descendants() {
		if n.Data != "tr" || !strings.HasPrefix(attribute(n, "id"), "e") {
			continue
		}
		seq := parseNumber(attribute(n, "id")[1:])
		if start == 0 {
			start = seq
		}
		r.through = max(r.through, seq)
		if class := attribute(n, "class"); class == "call" || strings.HasPrefix(class, "call ") {
			r.listed++
		}
	}
	r.starts, r.files = append(r.starts, start), append(r.files, p.name)
}

// page makes one page of the server without a network. It is nil when there is no such page. A page may take as long as it needs, unlike one
// that somebody waits for: what a page shows of a large run can be read for the first time.
func (s *Server) page(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	var w pageWriter
	s.mux.ServeHTTP(&w, r)
	switch {
	case ctx.Err() != nil:
		return nil, recording.Errorf(recording.CodeCanceled, "the report was stopped").WithHint("nothing was left behind")
	case w.status == 0, w.status == http.StatusOK:
		return w.body.Bytes(), nil
	case w.status >= http.StatusInternalServerError: // it is there, and would be missing
		return nil, recording.Errorf(recording.CodeInternal, "the page %s could not be made", address)
	}
	return nil, nil //nolint:nilnil // there is none
}

// pageWriter takes what a view answers.
type pageWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *pageWriter) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

func (w *pageWriter) Write(b []byte) (int, error) { return w.body.Write(b) }
func (w *pageWriter) WriteHeader(status int)      { w.status = status }

// summary says what came of it.
func (r *report) summary(output string) (*ReportSummary, error) {
	s := &ReportSummary{
		Run: r.run, Output: output, Pages: len(r.order), Calls: len(r.calls), CallsInRun: r.info.Calls,
		Events: min(r.through, r.info.Events), EventsIn: r.info.Events, LeftOut: r.leftOut(),
	}
	err := filepath.WalkDir(output, func(_ string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			s.Bytes += info.Size()
		}
		return err
	})
	return s, err
}

// leftOut says in words what the report lacks.
func (r *report) leftOut() []string {
	out := []string{}
	add := func(is bool, text string) {
		if is {
			out = append(out, text)
		}
	}
	calls := uint64(len(r.calls))
	add(calls < r.info.Calls, count(r.info.Calls-calls)+" of "+export.Plural(r.info.Calls, "call")+" have no page of their own")
	add(len(r.starts) > 0 && r.detailsCut(), "the details end with event "+count(r.through)+" of "+count(r.info.Events))
	add(r.refused["lists"] > 0, "some lists of the calls of a function")
	add(r.refused["functions"] > 0, export.Plural(uint64(r.refused["functions"]), "page")+" of functions")
	add(r.refused["files"] > 0, export.Plural(uint64(r.refused["files"]), "file"))
	add(r.refused["goroutines"] > 0, "the list of goroutines is cut")
	add(r.refused["further calls"]+r.refused["trees"] > 0, "some pages of calls that one call made")
	add(r.refused["statistics"] > 0, "some rows of the statistics, in some orders")
	return out
}

// detailsCut reports whether the run goes on behind the details. The last event may be a return that is shown in its
// call's row.
func (r *report) detailsCut() bool { return r.through+1 < r.info.Events }

// title is what stands above a report.
func (r *report) title() string {
	if r.options.Title != "" {
		return r.options.Title
	}
	s := analysis.Summarize(r.info)
	return shown(strings.Join(append([]string{programName(r.info)}, s.Args...), " "), 200)
}
