package protocol

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"smiley/recording"
)

// peer is somebody who talks to a Receiver by hand.
type peer struct {
	t     *testing.T
	r     *Receiver
	next  uint32 // what the store says to a lookup
	count uint64
}

func newPeer(t *testing.T, cfg ReceiverConfig) *peer {
	p := &peer{t: t}
	random := rand.New(rand.NewPCG(1, 2))
	cfg.Random, cfg.Software = random.Float64, "v-receiver"
	cfg.NewToken = func() Token { p.count++; return Token{byte(p.count), byte(p.count >> 8), 1} }
	p.r = NewReceiver(cfg)
	return p
}

// replies lets the receiver speak.
func (p *peer) replies(now time.Duration) (list []Message) {
	for {
		a := p.r.Poll(now)
		switch a.Kind {
		case DoNothing:
			return list
		case DoLookup:
			p.r.Found(now, a.Run, p.next, nil)
		case DoDefine:
			p.r.Defined(now, Definitions{Next: p.next}, nil)
		case DoReply:
			m, err := DecodeMessage(a.Body)
			if err != nil {
				p.t.Fatal(err)
			}
			list = append(list, m)
		}
	}
}

func (p *peer) hello(now time.Duration, run recording.RunID, secret Secret) Message {
	p.r.Control(now, "peer", AppendMessage(nil, &Hello{Min: MinVersion, Max: Version, Run: run, Secret: secret}))
	for _, m := range p.replies(now) {
		if _, ack := m.(*Ack); !ack { // of an earlier session
			return m
		}
	}
	p.t.Fatal("a hello without an answer")
	return nil
}

func (p *peer) send(now time.Duration, token Token, number uint32, body []byte) {
	e := Envelope{Token: token, Number: number, Check: Checksum(body)}
	p.r.Data(now, AppendEnvelope(nil, &e), body)
}

// A hello with somebody else's run id does not get the run, and does not disturb its owner.
func TestForgedRunIsForbidden(t *testing.T) {
	p := newPeer(t, ReceiverConfig{})
	run := recording.RunID{1}
	w, ok := p.hello(0, run, Secret{1}).(*Welcome)
	if !ok {
		t.Fatal("the owner is not welcome")
	}
	if m, ok := p.hello(0, run, Secret{2}).(*Refuse); !ok || m.Code != RefuseForbidden {
		t.Errorf("the forger gets %#v", m)
	}
	p.send(0, w.Token, 0, testBlock(run, 0, 1, 10, false))
	p.send(0, Token{9, 9}, 0, testBlock(run, 0, 1, 10, false))
	if st := p.r.Stats(); st.Accepted != 1 || st.Unknown != 1 || st.Refused != 1 {
		t.Errorf("stats %+v", st)
	}
}

