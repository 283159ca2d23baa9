package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"smiley/recording"
)

// testBlock returns something with the head of a block.
func testBlock(run recording.RunID, number, events uint32, payload int, final bool) []byte {
	b := make([]byte, 80+payload)
	copy(b, "SMLY")
	binary.LittleEndian.PutUint16(b[4:], 1)
	if final {
		b[6] = 1
	}
	copy(b[8:], run[:])
	binary.LittleEndian.PutUint32(b[24:], number)
	binary.LittleEndian.PutUint32(b[28:], events)
	binary.LittleEndian.PutUint64(b[32:], 1)
	for i := range payload {
		b[80+i] = byte(int(number) + i)
	}
	return b
}

func testStrip(body []byte) []byte { return slices.Clone(body[:80]) }

// letter is a message under way.
type letter struct {
	toSender bool
	conn     int
	control  []byte
	envelope []byte
	body     []byte
}

// offered is what the program made.
type offered struct {
	body    []byte
	events  uint32
	dropped bool
}

// world is both ends, everything between them, and everything that outlives them.
type world struct {
	fail   func(format string, args ...any)
	chance func(percent int, what string) bool
	now    time.Duration
	random *rand.Rand
	run    recording.RunID

	sender   *Sender
	receiver *Receiver
	conn     int
	up       bool // the sender has a connection
	net      []letter
	taken    []Block // out for commit

	blocks    []offered
	crashed   bool // the sender, once: the program is dead
	pushed    bool // the spool was delivered by another sender
	durable   uint32
	spool     map[uint32][]byte
	store     [][]byte
	tokens    uint64
	maxMemory int64
	cfg       SenderConfig
	rcfg      ReceiverConfig
}

func newWorld(cfg SenderConfig, rcfg ReceiverConfig, seed uint64) *world {
	w := &world{
		random: rand.New(rand.NewPCG(seed, 1)), spool: map[uint32][]byte{}, cfg: cfg, rcfg: rcfg,
		chance: func(int, string) bool { return false },
		fail:   func(format string, args ...any) { panic(fmt.Sprintf(format, args...)) },
	}
	w.run[0], w.run[15] = 7, byte(seed)
	w.startSender(false)
	w.startReceiver()
	return w
}

func (w *world) startSender(resumed bool) {
	cfg := w.cfg
	cfg.Run, cfg.Secret, cfg.Random, cfg.Strip, cfg.Resumed = w.run, Secret{1}, w.random.Float64, testStrip, resumed
	w.sender = NewSender(cfg)
	w.up = false
	for number := range uint32(len(w.blocks)) {
		if body, ok := w.spool[number]; ok && resumed {
			w.sender.Restore(number, len(body))
		}
	}
}

func (w *world) startReceiver() {
	cfg := w.rcfg
	cfg.Random = w.random.Float64
	cfg.NewToken = func() Token {
		w.tokens++
		return Token{0: byte(w.tokens), 1: byte(w.tokens >> 8), 2: 0xaa}
	}
	w.receiver = NewReceiver(cfg)
	w.taken = nil
}

// offer makes the next block; false when the sender says wait.
func (w *world) offer(payload int, final bool) bool {
	number := uint32(len(w.blocks))
	events := number%7 + 1
	body := testBlock(w.run, number, events, payload, final)
	verdict := w.sender.Offer(w.now, body, events)
	if verdict == Wait {
		return false
	}
	w.blocks = append(w.blocks, offered{body, events, verdict == Dropped})
	return true
}

// step lets both ends do what they want to do at this moment.
func (w *world) step() {
	w.stepReceiver()
	if w.sender == nil {
		return
	}
	for i := 0; ; i++ {
		if i > 100000 {
			w.fail("the sender never rests")
		}
		a := w.sender.Poll(w.now)
		if a.Kind == ActNone {
			if at := w.sender.Deadline(); at <= w.now && !w.sender.Done(w.now) {
				w.fail("the sender wants to be asked again at once, and then does nothing: %+v", w.sender.Stats())
			}
			break
		}
		w.act(a)
	}
	w.maxMemory = max(w.maxMemory, w.sender.Stats().MemoryBytes)
}

func (w *world) act(a SenderAction) {
	switch a.Kind {
	case ActDial:
		w.conn++
		w.up = true
		if w.chance(20, "dial fails") {
			w.sender.LinkDown(w.now, "refused")
		}
	case ActHangUp:
		w.up = false
	case ActControl:
		w.net = append(w.net, letter{conn: w.conn, control: a.Body})
	case ActSend:
		body := a.Body
		if body == nil {
			if body = w.spool[a.Number]; body == nil {
				w.fail("block %d is neither in memory nor in the spool", a.Number)
			}
		}
		if w.chance(10, "socket full") {
			w.sender.Blocked(a.Number)
			return
		}
		e := w.sender.Envelope(a.Number, body)
		w.net = append(w.net, letter{conn: w.conn, envelope: AppendEnvelope(nil, &e), body: slices.Clone(body)})
	case ActSpool:
		if w.chance(10, "disk error") {
			w.sender.Spooled(w.now, a.Number, errors.New("disk error"))
			return
		}
		w.spool[a.Number] = a.Body
		w.sender.Spooled(w.now, a.Number, nil)
	case ActRelease:
		if int(a.Number) > len(w.store) {
			w.fail("block %d counts as acknowledged, %d are stored", a.Number-1, len(w.store))
		}
		for number := range w.spool {
			if number < a.Number {
				delete(w.spool, number)
			}
		}
	}
}

