package web

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"smiley/recording"
	"smiley/store"
)

// track is what a time line shows of a goroutine.
type track struct {
	goroutine store.GoroutineInfo
	counts    trackCounts
	calls     []recording.Call // wide enough to be seen, by depth and time
	dense     map[denseKey]*denseBar
	latest    [timelineLevels]latestBar // by depth: the bar that a call was added to last, mostly that of the next one
	bars      []denseBar                // the bars of dense, by depth and time
	marks     []trackMark
	all       []store.Mark // before those that are too close are put together
	buckets   []store.TimeBucket
}

// trackCounts are what a track shows, drawn or merged.
type trackCounts struct {
	Calls  uint64 `json:"calls"`
	Errors uint64 `json:"errors"`
	Panics uint64 `json:"panics"`           // calls that a panic ended
	Levels int    `json:"levels"`           // the deepest call is on this one, from 1
	Chosen uint64 `json:"chosen,omitempty"` // calls that the filter chooses, when there is one
}

// denseKey is a place on a track where calls are too narrow to be told apart.
type denseKey struct {
	depth int
	cell  int64 // of timeline.cell ns since the run's start
}

// denseBar stands for such calls.
type denseBar struct {
	depth          int
	from, to       int64
	calls          uint64
	errors, panics uint64
	first          uint64 // seq
	chosen         uint64 // calls that the filter chooses
}

// latestBar is a bar of track.dense, and the stretch of time that its cell is.
type latestBar struct {
	*denseBar
	from, to int64
}

// trackMark is some moments of the same kind, too close to be told apart.
type trackMark struct {
	store.Mark
	count int
	last  int64
}

// Bounds of what one answer holds, so that it is as small for a run of years as for one of seconds.
const (
	timelineCalls = 2500
	timelineDense = 2500
	timelineMarks = 800
	// These bound a drawing that a script draws anew, with more.
	pageCalls   = 500
	pageDense   = 500
	pageBuckets = 600
	denseCell   = 4 // px
	markCell    = 6 // px
	wideCall    = 8 // px: shorter calls are not drawn where the buckets below them say more
	// Buckets of a page, and of a track; they are a power of two long, so there can be twice as many.
	timelineBuckets = 2000
	trackBuckets    = 250
	bucketWait      = 50 * time.Millisecond // for a run that nobody looked at before
)

// timelineBounds are how many calls, bars in place of calls, and buckets an answer holds.
type timelineBounds struct{ calls, dense, buckets int }

// bounds returns how much the answer holds.
func (t *timeline) bounds() timelineBounds {
	if !t.q.wantsJSON() && t.query.plain == "" {
		return timelineBounds{pageCalls, pageDense, pageBuckets}
	}
	return timelineBounds{timelineCalls, timelineDense, timelineBuckets}
}

// gather finds the calls and marks of the window, and puts together what is too narrow to be seen: calls that take less than a pixel
// become bars with their number. Where that is still more than an answer holds, pixels count as wider.
func (t *timeline) gather() error {
	wanted, byID := map[int64]bool{}, map[int64]*track{}
	for _, tr := range t.tracks {
		tr.dense = map[denseKey]*denseBar{}
		wanted[tr.goroutine.ID], byID[tr.goroutine.ID] = true, tr
	}
	t.most = t.bounds()
	t.narrowest = max(1, (t.query.to-t.query.from)/int64(t.query.pixels))
	t.cell = denseCell * t.narrowest
	calls := 0
	tr := &t.program
	query := store.WindowQuery{
		From: t.query.from, To: t.query.to, Goroutines: wanted, Levels: timelineLevels, Events: t.q.server.windowEvents, Shortest: wideCall * t.narrowest,
	}
	found, err := t.q.reader.Window(t.q.Context(), t.q.info.ID, query, func(c *recording.Call) {
		if tr.goroutine.ID != c.Goroutine {
			tr = byID[c.Goroutine]
		}
		tr.count(c)
		if !t.filter.all() && t.filter.matchCall(c) {
			tr.counts.Chosen++
		}
		if !t.seen(c) {
			t.merge(tr, c)
			return
		}
		tr.calls = append(tr.calls, *c)
		if calls++; calls > 2*t.most.calls {
			calls = t.widen()
		}
	}, func(m *store.Mark) {
		tr := byID[m.Goroutine]
		if tr == nil {
			tr = &t.program
		}
		tr.all = append(tr.all, *m)
	})
	if err != nil {
		return webHints(err)
	}
	if t.complete = found.Complete; !t.complete {
		t.narrowest = max(t.narrowest, query.Shortest)
	}
	for calls > t.most.calls {
		calls = t.widen()
	}
	t.finish()
	if t.complete {
		return nil
	}
	return t.countBuckets()
}

// countBuckets finds out how much happened when, in place of the calls that are too many to look at.
func (t *timeline) countBuckets() error {
	if len(t.tracks) == 0 {
		return nil
	}
	query := store.TimeQuery{From: t.query.from, To: t.query.to, Wait: t.wait}
	query.Width = max(1, (query.To-query.From)/int64(min(trackBuckets, max(1, t.most.buckets/len(t.tracks)))))
	for _, tr := range t.tracks {
		query.Goroutines = append(query.Goroutines, tr.goroutine.ID)
	}
	found, err := t.q.reader.TimeBuckets(t.q.Context(), t.q.info.ID, query)
	if err != nil {
		return webHints(err)
	}
	t.bucket, t.partial, t.covered, t.blocks = found.Width, !found.Complete(), found.Blocks, found.Of
	for i, tr := range t.tracks {
		tr.buckets = found.Tracks[i].Buckets
	}
	return nil
}

