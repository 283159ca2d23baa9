package transport

import (
	"context"
	"io"
	"sync"

	"smiley/recording"
)

// Local returns the two ends of a channel inside this process. At most inFlight blocks (at least 1) are sent and not yet
// acknowledged: Send waits for room, which is how a slow store holds back the tracer instead of filling memory.
//
// The receiving side must either be received from until io.EOF or be closed, or Send waits for ever.
func Local(inFlight int) (recording.Sink, Receiver) {
	inFlight = max(inFlight, 1)
	c := &localChannel{
		blocks: make(chan []byte, inFlight),
		room:   make(chan struct{}, inFlight),
		broken: make(chan struct{}),
		spare:  make(chan []byte, spareBlocks),
	}
	return &localSink{c: c}, &localReceiver{c: c}
}

// spareBlocks is how many blocks' memory is kept to be used again, of spareMax bytes at most each: what a program begins with is longer
// than nearly all that follows.
const (
	spareBlocks = 2
	spareMax    = 2 << 20
)

// localChannel is what both ends share. room holds a token for every block that is not acknowledged.
type localChannel struct {
	blocks chan []byte
	room   chan struct{}
	broken chan struct{} // closed once, by the receiving side, after err is set
	spare  chan []byte
	once   sync.Once
	err    error
}

func (c *localChannel) fail(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.broken)
	})
}

// localSink is the tracer's end. Its methods are called by one goroutine.
type localSink struct {
	c      *localChannel
	closed bool
}

// Spare implements [recording.NearSink].
func (s *localSink) Spare() []byte {
	select {
	case memory := <-s.c.spare:
		return memory[:0]
	default:
		return nil
	}
}

// Await implements [recording.NearSink].
func (s *localSink) Await(n int) {
	taken := 0
	defer func() {
		for range taken {
			<-s.c.room
		}
	}()
	for range cap(s.c.room) - n { // who holds all other tokens knows that at most n are held
		select {
		case s.c.room <- struct{}{}:
			taken++
		case <-s.c.broken:
			return
		}
	}
}

// Send hands the block to the receiver, waiting while too many are unacknowledged.
func (s *localSink) Send(encoded []byte) error {
	select {
	case <-s.c.broken: // first, so that a broken channel takes no more even when there is room
		return s.c.err
	default:
	}
	select {
	case s.c.room <- struct{}{}:
	case <-s.c.broken:
		return s.c.err
	}
	s.c.blocks <- encoded // never waits: blocks has room for every token
	return nil
}

// Close says that no more blocks come and waits until all are acknowledged. It returns the receiver's error when some
// never will be.
func (s *localSink) Close() error {
	if !s.closed {
		s.closed = true
		close(s.c.blocks)
	}
	for range cap(s.c.room) { // holding every token means that nothing is under way
		select {
		case s.c.room <- struct{}{}:
			continue
		case <-s.c.broken:
		}
		select { // a receiver that closed after its last acknowledgement left everything well
		case s.c.room <- struct{}{}:
		default:
			return s.c.err
		}
	}
	for range cap(s.c.room) {
		<-s.c.room
	}
	return nil
}

// localReceiver is the recorder's end of a Local channel.
type localReceiver struct{ c *localChannel }

// Receive implements [Receiver].
func (r *localReceiver) Receive(ctx context.Context) (Delivery, error) {
	select {
	case encoded, open := <-r.c.blocks:
		if !open {
			return Delivery{}, io.EOF
		}
		return Delivery{Encoded: encoded, ack: func(err error) { r.acknowledge(encoded, err) }}, nil
	case <-ctx.Done():
		return Delivery{}, ctx.Err()
	}
}

func (r *localReceiver) acknowledge(encoded []byte, err error) {
	if err != nil {
		r.c.fail(err)
		return
	}
	if cap(encoded) <= spareMax {
		select {
		case r.c.spare <- encoded:
		default: // there is enough
		}
	}
	<-r.c.room
}

// Close implements [Receiver]. After a complete run it changes nothing for the sender: what is acknowledged stays so.
func (r *localReceiver) Close(cause error) {
	if cause == nil {
		cause = recording.Errorf(recording.CodeCanceled, "the recorder has stopped")
	}
	r.c.fail(cause)
}
