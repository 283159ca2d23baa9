package protocol

import "time"

// never is later than any time that a Sender or Receiver sees.
const never = time.Duration(1<<63 - 1)

// Poll returns what to do next; ActNone when there is nothing before Deadline, unless something happens.
func (s *Sender) Poll(now time.Duration) SenderAction {
	s.polled = now
	s.advance(now)
	switch {
	case s.hangUp:
		s.hangUp = false
		return SenderAction{Kind: ActHangUp}
	case s.state == linkWaiting && now >= s.retryAt && s.wantsLink():
		s.dial(now)
		return SenderAction{Kind: ActDial}
	case len(s.control) > 0:
		m := s.control[0]
		s.control = s.control[1:]
		return SenderAction{Kind: ActControl, Body: m}
	case s.maySend(): // before the disk: the window bounds how long that waits
		return s.send(now)
	case s.spoolDue(now):
		s.spoolBusy = true
		return SenderAction{Kind: ActSpool, Number: s.spoolNext, Body: s.at(s.spoolNext).body}
	case s.released < s.first:
		s.released = s.first
		return SenderAction{Kind: ActRelease, Number: s.first}
	}
	return SenderAction{}
}

// Deadline returns when to poll again at the latest, if nothing happens before.
func (s *Sender) Deadline() time.Duration {
	at := never
	switch s.state {
	case linkWaiting:
		if s.wantsLink() {
			at = s.retryAt
		}
	case linkGreeting:
		at = s.dialledAt + s.cfg.ConnectTimeout
	case linkUp:
		at = min(s.pinged+s.cfg.Heartbeat, s.heard+s.cfg.DeadAfter)
		if s.cursor > s.received {
			at = min(at, s.progress+s.cfg.ResendAfter)
		}
	}
	if s.spoolNext < s.next() && s.cfg.Spool >= 0 && !s.spoolBusy {
		if b := s.at(s.spoolNext); s.spoolErr != nil {
			at = s.sooner(at, s.spoolRetry)
			at = s.sooner(at, b.offered+s.cfg.SpoolAfter)
		} else if s.fits(b) {
			at = min(at, b.offered+s.cfg.SpoolAfter)
		}
	}
	if s.closing {
		last := max(s.closedAt, s.progress) + s.cfg.CloseFor
		at = s.sooner(at, last)
		at = s.sooner(at, last+s.cfg.CloseFor)
		at = s.sooner(at, s.closedAt+patience)
	}
	return at
}

// sooner returns the earlier one of two times, if that is not over already: what was to be done then is done, or waits for
// something else.
func (s *Sender) sooner(at, other time.Duration) time.Duration {
	if other <= s.polled {
		return at
	}
	return min(at, other)
}

// wantsLink reports whether there is any use for a connection.
func (s *Sender) wantsLink() bool { return !s.closing || len(s.kept) > 0 }

// advance lets time do its work.
func (s *Sender) advance(now time.Duration) {
	switch s.state {
	case linkGreeting:
		if now >= s.dialledAt+s.cfg.ConnectTimeout {
			s.LinkDown(now, "the recorder did not answer in time")
		}
	case linkUp:
		s.advanceUp(now)
	}
}

func (s *Sender) advanceUp(now time.Duration) {
	switch {
	case now >= s.heard+s.cfg.DeadAfter:
		s.LinkDown(now, "the recorder has fallen silent")
		return
	case s.cursor > s.received && now >= s.progress+s.cfg.ResendAfter:
		s.progress = now
		s.rewind(s.received)
	}
	if now >= s.pinged+s.cfg.Heartbeat {
		s.pinged = now
		s.say(&Ping{Token: s.token, Echo: uint64(now)})
	}
	if s.closing && len(s.kept) == 0 && !s.saidBye {
		s.saidBye = true
		s.say(&Bye{Token: s.token})
	}
}

func (s *Sender) say(m Message) { s.control = append(s.control, AppendMessage(nil, m)) }

func (s *Sender) dial(now time.Duration) {
	s.state, s.dialledAt = linkGreeting, now
	s.control = s.control[:0]
	s.blocked = false
	s.say(&Hello{
		Min: MinVersion, Max: Version, Run: s.cfg.Run, Secret: s.cfg.Secret, First: s.first, Next: s.next(),
		Software: s.cfg.Software, Program: s.cfg.Program,
	})
}

