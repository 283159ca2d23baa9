package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"smiley/analysis"
	"smiley/recording"
	"smiley/store"
)

// Bounds of a time line.
const (
	tracksPage        = 12
	tracksPageMax     = 100
	timelineLevels    = 32   // calls with as many recorded calls above them are not drawn
	timelinePixels    = 1000 // the drawing's resolution, when nobody says otherwise
	timelinePixelsMax = 4000
	shortestWindow    = 10 // ns
)

// timelineQuery is what the address of a time line asks for.
type timelineQuery struct {
	from, to int64  // ns since the run's start
	whole    int64  // the run lasts from 0 to here
	begin    int64  // a little before its first call
	chosen   bool   // from and to are in the address
	plain    string // "1": without a script's help
	pixels   int
	page     int
	after    int64
	text     string                        // of the choice of goroutines
	numbers  []int64                       // goroutines by number, or
	begun    map[recording.FunctionID]bool // by the function that they began with; nil: all
}

const goroutinesHint = `numbers of goroutines, as in "1 7", or names of functions that they began with`

// timelineView draws goroutines side by side over a stretch of the run's time.
func timelineView(q *request) (*page, error) {
	t := &timeline{q: q}
	if err := t.parse(); err != nil {
		return nil, err
	}
	if err := t.chooseTracks(); err != nil {
		return nil, err
	}
	if err := t.gather(); err != nil {
		return nil, err
	}
	p := &page{Template: "timeline", Title: "Time line", View: "timeline"}
	if q.wantsJSON() {
		p.JSON = t.json()
		return p, nil
	}
	c, err := t.content()
	p.Content = c
	if len(t.tracks) > 0 && t.query.plain == "" {
		p.Island = "timeline"
	}
	return p, err
}

// timeline gathers what one page shows.
type timeline struct {
	q        *request
	query    timelineQuery
	selected *recording.Call // the call in focus
	filter   *filter         // what it does not choose is dimmed
	tracks   []*track
	next     int64         // goroutine to go on behind; 0: these were all
	program  track         // marks of no goroutine
	complete bool          // every call and mark of the window was seen; otherwise there are buckets
	bucket   int64         // ns that a bucket is long
	partial  bool          // the buckets do not count all of the run yet, but
	covered  uint32        // so many blocks
	blocks   uint32        // of these
	wait     time.Duration // how long to wait for more
	most     timelineBounds
	narrowest,
	cell int64 // ns, see lod
}

// parse understands the address.
func (t *timeline) parse() error {
	q, query := t.q, &t.query
	query.whole = max(q.info.Last+1, shortestWindow)
	t.wait = q.patience(bucketWait)
	if q.focus.At != 0 {
		call, err := q.reader.CallOutline(q.Context(), q.info.ID, q.focus.At)
		if err != nil {
			return webHints(err)
		}
		t.selected = &call
	}
	if query.plain = q.query.Get("plain"); query.plain != "1" {
		query.plain = ""
	}
	var err error
	if t.filter, err = parseFilter(q.focus.Filter, q.names); err != nil {
		return err
	}
	if query.pixels, err = parseSize(q.query, "px", timelinePixels, timelinePixelsMax); err != nil {
		return err
	}
	if query.page, err = parseSize(q.query, "n", tracksPage, tracksPageMax); err != nil {
		return err
	}
	after, err := parseSeq(q.query, "after")
	if err != nil {
		return err
	}
	query.after = int64(after)
	if err := t.parseWindow(); err != nil {
		return err
	}
	return t.parseGoroutines()
}

// leadIn is how many times shorter than all from the first call on is what is shown before it.
const leadIn = 50

