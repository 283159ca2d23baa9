package protocol

import (
	"time"

	"smiley/recording"
)

// SenderConfig says how a Sender behaves. Zero durations and sizes become the values of DefaultSenderConfig.
type SenderConfig struct {
	Run      recording.RunID
	Secret   Secret
	Software string // version of smiley
	Program  string // for people

	Memory int64 // bytes of unacknowledged blocks kept in memory
	Spool  int64 // bytes kept in the spool; tombstones, and at the end what is in memory, may exceed it. Negative: no spool

	SpoolAfter time.Duration // an unacknowledged block is spooled at this age, so that the sender's death takes no more
	HoldFor    time.Duration // how long Offer says wait when memory and spool are full; negative: not at all
	CloseFor   time.Duration // how long a closing sender waits for acknowledgements without progress

	ConnectTimeout time.Duration // from dialling to the welcome
	Heartbeat      time.Duration // between pings
	DeadAfter      time.Duration // without a message, the link is dead
	ResendAfter    time.Duration // without progress, blocks are sent again

	Backoff Backoff
	Random  func() float64 // in [0, 1), for jitter

	// Strip makes the tombstone of a block that must be given up: what later blocks need of it, without its events. nil:
	// there are none, and blocks for which there is no room are refused.
	Strip func(body []byte) []byte
	// Overflow says that blocks for which there is no room are taken all the same once HoldFor is over, instead of being
	// Refused: whoever makes them asks Overfull, and makes no more until there is room.
	Overflow bool
	// Acked, when set, is called with the time from Offer to acknowledgement of each block.
	Acked func(latency time.Duration)
	// Resumed says that the blocks are those of a spool whose sender is gone.
	Resumed bool
}

// DefaultSenderConfig returns the defaults; Run, Secret and Random must be set.
func DefaultSenderConfig() SenderConfig {
	return SenderConfig{
		Memory:         64 << 20,
		Spool:          4 << 30,
		SpoolAfter:     40 * time.Millisecond,
		HoldFor:        time.Minute,
		CloseFor:       10 * time.Second,
		ConnectTimeout: 5 * time.Second,
		Heartbeat:      time.Second,
		DeadAfter:      5 * time.Second,
		ResendAfter:    2 * time.Second,
		Backoff:        Backoff{Base: 100 * time.Millisecond, Cap: 30 * time.Second, Trip: 8},
	}
}

// Verdict is what a Sender says to a block.
type Verdict uint8

// The verdicts.
const (
	Taken   Verdict = iota // the sender has it
	Wait                   // no room: offer it again when something has happened, at the latest at HoldUntil
	Dropped                // no room: its tombstone was taken, its events count as dropped
	Refused                // no room, and no tombstones: neither this block nor a later one is taken
)

// SenderAction is what the owner of a Sender does next.
type SenderAction struct {
	Kind   SenderActionKind
	Number uint32 // ActSend, ActSpool, and ActRelease: blocks below it
	Body   []byte // ActSend: nil when it must be read from the spool. ActSpool. ActControl: the message
}

// SenderActionKind says what to do.
type SenderActionKind uint8

// What there is to do. Polling again means that it was done; what failed is reported by the method named here.
const (
	ActNone    SenderActionKind = iota
	ActDial                     // open a connection, unless it fails: LinkDown
	ActHangUp                   // close the connection
	ActControl                  // send Body on the control socket
	ActSend                     // send block Number on the data socket with Envelope; no room there: Blocked
	ActSpool                    // write block Number to the spool, then report Spooled
	ActRelease                  // blocks below Number are committed: the spool may forget them
)

type linkState uint8

const (
	linkWaiting  linkState = iota // for the time of the next try
	linkGreeting                  // dialled, no welcome yet
	linkUp
	linkStopped // for good
)

// keptBlock is a block that is not acknowledged.
type keptBlock struct {
	body      []byte // nil: in the spool only
	size      int64
	offered   time.Duration
	spooled   bool
	tombstone bool
	missing   bool // of a resumed spool: not there, the receiver must have it
}

