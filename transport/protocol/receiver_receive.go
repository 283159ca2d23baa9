package protocol

import (
	"crypto/subtle"
	"fmt"
	"time"

	"smiley/recording"
)

// Control takes a message of the control socket; peer says where a reply goes.
func (r *Receiver) Control(now time.Duration, peer string, data []byte) {
	m, err := DecodeMessage(data)
	if err != nil {
		if recording.CodeOf(err) == recording.CodeNewer {
			r.stats.Versions++
		} else {
			r.stats.Malformed++
		}
		switch m := m.(type) {
		case *Hello:
			r.refuse(peer, &Refuse{Code: RefuseVersion, Run: m.Run})
		case *Watch:
			r.refuse(peer, &Refuse{Code: RefuseVersion})
		}
		return
	}
	if r.closing {
		return
	}
	switch m := m.(type) {
	case *Hello:
		r.hello(now, peer, m)
	case *Watch:
		r.watch(now, peer, m)
	case *Seen:
		if w := r.watchers.byToken[m.Token]; w != nil {
			w.peer = peer
			r.took(now, w, m.Serial)
			return
		}
		r.unknown(peer, m.Token)
	case *Ping:
		r.ping(now, peer, m)
	case *Bye:
		if w := r.watchers.byToken[m.Token]; w != nil {
			r.leave(w)
		}
		if s := r.sessions[m.Token]; s != nil {
			r.hear(now, s)
			r.end(s)
			r.gone(s.run)
		}
	default:
		r.stats.Malformed++
	}
}

// unknown answers a message of a session that is not known.
func (r *Receiver) unknown(peer string, token Token) {
	r.stats.Unknown++
	r.refuse(peer, &Refuse{Code: RefuseSession, Token: token})
}

func (r *Receiver) ping(now time.Duration, peer string, m *Ping) {
	if w := r.watchers.byToken[m.Token]; w != nil {
		w.heard, w.peer = now, peer
		r.reply(peer, &Ack{Token: m.Token, Echo: m.Echo})
		return
	}
	s := r.sessions[m.Token]
	if s == nil {
		r.unknown(peer, m.Token)
		return
	}
	r.hear(now, s)
	s.peer = peer
	s.echo = m.Echo
	r.touch(s)
}

func (r *Receiver) hear(now time.Duration, s *session) {
	s.heard, s.run.lastSeen = now, now
}

func (r *Receiver) hello(now time.Duration, peer string, m *Hello) {
	r.stats.Hellos++
	if m.Min > Version || m.Max < MinVersion {
		r.refuse(peer, &Refuse{Code: RefuseVersion, Run: m.Run})
		return
	}
	known := r.runs[m.Run]
	switch {
	case known != nil && subtle.ConstantTimeCompare(known.secret[:], m.Secret[:]) == 0:
		r.refuse(peer, &Refuse{Code: RefuseForbidden, Run: m.Run, Text: "it belongs to another sender"})
		return
	case known != nil && known.refused != "":
		r.refuse(peer, &Refuse{Code: RefuseRun, Run: m.Run, Text: known.refused})
		return
	case known == nil && len(r.runs) >= r.cfg.Runs, (known == nil || known.session == nil) && len(r.sessions) >= r.cfg.Sessions,
		r.lookups >= maxLookups:
		r.refuse(peer, &Refuse{Code: RefuseBusy, Run: m.Run, Retry: time.Second, Text: "it has too many senders at the moment"})
		return
	case known == nil:
		known = &run{id: m.Run, secret: m.Secret, retry: r.cfg.Retry, program: m.Program}
		r.runs[m.Run] = known
	}
	known.lastSeen = now
	if known.known {
		r.welcome(now, known, peer)
		return
	}
	known.peer = peer
	if !known.asking {
		known.asking = true
		r.lookups++
		r.replies = append(r.replies, ReceiverAction{Kind: DoLookup, Run: m.Run})
	}
}

