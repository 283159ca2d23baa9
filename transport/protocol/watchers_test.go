package protocol

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"smiley/recording"
)

// look is what a watcher has of one run.
type look struct {
	joined bool
	next   uint32 // the block that may come next
	known  uint32 // blocks whose definitions it has
	seen   int
	state  RunState
	events uint64
}

// theatre is a receiver with senders that commit at once, and watchers.
type theatre struct {
	t        *rapid.T
	r        *Receiver
	now      time.Duration
	tokens   uint64
	stored   map[recording.RunID]uint32 // blocks
	sessions map[recording.RunID]Token
	last     map[recording.RunID]bool // its final block is stored
	out      map[string][]Message     // what was sent to each peer and not read
	asked    *ReceiverAction          // definitions that the store is asked for
}

const blockEvents = 10

// seat is a watcher that checks what it gets.
type seat struct {
	peer   string
	token  Token
	serial uint32
	runs   map[recording.RunID]*look
}

func newTheatre(t *rapid.T, cfg ReceiverConfig) *theatre {
	w := &theatre{
		t: t, stored: map[recording.RunID]uint32{}, sessions: map[recording.RunID]Token{}, last: map[recording.RunID]bool{},
		out: map[string][]Message{},
	}
	cfg.Random = rand.New(rand.NewPCG(1, 2)).Float64
	cfg.NewToken = func() Token {
		w.tokens++
		return Token(binary.LittleEndian.AppendUint64(make([]byte, 8), w.tokens))
	}
	w.r = NewReceiver(cfg)
	return w
}

// watchBlock is a block that says where its events begin.
func watchBlock(run recording.RunID, number uint32, payload int, final bool) []byte {
	b := testBlock(run, number, blockEvents, payload, final)
	binary.LittleEndian.PutUint64(b[32:], uint64(number)*blockEvents+1)
	return b
}

// settle does what the receiver wants.
func (w *theatre) settle() {
	for {
		switch a := w.r.Poll(w.now); a.Kind {
		case DoNothing:
			return
		case DoLookup:
			w.r.Found(w.now, a.Run, w.stored[a.Run], nil)
		case DoDefine:
			if w.asked != nil {
				w.t.Fatal("definitions are asked for twice at the same time")
			}
			w.asked = &a
		case DoReply:
			m, err := DecodeMessage(a.Body)
			if err != nil {
				w.t.Fatal(err)
			}
			if welcome, ok := m.(*Welcome); ok {
				w.sessions[welcome.Run] = welcome.Token
			}
			w.out[a.Peer] = append(w.out[a.Peer], m)
		}
	}
}

// commit sends the next block of a run, and commits it.
func (w *theatre) commit(run recording.RunID, payload int, final bool) {
	if _, known := w.sessions[run]; !known {
		w.r.Control(w.now, "s"+run.String(), AppendMessage(nil, &Hello{Min: 1, Max: 1, Run: run, Program: "p"}))
		w.settle()
	}
	n := w.stored[run]
	body := watchBlock(run, n, payload, final)
	e := Envelope{Token: w.sessions[run], Number: n, Check: Checksum(body)}
	w.r.Data(w.now, AppendEnvelope(nil, &e), body)
	b, ok := w.r.Next(w.now)
	if !ok {
		w.t.Fatalf("block %d of %s is not taken", n, run)
	}
	w.stored[run]++
	w.last[run] = w.last[run] || final
	w.r.Committed(w.now, b.Run, b.Number)
}

// define answers what the store was asked: what it has now.
func (w *theatre) define(err error) {
	a := w.asked
	w.asked = nil
	next := w.stored[a.Run]
	if a.Have.Types > next {
		w.t.Fatalf("definitions beyond block %d are asked for, of %d", a.Have.Types, next)
	}
	body := testBlock(a.Run, next, 0, 4, false) // in place of definitions: up to where they reach
	w.r.Defined(w.now, Definitions{Next: next, Now: Defined{Types: next}, Blocks: [][]byte{body}}, err)
}

// read takes n messages of a watcher and checks them.
func (w *theatre) read(s *seat, n int) {
	for ; n > 0 && len(w.out[s.peer]) > 0; n-- {
		m := w.out[s.peer][0]
		w.out[s.peer] = w.out[s.peer][1:]
		switch m := m.(type) {
		case *Watching:
			s.token = m.Token
		case *WatchedRun:
			w.inOrder(s, m.Serial)
			l := s.look(m.Run)
			l.state, l.events = m.State, m.Events
		case *WatchedBlock:
			w.inOrder(s, m.Serial)
			w.watched(s, m)
		}
	}
	if s.token != (Token{}) {
		w.r.Control(w.now, s.peer, AppendMessage(nil, &Seen{Token: s.token, Serial: s.serial}))
	}
}