// A block of another run, or with another number, in a valid session ends that run and no other.
func TestForgedBlockEndsItsRun(t *testing.T) {
	for name, body := range map[string][]byte{
		"run":    testBlock(recording.RunID{2}, 0, 1, 10, false),
		"number": testBlock(recording.RunID{1}, 1, 1, 10, false),
		"noise":  []byte("noise"),
		"empty":  {},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, ReceiverConfig{})
			w := p.hello(0, recording.RunID{1}, Secret{1}).(*Welcome)
			other := p.hello(0, recording.RunID{3}, Secret{1}).(*Welcome)
			p.send(0, w.Token, 0, body)
			list := p.replies(0)
			if m, ok := list[0].(*Refuse); !ok || m.Code != RefuseRun || m.Token != w.Token {
				t.Errorf("answer %#v", list)
			}
			p.send(0, w.Token, 0, testBlock(recording.RunID{1}, 0, 1, 10, false))
			p.send(0, other.Token, 0, testBlock(recording.RunID{3}, 0, 1, 10, false))
			if st := p.r.Stats(); st.Accepted != 1 || st.Unknown != 1 || st.Malformed != 1 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

// A sender that sends more than it may, however it goes on, does not make the receiver keep more than its budget.
func TestMemoryIsBounded(t *testing.T) {
	p := newPeer(t, ReceiverConfig{Budget: 100_000, Window: 20_000, Blocks: 10})
	var now time.Duration
	for id := range byte(20) {
		run := recording.RunID{id}
		w := p.hello(now, run, Secret{}).(*Welcome)
		for number := range uint32(100) {
			p.send(now, w.Token, number, testBlock(run, number, 1, 5000, false))
			now += time.Millisecond
		}
	}
	st := p.r.Stats()
	if bound := int64(100_000 + 20*5080); st.QueuedBytes > bound || st.Accepted < 20 || st.OutOfOrder == 0 {
		t.Errorf("stats %+v", st)
	}
	if got := len(p.replies(now)); got > 100 {
		t.Errorf("%d replies to 2,000 refused blocks", got)
	}
}

// Sessions and runs are limited, and one that is silent makes room for another.
func TestSessionsAreLimited(t *testing.T) {
	p := newPeer(t, ReceiverConfig{Sessions: 2, Runs: 3})
	for id := range byte(2) {
		if _, ok := p.hello(0, recording.RunID{id}, Secret{}).(*Welcome); !ok {
			t.Fatal("not welcome")
		}
	}
	if m, ok := p.hello(0, recording.RunID{5}, Secret{}).(*Refuse); !ok || m.Code != RefuseBusy || m.Retry == 0 {
		t.Errorf("one too many gets %#v", m)
	}
	p.replies(time.Hour)
	if st := p.r.Stats(); st.Sessions != 0 || st.Runs != 0 {
		t.Errorf("stats %+v", st)
	}
	if _, ok := p.hello(time.Hour, recording.RunID{5}, Secret{}).(*Welcome); !ok {
		t.Error("no room after an hour of silence")
	}
}

// A sender that is behind the store's back: each end says clearly what is wrong.
func TestSenderGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		answer Message
		want   []string
		code   recording.Code
	}{
		"version":   {&Refuse{Code: RefuseVersion, Min: 4, Max: 6, Software: "v9"}, []string{"v9", "4 to 6", "1 to 1"}, recording.CodeNewer},
		"forbidden": {&Refuse{Code: RefuseForbidden, Text: "it belongs to another sender"}, []string{"another sender"}, recording.CodeInvalid},
		"run":       {&Refuse{Code: RefuseRun, Text: "damaged"}, []string{"damaged"}, recording.CodeInvalid},
		"history":   {&Welcome{Version: 1, Committed: 1, Received: 1}, []string{"lacks blocks 1 to 4"}, recording.CodeInvalid},
		"invented":  {&Welcome{Version: 1, Committed: 9, Received: 9}, []string{"never made"}, recording.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewSender(SenderConfig{Random: rand.Float64, Strip: testStrip})
			s.Restore(5, 100)
			if a := s.Poll(0); a.Kind != ActDial {
				t.Fatalf("%+v", a)
			}
			s.Receive(0, AppendMessage(nil, c.answer))
			err := s.Failure()
			if recording.CodeOf(err) != c.code {
				t.Fatalf("failure %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
			if a := s.Poll(time.Hour); a.Kind != ActHangUp {
				t.Errorf("%+v", a)
			}
			if a := s.Poll(time.Hour); a.Kind != ActNone {
				t.Errorf("%+v", a)
			}
		})
	}
}

// A dead receiver costs one try each 15 to 30 s once the circuit is open, and of each block one write to the spool; memory
// stays bounded.
func TestCircuitOpens(t *testing.T) {
	const memory, size = 100_000, 10_000
	s := NewSender(SenderConfig{Random: rand.New(rand.NewPCG(1, 2)).Float64, Strip: testStrip, Memory: memory})
	acts := map[SenderActionKind]int{}
	blocks, polls := 0, 0
	var now time.Duration
	for next := now; now < time.Hour; now = min(max(now+time.Millisecond, s.Deadline()), next) {
		if now >= next {
			if s.Offer(now, testBlock(recording.RunID{}, uint32(blocks), 1, size, false), 1) != Taken {
				t.Fatalf("block %d is not taken", blocks)
			}
			blocks++
			next += 250 * time.Millisecond
		}
		for a := s.Poll(now); ; a = s.Poll(now) {
			acts[a.Kind]++
			switch polls++; a.Kind {
			case ActDial:
				s.LinkDown(now, "refused")
				continue
			case ActSpool:
				s.Spooled(now, a.Number, nil)
				continue
			case ActHangUp:
				continue
			case ActNone:
			default:
				t.Fatalf("at %v: %+v", now, a)
			}
			break
		}
		if st := s.Stats(); st.MemoryBytes > memory {
			t.Fatalf("%d bytes of memory", st.MemoryBytes)
		}
	}
	if dials := acts[ActDial]; dials < 120 || dials > 260 || acts[ActHangUp] != dials {
		t.Errorf("in an hour: %v", acts)
	}
	if acts[ActSpool] != blocks || polls > 4*blocks {
		t.Errorf("%d blocks, %d polls: %v", blocks, polls, acts)
	}
	if st := s.Stats(); !st.CircuitOpen || st.Unacknowledged != blocks || st.Unspooled != 0 {
		t.Errorf("%+v", st)
	}
}

// A sender that closes without a receiver, and without a place for what it has, waits, and asks for the time in between only now
// and then.
func TestClosingWithoutReceiver(t *testing.T) {
	for name, spool := range map[string]int64{"no spool": -1, "a disk that fails": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			s := NewSender(SenderConfig{Random: rand.New(rand.NewPCG(1, 2)).Float64, Spool: spool})
			s.Offer(0, testBlock(recording.RunID{}, 0, 1, 100, true), 1)
			s.Close(0)
			polls := 0
			var now time.Duration
			for ; !s.Done(now); now = max(now, s.Deadline()) {
				for a := s.Poll(now); a.Kind != ActNone; a = s.Poll(now) {
					switch a.Kind {
					case ActDial:
						s.LinkDown(now, "refused")
					case ActSpool:
						s.Spooled(now, a.Number, errors.New("disk full"))
					}
				}
				if polls++; polls > 200 {
					t.Fatalf("asked %d times until %v", polls, now)
				}
			}
			if st := s.Stats(); now > 20*time.Second || st.Unspooled != 1 {
				t.Errorf("at %v: %+v", now, st)
			}
		})
	}
}

