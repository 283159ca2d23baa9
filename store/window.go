package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sort"
	"unsafe"

	"smiley/recording"
)

// WindowQuery chooses what happened within a stretch of a run's time.
type WindowQuery struct {
	From, To   int64          // ns since the run's start; To is not part of it
	Goroutines map[int64]bool // whose calls and marks; marks of no goroutine are always wanted
	Levels     int            // only calls with fewer recorded calls above them
	Events     uint64         // blocks with more events in all are too many to look at; 0: 300,000
	Siblings   int            // long calls with the same caller; a list of more is left out; 0: 200
	// Shortest is what a call must take at least, in ns, to be passed on when the window is not Complete. Nothing below one that is
	// shorter is looked at.
	Shortest int64
}

// Bounds of what a window looks at.
const (
	windowEvents    = 300_000
	windowBlocks    = 64
	windowSiblings  = 200
	windowLongCalls = 4000 // in all
	fewSiblings     = 16   // lists of fewer are read with those of other callers
	callersAtOnce   = 64
	marksCacheBytes = 8 << 20
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
	// Crowded are the callers whose long calls were too many and were left out, with all below them; a caller of 0 stands for the
	// outermost calls of the goroutine. Empty when Complete.
	Crowded []Crowd
}

// Crowd names a list of calls.
type Crowd struct {
	Goroutine int64
	Caller    uint64
}

// Window passes the calls of some goroutines that overlap a stretch of time to call, and the moments in it that are marked on a
// time line to mark, both in no order. A call that ended at From overlaps it. What it costs is bounded, however long the run and
// the stretch. Errors: CodeNotFound, CodeDamaged, CodeCanceled.
func (r *Reader) Window(ctx context.Context, id recording.RunID, query WindowQuery, call func(*recording.Call), mark func(*Mark)) (*Window, error) {
	if query.Events == 0 {
		query.Events = windowEvents
	}
	if query.Siblings == 0 {
		query.Siblings = windowSiblings
	}
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
	left  int // long calls that may still be passed on; the last list may go beyond when the window is not complete
}