// Sender is the sending end of one run. Times are durations since any fixed moment, and never run backwards.
type Sender struct {
	cfg SenderConfig

	first uint32 // the lowest block that is not acknowledged
	kept  []keptBlock

	memory, spooled int64  // bytes
	spoolNext       uint32 // blocks below are spooled
	evictFrom       uint32 // blocks in [evictFrom, spoolNext) have no body in memory
	spoolBusy       bool
	spoolErr        error
	spoolRetry      time.Duration
	fullSince       time.Duration
	full            bool
	overfull        bool   // full, and nobody waits for room any more
	released        uint32 // blocks below were reported by ActRelease

	state     linkState
	polled    time.Duration // when Poll was called last
	retryAt   time.Duration
	dialledAt time.Duration
	control   [][]byte // to be sent
	hangUp    bool
	token     Token
	cursor    uint32 // the next block to send
	highest   uint32 // blocks below were sent at least once
	onWay     int64  // bytes of blocks in [first, cursor)
	window    Window
	blocked   bool
	received  uint32 // as the receiver says
	progress  time.Duration
	heard     time.Duration
	pinged    time.Duration
	everUp    bool

	closing   bool
	closedAt  time.Duration
	saidBye   bool
	failure   error // why linkStopped
	lastError string
	holding   string // why the receiver cannot commit, "" when it can
	dataPort  uint16
	peer      string
	stats     SenderStats
}

// SenderStats counts what a Sender did.
type SenderStats struct {
	Offered, Acked  uint64 // blocks
	Sent, Resent    uint64 // blocks; Resent are part of Sent
	SentBytes       uint64
	Spooled         uint64 // blocks written to the spool
	DroppedBlocks   uint64
	DroppedEvents   uint64
	Connects        uint64 // welcomes
	Disconnects     uint64 // links that were up and died
	FailedDials     uint64
	ProtocolErrors  uint64
	MemoryBytes     int64
	SpoolBytes      int64
	Unacknowledged  int
	Unspooled       int // of Unacknowledged: in memory only
	Connected       bool
	CircuitOpen     bool
	LastError       string // why the link is not up, or was not the last time
	ReceiverHolding string // why the receiver cannot commit; "" when it can
}

// NewSender returns a Sender that wants to connect at once.
func NewSender(cfg SenderConfig) *Sender {
	d := DefaultSenderConfig()
	orDefault(&cfg.Memory, d.Memory)
	orDefault(&cfg.Spool, d.Spool)
	orDefault(&cfg.SpoolAfter, d.SpoolAfter)
	orDefault(&cfg.HoldFor, d.HoldFor)
	orDefault(&cfg.CloseFor, d.CloseFor)
	orDefault(&cfg.ConnectTimeout, d.ConnectTimeout)
	orDefault(&cfg.Heartbeat, d.Heartbeat)
	orDefault(&cfg.DeadAfter, d.DeadAfter)
	orDefault(&cfg.ResendAfter, d.ResendAfter)
	if cfg.Backoff == (Backoff{}) {
		cfg.Backoff = d.Backoff
	}
	return &Sender{cfg: cfg}
}

