package protocol

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"smiley/recording"
)

// Defined counts what is defined of a run. Ids are dense, so it says which.
type Defined struct{ Types, Functions, Files uint32 }

// Definitions answer a DoDefine: what the blocks below Next define beyond what was asked for, as blocks without events, the first
// of which has the run's metadata.
type Definitions struct {
	Next   uint32
	Now    Defined // by the blocks below Next
	Blocks [][]byte
}

const (
	// watchMessages is how many messages a watcher may have on their way, beside the bytes of its window.
	watchMessages = 64
	// watchBacklog is how many may wait for one. Blocks are few, but runs may come and go while it takes nothing: it is dropped.
	watchBacklog = 4096
)

// watchers are those who look on. What they get is what was committed; they never hold up anybody: each has a bounded queue, and
// of a run for which there is no room the blocks are left out until there is. Then the definitions that were missed are asked
// for, and it goes on with the next block.
type watchers struct {
	byToken map[Token]*watcher
	turn    []*watcher // all of them, in turns
	asking  *watchedRun
	queued  int64 // bytes, of all
}

type watcher struct {
	token  Token
	peer   string
	heard  time.Duration
	prefix recording.RunID
	bits   uint8
	runs   map[recording.RunID]*watchedRun
	order  []*watchedRun // in turns for their definitions

	queue  []watchedItem
	queued int64 // bytes
	serial uint32
	taken  uint32
	flight []int // bytes of the messages (taken, serial]
	onWay  int64 // their sum
}

// watchedItem is a message that waits for the watcher.
type watchedItem struct {
	run     *watchedRun
	message Message // a *WatchedRun or *WatchedBlock without token and serial
	size    int
}

// watchedRun is a run as one watcher sees it.
type watchedRun struct {
	id      recording.RunID
	watcher *watcher
	program string
	behind  bool   // blocks are left out, or were before it was joined
	next    uint32 // the next block to put into the watcher's queue, when it is not behind
	seen    uint32 // the block that follows the last that was committed
	events  uint64 // in the blocks below seen; 0: not known
	have    Defined
	asking  bool
	late    []watchedItem // blocks committed since the definitions were asked for
	bytes   int64         // of late
	retryAt time.Duration
	over    RunState // RunRecording: not yet
}

func (w *watcher) wants(id recording.RunID) bool {
	for i := range int(w.bits) {
		if (id[i/8]^w.prefix[i/8])>>(7-i%8)&1 != 0 {
			return false
		}
	}
	return true
}

// isLive reports whether blocks of a run may come.
func (run *run) isLive() bool {
	return run.known && run.refused == "" && !run.final && (run.session != nil || len(run.queue) > 0)
}

// watch lets a watcher in.
func (r *Receiver) watch(now time.Duration, peer string, m *Watch) {
	switch {
	case m.Min > Version || m.Max < MinVersion:
		r.refuse(peer, &Refuse{Code: RefuseVersion})
		return
	case r.cfg.Watchers == 0:
		r.refuse(peer, &Refuse{Code: RefuseWatch, Text: "it serves no watchers"})
		return
	case len(r.watchers.byToken) >= r.cfg.Watchers:
		r.refuse(peer, &Refuse{Code: RefuseBusy, Retry: time.Second, Text: "it has too many watchers at the moment"})
		return
	}
	w := &watcher{
		token: r.cfg.NewToken(), peer: peer, heard: now, prefix: m.Prefix, bits: m.Bits, runs: make(map[recording.RunID]*watchedRun),
	}
	if r.watchers.byToken == nil {
		r.watchers.byToken = make(map[Token]*watcher)
	}
	r.watchers.byToken[w.token] = w
	r.watchers.turn = append(r.watchers.turn, w)
	live := 0
	// In the order of their ids, which is that of their beginnings: a person sees them in it.
	for _, id := range slices.SortedFunc(maps.Keys(r.runs), func(a, b recording.RunID) int { return bytes.Compare(a[:], b[:]) }) {
		run := r.runs[id]
		if !run.isLive() {
			continue
		}
		live++
		if w.wants(run.id) {
			r.join(w, run)
		}
	}
	if len(w.order) == 1 && w.bits > 0 {
		w.prefix, w.bits = w.order[0].id, 128
	}
	r.reply(peer, &Watching{
		Version: Version, Token: w.token, Live: uint32(live), Matching: uint32(len(w.order)), Software: r.cfg.Software,
	})
}