func (w *world) stepReceiver() {
	for i := 0; ; i++ {
		if i > 100000 {
			w.fail("the receiver never rests")
		}
		a := w.receiver.Poll(w.now)
		switch a.Kind {
		case DoNothing:
			for {
				b, ok := w.receiver.Next(w.now)
				if !ok {
					return
				}
				w.taken = append(w.taken, b)
			}
		case DoReply:
			var conn int
			fmt.Sscan(a.Peer, &conn) //nolint:errcheck // we made it
			w.net = append(w.net, letter{toSender: true, conn: conn, control: a.Body})
		case DoLookup:
			if w.chance(20, "lookup fails") {
				w.receiver.Found(w.now, a.Run, 0, errors.New("locked"))
			} else {
				w.receiver.Found(w.now, a.Run, uint32(len(w.store)), nil)
			}
		}
	}
}

// deliver hands letter i over.
func (w *world) deliver(i int, keep bool) {
	l := w.net[i]
	if !keep {
		w.net = slices.Delete(w.net, i, i+1)
	}
	switch {
	case l.toSender:
		if w.sender != nil && w.up && l.conn == w.conn {
			w.sender.Receive(w.now, l.control)
		}
	case l.control != nil:
		w.receiver.Control(w.now, fmt.Sprint(l.conn), l.control)
	default:
		w.receiver.Data(w.now, l.envelope, slices.Clone(l.body))
	}
}

// commit ends the commit of a block that was taken.
func (w *world) commit(i int, ok bool) {
	b := w.taken[i]
	w.taken = slices.Delete(w.taken, i, i+1)
	if !ok {
		w.receiver.Failed(w.now, b.Run, b.Number, false, "disk full")
		return
	}
	if int(b.Number) != len(w.store) {
		w.fail("block %d is committed after %d blocks", b.Number, len(w.store))
	}
	w.store = append(w.store, b.Body)
	w.receiver.Committed(w.now, b.Run, b.Number)
}

// crashSender kills the sender with all that it has in memory.
func (w *world) crashSender() {
	w.durable = uint32(len(w.store))
	for number := range w.spool {
		w.durable = max(w.durable, number+1)
	}
	w.crashed = true
	w.startSender(true)
}

// settle makes the world a good place and waits until the sender has delivered everything.
func (w *world) settle() {
	w.chance = func(int, string) bool { return false }
	w.sender.Close(w.now)
	for round := 0; !w.settled(); round++ {
		if round > 4000 {
			w.fail("nothing moves: %d blocks, %d stored, sender %+v, receiver %+v, failure %v", len(w.blocks), len(w.store),
				w.sender.Stats(), w.receiver.Stats(), w.sender.Failure())
		}
		if w.sender.Done(w.now) && len(w.spool) > 0 {
			w.pushed = true
			w.startSender(true) // somebody calls push
			w.sender.Close(w.now)
		}
		w.sender.Unblocked()
		w.step()
		for len(w.net) > 0 {
			w.deliver(0, false)
		}
		for len(w.taken) > 0 {
			w.commit(0, true)
		}
		w.step()
		w.now += 50 * time.Millisecond
		if round > 400 {
			w.now += 5 * time.Second
		}
	}
}

// settled reports whether nothing will happen any more.
func (w *world) settled() bool {
	return w.sender.Done(w.now) && (len(w.spool) == 0 || w.sender.Failure() != nil) && len(w.net) == 0 &&
		len(w.taken) == 0 && w.receiver.Stats().QueuedBlocks == 0
}

// check compares what is stored with what was made.
func (w *world) check() {
	if !w.crashed && len(w.store) != len(w.blocks) {
		w.fail("%d of %d blocks are stored", len(w.store), len(w.blocks))
	}
	if len(w.store) < int(w.durable) {
		w.fail("%d blocks were durable when the sender died, %d are stored", w.durable, len(w.store))
	}
	var captured, stored, dropped uint64
	for i, body := range w.store {
		made := w.blocks[i]
		want := made.body
		captured += uint64(made.events)
		if made.dropped {
			want = testStrip(want)
			dropped += uint64(made.events)
		} else {
			stored += uint64(made.events)
		}
		if !slices.Equal(body, want) {
			w.fail("block %d is not what was made", i)
		}
	}
	if captured != stored+dropped {
		w.fail("captured %d ≠ stored %d + dropped %d", captured, stored, dropped)
	}
	if !w.crashed && !w.pushed {
		if st := w.sender.Stats(); st.DroppedEvents != dropped || st.Unacknowledged != 0 || st.MemoryBytes != 0 || st.SpoolBytes != 0 {
			w.fail("the sender ends with %+v", st)
		}
		if len(w.spool) != 0 {
			w.fail("%d blocks stay in the spool", len(w.spool))
		}
	}
	if st := w.receiver.Stats(); st.QueuedBytes != 0 || st.QueuedBlocks != 0 {
		w.fail("the receiver ends with %+v", st)
	}
}