func (w *theatre) inOrder(s *seat, serial uint32) {
	if s.serial++; serial != s.serial {
		w.t.Fatalf("message %d follows %d", serial, s.serial-1)
	}
}

func (s *seat) look(run recording.RunID) *look {
	l := s.runs[run]
	if l == nil {
		l = &look{}
		s.runs[run] = l
	}
	return l
}

func (w *theatre) watched(s *seat, m *WatchedBlock) {
	h, err := recording.ParseHeader(m.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	l := s.look(h.Run)
	switch {
	case m.Defines:
		l.known = max(l.known, h.Number)
		l.joined = true
	case h.Number < l.next:
		w.t.Fatalf("block %d comes after block %d", h.Number, l.next-1)
	case h.Number != l.known:
		w.t.Fatalf("block %d comes, and what the blocks from %d on define does not", h.Number, l.known)
	default:
		l.next, l.known = h.Number+1, h.Number+1
		l.seen++
	}
}

// Whatever watchers do, and however slowly: each gets blocks in order, never one without all definitions before it; what waits
// for them is bounded; senders never wait; and who reads in the end learns how every run has ended.
func TestWatchersGetWhatTheyCanTake(t *testing.T) {
	skipped, shown := uint64(0), uint64(0)
	rapid.Check(t, func(t *rapid.T) {
		cfg := ReceiverConfig{Watchers: 4, WatchWindow: 3000, WatchQueue: int64(rapid.IntRange(1000, 20_000).Draw(t, "queue"))}
		w := newTheatre(t, cfg)
		runs := []recording.RunID{{1}, {2}, {3}}
		var seats []*seat
		pickRun := func() recording.RunID { return rapid.SampledFrom(runs).Draw(t, "run") }
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				w.settle()
				for peer, list := range w.out {
					if peer[0] == 'w' && len(list) > watchMessages+5 {
						t.Fatalf("%d messages are on their way to a watcher that does not read", len(list))
					}
				}
				if limit := cfg.WatchQueue + 4*1000; w.r.watchers.queued > limit {
					t.Fatalf("%d bytes wait, of %d", w.r.watchers.queued, limit)
				}
			},
			"commit": func(t *rapid.T) {
				run := pickRun()
				if w.last[run] {
					t.Skip()
				}
				for range rapid.IntRange(1, 10).Draw(t, "blocks") {
					w.commit(run, rapid.IntRange(10, 900).Draw(t, "payload"), false)
				}
			},
			"final": func(t *rapid.T) {
				run := pickRun()
				if w.last[run] || w.stored[run] == 0 || rapid.IntRange(0, 3).Draw(t, "really") > 0 {
					t.Skip()
				}
				w.commit(run, 100, true)
			},
			"watch": func(t *rapid.T) {
				if len(seats) == 4 {
					t.Skip()
				}
				s := &seat{peer: "w" + string(rune('0'+len(seats))), runs: map[recording.RunID]*look{}}
				seats = append(seats, s)
				w.r.Control(w.now, s.peer, AppendMessage(nil, &Watch{Min: 1, Max: 1}))
			},
			"read": func(t *rapid.T) {
				if len(seats) == 0 {
					t.Skip()
				}
				w.read(rapid.SampledFrom(seats).Draw(t, "watcher"), rapid.IntRange(1, 30).Draw(t, "messages"))
			},
			"define": func(t *rapid.T) {
				if w.asked == nil {
					t.Skip()
				}
				var err error
				if rapid.IntRange(0, 5).Draw(t, "fails") == 0 {
					err = recording.Errorf(recording.CodeLocked, "busy")
				}
				w.define(err)
			},
			"time": func(*rapid.T) { w.now += 300 * time.Millisecond },
		})
		// At last everybody reads, and every program ends.
		readAll := func() {
			for range 60 {
				for _, s := range seats {
					w.read(s, 100)
				}
				w.settle()
				if w.asked != nil {
					w.define(nil)
				}
				w.now += 50 * time.Millisecond
			}
		}
		readAll()
		attended := map[recording.RunID]bool{}
		for _, run := range runs {
			if w.stored[run] > 0 && !w.last[run] {
				w.commit(run, 100, true)
				readAll()
				attended[run] = true
			}
		}
		for _, s := range seats {
			for _, run := range runs {
				l := s.runs[run]
				if l != nil && (l.state != RunComplete || l.events != uint64(w.stored[run])*blockEvents) {
					t.Fatalf("a watcher that reads ends with %+v of a run with %d blocks", l, w.stored[run])
				}
				if attended[run] && len(seats) > 0 && (l == nil || l.next != w.stored[run]) {
					t.Fatalf("a watcher that reads has not seen the last of %d blocks: %+v", w.stored[run], l)
				}
				if l != nil {
					shown += uint64(l.seen)
				}
			}
		}
		if st := w.r.Stats(); st.Watchers != len(seats) || w.r.watchers.queued != 0 {
			t.Fatalf("%+v, %d bytes wait", st, w.r.watchers.queued)
		}
		skipped += w.r.Stats().WatchSkipped
	})
	if skipped == 0 || shown == 0 {
		t.Errorf("%d blocks are shown, %d skipped: the test has not tested", shown, skipped)
	}
}