// Found answers a DoLookup: next is the number of the block that the store expects of the run. err says that the store
// could not answer.
func (r *Receiver) Found(now time.Duration, id recording.RunID, next uint32, err error) {
	run := r.runs[id]
	if run == nil || !run.asking {
		return
	}
	run.asking = false
	r.lookups--
	peer := run.peer
	run.peer = ""
	run.lastSeen = now
	if err != nil {
		delete(r.runs, id)
		r.refuse(peer, &Refuse{Code: RefuseBusy, Run: id, Retry: time.Second, Text: err.Error()})
		return
	}
	run.known = true
	run.committed, run.received = next, next
	if !r.closing {
		r.welcome(now, run, peer)
	}
}

// welcome begins a session of a run, in place of the one it may have: that is of a connection its sender has given up.
func (r *Receiver) welcome(now time.Duration, run *run, peer string) {
	if run.session != nil {
		r.end(run.session)
	}
	s := &session{token: r.cfg.NewToken(), peer: peer, run: run, heard: now}
	run.session = s
	run.resuming = false
	r.sessions[s.token] = s
	r.reply(peer, &Welcome{
		Version: Version, Token: s.token, Run: run.id, Committed: run.committed, Received: run.received,
		Window: r.window(), DataPort: r.cfg.DataPort, Software: r.cfg.Software,
	})
}

// Data takes a block of the data socket with its envelope. The Receiver owns body from then on.
func (r *Receiver) Data(now time.Duration, envelope, body []byte) {
	e, err := DecodeEnvelope(envelope)
	if err != nil {
		if recording.CodeOf(err) == recording.CodeNewer {
			r.stats.Versions++
		} else {
			r.stats.Malformed++
		}
		return
	}
	s := r.sessions[e.Token]
	if s == nil || r.closing {
		r.stats.Unknown++
		return
	}
	r.hear(now, s)
	run := s.run
	size := int64(len(body))
	switch {
	case e.Number < run.received:
		r.stats.Duplicates++
		r.touch(s)
	case e.Number > run.received, !r.hasRoom(run, size):
		r.stats.OutOfOrder++
		r.resume(now, s)
	case Checksum(body) != e.Check:
		r.stats.Damaged++
		r.resume(now, s)
	case !authentic(&e, run.id, body):
		r.stats.Malformed++
		r.ban(run, fmt.Sprintf("block %d is not what its envelope says", e.Number))
	default:
		run.received++
		run.resuming = false
		run.queue = append(run.queue, Block{Run: run.id, Number: e.Number, Body: body, Arrived: now})
		run.bytes += size
		r.bytes += size
		r.stats.Accepted++
		r.stats.AcceptedBytes += uint64(size)
		r.enqueue(run)
	}
}

// hasRoom reports whether a block may wait for its commit. A run with nothing queued always has room for one.
func (r *Receiver) hasRoom(run *run, size int64) bool {
	return len(run.queue) == 0 ||
		len(run.queue) < r.cfg.Blocks && run.bytes+size <= r.cfg.Window && r.bytes+size <= r.cfg.Budget
}

// authentic reports whether a block is what its envelope says.
func authentic(e *Envelope, id recording.RunID, body []byte) bool {
	h, err := recording.ParseHeader(body)
	if err != nil && recording.CodeOf(err) != recording.CodeNewer { // of a newer one the store says what is wrong
		return false
	}
	return len(body) <= MaxBlock && h.Run == id && h.Number == e.Number
}

// resume asks for everything from received on, once for each thing that is missing, and again when it does not come.
func (r *Receiver) resume(now time.Duration, s *session) {
	run := s.run
	if run.resuming && run.resumeFor == run.received && now < run.resumeAt+time.Second {
		return
	}
	run.resuming, run.resumeFor, run.resumeAt = true, run.received, now
	s.again = true
	r.touch(s)
}
