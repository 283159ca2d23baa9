package transport

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"smiley/recording"
	"smiley/transport/protocol"
)

// WatchOptions say which runs of which recorder to watch.
type WatchOptions struct {
	Recorder Endpoint
	Prefix   recording.RunID // runs whose ids begin with the first Bits bits of it
	Bits     int             // 0: all runs
	Software string          // version of smiley

	Keys     *ClientKeys // nil: no encryption, for recorders on this machine
	Insecure bool        // no encryption for recorders elsewhere
	Warn     func(text string)

	Timeout time.Duration // from dialling to the answer, and of silence later; 0: 5 s
}

// Watched is one thing that happened to a run which is watched: it is recorded (RunRecording), a block came (Block is set), or
// it is over.
type Watched struct {
	Run     recording.RunID
	State   protocol.RunState // RunRecording with blocks
	Program string            // for people; "" with blocks
	Events  uint64            // before it was joined, or at the end; 0: not known
	Block   []byte            // encoded; belongs to the caller
	Defines bool              // the block is there for its definitions, and belongs to no place among the others
}

// Watcher looks on at what a recorder records. Next is for one goroutine.
type Watcher struct {
	options WatchOptions
	link    senderLink
	start   time.Time
	token   protocol.Token

	answer *protocol.Watching
	events chan watchedEvent
	seen   atomic.Uint32 // serial of the last thing that Next returned
	closed chan struct{}
	once   sync.Once
	done   chan struct{}
	err    error // why it ended, once done is closed
}

type watchedEvent struct {
	serial uint32
	Watched
}

const (
	watchTimeout = 5 * time.Second
	watchPing    = time.Second
	// watchAhead is more than a recorder sends before it hears that something was taken.
	watchAhead = 256
)

// Watch asks a recorder to be shown its runs, and waits for the answer. Errors say what is the matter within the time-out:
// CodeNotFound (nobody listens there, or nobody who answers), CodePermission (keys), CodeUnsupported (another version, a build
// without ZeroMQ, or it serves no watchers), CodeLocked (too many watchers), CodeInvalid, CodeCanceled. The caller closes the
// Watcher.
func Watch(ctx context.Context, o WatchOptions) (*Watcher, error) {
	if o.Timeout == 0 {
		o.Timeout = watchTimeout
	}
	link, err := dialRecorder(o.Recorder, o.Keys, o.Insecure, o.Warn, protocol.MaxWatched)
	if err != nil {
		return nil, err
	}
	w := &Watcher{
		options: o, link: link, start: time.Now(), events: make(chan watchedEvent, watchAhead),
		closed: make(chan struct{}), done: make(chan struct{}),
	}
	answered := make(chan struct{})
	go w.run(answered)
	select {
	case <-answered:
		return w, nil
	case <-w.done:
		return nil, w.err
	case <-ctx.Done():
		w.Close()
		return nil, recording.Errorf(recording.CodeCanceled, "the recorder at %s was not waited for", o.Recorder)
	}
}

// Live returns how many runs were recorded when the recorder answered, and how many of them are watched.
func (w *Watcher) Live() (all, watched int) { return int(w.answer.Live), int(w.answer.Matching) }

// Next waits for the next thing that happens. Whoever is slow to ask is not waited for: blocks are left out then, and definitions
// come before the next. The error says why there is nothing more: CodeCanceled when ctx has ended or the Watcher is closed,
// CodeNotFound when the recorder is gone.
func (w *Watcher) Next(ctx context.Context) (Watched, error) {
	select {
	case e := <-w.events:
		return w.hand(e), nil
	default:
	}
	select {
	case e := <-w.events:
		return w.hand(e), nil
	case <-w.done:
		select {
		case e := <-w.events: // came before the end
			return w.hand(e), nil
		default:
			return Watched{}, w.err
		}
	case <-ctx.Done():
		return Watched{}, recording.Errorf(recording.CodeCanceled, "watching was ended")
	}
}

func (w *Watcher) hand(e watchedEvent) Watched {
	w.seen.Store(e.serial)
	w.link.wake()
	return e.Watched
}

// Close ends the watching.
func (w *Watcher) Close() {
	w.once.Do(func() { close(w.closed) })
	w.link.wake()
	<-w.done
}

// run is the Watcher's goroutine. It owns the link.
func (w *Watcher) run(answered chan<- struct{}) {
	err := w.serve(answered)
	if w.answer != nil {
		_ = w.link.control(protocol.AppendMessage(nil, &protocol.Bye{Token: w.token})) // it may be gone
		w.link.hangUp(200 * time.Millisecond)
	}
	w.link.close()
	w.err = err
	close(w.done)
}