// A watcher is let in when it speaks the version, there is a seat, and watchers are served; its prefix chooses runs; and it is
// forgotten when it is silent.
func TestWatchersAreLetIn(t *testing.T) {
	answer := func(p *peer, now time.Duration, m Message) Message {
		p.r.Control(now, "w", AppendMessage(nil, m))
		list := p.replies(now)
		if len(list) == 0 {
			t.Fatalf("no answer to %+v", m)
		}
		return list[0]
	}
	p := newPeer(t, ReceiverConfig{})
	if r, ok := answer(p, 0, &Watch{Max: 1}).(*Refuse); !ok || r.Code != RefuseWatch {
		t.Errorf("%+v", r)
	}
	p = newPeer(t, ReceiverConfig{Watchers: 1})
	if r, ok := answer(p, 0, &Watch{Min: 2, Max: 3}).(*Refuse); !ok || r.Code != RefuseVersion || r.Max != Version {
		t.Errorf("%+v", r)
	}
	other := AppendMessage(nil, &Watch{Min: 9, Max: 9})
	other[4] = 9
	p.r.Control(0, "w", other)
	if list := p.replies(0); len(list) != 1 || list[0].(*Refuse).Code != RefuseVersion {
		t.Errorf("%+v", list)
	}
	for _, run := range []recording.RunID{{0x12}, {0x13}, {0x23}} {
		p.hello(0, run, Secret{})
	}
	for _, c := range []struct {
		prefix recording.RunID
		bits   uint8
		want   uint32
	}{{recording.RunID{}, 0, 3}, {recording.RunID{0x10}, 4, 2}, {recording.RunID{0x12}, 8, 1}, {recording.RunID{0x12, 1}, 16, 0}} {
		w, ok := answer(p, 0, &Watch{Max: 1, Prefix: c.prefix, Bits: c.bits}).(*Watching)
		if !ok || w.Live != 3 || w.Matching != c.want {
			t.Fatalf("prefix %x/%d: %+v", c.prefix[:2], c.bits, w)
		}
		if r, ok := answer(p, 0, &Watch{Max: 1}).(*Refuse); !ok || r.Code != RefuseBusy {
			t.Errorf("a second watcher: %+v", r)
		}
		p.r.Control(0, "w", AppendMessage(nil, &Bye{Token: w.Token}))
	}
	w := answer(p, 0, &Watch{Max: 1}).(*Watching)
	if a, ok := answer(p, time.Second, &Ping{Token: w.Token, Echo: 7}).(*Ack); !ok || a.Echo != 7 {
		t.Errorf("%+v", a)
	}
	p.replies(time.Minute)
	if st := p.r.Stats(); st.Watchers != 0 {
		t.Errorf("%d watchers that are silent", st.Watchers)
	}
	if r, ok := answer(p, time.Minute, &Seen{Token: w.Token}).(*Refuse); !ok || r.Code != RefuseSession {
		t.Errorf("%+v", r)
	}
}

// A watcher that comes late is shown the runs that there are in the order in which they began.
func TestWatcherSeesRunsInOrder(t *testing.T) {
	p := newPeer(t, ReceiverConfig{Watchers: 1})
	const runs = 9
	for i := range runs {
		p.hello(0, recording.RunID{byte(1 + i*5%runs)}, Secret{}) // whoever was heard first
	}
	p.r.Control(0, "w", AppendMessage(nil, &Watch{Max: Version}))
	var seen []byte
	for _, m := range p.replies(0) {
		if run, ok := m.(*WatchedRun); ok {
			seen = append(seen, run.Run[0])
		}
	}
	if len(seen) != runs || !slices.IsSorted(seen) {
		t.Errorf("the runs are shown in the order %d", seen)
	}
}