// Random bytes do no harm.
func FuzzReceiver(f *testing.F) {
	run := recording.RunID{1}
	e := Envelope{Token: Token{1, 0, 1}, Check: Checksum(testBlock(run, 0, 1, 4, false))}
	f.Add(AppendMessage(nil, &Ping{Token: Token{1, 0, 1}}), AppendEnvelope(nil, &e), testBlock(run, 0, 1, 4, false))
	f.Add(AppendMessage(nil, &Hello{Run: run, Max: 1}), []byte{}, []byte{})
	f.Add(AppendMessage(nil, &Watch{Max: 1, Prefix: run, Bits: 8}), AppendEnvelope(nil, &e), testBlock(run, 0, 1, 4, true))
	f.Add(AppendMessage(nil, &Seen{Token: Token{2, 0, 1}, Serial: 1}), AppendEnvelope(nil, &e), testBlock(run, 0, 1, 4, true))
	f.Fuzz(func(t *testing.T, control, envelope, body []byte) {
		p := newPeer(t, ReceiverConfig{Watchers: 2})
		p.hello(0, run, Secret{})
		p.r.Control(0, "w", AppendMessage(nil, &Watch{Max: 1}))
		for i := range 3 {
			p.r.Control(0, "x", control)
			p.r.Data(0, envelope, body)
			p.replies(time.Duration(i) * time.Hour)
			if b, ok := p.r.Next(0); ok {
				p.r.Committed(0, b.Run, b.Number)
			}
		}
	})
}

// A hostile receiver does no harm: whatever it says, the sender forgets nothing that it was not told to, counts right, and comes to
// rest.
func FuzzSender(f *testing.F) {
	run, token := recording.RunID{1}, Token{1}
	window := Window{Blocks: 2, Bytes: 1 << 20}
	welcome := AppendMessage(nil, &Welcome{Version: 1, Run: run, Token: token, Window: window})
	f.Add(welcome, AppendMessage(nil, &Ack{Token: token, Committed: 1, Received: 2, Window: window, Resume: true}),
		AppendMessage(nil, &Ack{Token: token, Committed: 2, Received: 1, Window: window}))
	f.Add(welcome, AppendMessage(nil, &Ack{Token: token, Committed: 9, Received: 3, Holding: true, Text: "full"}), AppendMessage(nil, &Bye{Token: token}))
	f.Add(AppendMessage(nil, &Welcome{Version: 1, Run: run, Token: token, Committed: 3, Received: 1}), []byte{}, []byte{})
	f.Add(AppendMessage(nil, &Welcome{Version: 1, Run: run, Token: token, Committed: 1, Received: 3, Window: window}), []byte{},
		AppendMessage(nil, &Refuse{Run: run, Code: RefuseSession, Token: token}))
	f.Add(AppendMessage(nil, &Refuse{Run: run, Code: RefuseBusy, Retry: time.Hour}), welcome, []byte{})
	f.Fuzz(func(t *testing.T, first, second, third []byte) {
		const blocks = 3
		s := NewSender(SenderConfig{Run: run, Random: rand.New(rand.NewPCG(1, 2)).Float64, Memory: 1000, Spool: 2000})
		var now time.Duration
		rest := func() {
			for polls := 0; ; polls++ {
				a := s.Poll(now)
				switch a.Kind {
				case ActNone:
					return
				case ActSend:
					if a.Number < s.Acknowledged() || a.Number >= blocks {
						t.Fatalf("block %d is sent", a.Number)
					}
				case ActSpool:
					s.Spooled(now, a.Number, nil)
				}
				if polls > 100 {
					t.Fatalf("the sender never rests: %+v", a)
				}
			}
		}
		for number := range uint32(blocks) {
			s.Offer(now, testBlock(run, number, 1, 100, false), 1)
		}
		for _, message := range [][]byte{first, second, third} {
			rest()
			s.Receive(now, message)
			rest()
			st := s.Stats()
			if int(s.Acknowledged())+st.Unacknowledged != blocks || st.MemoryBytes < 0 || st.MemoryBytes > blocks*180 ||
				st.SpoolBytes < 0 || st.SpoolBytes > blocks*180 {
				t.Fatalf("%d acknowledged, %+v", s.Acknowledged(), st)
			}
			now += 100 * time.Millisecond
		}
		s.Close(now)
		for s.Poll(now); !s.Done(now); now = max(now+time.Millisecond, s.Deadline()) {
			rest()
			if now > time.Hour {
				t.Fatalf("never done: %+v", s.Stats())
			}
		}
	})
}
