package protocol

import (
	"fmt"
	"time"

	"smiley/recording"
)

// Receive takes a message of the control socket. What makes no sense is counted and ignored.
func (s *Sender) Receive(now time.Duration, data []byte) {
	if s.state != linkGreeting && s.state != linkUp {
		return
	}
	m, err := DecodeMessage(data)
	if err != nil {
		s.stats.ProtocolErrors++
		if recording.CodeOf(err) == recording.CodeNewer {
			s.Stop(err)
		}
		return
	}
	switch m := m.(type) {
	case *Welcome:
		s.welcome(now, m)
	case *Refuse:
		s.refused(now, m)
	case *Ack:
		if s.state == linkUp && m.Token == s.token {
			s.heard = now
			s.cfg.Backoff.Succeeded()
			s.ack(now, m)
		}
	case *Bye:
		if s.state == linkUp && m.Token == s.token {
			s.LinkDown(now, "the recorder has stopped")
		}
	default:
		s.stats.ProtocolErrors++
	}
}

func (s *Sender) welcome(now time.Duration, m *Welcome) {
	if s.state != linkGreeting || m.Run != s.cfg.Run {
		return // of an earlier hello
	}
	if err := s.checkWelcome(m); err != nil {
		s.Stop(err)
		return
	}
	s.state = linkUp
	s.everUp = true
	s.stats.Connects++
	s.token, s.window, s.dataPort, s.peer = m.Token, m.Window, m.DataPort, m.Software
	s.heard, s.pinged, s.progress = now, now, now
	s.lastError, s.holding = "", ""
	s.release(now, min(m.Committed, s.next()))
	s.cursor, s.onWay = s.first, 0
	s.received = max(m.Received, s.first)
	for s.cursor < s.received && s.cursor < s.next() {
		s.onWay += s.at(s.cursor).size
		s.cursor++
	}
}

// checkWelcome says why blocks of this run mean nothing to the receiver.
func (s *Sender) checkWelcome(m *Welcome) error {
	switch {
	case m.Version < MinVersion || m.Version > Version:
		return versionError(m.Version)
	case m.Received < s.first:
		return recording.Errorf(recording.CodeInvalid,
			"the recorder lacks blocks %d to %d of run %s, which it or another recorder has acknowledged before",
			m.Received, s.first-1, s.cfg.Run).
			WithHint("deliver to the recorder and database that the run began with")
	case m.Received > s.next() && !s.cfg.Resumed:
		return recording.Errorf(recording.CodeInvalid, "the recorder has block %d of run %s, which was never made",
			m.Received-1, s.cfg.Run).WithHint("another sender used the same run id")
	case m.Received < s.next() && s.at(m.Received).missing:
		return recording.Errorf(recording.CodeDamaged, "the spool lacks block %d of run %s", m.Received, s.cfg.Run).
			WithHint("the blocks before it were delivered; those after it cannot be")
	}
	return nil
}

func (s *Sender) refused(now time.Duration, m *Refuse) {
	if m.Run != s.cfg.Run && (s.state != linkUp || m.Token != s.token) {
		return
	}
	switch m.Code {
	case RefuseVersion:
		err := recording.Errorf(recording.CodeNewer, "the recorder (%s) speaks protocol versions %d to %d, this smiley (%s) %d to %d",
			m.Software, m.Min, m.Max, s.cfg.Software, MinVersion, Version)
		s.Stop(err.WithHint("use the same version of smiley on both sides"))
	case RefuseForbidden, RefuseRun:
		s.Stop(recording.Errorf(recording.CodeInvalid, "the recorder refuses the run: %s", m.Text))
	case RefuseSession:
		if s.state == linkUp && m.Token == s.token {
			s.LinkDown(now, "the recorder has forgotten the session")
		}
	default:
		s.LinkDown(now, fmt.Sprintf("the recorder is busy: %s", m.Text))
		s.retryAt = max(s.retryAt, now+min(m.Retry, s.cfg.Backoff.Cap))
	}
}

func (s *Sender) ack(now time.Duration, m *Ack) {
	if m.Received > s.next() {
		s.stats.ProtocolErrors++
		return
	}
	s.window = m.Window
	s.holding = ""
	if m.Holding {
		s.holding = m.Text
	}
	s.release(now, m.Committed)
	if m.Received > s.received {
		s.received, s.progress = m.Received, now
		// After a rewind more may have arrived than is counted as sent.
		for s.cursor < s.received {
			s.onWay += s.at(s.cursor).size
			s.cursor++
		}
	}
	if m.Resume && m.Received == s.received {
		s.progress = now
		s.rewind(m.Received)
	}
}

// release forgets the blocks below committed.
func (s *Sender) release(now time.Duration, committed uint32) {
	n := 0
	for s.first < committed && n < len(s.kept) {
		b := &s.kept[n]
		if b.body != nil {
			s.memory -= b.size
		}
		if b.spooled {
			s.spooled -= b.size
		}
		if s.cfg.Acked != nil && !s.cfg.Resumed {
			s.cfg.Acked(now - b.offered)
		}
		if s.first < s.cursor {
			s.onWay -= b.size
		}
		*b = keptBlock{}
		s.first++
		n++
		s.stats.Acked++
		s.progress = now
	}
	if n == 0 {
		return
	}
	s.kept = s.kept[n:]
	if len(s.kept) == 0 {
		s.kept = nil
	}
	s.cursor = max(s.cursor, s.first)
	s.spoolNext, s.evictFrom = max(s.spoolNext, s.first), max(s.evictFrom, s.first)
}