func (w *Watcher) serve(answered chan<- struct{}) error {
	if err := w.link.open(); err != nil {
		return err
	}
	prefix := w.options.Prefix
	hello := &protocol.Watch{
		Min: protocol.MinVersion, Max: protocol.Version, Prefix: prefix, Bits: uint8(w.options.Bits), Software: w.options.Software,
	}
	if err := w.link.control(protocol.AppendMessage(nil, hello)); err != nil {
		return err
	}
	pinged := w.start
	var quiet time.Duration // listened in vain since something came: while this process stands still it listens to nothing
	var told, came uint32
	for {
		select {
		case <-w.closed:
			return recording.Errorf(recording.CodeCanceled, "watching was ended")
		default:
		}
		now := time.Now()
		if w.answer != nil && now.Sub(pinged) >= watchPing {
			pinged = now
			if err := w.link.control(protocol.AppendMessage(nil, &protocol.Ping{Token: w.token, Echo: uint64(now.Sub(w.start)) + 1})); err != nil {
				return err
			}
		}
		if seen := w.seen.Load(); seen != told {
			told = seen
			if err := w.link.control(protocol.AppendMessage(nil, &protocol.Seen{Token: w.token, Serial: told})); err != nil {
				return err
			}
		}
		began, patience := time.Now(), min(watchPing, w.options.Timeout-quiet)
		events, err := w.link.wait(patience, false)
		if err != nil {
			return err
		}
		quiet += min(time.Since(began), patience)
		for _, data := range events.messages {
			quiet = 0
			if err := w.message(data, &came, answered); err != nil {
				return err
			}
		}
		if events.down != "" {
			return w.down(events)
		}
		if quiet >= w.options.Timeout {
			return w.silent()
		}
	}
}

// message takes a message of the recorder.
func (w *Watcher) message(data []byte, came *uint32, answered chan<- struct{}) error {
	m, err := protocol.DecodeMessage(data)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *protocol.Watching:
		if w.answer == nil {
			w.answer, w.token = m, m.Token
			close(answered)
		}
		return nil
	case *protocol.Refuse:
		return w.refused(m)
	case *protocol.Bye:
		return recording.Errorf(recording.CodeNotFound, "the recorder at %s has stopped", w.options.Recorder)
	case *protocol.WatchedRun:
		return w.push(m.Token, came, watchedEvent{m.Serial, Watched{Run: m.Run, State: m.State, Program: m.Program, Events: m.Events}})
	case *protocol.WatchedBlock:
		head, err := recording.ParseHeader(m.Body)
		if err != nil {
			return err
		}
		return w.push(m.Token, came, watchedEvent{m.Serial, Watched{
			Run: head.Run, State: protocol.RunRecording, Block: m.Body, Defines: m.Defines,
		}})
	}
	return nil // acks, and what is not for watchers
}

// push keeps an event for Next. It never waits: a recorder that sends more than it may is no recorder.
func (w *Watcher) push(token protocol.Token, came *uint32, e watchedEvent) error {
	if w.answer == nil || token != w.token {
		return nil
	}
	if *came++; e.serial != *came {
		return recording.Errorf(recording.CodeDamaged, "something of what the recorder at %s sent did not arrive", w.options.Recorder)
	}
	select {
	case w.events <- e:
		return nil
	default:
		return recording.Errorf(recording.CodeDamaged, "the recorder at %s sends more than it was asked for", w.options.Recorder)
	}
}

// silent says what it means that nothing came for so long.
func (w *Watcher) silent() error {
	if w.answer == nil {
		return recording.Errorf(recording.CodeNotFound, "nobody at %s answered within %v", w.options.Recorder, w.options.Timeout).
			WithHint("is it a recorder, and of this version? A recorder says where it listens when it starts")
	}
	return recording.Errorf(recording.CodeNotFound, "the recorder at %s does not answer any more", w.options.Recorder)
}

// down says what it means that there is no connection.
func (w *Watcher) down(e linkEvents) error {
	switch {
	case e.keys:
		return recording.Errorf(recording.CodePermission, "%s", e.down).
			WithHint("'smiley keys authorize' there with the key that 'smiley keys show' prints here, and here --recorder with its key")
	case w.answer != nil:
		return recording.Errorf(recording.CodeNotFound, "the connection to the recorder at %s broke", w.options.Recorder)
	}
	return recording.Errorf(recording.CodeNotFound, "%s", e.down).
		WithHint("start one with: smiley record --listen %[1]s; or watch without one: smiley monitor --listen %[1]s", recording.ShellWord(w.options.Recorder.String()))
}

func (w *Watcher) refused(m *protocol.Refuse) error {
	switch m.Code {
	case protocol.RefuseVersion:
		return recording.Errorf(recording.CodeUnsupported,
			"the recorder at %s is smiley %s and speaks protocol versions %d to %d; this smiley %s speaks %d to %d",
			w.options.Recorder, m.Software, m.Min, m.Max, w.options.Software, protocol.MinVersion, protocol.Version).
			WithHint("use the same version of smiley on both sides")
	case protocol.RefuseBusy:
		return recording.Errorf(recording.CodeLocked, "the recorder at %s lets nobody else watch: %s", w.options.Recorder, m.Text).
			WithHint("try again when others have ended")
	case protocol.RefuseWatch:
		return recording.Errorf(recording.CodeUnsupported, "%s cannot be watched: %s", w.options.Recorder, m.Text).
			WithHint("a smiley record can; what listens there may be another monitor")
	}
	return recording.Errorf(recording.CodeNotFound, "the recorder at %s does not know this watcher any more", w.options.Recorder)
}