// LinkDown says that the connection broke or could not be made. reason is for people.
func (s *Sender) LinkDown(now time.Duration, reason string) {
	s.drop(reason)
	if s.state != linkStopped {
		s.state = linkWaiting
		s.retryAt = now + s.cfg.Backoff.Failed(s.cfg.Random)
	}
}

// drop ends the connection.
func (s *Sender) drop(reason string) {
	switch s.state {
	case linkUp:
		s.stats.Disconnects++
	case linkGreeting:
		s.stats.FailedDials++
	default:
		return
	}
	s.hangUp = true
	s.control = s.control[:0]
	s.lastError = reason
	s.state = linkWaiting
}

// Stop gives this receiver up for good, because of err: what is in memory still goes to the spool.
func (s *Sender) Stop(err error) {
	s.drop(err.Error())
	s.state = linkStopped
	s.failure = err
}

// canSpool reports whether the spool works.
func (s *Sender) canSpool(now time.Duration) bool {
	return s.cfg.Spool >= 0 && (s.spoolErr == nil || now >= s.spoolRetry)
}

// fits reports whether the spool has room for b. At the end there is room for all that is in memory.
func (s *Sender) fits(b *keptBlock) bool {
	return b.tombstone || s.closing || s.spooled+b.size <= s.cfg.Spool
}

// spoolDue reports whether the next block that is in memory only belongs into the spool now.
func (s *Sender) spoolDue(now time.Duration) bool {
	if s.spoolBusy || s.spoolNext >= s.next() || !s.canSpool(now) {
		return false
	}
	b := s.at(s.spoolNext)
	if !s.fits(b) {
		return false
	}
	down := s.state == linkStopped || s.state != linkUp && (s.everUp || s.cfg.Backoff.Failures() > 0)
	return down || s.memory > s.cfg.Memory/2 || now >= b.offered+s.cfg.SpoolAfter
}

// Spooled reports the end of an ActSpool: the block is in the spool, or why it is not.
func (s *Sender) Spooled(now time.Duration, number uint32, err error) {
	s.spoolBusy = false
	s.spoolErr = err
	if err != nil {
		s.spoolRetry = now + time.Second
		return
	}
	s.stats.Spooled++
	if number < s.first || number != s.spoolNext {
		return // acknowledged meanwhile
	}
	b := s.at(number)
	b.spooled = true
	s.spooled += b.size
	s.spoolNext++
	s.evictFrom = s.spoolNext
	s.evict(s.cfg.Memory / 2)
}

func (s *Sender) maySend() bool {
	if s.state != linkUp || s.blocked || s.cursor >= s.next() {
		return false
	}
	return s.cursor == s.first || s.cursor-s.first < s.window.Blocks &&
		s.onWay+s.at(s.cursor).size <= int64(s.window.Bytes)
}

func (s *Sender) send(now time.Duration) SenderAction {
	b := s.at(s.cursor)
	action := SenderAction{Kind: ActSend, Number: s.cursor, Body: b.body}
	if s.cursor == s.received {
		s.progress = now // the clock of ResendAfter starts with the first block on its way
	}
	s.cursor++
	s.onWay += b.size
	s.stats.Sent++
	s.stats.SentBytes += uint64(b.size)
	if s.cursor <= s.highest {
		s.stats.Resent++
	}
	s.highest = max(s.highest, s.cursor)
	return action
}

// Blocked reports that the data socket had no room for the block of the last ActSend. Unblocked makes the Sender go on.
func (s *Sender) Blocked(number uint32) {
	s.blocked = true
	if s.state == linkUp && number < s.cursor {
		s.rewind(number)
		s.stats.Sent--
	}
}

// Unblocked reports that the data socket has room again.
func (s *Sender) Unblocked() { s.blocked = false }

// IsBlocked reports whether the Sender waits for Unblocked.
func (s *Sender) IsBlocked() bool { return s.blocked }

// Envelope returns what goes before a block on the data socket.
func (s *Sender) Envelope(number uint32, body []byte) Envelope {
	return Envelope{Token: s.token, Number: number, Check: Checksum(body)}
}

// rewind makes number, or the first block that is kept, the next to send.
func (s *Sender) rewind(number uint32) {
	number = max(number, s.first)
	for s.cursor > number {
		s.cursor--
		s.onWay -= s.at(s.cursor).size
	}
}
