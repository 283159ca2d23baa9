package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"

	"smiley/recording"
)

// WindowQuery chooses what happened within a stretch of a run's time.
type WindowQuery struct {
	From, To   int64          // ns since the run's start; To is not part of it
	Goroutines map[int64]bool // whose calls and marks; marks of no goroutine are always wanted
	Levels     int            // only calls with fewer recorded calls above them, 64 at most
	Events     uint64         // blocks with more events in all are too many to look at; 0: 300,000
	LongCalls  int            // that outlive their block, about as many in all; 0: 4000
	// Shortest is what a call must take at least, in ns, to be passed on when the window is not Complete.
	Shortest int64
}

// Bounds of what a window looks at.
const (
	windowEvents    = 300_000
	windowBlocks    = 64
	windowLongCalls = 4000
	windowLevels    = 64
	fewLongCalls    = 128 // of a goroutine, however many there are
)

// Mark is a moment that a time line shows.
type Mark struct {
	Seq       uint64
	Time      int64 // ns since the run's start
	Goroutine int64
	Call      uint64 // the innermost open call; 0: none was recorded
	Kind      recording.Kind
}

// Window is what Reader.Window found besides calls and marks.
type Window struct {
	// Complete says that all calls and marks of the window were seen. Otherwise it spans more than can be looked at for one
	// answer: then only calls that outlive a block of the recording were, and no marks.
	Complete bool
	// Shortest is above 0 when the long calls were too many: then calls that took less than this, in ns, may be missing, and Complete
	// is false.
	Shortest int64
}

// Window passes the calls of some goroutines that overlap a stretch of time to call, and the moments in it that are marked on a
// time line to mark, both in no order. A call that ended at From overlaps it. What it costs is bounded, however long the run and
// the stretch. Errors: CodeNotFound, CodeDamaged, CodeCanceled.
func (r *Reader) Window(ctx context.Context, id recording.RunID, query WindowQuery, call func(*recording.Call), mark func(*Mark)) (*Window, error) {
	if query.Events == 0 {
		query.Events = windowEvents
	}
	if query.LongCalls == 0 {
		query.LongCalls = max(windowLongCalls, fewLongCalls*len(query.Goroutines))
	}
	query.Levels = min(query.Levels, windowLevels)
	var found *Window
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		w := windowWalk{r: r, q: q, run: run, query: &query, call: call, mark: mark}
		found, err = w.walk(ctx)
		return err
	})
	return found, err
}

// windowWalk gathers what a window shows.
type windowWalk struct {
	r     *Reader
	q     queries
	run   *runRow
	query *WindowQuery
	call  func(*recording.Call)
	mark  func(*Mark)
	found Window
}

func (w *windowWalk) walk(ctx context.Context) (*Window, error) {
	blocks, err := w.blocks(ctx)
	if err != nil {
		return nil, err
	}
	w.found.Complete = blocks != nil
	for _, goroutine := range slices.Sorted(maps.Keys(w.query.Goroutines)) {
		if err := w.longCalls(ctx, goroutine, max(1, w.query.LongCalls/len(w.query.Goroutines))); err != nil {
			return nil, err
		}
	}
	if !w.found.Complete {
		return &w.found, nil
	}
	for _, number := range blocks {
		if err := w.block(ctx, number); err != nil {
			return nil, err
		}
	}
	return &w.found, nil
}

// blocks returns the numbers of the blocks that lie in the window, nil when they are too many to look at.
func (w *windowWalk) blocks(ctx context.Context) ([]uint32, error) {
	numbers, events := []uint32{}, uint64(0)
	err := each(ctx, w.q, func(rows *sql.Rows) error {
		var number uint32
		var n uint64
		err := rows.Scan(&number, &n)
		numbers = append(numbers, number)
		events += n
		return err
	}, queryWindowBlocks, w.run.key, w.query.From, w.query.To, windowBlocks+1)
	// A single block is looked at whatever its size.
	if len(numbers) > windowBlocks || len(numbers) > 1 && events > w.query.Events {
		numbers = nil
	}
	return numbers, err
}

// overlaps reports whether a call lies in the window.
func (w *windowWalk) overlaps(c *recording.Call) bool {
	return c.Start < w.query.To && (c.Outcome == recording.OutcomeOpen || c.End >= w.query.From)
}

// block passes on what lies in a block: all calls but those that outlive it, which the index of long calls has.
func (w *windowWalk) block(ctx context.Context, number uint32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := w.r.structure(ctx, w.q, w.run.key, number)
	if err != nil {
		return err
	}
	goroutine, wanted := int64(0), false
	for i := range s.calls {
		c := &s.calls[i]
		if c.Goroutine != goroutine {
			goroutine, wanted = c.Goroutine, w.query.Goroutines[c.Goroutine]
		}
		if wanted && c.Outcome != recording.OutcomeOpen && c.Depth < w.query.Levels && w.overlaps(c) {
			w.call(c)
		}
	}
	for i := range s.marks {
		m := &s.marks[i]
		if m.Time >= w.query.From && m.Time < w.query.To && (m.Goroutine == 0 || w.query.Goroutines[m.Goroutine]) {
			w.mark(m)
		}
	}
	return nil
}

// The lengths of long calls, as their index has them.
const (
	lengths     = 18 // in all
	lengthOpen  = lengths - 1
	lengthOver  = lengths - 2 // there is no bound
	lengthFirst = 14          // bits
	lengthBits  = 2           // of each further one
)

// lengthBound is what calls of a length take less than, in ns.
func lengthBound(length int) int64 {
	if length >= lengthOver {
		return math.MaxInt64
	}
	return 1 << (lengthFirst + lengthBits*length)
}

