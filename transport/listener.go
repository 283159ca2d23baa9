package transport

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"smiley/recording"
	"smiley/transport/protocol"
)

// ListenOptions say where a recorder listens and what it allows. Zero limits become the defaults of
// [protocol.DefaultReceiverConfig].
type ListenOptions struct {
	Endpoint Endpoint // port 0: any
	Software string   // version of smiley
	Keys     *ServerKeys
	Insecure bool // no encryption on an address that others reach
	Warn     func(text string)

	// NextBlock says which block the store expects of a run: 0 for one that it does not know.
	NextBlock func(ctx context.Context, run recording.RunID) (uint32, error)
	// Gone, when set, is called when the sender of a run has said that no more blocks come, or was silent for long. It
	// must not block.
	Gone func(run recording.RunID)
	// Committed, when set, is called with the time from the arrival to the commit of each block.
	Committed func(latency time.Duration)

	// Define, when set, says what was defined of a run, as far as it is committed and beyond have. Watchers are served then.
	Define func(ctx context.Context, run recording.RunID, have protocol.Defined) (protocol.Definitions, error)

	Budget   int64 // bytes of blocks that are not committed
	Sessions int   // senders at the same time
}

// ListenerStats counts what a Listener did.
type ListenerStats struct {
	protocol.ReceiverStats
	Denied          uint64 // connections without an authorised key
	HandshakeFailed uint64 // connections that did not speak the protocol
	Disconnected    uint64 // connections that ended, those among them that were cut because of what they sent
}

// maxWatchers is how many may look on at the same time.
const maxWatchers = 16

// Listener receives the runs of many senders. It is a [Receiver] for one goroutine; blocks of each run come in order,
// runs take turns. A block whose commit fails for a while (Acknowledge with an error) is handed out again later; one that
// never can be committed (CodeDamaged, CodeNewer, CodeInvalid, CodeUnsupported) ends its run, and no other.
type Listener struct {
	options  ListenOptions
	endpoint Endpoint
	start    time.Time
	link     listenerLink

	mu     sync.Mutex // guards core and the counters
	core   *protocol.Receiver
	denied uint64
	failed uint64
	ended  uint64
	err    error // of the sockets

	available chan struct{}        // Next may have a block
	lookups   chan recording.RunID // the core bounds them
	defines   chan protocol.ReceiverAction
	closing   chan struct{}
	context   context.Context // ends with closing
	cancel    context.CancelFunc
	closed    sync.Once
	done      sync.WaitGroup
}

// Listen binds the sockets of a recorder. Errors are CodeInvalid (an address that needs keys, or that is none of this
// machine), CodeLocked (in use), CodePermission, CodeUnsupported (a build without ZeroMQ).
func Listen(o ListenOptions) (*Listener, error) {
	warning, err := secure(o.Endpoint, o.Keys != nil, o.Insecure)
	if err != nil {
		return nil, err
	}
	if warning != "" && o.Warn != nil {
		o.Warn(warning)
	}
	link, err := newListenerLink(o.Keys)
	if err != nil {
		return nil, err
	}
	endpoint, port, err := link.bind(o.Endpoint)
	if err != nil {
		link.close(0)
		return nil, err
	}
	l := &Listener{
		options: o, endpoint: endpoint, start: time.Now(), link: link,
		available: make(chan struct{}, 1), lookups: make(chan recording.RunID, 1024),
		defines: make(chan protocol.ReceiverAction, 1), closing: make(chan struct{}),
	}
	cfg := protocol.ReceiverConfig{
		Software: o.Software, DataPort: port, Budget: o.Budget, Sessions: o.Sessions,
		Random: mathrand.Float64, NewToken: newToken,
	}
	if o.Define != nil {
		cfg.Watchers = maxWatchers
	}
	l.core = protocol.NewReceiver(cfg)
	l.context, l.cancel = context.WithCancel(context.Background())
	l.done.Go(l.run)
	l.done.Go(l.lookUp)
	l.done.Go(l.define)
	return l, nil
}

func newToken() (t protocol.Token) {
	if _, err := rand.Read(t[:]); err != nil { // cannot happen: it crashes the program instead
		binary.LittleEndian.PutUint64(t[:], mathrand.Uint64())
	}
	return t
}

func (l *Listener) now() time.Duration { return time.Since(l.start) }

// Endpoint returns where the recorder listens, with the port that was chosen.
func (l *Listener) Endpoint() Endpoint { return l.endpoint }

// Stats returns the counters. Any goroutine may call it at any time.
func (l *Listener) Stats() ListenerStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return ListenerStats{l.core.Stats(), l.denied, l.failed, l.ended}
}