func (w *windowWalk) walk(ctx context.Context) (*Window, error) {
	blocks, err := w.blocks(ctx)
	if err != nil {
		return nil, err
	}
	w.found.Complete = blocks != nil
	w.left = windowLongCalls
	for _, goroutine := range slices.Sorted(maps.Keys(w.query.Goroutines)) {
		if err := w.longCalls(ctx, goroutine); err != nil {
			return nil, err
		}
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
	s, marks, err := w.r.windowBlock(ctx, w.q, w.run.key, number)
	if err != nil {
		return err
	}
	for i := range s.calls {
		c := &s.calls[i]
		if c.Outcome != recording.OutcomeOpen && c.Depth < w.query.Levels && w.overlaps(c) && w.query.Goroutines[c.Goroutine] {
			w.call(c)
		}
	}
	for i := range marks {
		m := &marks[i]
		if m.Time >= w.query.From && m.Time < w.query.To && (m.Goroutine == 0 || w.query.Goroutines[m.Goroutine]) {
			w.mark(m)
		}
	}
	return nil
}

// windowBlock returns the calls that begin in a block, and its marks.
func (r *Reader) windowBlock(ctx context.Context, q queries, key int64, number uint32) (*structure, []Mark, error) {
	at := structureKey{key, number}
	s, m := r.structures.get(at), r.marks.get(at)
	if s != nil && m != nil {
		return s, m.marks, nil
	}
	block, err := readBlock(ctx, q, key, number)
	if err != nil {
		return nil, nil, err
	}
	if s == nil {
		if s, err = newStructure(block); err != nil {
			return nil, nil, err
		}
		r.structures.put(at, s)
	}
	if m == nil {
		m = &structure{}
		if m.marks, err = marksOf(block); err != nil {
			return nil, nil, err
		}
		r.marks.put(at, m)
	}
	return s, m.marks, nil
}

const markBytes = int(unsafe.Sizeof(Mark{}))

// marksOf gathers the moments of a block that a time line shows.
func marksOf(block *recording.Block) ([]Mark, error) {
	var marks []Mark
	for e, err := range block.Events(recording.Structure) {
		if err != nil {
			return nil, err
		}
		switch e.Kind {
		case recording.KindPanic, recording.KindRecovered, recording.KindOutput, recording.KindGap:
			marks = append(marks, Mark{e.Seq, e.Time, e.Goroutine, e.Call, e.Kind})
		}
	}
	return marks, nil
}

// longCalls passes on the calls of a goroutine that outlive their block, level by level from the outermost.
func (w *windowWalk) longCalls(ctx context.Context, goroutine int64) error {
	g, err := w.r.goroutine(ctx, w.q, w.run, goroutine)
	if err != nil {
		return err
	}
	t, err := w.r.tail(ctx, w.q, w.run)
	if err != nil {
		return err
	}
	// The calls of the tail are in no table yet.
	tail := map[uint64][]longCall{}
	for _, c := range t.opened {
		if c.Goroutine == goroutine && w.overlaps(&c.Call) {
			tail[c.Parent] = append(tail[c.Parent], *c)
		}
	}
	l := longWalk{windowWalk: w, tail: t, goroutine: goroutine, sorted: g.begins <= 1}
	callers := []uint64{0}
	for level := 0; level < w.query.Levels && len(callers) > 0; level++ {
		var next []uint64
		var lists map[uint64][]longCall
		for i, caller := range callers {
			if i%callersAtOnce == 0 {
				if lists, err = l.belowAll(ctx, callers[i:min(i+callersAtOnce, len(callers))]); err != nil {
					return err
				}
			}
			list := lists[caller]
			list = append(list, tail[caller]...)
			most := w.left
			if !w.found.Complete && w.left > 0 { // short ones count, too: nobody has looked at them yet
				most = w.query.Siblings
			}
			if len(list) > most {
				w.found.Crowded = append(w.found.Crowded, Crowd{goroutine, caller})
				w.found.Complete = false
				continue
			}
			for i := range list {
				c := &list[i].Call
				if c.Depth >= w.query.Levels || w.short(c, c.End-c.Start) {
					continue
				}
				w.left--
				w.call(c)
				if !w.short(c, c.End-c.Start-c.Self) { // what it called took less
					next = append(next, c.Seq)
				}
			}
		}
		callers = next
	}
	return nil
}

// short reports whether a time in a call is too little to be shown. That of an open call is unknown.
func (w *windowWalk) short(c *recording.Call, took int64) bool {
	return !w.found.Complete && c.Outcome != recording.OutcomeOpen && took < w.query.Shortest
}

// longWalk finds the long calls of a goroutine that lie in a window.
type longWalk struct {
	*windowWalk
	tail      *tail
	goroutine int64
	sorted    bool // the calls of a caller come one after the other: positions begin anew with a goroutine whose number was given again
}

// belowAll returns the stored long calls of some callers that lie in the window: one more than wanted of a caller with too many.
func (l *longWalk) belowAll(ctx context.Context, callers []uint64) (map[uint64][]longCall, error) {
	few := min(fewSiblings, l.query.Siblings+1)
	lists, err := l.firsts(ctx, callers, few)
	if err != nil {
		return nil, err
	}
	var longer []uint64 // from their first call on; that of the others is searched for
	for _, caller := range callers {
		list := lists[caller]
		switch n := len(list); {
		case n < few || l.sorted && list[n-1].Start >= l.query.To: // these are all
			lists[caller] = l.within(list)
		case !l.found.Complete && (!l.sorted || l.ends(&list[0])):
			longer = append(longer, caller)
		default:
			if lists[caller], err = l.below(ctx, caller, &list[0]); err != nil {
				return nil, err
			}
		}
	}
	if longer == nil {
		return lists, nil
	}
	all, err := l.firsts(ctx, longer, l.query.Siblings+1)
	for caller, list := range all {
		lists[caller] = l.within(list)
	}
	return lists, err
}

// firsts returns the first n stored long calls of each caller.
func (l *longWalk) firsts(ctx context.Context, callers []uint64, n int) (map[uint64][]longCall, error) {
	list, err := json.Marshal(callers)
	if err != nil {
		return nil, err
	}
	firsts := make(map[uint64][]longCall, len(callers))
	err = each(ctx, l.q, func(rows *sql.Rows) error {
		c, err := l.scan(rows)
		firsts[c.Parent] = append(firsts[c.Parent], c)
		return err
	}, queryFirstLong, l.run.key, l.goroutine, string(list), n)
	for _, first := range firsts {
		slices.SortFunc(first, func(a, b longCall) int { return cmp.Compare(a.position, b.position) })
	}
	return firsts, err
}

// below returns the stored long calls of a caller that lie in the window: one more than wanted when there are too many. first is the
// first of all.
func (l *longWalk) below(ctx context.Context, caller uint64, first *longCall) ([]longCall, error) {
	var err error
	from := first.position
	if l.sorted && !l.ends(first) {
		if from, err = l.firstInWindow(ctx, caller, from+1); err != nil {
			return nil, err
		}
	}
	most := l.query.Siblings
	if l.found.Complete { // then no more can lie there than the blocks leave open
		most = l.left
	}
	list, err := l.list(ctx, caller, from, most+1)
	return l.within(list), err
}

// within leaves the calls of a list that lie in the window.
func (l *longWalk) within(list []longCall) []longCall {
	return slices.DeleteFunc(list, func(c longCall) bool { return !l.overlaps(&c.Call) })
}

// ends reports whether a call ends in the window or behind it.
func (l *longWalk) ends(c *longCall) bool {
	return c.Outcome == recording.OutcomeOpen || c.End >= l.query.From
}

// firstInWindow returns the position from which on the calls of a caller end in the window or behind it. Calls of one caller
// follow each other, so halving the list finds it.
func (l *longWalk) firstInWindow(ctx context.Context, caller, low uint64) (uint64, error) {
	var last uint64
	err := l.q.QueryRowContext(ctx, queryLastLong, l.run.key, l.goroutine, caller).Scan(&last)
	if err != nil {
		return 0, err
	}
	if last < low {
		return low, nil
	}
	n := sort.Search(int(last-low)+1, func(i int) bool {
		if err != nil {
			return true
		}
		var list []longCall
		list, err = l.list(ctx, caller, low+uint64(i), 1)
		return len(list) == 0 || l.ends(&list[0])
	})
	return low + uint64(n), err
}

// errBehind ends a list where the window does.
var errBehind = errors.New("behind the window")

// list returns the next n stored long calls of a caller from a position on, as they are now, up to the first that begins behind the
// window.
func (l *longWalk) list(ctx context.Context, caller, position uint64, n int) ([]longCall, error) {
	var list []longCall
	err := each(ctx, l.q, func(rows *sql.Rows) error {
		c, err := l.scan(rows)
		list = append(list, c)
		if err == nil && l.sorted && c.Start >= l.query.To {
			return errBehind
		}
		return err
	}, queryLongBelow, l.run.key, l.goroutine, caller, position, n)
	if errors.Is(err, errBehind) {
		err = nil
	}
	return list, err
}

// scan reads a stored long call, as it is now.
func (l *longWalk) scan(rows *sql.Rows) (longCall, error) {
	c := longCall{Call: recording.Call{Goroutine: l.goroutine, End: -1, Self: -1}}
	var end, endSeq, self sql.NullInt64
	err := rows.Scan(&c.Parent, &c.Seq, &c.Function, &c.position, &c.Depth, &c.Start, &end, &endSeq, &self, &c.Outcome, &c.Failed)
	if closed, ok := l.tail.closed[c.Seq]; ok {
		c.Call = *closed
	} else if c.Outcome != recording.OutcomeOpen {
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
		}, `SELECT `+goroutineColumns+` FROM (SELECT * FROM goroutines WHERE run = ?1 AND id > ?2 ORDER BY id LIMIT (?3+0))
			WHERE start_ns < ?4 AND ifnull(end_ns >= ?5, 1)
			AND (?6 = '' OR start_function IN (SELECT value FROM json_each(?6))) ORDER BY id LIMIT (?7+0)`,
			run.key, query.After, goroutineScan, query.To, query.From, functions, n+1+len(t.goroutines))
		if err != nil {
			return err
		}
		if len(page) <= n { // otherwise the page itself says where the next one begins
			err = q.QueryRowContext(ctx, `SELECT iif(count(*) < ?3, 0, max(id)) FROM
				(SELECT id FROM goroutines WHERE run = ?1 AND id > ?2 ORDER BY id LIMIT (?3+0))`, run.key, query.After, goroutineScan).Scan(&next)
			if err != nil {
				return err
			}
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
		return err
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
