package transport

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"smiley/recording"
	"smiley/transport/protocol"
	"smiley/transport/spool"
)

// RemoteOptions say where a run's blocks go and what is kept of them meanwhile. Zero sizes and times become the defaults
// of [protocol.DefaultSenderConfig].
type RemoteOptions struct {
	Recorder Endpoint
	Run      recording.RunID
	Program  string // for people
	Software string // version of smiley

	SpoolDir    string // "": no spool
	SpoolBytes  int64
	MemoryBytes int64
	Drop        bool          // when memory and spool are full: drop and count at once, instead of holding the program
	HoldFor     time.Duration // how long the program is held before blocks are dropped

	Keys     *ClientKeys // nil: no encryption, for recorders on this machine
	Insecure bool        // no encryption for recorders elsewhere
	// Warn, when set, is told what a person should know before the run ends: that nothing is encrypted, and, once, that the
	// recorder does not take the run, because of keys or for good. It may be called by another goroutine.
	Warn func(text string)

	// Overflow says that the maker of blocks asks Full and makes none while there is no room: what is made all the same is
	// taken.
	Overflow bool
	// Strip makes the tombstone of a block that is dropped, see docs/reference/protocol.md. nil: a block for which there
	// is no room is an error of Send, and the recording ends there.
	Strip func(encoded []byte) []byte
	// Acked, when set, is called with the time from Send to acknowledgement of each block.
	Acked func(latency time.Duration)

	ConnectTimeout time.Duration
	CloseTimeout   time.Duration // how long Close waits for acknowledgements without progress
	Patience       time.Duration // how long Push waits for acknowledgements without progress; 0: until its context ends

	pushing bool // whoever waits for the delivery learns of a refusal anyway
}

// Remote sends one run to a recorder. It is a [recording.Sink]: Send takes blocks whatever the recorder does. Blocks that
// are not acknowledged are kept in memory and in the spool; Close leaves in the spool what could not be delivered, and
// Stats says how much that is.
type Remote struct {
	options RemoteOptions
	start   time.Time
	link    senderLink
	spool   *spool.Spool // nil: none

	mu       sync.Mutex // guards core and spoolErr
	core     *protocol.Sender
	spoolErr error

	full     atomic.Bool   // as the core's Overfull
	changed  chan struct{} // something happened that a waiting Send wants to know
	canceled <-chan struct{}
	done     chan struct{} // closed when the loop has ended
	dataOpen bool
	warned   bool // of a recorder that does not take the run
}

// Dial returns a Remote for one run. It does not wait for the recorder: when that cannot be reached, blocks go to the
// spool. ctx ends a Send that waits; Close ends the Remote, and must be called. Errors are CodeInvalid (an address that
// needs keys), CodeUnsupported (a build without ZeroMQ) and CodeInternal.
func Dial(ctx context.Context, o RemoteOptions) (*Remote, error) {
	var sp *spool.Spool
	cfg := senderConfig(&o)
	if _, err := rand.Read(cfg.Secret[:]); err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "no random numbers: %w", err)
	}
	if o.SpoolDir != "" {
		sp = spool.Create(o.SpoolDir, spool.Info{Run: o.Run, Secret: cfg.Secret, Recorder: o.Recorder.String(), Program: o.Program})
	}
	return dial(ctx, o, protocol.NewSender(cfg), sp)
}

func senderConfig(o *RemoteOptions) protocol.SenderConfig {
	cfg := protocol.SenderConfig{
		Run: o.Run, Software: o.Software, Program: o.Program,
		Memory: o.MemoryBytes, Spool: o.SpoolBytes, HoldFor: o.HoldFor,
		ConnectTimeout: o.ConnectTimeout, CloseFor: o.CloseTimeout,
		Random: mathrand.Float64, Strip: o.Strip, Overflow: o.Overflow, Acked: o.Acked,
	}
	if o.SpoolDir == "" {
		cfg.Spool = -1
	}
	if o.Drop {
		cfg.HoldFor = -1
	}
	return cfg
}