func orDefault[T int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Restore tells a new Sender about a block in the spool. Numbers ascend; the receiver must have those between them.
func (s *Sender) Restore(number uint32, size int) {
	if len(s.kept) == 0 {
		s.first, s.released = number, number
		s.cursor, s.highest = number, number
	}
	for s.next() < number {
		s.kept = append(s.kept, keptBlock{spooled: true, missing: true})
	}
	s.kept = append(s.kept, keptBlock{spooled: true, size: int64(size)})
	s.spooled += int64(size)
	s.spoolNext, s.evictFrom = s.next(), s.first
}

// next is the number of the next block that is offered.
func (s *Sender) next() uint32 { return s.first + uint32(len(s.kept)) }

func (s *Sender) at(number uint32) *keptBlock { return &s.kept[number-s.first] }

// Offer hands over the next block of the run, events being the number of its events. Unless the verdict is Wait, the
// block belongs to the Sender from then on.
func (s *Sender) Offer(now time.Duration, body []byte, events uint32) Verdict {
	size := int64(len(body))
	if s.memory+size > s.cfg.Memory {
		s.evict(s.cfg.Memory - size)
	}
	if s.memory+size <= s.cfg.Memory || s.memory == 0 {
		s.full, s.overfull = false, false
		s.keep(keptBlock{body: body, size: size, offered: now})
		return Taken
	}
	if !s.full {
		s.full, s.fullSince = true, now
	}
	if now < s.HoldUntil() {
		return Wait
	}
	if s.cfg.Overflow {
		s.overfull = true
		s.keep(keptBlock{body: body, size: size, offered: now})
		return Taken
	}
	if s.cfg.Strip == nil {
		return Refused
	}
	s.stats.DroppedBlocks++
	s.stats.DroppedEvents += uint64(events)
	tombstone := s.cfg.Strip(body)
	s.keep(keptBlock{body: tombstone, size: int64(len(tombstone)), offered: now, tombstone: true})
	return Dropped
}

// Overfull reports whether memory and spool are full and the time to wait for room is over: what is made now should be
// dropped and counted before it becomes a block, until an eighth of the memory is free again.
func (s *Sender) Overfull() bool {
	if s.overfull && s.memory <= s.cfg.Memory-s.cfg.Memory/8 {
		s.full, s.overfull = false, false
	}
	return s.overfull
}

// HoldUntil is when an Offer that was told to wait will be Dropped instead.
func (s *Sender) HoldUntil() time.Duration {
	hold := max(s.cfg.HoldFor, 0)
	if next := s.spoolNext; s.canSpool(s.fullSince) && next < s.next() && s.fits(s.at(next)) {
		hold = max(hold, s.cfg.DeadAfter) // the disk is at it
	}
	return s.fullSince + hold
}

func (s *Sender) keep(b keptBlock) {
	s.kept = append(s.kept, b)
	s.memory += b.size
	s.stats.Offered++
}

// evict frees memory that the spool has too until at most limit bytes are used, the blocks first that are needed last.
func (s *Sender) evict(limit int64) {
	for s.memory > limit && s.evictFrom > s.first {
		s.evictFrom--
		if b := s.at(s.evictFrom); b.body != nil {
			b.body = nil
			s.memory -= b.size
		}
	}
}

// Close says that no more blocks come. From then on Done tells when the Sender needs no more polling.
func (s *Sender) Close(now time.Duration) {
	if !s.closing {
		s.closing, s.closedAt = true, now
	}
}

// Done reports whether a closed Sender has done what it can: everything is acknowledged, or is in the spool and cannot be
// delivered now, or could not be kept at all (Stats.Unspooled).
func (s *Sender) Done(now time.Duration) bool {
	if !s.closing || s.hangUp || len(s.control) > 0 {
		return false
	}
	if len(s.kept) == 0 {
		return s.state != linkUp || s.saidBye
	}
	if now >= max(s.closedAt, s.progress)+s.cfg.CloseFor {
		return !s.canSpool(now) || s.spoolNext >= s.next() || now >= max(s.closedAt, s.progress)+2*s.cfg.CloseFor
	}
	if s.spoolNext < s.next() {
		return false
	}
	switch s.state {
	case linkStopped:
		return true
	case linkWaiting:
		return s.cfg.Backoff.Failures() > 0 && !s.everUp || max(now, s.retryAt) >= s.closedAt+patience
	}
	return false
}

// patience is how long a closed Sender tries to reach a receiver again that it had reached before.
const patience = 3 * time.Second

// Failure returns why the run cannot be delivered to this receiver, ever; nil when nothing speaks against it.
func (s *Sender) Failure() error { return s.failure }

// DataPort returns the TCP port of the receiver's data socket, once Connected.
func (s *Sender) DataPort() uint16 { return s.dataPort }

// Acknowledged returns the number of the lowest block that is not acknowledged.
func (s *Sender) Acknowledged() uint32 { return s.first }

// Connected reports whether the receiver has welcomed the run and the link lives.
func (s *Sender) Connected() bool { return s.state == linkUp }

// Stats returns the counters.
func (s *Sender) Stats() SenderStats {
	st := s.stats
	st.MemoryBytes, st.SpoolBytes = s.memory, s.spooled
	st.Unacknowledged = len(s.kept)
	for i := range s.kept {
		if !s.kept[i].spooled {
			st.Unspooled++
		}
	}
	st.Connected = s.state == linkUp
	st.CircuitOpen = s.cfg.Backoff.Open()
	st.LastError = s.lastError
	st.ReceiverHolding = s.holding
	return st
}
