package web

import (
	"cmp"
	"math"
	"slices"

	"smiley/export"
	"smiley/store"
)

// activityBar is a stretch of the run on the strip of its summary, and on that above its time line.
type activityBar struct {
	X, Width, Y, Height int
	Failed              bool
	Title, Href         string
	from, to            int64 // ns since the run's start
}

const (
	activityWidth  = 1000
	activityHeight = 40
	activityBars   = 100 // at most
	activityRead   = 6   // blocks that are read at once when the run has no digest yet
)

// activityPart is how much happened in a stretch of the run.
type activityPart struct {
	from, to int64
	calls    float64
	guessed  bool // calls is
	failed   bool
}

// activity draws how many calls the run made over its time.
func (q *request) activity() ([]activityBar, error) {
	parts := q.activityDigest()
	if parts == nil {
		var err error
		if parts, err = q.activityBlocks(); err != nil {
			return nil, err
		}
	}
	return q.activityBars(parts), nil
}

func (q *request) activityBars(parts []activityPart) []activityBar {
	if len(parts) < 2 { // one alone tells nothing
		return nil
	}
	most := slices.MaxFunc(parts, func(a, b activityPart) int { return cmp.Compare(a.calls, b.calls) }).calls
	whole := float64(max(q.info.Last+1, 1))
	var bars []activityBar
	for i := range parts {
		p := &parts[i]
		x := int(math.Round(float64(p.from) / whole * activityWidth))
		end := int(math.Round(math.Min(float64(p.to)/whole, 1) * activityWidth))
		height := max(1, int(p.calls/most*activityHeight))
		bars = append(bars, activityBar{
			X: x, Width: max(1, end-x-1), Y: activityHeight - height, Height: height, Failed: p.failed, from: p.from, to: p.to,
			Title: since(p.from) + ": " + p.count(),
			Href:  q.links.to("events", "t", itoa(int(p.from))+"ns"),
		})
	}
	return bars
}

func (p *activityPart) count() string {
	n := export.Plural(uint64(p.calls), "call")
	if p.guessed {
		return "about " + n
	}
	return n
}

// activityDigest takes the calls over time from the run's digest. It does not make one for this, unless that is next to no work: then,
// and when something is wrong with it, the answer is nil.
func (q *request) activityDigest() []activityPart {
	whole := q.info.Last + 1
	query := store.TimeQuery{To: whole, Width: max(1, whole/(activityBars/2)), Wait: store.OnlyRead}
	if q.server.patient || q.info.Blocks <= q.server.fewBlocks {
		query.Wait = q.patience(bucketWait)
	}
	if whole < 2 {
		return nil
	}
	found, err := q.reader.TimeBuckets(q.Context(), q.info.ID, query)
	if err != nil || !found.Complete() {
		return nil
	}
	parts := []activityPart{}
	for i := range found.Tracks[0].Buckets {
		if b := &found.Tracks[0].Buckets[i]; b.Calls > 0 {
			parts = append(parts, activityPart{from: b.Start, to: b.Start + found.Width, calls: float64(b.Calls), failed: b.Panics > 0})
		}
	}
	return parts
}

// activityBlocks guesses the calls over time from where the blocks of the run lie, as if each had its calls evenly.
func (q *request) activityBlocks() ([]activityPart, error) {
	width := max(q.info.Last, 1)/activityBars + 1
	spans, err := q.reader.BlockSpans(q.Context(), q.info.ID, width)
	if err != nil || q.info.Blocks < 2 {
		return nil, err
	}
	all := make([]activityPart, activityBars)
	for i := range all {
		all[i] = activityPart{from: int64(i) * width, to: int64(i+1) * width, guessed: true}
	}
	for i := range spans {
		s := &spans[i]
		first := min(s.First, activityBars-1)
		last := min(s.Last, activityBars-1)
		for at := first; at <= last; at++ {
			all[at].calls += float64(s.Calls) / float64(last-first+1)
			all[at].failed = all[at].failed || s.Panics > 0
		}
	}
	return slices.DeleteFunc(all, func(p activityPart) bool { return p.calls == 0 }), nil
}