// parseWindow finds out which stretch of time is shown: what the address says, the call in focus, or the run from its first call on. Much may
// have passed until then: probes are put into a large program in a quarter of a second, and a small one may end after a millisecond.
func (t *timeline) parseWindow() error {
	query := &t.query
	from, hasFrom, err := parseMoment(t.q.query, "from")
	if err != nil {
		return err
	}
	to, hasTo, err := parseMoment(t.q.query, "to")
	if err != nil {
		return err
	}
	query.from, query.to, query.chosen = 0, query.whole, hasFrom || hasTo
	if !t.q.wantsJSON() || !query.chosen && t.selected == nil {
		first, err := t.q.firstShown()
		if err != nil {
			return err
		}
		query.begin = max(0, first-(query.whole-first)/leadIn-shortestWindow)
	}
	switch {
	case query.chosen:
	case t.selected != nil:
		query.from, query.to = query.around(t.selected)
	default:
		query.from = query.begin
	}
	if hasFrom {
		query.from = from
	}
	if hasTo {
		query.to = to
	}
	if query.to-query.from < shortestWindow || query.from >= query.whole {
		return recording.Errorf(recording.CodeInvalid, "from %s to %s is no part of the run, which lasts %s",
			momentParameter(query.from), momentParameter(query.to), momentParameter(query.whole)).
			WithHint("from must lie before to by %d ns or more, and within the run", shortestWindow)
	}
	return nil
}

// parseMoment reads a parameter that is a time since the run's start.
func parseMoment(query url.Values, name string) (ns int64, given bool, err error) {
	text := query.Get(name)
	if text == "" {
		return 0, false, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		var plain int64
		plain, err = strconv.ParseInt(text, 10, 64)
		d = time.Duration(plain)
	}
	if err != nil || d < 0 || d > 1<<60 {
		return 0, true, recording.Errorf(recording.CodeInvalid, "%s=%s is not a time since the run's start", name, shorten(text, 40)).
			WithHint(`write it as in "1.5s" or "250ms"; a number alone is in nanoseconds`)
	}
	return int64(d), true, nil
}

// momentParameter writes a time for an address, exactly: "30.409632ms".
func momentParameter(ns int64) string {
	if ns == 0 {
		return "0s"
	}
	for _, unit := range []struct {
		size int64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}} {
		if ns >= unit.size {
			digits := strconv.FormatInt(unit.size+ns%unit.size, 10)[1:]
			return strings.TrimSuffix(strings.TrimRight(strconv.FormatInt(ns/unit.size, 10)+"."+digits, "0"), ".") + unit.name
		}
	}
	return strconv.FormatInt(ns, 10) + "ns"
}

// around is a window with a call in its middle.
func (query *timelineQuery) around(c *recording.Call) (from, to int64) {
	end := c.End
	if c.Outcome == recording.OutcomeOpen {
		end = query.whole
	}
	margin := max((end-c.Start)/4, shortestWindow)
	from = max(0, c.Start-margin)
	return from, max(min(query.whole, end+margin), from+shortestWindow)
}

// parseGoroutines understands which goroutines are wanted.
func (t *timeline) parseGoroutines() error {
	query := &t.query
	query.text = t.q.query.Get("goroutines")
	if query.text == "" && t.q.focus.Goroutine != 0 {
		query.numbers = []int64{t.q.focus.Goroutine}
	}
	words := strings.FieldsFunc(query.text, func(r rune) bool { return r == ' ' || r == ',' })
	if len(words) > tracksPageMax || len(query.text) > 2000 {
		return recording.Errorf(recording.CodeInvalid, "these are more goroutines than a page shows").WithHint("at most %d", tracksPageMax)
	}
	for _, word := range words {
		if number, err := strconv.ParseInt(word, 10, 64); err == nil && number > 0 {
			query.numbers = append(query.numbers, number)
			continue
		}
		var f filter
		if !f.addFunctions(word, t.q.names) {
			return recording.Errorf(recording.CodeInvalid, "no function of this run is named %s", shorten(word, 80)).
				WithHint("goroutines are chosen by %s", goroutinesHint)
		}
		if query.begun == nil {
			query.begun = map[recording.FunctionID]bool{}
		}
		for id := range f.functions {
			query.begun[id] = true
		}
	}
	if query.begun != nil && query.numbers != nil {
		return recording.Errorf(recording.CodeInvalid, "goroutines are chosen by number or by function, not by both").
			WithHint("write %s", goroutinesHint)
	}
	return nil
}