// dialRecorder opens a link to a recorder when that is secure, or when the person insists on it.
func dialRecorder(recorder Endpoint, keys *ClientKeys, insecure bool, warn func(string), longest int64) (senderLink, error) {
	warning, err := secure(recorder, keys != nil, insecure)
	if err != nil {
		return nil, err
	}
	if warning != "" && warn != nil {
		warn(warning)
	}
	return newSenderLink(recorder, keys, longest)
}

func dial(ctx context.Context, o RemoteOptions, core *protocol.Sender, sp *spool.Spool) (*Remote, error) {
	link, err := dialRecorder(o.Recorder, o.Keys, o.Insecure, o.Warn, protocol.MaxControl)
	if err != nil {
		return nil, err
	}
	r := &Remote{
		options: o, start: time.Now(), link: link, spool: sp, core: core,
		changed: make(chan struct{}, 1), canceled: ctx.Done(), done: make(chan struct{}),
	}
	go r.run()
	return r, nil
}

func (r *Remote) now() time.Duration { return time.Since(r.start) }

// Send implements [recording.Sink]. It waits only when memory and spool are full, up to HoldFor; then it drops the block
// and counts it, or fails with CodeFull when there is no Strip. Other errors mean that the Remote is closed, its context
// has ended, or the block is none.
func (r *Remote) Send(encoded []byte) error {
	head, err := recording.ParseHeader(encoded)
	if err != nil {
		return err
	}
	for {
		r.mu.Lock()
		now := r.now()
		verdict := r.core.Offer(now, encoded, head.Events)
		hold := r.core.HoldUntil() - now
		r.full.Store(r.core.Overfull())
		r.mu.Unlock()
		r.link.wake()
		switch verdict {
		case protocol.Taken, protocol.Dropped:
			return nil
		case protocol.Refused:
			return recording.Errorf(recording.CodeFull, "the recorder cannot be reached, and memory and spool are full").
				WithHint("what was recorded until now is kept; give the spool more room with --spool-bytes")
		}
		if err := r.waitForRoom(hold); err != nil {
			return err
		}
	}
}

// Full implements [recording.FullSink]. Any goroutine may call it at any time.
func (r *Remote) Full() bool { return r.full.Load() }

func (r *Remote) waitForRoom(atMost time.Duration) error {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-r.changed:
	case <-timer.C:
	case <-r.canceled:
		return recording.Errorf(recording.CodeCanceled, "the recording was ended while it waited for the recorder")
	case <-r.done:
		return recording.Errorf(recording.CodeCanceled, "the connection to the recorder is closed")
	}
	return nil
}

// Close says that no more blocks come, and waits until all are acknowledged or, when the recorder cannot be reached, in
// the spool. The error says that blocks are in neither.
func (r *Remote) Close() error {
	r.mu.Lock()
	r.core.Close(r.now())
	r.mu.Unlock()
	r.link.wake()
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.core.Stats().Unspooled; n > 0 {
		err := recording.Errorf(recording.CodeFull, "%s neither delivered to %s nor in a spool", blocksAre(n), r.options.Recorder)
		if r.spoolErr != nil {
			err.Err = r.spoolErr
			err.Message += ": " + r.spoolErr.Error()
		}
		return err.WithHint("give the spool room, or make the recorder reachable, before the program runs")
	}
	return nil
}

// blocksAre is the beginning of a sentence.
func blocksAre(n int) string {
	if n == 1 {
		return "1 block is"
	}
	return strconv.Itoa(n) + " blocks are"
}

// Stats returns the counters. Any goroutine may call it at any time.
func (r *Remote) Stats() protocol.SenderStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.core.Stats()
}

// Failure returns why this recorder will never take the run, nil when nothing speaks against it.
func (r *Remote) Failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.core.Failure()
}

// SpoolDir returns the directory of the run's spool, "" when it has none.
func (r *Remote) SpoolDir() string {
	if r.spool == nil {
		return ""
	}
	return r.spool.Dir()
}

