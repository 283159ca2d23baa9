package web

import (
	"slices"
	"time"

	"smiley/recording"
	"smiley/store"
)

// Bounds of the searches behind one page. They end with what they found, and say how far they came.
const (
	// searchTime is how long a search goes on unless Options says otherwise: whoever waits sees the first hits, or how far it came, at once.
	searchTime = 100 * time.Millisecond
	// searchStretch is how many events a search backwards looks at before it sees whether its time is over.
	searchStretch = 4 * recording.BlockEvents
	fetchBlind    = 70_000 // events passed over on the way to a wanted one, rather than asking again from there
	fetchJumps    = 8      // places from which values are fetched for one page
	callJumps     = 4      // and beside these, arguments of calls whose ends are shown
)

// scan is what a search found.
type scan struct {
	events []recording.Event
	next   uint64 // seq to go on from; 0: the search came to the end of the run
	full   bool   // it ended because it found enough
}

// forward returns the first n events from seq from on that a filter chooses, without their data unless it chooses all.
func (q *request) forward(from uint64, n int, f *filter) (scan, error) {
	query := f.query()
	query.FromSeq, query.Goroutine = from, q.focus.Goroutine
	return q.searchForward(query, n, f)
}

func (q *request) searchForward(query store.EventQuery, n int, f *filter) (scan, error) {
	if f.all() {
		query.Parts = recording.WithData
	}
	var s scan
	over := q.searchOver()
	query.Passed = func(next uint64) bool {
		if !over() {
			return true
		}
		s.next = next
		return false
	}
	for e, err := range q.reader.Events(q.Context(), q.info.ID, query) {
		if err != nil {
			return s, err
		}
		if !f.matchRest(&e) {
			continue
		}
		if len(s.events) == n {
			s.next, s.full = e.Seq, true
			return s, nil
		}
		s.events = append(s.events, e)
	}
	if s.next > q.info.Events {
		s.next = 0
	}
	return s, nil
}

// searchOver begins a search, and returns what reports whether its time is over.
func (q *request) searchOver() func() bool {
	begun := time.Now()
	return func() bool { return !q.server.patient && time.Since(begun) >= q.server.SearchTime }
}

// backward returns the last n events before a seq that a filter chooses. It looks at ever larger stretches of the run until its time
// is over; next is then where it began.
func (q *request) backward(before uint64, n int, f *filter) (scan, error) {
	var s scan
	before = min(before, q.info.Events+1)
	low, stretch := before, uint64(4*n)
	for over := q.searchOver(); low > 1 && len(s.events) < n && (low == before || !over()); stretch *= 4 {
		high := low
		stretch = min(stretch, searchStretch)
		low = max(1, high-min(high, stretch))
		part, err := q.stretch(low, high, f)
		if err != nil {
			return s, err
		}
		s.events = append(part, s.events...)
	}
	if extra := len(s.events) - n; extra > 0 {
		s.events = s.events[extra:]
	}
	s.next, s.full = low, len(s.events) == n
	return s, nil
}

// stretch returns the events with low ≤ seq < high that a filter chooses.
func (q *request) stretch(low, high uint64, f *filter) ([]recording.Event, error) {
	query := f.query()
	query.FromSeq, query.Goroutine = low, q.focus.Goroutine
	query.Passed = func(next uint64) bool { return next < high }
	if f.all() {
		query.Parts = recording.WithData
	}
	var part []recording.Event
	for e, err := range q.reader.Events(q.Context(), q.info.ID, query) {
		if err != nil {
			return nil, err
		}
		if e.Seq >= high {
			break
		}
		if f.matchRest(&e) {
			part = append(part, e)
		}
	}
	return part, nil
}

// fetch returns events by seq, with their data. Events that lie close together come at the price of one; beyond a number
// of places it gives up, and the rest is missing from the answer.
func (q *request) fetch(seqs []uint64, jumps int) (map[uint64]recording.Event, error) {
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	found := make(map[uint64]recording.Event, len(seqs))
	for jump := 0; len(seqs) > 0 && jump < jumps; jump++ {
		if seqs[0] == 0 {
			seqs = seqs[1:]
			continue
		}
		query := store.EventQuery{FromSeq: seqs[0], Parts: recording.WithData}
		for e, err := range q.reader.Events(q.Context(), q.info.ID, query) {
			if err != nil {
				return found, err
			}
			if e.Seq == seqs[0] {
				found[e.Seq] = e
				seqs = seqs[1:]
			}
			if len(seqs) == 0 || seqs[0]-e.Seq > fetchBlind {
				break
			}
		}
	}
	return found, nil
}