// join begins to show a run to a watcher.
func (r *Receiver) join(w *watcher, run *run) *watchedRun {
	wr := &watchedRun{
		id: run.id, watcher: w, program: run.program, behind: run.committed > 0, seen: run.committed, events: run.events, over: RunRecording,
	}
	w.runs[run.id] = wr
	w.order = append(w.order, wr)
	r.show(w, watchedItem{run: wr, message: &WatchedRun{Run: run.id, State: RunRecording, Events: run.events, Program: run.program}})
	return wr
}

// show puts something into a watcher's queue.
func (r *Receiver) show(w *watcher, item watchedItem) {
	w.queue = append(w.queue, item)
	w.queued += int64(item.size)
	r.watchers.queued += int64(item.size)
}

// watched shows a block that was committed to the watchers of its run.
func (r *Receiver) watched(run *run, h *recording.Header, body []byte) {
	for _, w := range r.watchers.turn {
		if !w.wants(run.id) {
			continue
		}
		wr := w.runs[run.id]
		if wr == nil {
			wr = r.join(w, run)
			wr.behind = h.Number > 0
		}
		r.watchedBlock(wr, h, body)
		if h.Final {
			wr.over = RunComplete
		}
		r.endWatched(wr)
	}
}

func (r *Receiver) watchedBlock(wr *watchedRun, h *recording.Header, body []byte) {
	w := wr.watcher
	if h.Number < wr.seen {
		return
	}
	wr.seen, wr.events = h.Number+1, h.FirstSeq-1+uint64(h.Events)
	item := watchedItem{run: wr, message: &WatchedBlock{Body: body}, size: len(body)}
	share := r.cfg.WatchQueue / int64(len(r.watchers.turn))
	room := w.queued+wr.bytes+int64(item.size) <= share
	switch {
	case wr.asking && room:
		wr.late = append(wr.late, item)
		wr.bytes += int64(item.size)
	case wr.asking:
		r.stats.WatchSkipped += uint64(len(wr.late)) + 1
		wr.late, wr.bytes = nil, 0
	case wr.behind:
		r.stats.WatchSkipped++
	case h.Number < wr.next: // what was defined covers it
	case h.Number == wr.next && (room || len(w.queue) == 0):
		wr.next++
		r.show(w, item)
	default:
		wr.behind = true
		r.stats.WatchSkipped++
	}
}

// Defined answers a DoDefine; an error makes it ask again later.
func (r *Receiver) Defined(now time.Duration, d Definitions, err error) {
	wr := r.watchers.asking
	if wr == nil {
		return
	}
	r.watchers.asking = nil
	wr.asking = false
	late := wr.late
	wr.late, wr.bytes = nil, 0
	w := wr.watcher
	if w.runs[wr.id] != wr || r.watchers.byToken[w.token] != w {
		return
	}
	for len(late) > 0 && wr.seen-uint32(len(late)) < d.Next {
		late = late[1:]
	}
	next := wr.seen - uint32(len(late))
	if err != nil || next > d.Next { // blocks in between are missing
		r.stats.WatchSkipped += uint64(len(late))
		wr.retryAt = now + 100*time.Millisecond
		if err != nil {
			wr.retryAt = now + time.Second
		}
		r.endWatched(wr)
		return
	}
	wr.behind = false
	wr.have, wr.next = d.Now, max(next, d.Next)
	for _, b := range d.Blocks {
		r.show(w, watchedItem{run: wr, message: &WatchedBlock{Defines: true, Body: b}, size: len(b)})
	}
	for _, item := range late {
		r.show(w, item)
		wr.next++
	}
	r.endWatched(wr)
}