// Receive implements [Receiver]. io.EOF says that the Listener is closed.
func (l *Listener) Receive(ctx context.Context) (Delivery, error) {
	for {
		l.mu.Lock()
		now := l.now()
		block, ok := l.core.Next(now)
		at := l.core.NextAt() - now
		err := l.err
		l.mu.Unlock()
		select {
		case <-l.closing:
			return Delivery{}, io.EOF
		default:
		}
		if err != nil {
			return Delivery{}, err
		}
		if ok {
			return Delivery{Encoded: block.Body, ack: func(err error) { l.acknowledge(&block, err) }}, nil
		}
		if err := l.sleep(ctx, at); err != nil {
			return Delivery{}, err
		}
	}
}

func (l *Listener) sleep(ctx context.Context, atMost time.Duration) error {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-l.available:
	case <-timer.C:
	case <-l.closing:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (l *Listener) acknowledge(b *protocol.Block, err error) {
	l.mu.Lock()
	now := l.now()
	if err == nil {
		l.core.Committed(now, b.Run, b.Number)
	} else {
		l.core.Failed(now, b.Run, b.Number, permanent(err), err.Error())
	}
	l.mu.Unlock()
	if err == nil && l.options.Committed != nil {
		l.options.Committed(now - b.Arrived)
	}
	l.link.wake()
}

// permanent reports whether a block that failed with err can never be committed.
func permanent(err error) bool {
	switch recording.CodeOf(err) {
	case recording.CodeDamaged, recording.CodeNewer, recording.CodeInvalid, recording.CodeUnsupported:
		return true
	}
	return false
}

// Close implements [Receiver]. Senders are told what is committed and that the recorder stops; they keep the rest. cause
// is not sent.
func (l *Listener) Close(error) {
	l.closed.Do(func() {
		close(l.closing)
		l.cancel()
		l.link.wake()
		l.done.Wait()
	})
}

// run owns the sockets.
func (l *Listener) run() {
	for {
		timeout := l.settle()
		select {
		case <-l.closing:
			l.mu.Lock()
			l.core.Close()
			l.mu.Unlock()
			l.settle()
			l.link.close(500 * time.Millisecond)
			return
		default:
		}
		if err := l.link.wait(timeout, arrivals{l}); err != nil {
			l.mu.Lock()
			l.err = err
			l.mu.Unlock()
			l.signal()
			<-l.closing
		}
	}
}

// settle does what the core wants, and returns how long there is nothing else to do.
func (l *Listener) settle() time.Duration {
	for {
		l.mu.Lock()
		now := l.now()
		a := l.core.Poll(now)
		deadline := l.core.Deadline() - now
		l.mu.Unlock()
		switch a.Kind {
		case protocol.DoNothing:
			return deadline
		case protocol.DoReply:
			l.link.reply(a.Peer, a.Body)
		case protocol.DoLookup:
			l.lookups <- a.Run // has room for more than the core asks for
		case protocol.DoDefine:
			l.defines <- a // the core asks for one at a time
		case protocol.DoGone:
			if l.options.Gone != nil {
				l.options.Gone(a.Run)
			}
		}
	}
}

func (l *Listener) signal() {
	select {
	case l.available <- struct{}{}:
	default:
	}
}

// lookUp asks the store, which may take its time.
func (l *Listener) lookUp() {
	for {
		select {
		case <-l.closing:
			return
		case run := <-l.lookups:
			next, err := l.options.NextBlock(l.context, run)
			l.mu.Lock()
			l.core.Found(l.now(), run, next, err)
			l.mu.Unlock()
			l.link.wake()
		}
	}
}

// define asks the store for what watchers have missed, which may take its time.
func (l *Listener) define() {
	for {
		select {
		case <-l.closing:
			return
		case a := <-l.defines:
			definitions, err := l.options.Define(l.context, a.Run, a.Have)
			l.mu.Lock()
			l.core.Defined(l.now(), definitions, err)
			l.mu.Unlock()
			l.link.wake()
		}
	}
}

// arrivals is what the sockets call.
type arrivals struct{ l *Listener }

func (a arrivals) control(peer string, message []byte) {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	a.l.core.Control(a.l.now(), peer, message)
}

func (a arrivals) data(envelope, body []byte) {
	a.l.mu.Lock()
	a.l.core.Data(a.l.now(), envelope, body)
	a.l.mu.Unlock()
	a.l.signal()
}

func (a arrivals) malformed() {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	a.l.core.Malformed()
}

func (a arrivals) denied() {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	a.l.denied++
}

func (a arrivals) disconnected() {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	a.l.ended++
}

func (a arrivals) handshakeFailed() {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	a.l.failed++
}