// chooseTracks finds the goroutines of the page.
func (t *timeline) chooseTracks() error {
	q, query := t.q, &t.query
	add := func(list ...store.GoroutineInfo) {
		for i := range list {
			t.tracks = append(t.tracks, &track{goroutine: list[i]})
		}
	}
	if query.numbers != nil {
		slices.Sort(query.numbers)
		for _, number := range slices.Compact(query.numbers) {
			g, err := q.reader.Goroutine(q.Context(), q.info.ID, number)
			if err != nil {
				return webHints(err)
			}
			add(*g)
		}
		return nil
	}
	list, next, err := q.reader.GoroutinesWithin(q.Context(), q.info.ID, store.GoroutineQuery{
		From: query.from, To: query.to, After: query.after, Functions: query.begun, Limit: query.page,
	})
	if err != nil {
		return err
	}
	t.next = next
	// The call in focus is always in sight, without scripts to go and look for it.
	if t.selected != nil && !slices.ContainsFunc(list, func(g store.GoroutineInfo) bool { return g.ID == t.selected.Goroutine }) {
		g, err := q.reader.Goroutine(q.Context(), q.info.ID, t.selected.Goroutine)
		if err != nil {
			return webHints(err)
		}
		add(*g)
	}
	add(list...)
	return nil
}

// timelineJSON is the page for programs, and for the script that draws it.
type timelineJSON struct {
	Run string `json:"run"`
	// The window, and the whole run, in ns since the run's start. To is not part of it.
	From  int64 `json:"from_ns"`
	To    int64 `json:"to_ns"`
	Whole int64 `json:"whole_ns"`
	// Complete is false when the window spans more than can be looked at for one answer. Then there are only calls that outlive a
	// block of the recording, no counts and marks, and instead of them buckets.
	Complete bool  `json:"complete"`
	Bucket   int64 `json:"bucket_ns,omitempty"` // how long a bucket is
	Partial  bool  `json:"partial,omitempty"`   // the buckets do not count all of the run yet: ask again
	// Calls that took less than this, in ns, are not listed but counted, in entries of dense.
	Narrowest int64 `json:"narrowest_ns"`
	// Filter is the one that was asked for; what it does not choose is marked as other.
	Filter    string                      `json:"filter,omitempty"`
	Functions map[string]timelineFunction `json:"functions"` // by number: those of the calls
	Program   []markJSON                  `json:"program"`   // marks of no goroutine
	Tracks    []trackJSON                 `json:"tracks"`
	After     int64                       `json:"after,omitempty"` // goroutine to go on behind
}

type timelineFunction struct {
	Name  string `json:"name"`
	Short string `json:"short"` // fit to be shown
	Tone  int    `json:"tone"`
}

type trackJSON struct {
	Goroutine analysis.Goroutine   `json:"goroutine"`
	Begun     recording.FunctionID `json:"function_id"` // the one it began with; 0: unknown
	Counts    *trackCounts         `json:"counts"`      // of the calls in the window; null when it is not complete
	Calls     []timelineCall       `json:"calls"`
	Dense     []denseJSON          `json:"dense"`
	Marks     []markJSON           `json:"marks"`
	Buckets   []bucketJSON         `json:"buckets,omitempty"`
}

// bucketJSON is what happened in a stretch of time. Those in which nothing happened and no call was open are left out.
type bucketJSON struct {
	Start  int64  `json:"start_ns"`
	Calls  uint64 `json:"calls"` // that began
	Errors uint64 `json:"errors,omitempty"`
	Panics uint64 `json:"panics,omitempty"`
	Output uint64 `json:"output,omitempty"`
	Gaps   uint64 `json:"gaps,omitempty"`
	Busy   int64  `json:"busy_ns"` // a recorded call was open
}

type timelineCall struct {
	Seq      uint64               `json:"seq"`
	Time     int64                `json:"time_ns"`
	Parent   uint64               `json:"parent"`
	Depth    int                  `json:"depth"`
	Function recording.FunctionID `json:"function_id"`
	End      *int64               `json:"end_ns"` // null while it is open
	Duration *int64               `json:"duration_ns"`
	Self     *int64               `json:"self_ns"`
	Outcome  string               `json:"outcome"`
	Failed   bool                 `json:"failed,omitempty"`
	Other    bool                 `json:"other,omitempty"` // the filter does not choose it
}