// run is the Remote's goroutine. It owns the link and ends when the core is done.
func (r *Remote) run() {
	defer close(r.done)
	defer r.link.close()
	for {
		r.mu.Lock()
		now := r.now()
		action := r.core.Poll(now)
		done := action.Kind == protocol.ActNone && r.core.Done(now)
		timeout := r.core.Deadline() - now
		blocked := r.core.IsBlocked()
		r.full.Store(r.core.Overfull())
		r.mu.Unlock()
		if done {
			r.link.hangUp(200 * time.Millisecond)
			r.closeSpool()
			return
		}
		if action.Kind != protocol.ActNone {
			r.act(action)
			continue
		}
		r.notify()
		if reason := r.wait(timeout, blocked); reason != "" {
			r.warn(reason)
		}
	}
}

// warn tells a person once that the recorder does not take the run.
func (r *Remote) warn(reason string) {
	if r.warned || r.options.Warn == nil {
		return
	}
	r.warned = true
	if r.spool != nil {
		reason += "; what is recorded is kept in a spool"
	}
	r.options.Warn(reason)
}

// notify ends the waiting of a Send, which looks again.
func (r *Remote) notify() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// wait waits until something happens, and returns why the recorder does not take the run when that has to be said now.
func (r *Remote) wait(timeout time.Duration, blocked bool) (refusal string) {
	events, err := r.link.wait(timeout, blocked)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if events.writable {
		r.core.Unblocked()
	}
	for _, m := range events.messages {
		r.core.Receive(now, m)
	}
	switch {
	case err != nil:
		r.core.LinkDown(now, err.Error())
	case events.down != "":
		r.core.LinkDown(now, events.down)
	}
	if failure := r.core.Failure(); failure != nil && !r.options.pushing {
		return failure.Error()
	}
	if events.keys && r.core.Stats().Connects == 0 {
		return events.down
	}
	return ""
}

func (r *Remote) act(a protocol.SenderAction) {
	var err error
	switch a.Kind {
	case protocol.ActDial:
		r.dataOpen = false
		err = r.link.open()
	case protocol.ActHangUp:
		r.link.hangUp(0)
	case protocol.ActControl:
		err = r.link.control(a.Body)
	case protocol.ActSend:
		err = r.send(a)
	case protocol.ActSpool:
		spoolErr := r.spool.Append(a.Number, a.Body)
		r.mu.Lock()
		r.spoolErr = spoolErr
		r.core.Spooled(r.now(), a.Number, spoolErr)
		r.mu.Unlock()
		r.notify()
	case protocol.ActRelease:
		if r.spool != nil {
			// A file that cannot be removed now is removed by Close, or delivered again and ignored.
			_ = r.spool.Release(a.Number)
		}
		r.notify()
	}
	if err != nil {
		r.mu.Lock()
		r.core.LinkDown(r.now(), err.Error())
		r.mu.Unlock()
	}
}

// send sends a block, from the spool when it is not in memory.
func (r *Remote) send(a protocol.SenderAction) error {
	if a.Body == nil {
		body, err := r.spool.Read(a.Number)
		if err != nil {
			r.mu.Lock()
			r.core.Stop(err)
			r.mu.Unlock()
			return nil
		}
		a.Body = body
	}
	r.mu.Lock()
	port := r.core.DataPort()
	e := r.core.Envelope(a.Number, nil)
	r.mu.Unlock()
	if !r.dataOpen {
		if err := r.link.openData(port); err != nil {
			return err
		}
		r.dataOpen = true
	}
	e.Check = protocol.Checksum(a.Body)
	var envelope [protocol.EnvelopeSize]byte
	sent, err := r.link.data(protocol.AppendEnvelope(envelope[:0], &e), a.Body)
	if err == nil && !sent {
		r.mu.Lock()
		r.core.Blocked(a.Number)
		r.mu.Unlock()
	}
	return err
}

// closeSpool removes what is acknowledged and leaves the rest on the disk.
func (r *Remote) closeSpool() {
	if r.spool == nil {
		return
	}
	r.mu.Lock()
	below := r.core.Acknowledged()
	r.mu.Unlock()
	if err := r.spool.Close(below); err != nil {
		r.mu.Lock()
		r.spoolErr = errors.Join(r.spoolErr, err)
		r.mu.Unlock()
	}
}
