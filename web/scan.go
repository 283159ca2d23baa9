package web

import (
	"context"
	"errors"
	"slices"

	"smiley/recording"
	"smiley/store"
)

// Bounds of the searches behind one page. They end with what they found, and say how far they came.
const (
	scanEvents = 400_000 // events looked at
	scanShare  = 0.2     // of the request's time
	fetchBlind = 70_000  // events passed over on the way to a wanted one, rather than asking again from there
	fetchJumps = 8       // places from which values are fetched for one page
)

// scan is what a search found.
type scan struct {
	events []recording.Event
	next   uint64 // seq to go on from; 0: the search came to the end of the run
	full   bool   // it ended because it found enough
}

// forward returns the first n events from seq from on that a filter chooses, without their data unless it chooses all.
func (q *request) forward(from uint64, n int, f *filter) (scan, error) {
	return q.searchForward(store.EventQuery{FromSeq: from, Goroutine: q.focus.Goroutine}, n, f)
}

func (q *request) searchForward(query store.EventQuery, n int, f *filter) (scan, error) {
	ctx, cancel := context.WithTimeout(q.Context(), scanTime(scanShare))
	defer cancel()
	if f.all() {
		query.Parts = recording.WithData
	}
	var s scan
	seen := 0
	last := query.FromSeq
	for e, err := range q.reader.Events(ctx, q.info.ID, query) {
		if err != nil {
			if len(s.events) == 0 && seen == 0 || !stopped(q, err) {
				return s, err
			}
			s.next = last + 1
			return s, nil
		}
		seen++
		last = e.Seq
		if f.match(&e) {
			if len(s.events) == n {
				s.next, s.full = e.Seq, true
				return s, nil
			}
			s.events = append(s.events, e)
		}
		if seen == scanEvents {
			s.next = e.Seq + 1
			return s, nil
		}
	}
	return s, nil
}

// stopped reports whether a search ended because its time was up, while its request goes on.
func stopped(q *request, err error) bool {
	return recording.CodeOf(err) == recording.CodeCanceled && q.Context().Err() == nil ||
		errors.Is(err, context.DeadlineExceeded) && q.Context().Err() == nil
}

// backward returns the last n events before a seq that a filter chooses. It looks at ever larger stretches of the run, and
// at scanEvents of them at most; next is then where it began.
func (q *request) backward(before uint64, n int, f *filter) (scan, error) {
	var s scan
	low, stretch, left := before, uint64(4*n), uint64(scanEvents)
	for low > 1 && len(s.events) < n && left > 0 {
		high := low
		stretch = min(stretch, left)
		low = max(1, high-min(high, stretch))
		left -= min(left, high-low)
		part, err := q.stretch(low, high, f)
		if err != nil {
			return s, err
		}
		s.events = append(part, s.events...)
		stretch *= 4
	}
	if extra := len(s.events) - n; extra > 0 {
		s.events = s.events[extra:]
	}
	s.next, s.full = low, len(s.events) == n
	return s, nil
}

// stretch returns the events with low ≤ seq < high that a filter chooses.
func (q *request) stretch(low, high uint64, f *filter) ([]recording.Event, error) {
	query := store.EventQuery{FromSeq: low, Goroutine: q.focus.Goroutine}
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
		if f.match(&e) {
			part = append(part, e)
		}
	}
	return part, nil
}

// fetch returns events by seq, with their data. Events that lie close together come at the price of one; beyond a number
// of places it gives up, and the rest is missing from the answer.
func (q *request) fetch(seqs []uint64) (map[uint64]recording.Event, error) {
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	found := make(map[uint64]recording.Event, len(seqs))
	for jump := 0; len(seqs) > 0 && jump < fetchJumps; jump++ {
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