type denseJSON struct {
	Depth  int    `json:"depth"`
	From   int64  `json:"from_ns"` // the first of them began, the last of them ended
	To     int64  `json:"to_ns"`
	Calls  uint64 `json:"calls"`
	Errors uint64 `json:"errors,omitempty"`
	Panics uint64 `json:"panics,omitempty"` // that a panic ended
	First  uint64 `json:"first"`            // seq
	Chosen uint64 `json:"chosen,omitempty"` // calls that the filter chooses, when there is one
}

type markJSON struct {
	Seq   uint64 `json:"seq"` // of the first
	Time  int64  `json:"time_ns"`
	Call  uint64 `json:"call"`
	Kind  string `json:"event"`
	Count int    `json:"count"` // alike, and too close to be told apart
	Last  int64  `json:"last_ns"`
	Other bool   `json:"other,omitempty"` // the filter does not choose it
}

// json is the page for programs.
func (t *timeline) json() *timelineJSON {
	out := &timelineJSON{
		Run: t.q.links.run, From: t.query.from, To: t.query.to, Whole: t.query.whole, Complete: t.complete, Narrowest: t.narrowest,
		Filter: t.filter.text, Functions: map[string]timelineFunction{}, Program: t.marksJSON(t.program.marks), Tracks: []trackJSON{}, After: t.next,
		Bucket: t.bucket, Partial: t.partial,
	}
	for _, tr := range t.tracks {
		j := trackJSON{
			Goroutine: t.q.goroutine(&tr.goroutine), Begun: tr.goroutine.StartFunction, Calls: []timelineCall{}, Dense: []denseJSON{},
			Marks: t.marksJSON(tr.marks),
		}
		t.use(out, tr.goroutine.StartFunction)
		t.use(out, tr.goroutine.CreatedIn)
		if t.complete {
			j.Counts = &tr.counts
		}
		for i := range tr.calls {
			c := &tr.calls[i]
			t.use(out, c.Function)
			j.Calls = append(j.Calls, timelineCall{
				Seq: c.Seq, Time: c.Start, Parent: c.Parent, Depth: c.Depth, Function: c.Function, End: knownTime(c.End),
				Duration: callDuration(c), Self: knownTime(c.Self), Outcome: outcomes[c.Outcome], Failed: c.Failed,
				Other: !t.filter.matchCall(c),
			})
		}
		for i := range tr.bars {
			b := &tr.bars[i]
			j.Dense = append(j.Dense, denseJSON{b.depth, b.from, b.to, b.calls, b.errors, b.panics, b.first, t.chosen(b.chosen)})
		}
		for i := range tr.buckets {
			b := &tr.buckets[i]
			j.Buckets = append(j.Buckets, bucketJSON{b.Start, b.Calls, b.Errors, b.Panics, b.Output, b.Gaps, b.Busy})
		}
		out.Tracks = append(out.Tracks, j)
	}
	return out
}

// use names a function in an answer.
func (t *timeline) use(out *timelineJSON, id recording.FunctionID) {
	key := strconv.FormatUint(uint64(id), 10)
	f := t.q.names.function(id)
	if _, there := out.Functions[key]; !there && f != nil {
		out.Functions[key] = timelineFunction{f.Name, t.q.names.shortName(id), tone(f)}
	}
}

// chosen is how many calls the filter chooses; 0 when there is none.
func (t *timeline) chosen(n uint64) uint64 {
	if t.filter.all() {
		return 0
	}
	return n
}

func (t *timeline) marksJSON(marks []trackMark) []markJSON {
	out := make([]markJSON, len(marks))
	for i := range marks {
		m := &marks[i]
		out[i] = markJSON{m.Seq, m.Time, m.Call, m.Kind.String(), m.count, m.last, !t.filter.matchMoment(m.Kind)}
	}
	return out
}
