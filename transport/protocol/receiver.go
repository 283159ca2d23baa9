package protocol

import (
	"time"

	"smiley/recording"
)

// ReceiverConfig says how a Receiver behaves. Zero values become those of DefaultReceiverConfig.
type ReceiverConfig struct {
	Software string // version of smiley
	DataPort uint16 // told to every sender

	Sessions int   // senders at the same time
	Runs     int   // runs remembered, with and without a session
	Budget   int64 // bytes of blocks that are received and not committed
	Window   int64 // bytes, the most that one sender is allowed of it
	Blocks   int   // blocks that one sender may have on their way

	SessionTTL time.Duration // a sender that says nothing for so long is gone
	RunTTL     time.Duration // a run without a session is forgotten (in memory; the store has it) after so long
	Retry      Backoff       // of a commit that failed for a while

	Watchers    int   // at the same time; 0: none is served
	WatchWindow int64 // bytes that a watcher may have on their way
	WatchQueue  int64 // bytes that wait for all of them

	Random   func() float64
	NewToken func() Token // from a source that cannot be guessed
}

// DefaultReceiverConfig returns the defaults; Random and NewToken must be set.
func DefaultReceiverConfig() ReceiverConfig {
	return ReceiverConfig{
		Sessions:    1024,
		Runs:        8192,
		Budget:      128 << 20,
		Window:      32 << 20,
		Blocks:      256,
		SessionTTL:  15 * time.Second,
		RunTTL:      time.Minute,
		WatchWindow: 2 << 20,
		WatchQueue:  32 << 20,
		Retry:       Backoff{Base: 250 * time.Millisecond, Cap: 5 * time.Second, Trip: 1 << 30},
	}
}

// minWindow is what a sender is allowed however many there are.
const minWindow = 256 << 10

// maxLookups bounds the lookups under way.
const maxLookups = 64

// ReceiverAction is what the owner of a Receiver does next.
type ReceiverAction struct {
	Kind ReceiverActionKind
	Peer string          // DoReply: whom
	Body []byte          // DoReply: the message
	Run  recording.RunID // DoLookup, DoGone, DoDefine
	Have Defined         // DoDefine
}

// ReceiverActionKind says what to do.
type ReceiverActionKind uint8

// What there is to do.
const (
	DoNothing ReceiverActionKind = iota
	DoReply                      // send Body to Peer on the control socket; a peer that does not read loses it
	DoLookup                     // ask the store for the next block of Run, then call Found
	DoGone                       // the sender of Run has gone for good, or is silent for RunTTL: it may be interrupted
	DoDefine                     // ask the store what was defined of Run beyond Have, then call Defined
)

// Block is a block on its way to the store.
type Block struct {
	Run     recording.RunID
	Number  uint32
	Body    []byte
	Arrived time.Duration
}

// run is what a Receiver knows of a run.
type run struct {
	id        recording.RunID
	secret    Secret
	known     bool   // committed is what the store says
	asking    bool   // a lookup is under way
	peer      string // of the hello that waits for the lookup
	session   *session
	committed uint32
	received  uint32
	queue     []Block // [committed, received); the first may be out for commit
	out       bool    // the first of the queue is being committed
	bytes     int64   // of the queue
	queued    bool    // in the ring of runs with something to commit
	heldUntil time.Duration
	retry     Backoff
	holding   string // why commits fail at the moment
	refused   string // why the store cannot keep the run
	program   string // for people
	events    uint64 // that are committed; 0: not known
	final     bool   // its last block is committed
	lastSeen  time.Duration
	resumeFor uint32        // the number a resend was asked for
	resumeAt  time.Duration // when
	resuming  bool
}

type session struct {
	token Token
	peer  string
	run   *run
	heard time.Duration
	dirty bool
	echo  uint64
	again bool // the next ack asks to resume
}

// Receiver is the receiving end for many runs. Times are durations since any fixed moment, and never run backwards.
type Receiver struct {
	cfg      ReceiverConfig
	runs     map[recording.RunID]*run
	sessions map[Token]*session
	ready    []*run // with a block to commit, round robin
	dirty    []*session
	replies  []ReceiverAction
	lookups  int
	bytes    int64 // of all queues
	watchers watchers
	swept    time.Duration
	closing  bool
	stats    ReceiverStats
}