// seen reports whether a call is wide enough to be drawn. An open one has no end.
func (t *timeline) seen(c *recording.Call) bool {
	return c.Outcome == recording.OutcomeOpen || c.End-c.Start >= t.narrowest
}

// count counts a call of the window.
func (tr *track) count(c *recording.Call) {
	tr.counts.Calls++
	tr.counts.Levels = max(tr.counts.Levels, c.Depth+1)
	if c.Failed {
		tr.counts.Errors++
	}
	if c.Outcome == recording.OutcomePanicked {
		tr.counts.Panics++
	}
}

// merge makes a call a part of the bar at its place.
func (t *timeline) merge(tr *track, c *recording.Call) {
	one := denseBar{depth: c.Depth, from: c.Start, to: c.End, calls: 1, first: c.Seq}
	if c.Failed {
		one.errors = 1
	}
	if c.Outcome == recording.OutcomePanicked {
		one.panics = 1
	}
	if t.filter.matchCall(c) {
		one.chosen = 1
	}
	if latest := &tr.latest[c.Depth]; latest.denseBar != nil && c.Start >= latest.from && c.Start < latest.to {
		latest.add(&one)
		return
	}
	bar := tr.addBar(&one, t.cell)
	from := floorDivide(c.Start, t.cell) * t.cell
	tr.latest[c.Depth] = latestBar{bar, from, from + t.cell}
}

// addBar makes a bar a part of the one at its place, which it returns.
func (tr *track) addBar(b *denseBar, cell int64) *denseBar {
	key := denseKey{b.depth, floorDivide(b.from, cell)}
	sum := tr.dense[key]
	if sum == nil {
		copied := *b
		tr.dense[key] = &copied
		return &copied
	}
	sum.add(b)
	return sum
}

func (sum *denseBar) add(b *denseBar) {
	if b.from < sum.from || b.from == sum.from && b.first < sum.first {
		sum.from, sum.first = b.from, b.first
	}
	sum.to = max(sum.to, b.to)
	sum.calls += b.calls
	sum.errors += b.errors
	sum.panics += b.panics
	sum.chosen += b.chosen
}

func floorDivide(a, b int64) int64 {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

// widen makes the narrowest calls that are drawn a part of bars, and returns how many are left. Open calls are as many as goroutines
// are deep, and stay.
func (t *timeline) widen() int {
	var widths []int64
	open := 0
	for _, tr := range t.tracks {
		for i := range tr.calls {
			if c := &tr.calls[i]; c.Outcome == recording.OutcomeOpen {
				open++
			} else {
				widths = append(widths, c.End-c.Start)
			}
		}
	}
	if len(widths) == 0 {
		return 0
	}
	slices.Sort(widths)
	t.narrowest = widths[max(0, len(widths)-t.most.calls/2)] + 1
	if len(widths) <= t.most.calls/2 {
		t.narrowest = widths[len(widths)-1] + 1
	}
	left := 0
	for _, tr := range t.tracks {
		kept := tr.calls[:0]
		for i := range tr.calls {
			if c := &tr.calls[i]; t.seen(c) {
				kept = append(kept, *c)
			} else {
				t.merge(tr, c)
			}
		}
		tr.calls = kept
		left += len(kept)
	}
	return min(left, t.most.calls) // open calls alone are no reason to go on
}

// finish puts everything in order, and makes it few enough for an answer.
func (t *timeline) finish() {
	for t.denseBars() > t.most.dense {
		t.cell *= 2
		for _, tr := range t.tracks {
			old := tr.dense
			tr.dense = make(map[denseKey]*denseBar, len(old)/2)
			for _, b := range old {
				tr.addBar(b, t.cell)
			}
		}
	}
	all := 0
	for _, tr := range t.tracks {
		all += len(tr.all)
		if !t.complete { // they are not all, and so say nothing
			tr.dense = nil
		}
		for _, key := range slices.SortedFunc(maps.Keys(tr.dense), func(a, b denseKey) int {
			return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(a.cell, b.cell))
		}) {
			tr.bars = append(tr.bars, *tr.dense[key])
		}
		slices.SortFunc(tr.calls, func(a, b recording.Call) int {
			return cmp.Or(cmp.Compare(a.Depth, b.Depth), cmp.Compare(a.Seq, b.Seq))
		})
	}
	cell := markCell * max(1, (t.query.to-t.query.from)/int64(t.query.pixels))
	for n := timelineMarks + 1; n > timelineMarks; cell *= 2 {
		t.program.mergeMarks(cell)
		n = len(t.program.marks)
		for _, tr := range t.tracks {
			tr.mergeMarks(cell)
			n += len(tr.marks)
		}
		if n <= len(t.tracks)*5+5 { // kinds
			break
		}
	}
}

func (t *timeline) denseBars() int {
	n := 0
	for _, tr := range t.tracks {
		n += len(tr.dense)
	}
	return n
}

// mergeMarks puts moments of a kind together that lie within a cell.
func (tr *track) mergeMarks(cell int64) {
	slices.SortFunc(tr.all, func(a, b store.Mark) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Time, b.Time), cmp.Compare(a.Seq, b.Seq))
	})
	tr.marks = tr.marks[:0]
	for i := range tr.all {
		m := &tr.all[i]
		if n := len(tr.marks); n > 0 && tr.marks[n-1].Kind == m.Kind && m.Time-tr.marks[n-1].Time < cell {
			tr.marks[n-1].count++
			tr.marks[n-1].last = m.Time
			continue
		}
		tr.marks = append(tr.marks, trackMark{*m, 1, m.Time})
	}
}