// longCalls passes on the calls of a goroutine that outlive their block, n at most, the longest first.
func (w *windowWalk) longCalls(ctx context.Context, goroutine int64, n int) error {
	t, err := w.r.tail(ctx, w.q, w.run)
	if err != nil {
		return err
	}
	for _, c := range t.opened { // these are in no table yet
		if c.Goroutine == goroutine && w.wanted(&c.Call) {
			w.call(&c.Call)
		}
	}
	for length := lengthOpen; length >= 0; length-- {
		bound := lengthBound(length)
		if length < lengthOver && bound <= w.least() {
			break
		}
		from := int64(math.MinInt64)
		if bound < math.MaxInt64 {
			from = w.query.From - bound
		}
		rows := 0
		err := each(ctx, w.q, func(row *sql.Rows) error {
			rows++
			c, err := scanLong(row, goroutine, t)
			if err == nil && w.wanted(&c) {
				w.call(&c)
			}
			return err
		}, queryLong, w.run.key, goroutine, length, from, w.query.To, w.query.From, w.least(), w.query.Levels, n)
		if err != nil {
			return err
		}
		if n -= rows; n <= 0 { // there may be more
			w.found.Complete = false
			w.found.Shortest = max(w.found.Shortest, bound)
			break
		}
	}
	return nil
}

// least is what a call must take to be passed on.
func (w *windowWalk) least() int64 {
	if w.found.Complete {
		return 0
	}
	return w.query.Shortest
}

// wanted reports whether a long call is passed on.
func (w *windowWalk) wanted(c *recording.Call) bool {
	return c.Depth < w.query.Levels && w.overlaps(c) && (c.Outcome == recording.OutcomeOpen || c.End-c.Start >= w.least())
}

// scanLong reads a stored long call, as it is now.
func scanLong(row *sql.Rows, goroutine int64, t *tail) (recording.Call, error) {
	c := recording.Call{Goroutine: goroutine, End: -1, Self: -1}
	var end, endSeq, self sql.NullInt64
	err := row.Scan(&c.Parent, &c.Seq, &c.Function, &c.Depth, &c.Start, &end, &endSeq, &self, &c.Outcome, &c.Failed)
	if closed, ok := t.closed[c.Seq]; ok {
		return *closed, err
	}
	if c.Outcome != recording.OutcomeOpen {
		c.End, c.EndSeq, c.Self = end.Int64, uint64(endSeq.Int64), self.Int64
	}
	return c, err
}

// GoroutineQuery chooses goroutines.
type GoroutineQuery struct {
	From, To int64 // those that began before To and did not end before From, ns since the run's start
	After    int64 // with a higher number
	// Functions, when it is not nil, leaves only those that began with one of them.
	Functions map[recording.FunctionID]bool
	Limit     int // at most so many; 0: 100
}

// goroutineScan is how many goroutines are looked at for one answer.
const goroutineScan = 20_000

// GoroutinesWithin returns goroutines that lived within a stretch of a run's time, by number. next is the number to go on behind, 0
// when there are no more: a page can be short, or empty, and yet not be the last, because only so many goroutines are looked at for
// it.
func (r *Reader) GoroutinesWithin(ctx context.Context, id recording.RunID, query GoroutineQuery) (page []GoroutineInfo, next int64, err error) {
	n := limit(query.Limit)
	functions, err := query.functions()
	if err != nil {
		return nil, 0, err
	}
	err = r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		t, err := r.tail(ctx, q, run)
		if err != nil {
			return err
		}
		last := int64(math.MaxInt64) // goroutine to be looked at
		err = q.QueryRowContext(ctx, queryGoroutineScan, run.key, query.After, r.goroutineScan-1).Scan(&last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		more := err == nil
		known := map[int64]bool{}
		err = each(ctx, q, func(rows *sql.Rows) error {
			g, err := scanGoroutine(rows)
			if d, ok := t.goroutines[g.ID]; ok {
				g.add(d)
			}
			known[g.ID] = true
			if query.match(&g.GoroutineInfo) {
				page = append(page, g.GoroutineInfo)
			}
			return err
		}, queryGoroutinesWithin, run.key, query.After, last, query.To, query.From, functions, n+1+len(t.goroutines))
		if err != nil {
			return err
		}
		if more && len(page) <= n { // otherwise the page itself says where the next one begins
			next = last
		}
		for id, d := range t.goroutines {
			// Goroutines that are in no table yet, and those that the query passed over.
			if known[id] || d.begins == 0 || id <= query.After || next != 0 && id > next {
				continue
			}
			g := goroutineRow{}
			g.End = -1
			g.add(d)
			if query.match(&g.GoroutineInfo) {
				page = append(page, g.GoroutineInfo)
			}
		}
		return nil
	})
	slices.SortFunc(page, func(a, b GoroutineInfo) int { return cmp.Compare(a.ID, b.ID) })
	if len(page) > n {
		page = page[:n]
		next = page[n-1].ID
	}
	return page, next, err
}

// functions is the list of wanted functions as a JSON array, "" for all.
func (query *GoroutineQuery) functions() (string, error) {
	if query.Functions == nil {
		return "", nil
	}
	list, err := json.Marshal(slices.Sorted(maps.Keys(query.Functions)))
	return string(list), err
}

// match reports whether a goroutine is wanted. One whose end was not seen lives on.
func (query *GoroutineQuery) match(g *GoroutineInfo) bool {
	return g.Start < query.To && (g.End < 0 || g.End >= query.From) && (query.Functions == nil || query.Functions[g.StartFunction])
}