// ReceiverStats counts what a Receiver did.
type ReceiverStats struct {
	Sessions, Runs int
	QueuedBlocks   int
	QueuedBytes    int64
	Hellos         uint64
	Accepted       uint64 // blocks taken for commit
	AcceptedBytes  uint64
	Committed      uint64 // blocks
	Duplicates     uint64 // blocks that were here already
	OutOfOrder     uint64 // blocks that came before their predecessors, and blocks for which there was no room
	Damaged        uint64 // blocks that failed their checksum
	Unknown        uint64 // blocks and messages of no session: late, or forged
	Malformed      uint64 // messages that mean nothing
	Versions       uint64 // messages of other protocol versions
	Refused        uint64 // hellos and runs turned down
	CommitFailures uint64
	Watchers       int
	Watched        uint64 // blocks sent to watchers
	WatchSkipped   uint64 // blocks left out because a watcher was too slow, or had just joined
}

// NewReceiver returns a Receiver without runs.
func NewReceiver(cfg ReceiverConfig) *Receiver {
	d := DefaultReceiverConfig()
	orDefault(&cfg.Budget, d.Budget)
	orDefault(&cfg.Window, d.Window)
	orDefault(&cfg.WatchWindow, d.WatchWindow)
	orDefault(&cfg.WatchQueue, d.WatchQueue)
	orDefault(&cfg.SessionTTL, d.SessionTTL)
	orDefault(&cfg.RunTTL, d.RunTTL)
	if cfg.Sessions == 0 {
		cfg.Sessions = d.Sessions
	}
	if cfg.Runs == 0 {
		cfg.Runs = d.Runs
	}
	if cfg.Blocks == 0 {
		cfg.Blocks = d.Blocks
	}
	if cfg.Retry == (Backoff{}) {
		cfg.Retry = d.Retry
	}
	return &Receiver{cfg: cfg, runs: make(map[recording.RunID]*run), sessions: make(map[Token]*session)}
}

// Poll returns what to do next; DoNothing when there is nothing before Deadline, unless something happens.
func (r *Receiver) Poll(now time.Duration) ReceiverAction {
	r.sweep(now)
	if len(r.replies) == 0 && len(r.dirty) > 0 {
		s := r.dirty[0]
		r.dirty = r.dirty[1:]
		if s.dirty && r.sessions[s.token] == s {
			r.acknowledge(s)
		}
	}
	if len(r.replies) == 0 {
		return r.pollWatchers(now)
	}
	a := r.replies[0]
	r.replies = r.replies[1:]
	return a
}

// Deadline returns when to poll again at the latest, if nothing happens before.
func (r *Receiver) Deadline() time.Duration { return r.swept + r.cfg.SessionTTL/4 }

// NextAt returns when Next may have a block, if nothing happens before.
func (r *Receiver) NextAt() time.Duration {
	at := never
	for _, run := range r.ready {
		at = min(at, run.heldUntil)
	}
	return at
}

// Next takes a block to be committed, in the order of each run and in turns between runs. The block must come back with
// Committed or Failed; until then no other block of its run is handed out.
func (r *Receiver) Next(now time.Duration) (Block, bool) {
	for range r.ready {
		run := r.ready[0]
		r.ready = r.ready[1:]
		if len(run.queue) == 0 || run.out || run.refused != "" {
			run.queued = false
			continue
		}
		if now < run.heldUntil {
			r.ready = append(r.ready, run)
			continue
		}
		run.queued = false
		run.out = true
		return run.queue[0], true
	}
	return Block{}, false
}

// enqueue puts a run that has something to commit into the ring.
func (r *Receiver) enqueue(run *run) {
	if !run.queued && !run.out && len(run.queue) > 0 && run.refused == "" {
		run.queued = true
		r.ready = append(r.ready, run)
	}
}

// Committed reports that a block from Next is in the store.
func (r *Receiver) Committed(now time.Duration, id recording.RunID, number uint32) {
	run := r.runs[id]
	if run == nil || !run.out || number != run.committed {
		return
	}
	run.out = false
	body := run.queue[0].Body
	size := int64(len(body))
	if h, err := recording.ParseHeader(body); err == nil {
		r.watched(run, &h, body)
		run.events, run.final = h.FirstSeq-1+uint64(h.Events), h.Final
	}
	run.queue[0] = Block{}
	run.queue = run.queue[1:]
	run.bytes -= size
	r.bytes -= size
	run.committed++
	run.holding = ""
	run.retry = r.cfg.Retry
	run.lastSeen = now
	r.stats.Committed++
	r.enqueue(run)
	r.touch(run.session)
}