// endWatched tells a watcher that a run is over, once it has been sent what there is room for.
func (r *Receiver) endWatched(wr *watchedRun) {
	w := wr.watcher
	if wr.over == RunRecording || wr.asking || w.runs[wr.id] != wr {
		return
	}
	delete(w.runs, wr.id)
	for i := range w.order {
		if w.order[i] == wr {
			w.order = append(w.order[:i:i], w.order[i+1:]...)
			break
		}
	}
	r.show(w, watchedItem{run: wr, message: &WatchedRun{Run: wr.id, State: wr.over, Events: wr.events, Program: wr.program}})
}

// goneWatched tells the watchers of a run that its sender is gone.
func (r *Receiver) goneWatched(id recording.RunID) {
	for _, w := range r.watchers.turn {
		if wr := w.runs[id]; wr != nil && wr.over == RunRecording {
			wr.over = RunGone
			r.endWatched(wr)
		}
	}
}

// took notes what a watcher has had.
func (r *Receiver) took(now time.Duration, w *watcher, serial uint32) {
	w.heard = now
	if serial-w.taken > uint32(len(w.flight)) { // it never got that
		r.stats.Malformed++
		return
	}
	for w.taken != serial {
		w.taken++
		w.onWay -= int64(w.flight[0])
		w.flight = w.flight[1:]
	}
}

// pollWatchers returns what to send to a watcher, or which definitions to ask for.
func (r *Receiver) pollWatchers(now time.Duration) ReceiverAction {
	for range r.watchers.turn {
		w := r.watchers.turn[0]
		r.watchers.turn = append(r.watchers.turn[1:], w)
		if len(w.queue) > watchBacklog {
			r.leave(w)
			return r.pollWatchers(now)
		}
		if len(w.flight) >= watchMessages {
			continue
		}
		if len(w.queue) > 0 {
			if w.onWay == 0 || w.onWay+int64(w.queue[0].size) <= r.cfg.WatchWindow {
				return r.sendWatched(w)
			}
			continue
		}
		if r.watchers.asking != nil || w.onWay > r.cfg.WatchWindow/2 {
			continue
		}
		if wr := w.wanting(now); wr != nil {
			wr.asking = true
			r.watchers.asking = wr
			return ReceiverAction{Kind: DoDefine, Run: wr.id, Have: wr.have}
		}
	}
	return ReceiverAction{}
}

// wanting returns the next run whose definitions are missing.
func (w *watcher) wanting(now time.Duration) *watchedRun {
	for range w.order {
		wr := w.order[0]
		w.order = append(w.order[1:], wr)
		if wr.behind && now >= wr.retryAt {
			return wr
		}
	}
	return nil
}

func (r *Receiver) sendWatched(w *watcher) ReceiverAction {
	item := w.queue[0]
	w.queue[0] = watchedItem{}
	w.queue = w.queue[1:]
	w.queued -= int64(item.size)
	r.watchers.queued -= int64(item.size)
	w.serial++
	switch m := item.message.(type) {
	case *WatchedRun:
		m.Token, m.Serial = w.token, w.serial
	case *WatchedBlock:
		m.Token, m.Serial = w.token, w.serial
		if !m.Defines {
			r.stats.Watched++
		}
	}
	body := AppendMessage(make([]byte, 0, item.size+64), item.message)
	w.flight = append(w.flight, len(body))
	w.onWay += int64(len(body))
	return ReceiverAction{Kind: DoReply, Peer: w.peer, Body: body}
}

// leave forgets a watcher.
func (r *Receiver) leave(w *watcher) {
	delete(r.watchers.byToken, w.token)
	r.watchers.queued -= w.queued
	for i := range r.watchers.turn {
		if r.watchers.turn[i] == w {
			r.watchers.turn = append(r.watchers.turn[:i:i], r.watchers.turn[i+1:]...)
			break
		}
	}
}