// Failed reports that a block from Next could not be committed. permanent says that it never can be; otherwise it is
// handed out again after a while.
func (r *Receiver) Failed(now time.Duration, id recording.RunID, number uint32, permanent bool, reason string) {
	run := r.runs[id]
	if run == nil || !run.out || number != run.committed {
		return
	}
	run.out = false
	run.lastSeen = now
	r.stats.CommitFailures++
	if permanent {
		r.ban(run, reason)
		return
	}
	run.holding = reason
	run.heldUntil = now + run.retry.Failed(r.cfg.Random)
	r.enqueue(run)
	r.touch(run.session)
}

// ban takes nothing more of a run.
func (r *Receiver) ban(run *run, reason string) {
	run.refused = reason
	r.empty(run)
	r.goneWatched(run.id)
	if s := run.session; s != nil {
		r.refuse(s.peer, &Refuse{Code: RefuseRun, Run: run.id, Token: s.token, Text: reason})
		r.end(s)
	}
}

// empty gives up what is queued of a run; its sender still has it.
func (r *Receiver) empty(run *run) {
	r.bytes -= run.bytes
	run.bytes = 0
	run.queue = nil
	run.received = run.committed
	run.out = false
}

// touch asks for an ack.
func (r *Receiver) touch(s *session) {
	if s != nil && !s.dirty {
		s.dirty = true
		r.dirty = append(r.dirty, s)
	}
}

func (r *Receiver) acknowledge(s *session) {
	run := s.run
	r.reply(s.peer, &Ack{
		Token: s.token, Committed: run.committed, Received: run.received, Window: r.window(),
		Resume: s.again, Holding: run.holding != "", Echo: s.echo, Text: run.holding,
	})
	s.dirty, s.again, s.echo = false, false, 0
}

// window is what each sender is allowed: a share of the budget, so that all together keep within it.
func (r *Receiver) window() Window {
	share := r.cfg.Budget / int64(max(len(r.sessions), 1))
	return Window{
		Blocks: uint32(r.cfg.Blocks),
		Bytes:  uint32(min(max(share, minWindow), r.cfg.Window, 1<<31)),
	}
}

func (r *Receiver) reply(peer string, m Message) {
	r.replies = append(r.replies, ReceiverAction{Kind: DoReply, Peer: peer, Body: AppendMessage(nil, m)})
}

func (r *Receiver) refuse(peer string, m *Refuse) {
	r.stats.Refused++
	m.Min, m.Max, m.Software = MinVersion, Version, r.cfg.Software
	r.reply(peer, m)
}

// end forgets a session.
func (r *Receiver) end(s *session) {
	delete(r.sessions, s.token)
	if s.run.session == s {
		s.run.session = nil
	}
}

// sweep ends what is silent.
func (r *Receiver) sweep(now time.Duration) {
	if now < r.swept+r.cfg.SessionTTL/4 {
		return
	}
	r.swept = now
	for _, s := range r.sessions {
		if now >= s.heard+r.cfg.SessionTTL {
			r.end(s)
		}
	}
	for _, w := range r.watchers.byToken {
		if now >= w.heard+r.cfg.SessionTTL {
			r.leave(w)
		}
	}
	for id, run := range r.runs {
		if run.session == nil && len(run.queue) == 0 && !run.asking && now >= run.lastSeen+r.cfg.RunTTL {
			delete(r.runs, id)
			r.gone(run)
		}
	}
}

func (r *Receiver) gone(run *run) {
	r.goneWatched(run.id)
	if run.known && run.committed > 0 {
		r.replies = append(r.replies, ReceiverAction{Kind: DoGone, Run: run.id})
	}
}

// Close says that the Receiver stops: senders are told, and nothing more is taken. What was handed out by Next may still
// be Committed; Poll hands out the last acks.
func (r *Receiver) Close() {
	if r.closing {
		return
	}
	r.closing = true
	for _, s := range r.sessions {
		r.acknowledge(s)
		r.reply(s.peer, &Bye{Token: s.token})
		r.end(s)
	}
	for _, w := range r.watchers.byToken {
		r.reply(w.peer, &Bye{Token: w.token})
		r.leave(w)
	}
}

// Malformed counts a message that was not even handed over.
func (r *Receiver) Malformed() { r.stats.Malformed++ }

// Stats returns the counters.
func (r *Receiver) Stats() ReceiverStats {
	st := r.stats
	st.Sessions, st.Runs, st.QueuedBytes = len(r.sessions), len(r.runs), r.bytes
	st.Watchers = len(r.watchers.byToken)
	for _, run := range r.runs {
		st.QueuedBlocks += len(run.queue)
	}
	return st
}
