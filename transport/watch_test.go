//go:build cgo && unix

package transport

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"smiley/internal/loopback"
	"smiley/recording"
	"smiley/transport/protocol"
)

// define is a memoryStore's answer to watchers: where blocks go on, with a block in place of definitions.
func (s *memoryStore) define(_ context.Context, run recording.RunID, _ protocol.Defined) (protocol.Definitions, error) {
	n := uint32(len(s.blocks(run)))
	return protocol.Definitions{Next: n, Now: protocol.Defined{Types: n}, Blocks: [][]byte{testBlock(run, n, 0, 4)}}, nil
}

func watchTest(t *testing.T, rec *recorder, o WatchOptions) *Watcher {
	t.Helper()
	o.Recorder = rec.Endpoint()
	w, err := Watch(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// gaze follows what a watcher sees of one run until n of its blocks are stored, and returns how many it has seen.
func gaze(t *testing.T, w *Watcher, run recording.RunID, n uint32) (seen int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	known, next := uint32(0), uint32(0)
	for next < n {
		e, err := w.Next(ctx)
		if err != nil {
			t.Fatalf("after block %d: %v", next, err)
		}
		if e.Run != run || e.Block == nil {
			continue
		}
		h, err := recording.ParseHeader(e.Block)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Defines:
			known = max(known, h.Number)
		case h.Number != known || h.Number < next:
			t.Fatalf("block %d comes after block %d, and definitions reach to %d", h.Number, next, known)
		default:
			known, next = h.Number+1, h.Number+1
			seen++
		}
		if e.Defines && h.Number >= n {
			return seen
		}
	}
	return seen
}

// A watcher sees the runs that there are, from where they are, those that begin later from their beginning, and how they end.
func TestWatch(t *testing.T) {
	store := newMemoryStore()
	rec := startRecorder(t, ListenOptions{}, store)
	if _, err := Watch(t.Context(), WatchOptions{Recorder: rec.Endpoint()}); recording.CodeOf(err) != recording.CodeUnsupported {
		t.Errorf("a recorder that serves no watchers: %v", err)
	}
	rec.stop(t)
	rec = startRecorder(t, ListenOptions{Define: store.define}, store)
	first := dialTest(t, RemoteOptions{Recorder: rec.Endpoint(), Program: "first"})
	sendAll(t, first, 0, 3, 100)
	store.await(t, first.options.Run, 3)
	w := watchTest(t, rec, WatchOptions{})
	if all, watched := w.Live(); all != 1 || watched != 1 {
		t.Errorf("%d runs, %d watched", all, watched)
	}
	e, err := w.Next(t.Context())
	if err != nil || e.Run != first.options.Run || e.State != protocol.RunRecording || e.Program != "first" {
		t.Errorf("%+v, %v", e, err)
	}
	for {
		e, err := w.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e.Defines {
			break
		}
	}
	second := dialTest(t, RemoteOptions{Recorder: rec.Endpoint()})
	sendAll(t, second, 0, 20, 1000)
	if n := gaze(t, w, second.options.Run, 20); n != 20 {
		t.Errorf("%d of 20 blocks of a run that was seen from its beginning", n)
	}
	one := watchTest(t, rec, WatchOptions{Prefix: first.options.Run, Bits: 128})
	if all, watched := one.Live(); all != 2 || watched != 1 {
		t.Errorf("%d runs, %d watched", all, watched)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	for {
		e, err := one.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e.Run != first.options.Run {
			t.Fatalf("%+v is of another run", e)
		}
		if e.Block == nil && e.State == protocol.RunGone { // it had no final block
			break
		}
	}
	one.Close()
	if _, err := one.Next(t.Context()); recording.CodeOf(err) != recording.CodeCanceled {
		t.Errorf("after Close: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	rec.stop(t)
	for err == nil {
		_, err = w.Next(t.Context())
	}
	if recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("after the recorder's end: %v", err)
	}
	w.Close()
}

// A watcher that does not take what it is sent costs the sender nothing and the recorder little: what is left out is counted, and
// when it is back it goes on where the run is.
func TestWatcherThatDoesNotRead(t *testing.T) {
	store := newMemoryStore()
	rec := startRecorder(t, ListenOptions{Define: store.define}, store)
	r := dialTest(t, RemoteOptions{Recorder: rec.Endpoint()})
	w := watchTest(t, rec, WatchOptions{})
	const blocks = 2000 // of 100 kB: several times what is kept for all watchers
	sendAll(t, r, 0, blocks, 100_000)
	store.await(t, r.options.Run, blocks)
	if st := rec.Stats(); st.WatchSkipped == 0 || st.Watchers != 1 {
		t.Errorf("%+v", st)
	}
	sendAll(t, r, blocks, blocks+1, 100)
	if n := gaze(t, w, r.options.Run, blocks+1); n == 0 || n >= blocks {
		t.Errorf("%d of %d blocks are seen", n, blocks)
	}
	w.Close()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	rec.stop(t)
}

// standingLink is a link whose owner stands still when it is told to, as a process does that is stopped.
type standingLink struct {
	senderLink
	after bool               // it has waited, not before
	stand chan chan struct{} // with what ends it
}

func (l *standingLink) wait(timeout time.Duration, writable bool) (linkEvents, error) {
	if !l.after {
		l.standStill()
	}
	events, err := l.senderLink.wait(timeout, writable)
	if l.after && len(events.messages) == 0 {
		l.standStill()
	}
	return events, err
}

func (l *standingLink) standStill() {
	select {
	case over := <-l.stand:
		l.stand <- nil // it stands
		<-over
	default:
	}
}

// A watcher that stood still for longer than the time-out hears what came meanwhile before it says that nothing comes, and listens on.
func TestWatcherThatStoodStill(t *testing.T) {
	for name, after := range map[string]bool{"before it listens": false, "when it has listened": true} {
		t.Run(name, func(t *testing.T) {
			store := newMemoryStore()
			rec := startRecorder(t, ListenOptions{Define: store.define}, store)
			o := WatchOptions{Recorder: rec.Endpoint(), Timeout: 3 * time.Second}
			link, err := dialRecorder(o.Recorder, nil, false, nil, protocol.MaxWatched)
			if err != nil {
				t.Fatal(err)
			}
			standing := &standingLink{senderLink: link, after: after, stand: make(chan chan struct{})}
			w := &Watcher{
				options: o, link: standing, start: time.Now(), events: make(chan watchedEvent, watchAhead),
				closed: make(chan struct{}), done: make(chan struct{}),
			}
			answered := make(chan struct{})
			go w.run(answered)
			<-answered
			over := make(chan struct{})
			standing.stand <- over
			<-standing.stand
			r := dialTest(t, RemoteOptions{Recorder: rec.Endpoint()})
			sendAll(t, r, 0, 3, 100)
			store.await(t, r.options.Run, 3)
			<-time.After(o.Timeout + o.Timeout/2)
			close(over)
			sendAll(t, r, 3, 4, 100)
			if n := gaze(t, w, r.options.Run, 4); n == 0 {
				t.Error("nothing of what came is seen")
			}
			w.Close()
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			rec.stop(t)
		})
	}
}

// What is wrong is said, within the time-out, with what to do about it.
func TestWatchFails(t *testing.T) {
	store := newMemoryStore()
	pair := func() KeyPair {
		p, err := NewKeyPair()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	server, client, stranger := pair(), pair(), pair()
	rec := startRecorder(t, ListenOptions{Define: store.define, Keys: &ServerKeys{
		Own: server, Authorized: func(key string) bool { return key == client.Public },
	}}, store)
	defer rec.stop(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // a test
	closed, err := net.Listen("tcp", net.JoinHostPort(loopback.Address(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	address := func(l net.Listener) Endpoint {
		at := l.Addr().(*net.TCPAddr)
		return Endpoint{Transport: "tcp", Host: at.IP.String(), Port: uint16(at.Port)}
	}
	nobody := address(closed)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	older, stop := olderRecorder(t)
	defer stop()
	for name, c := range map[string]struct {
		recorder Endpoint
		keys     *ClientKeys
		code     recording.Code
		text     string
	}{
		"nobody":        {nobody, nil, recording.CodeNotFound, "nobody listens at"},
		"silence":       {address(silent), nil, recording.CodeNotFound, "nobody at"},
		"stranger":      {rec.Endpoint(), &ClientKeys{stranger, server.Public}, recording.CodePermission, "does not accept this key"},
		"wrong server":  {rec.Endpoint(), &ClientKeys{client, stranger.Public}, recording.CodePermission, "no keys or others"},
		"no keys":       {rec.Endpoint(), nil, recording.CodePermission, "may want keys"},
		"other version": {older, nil, recording.CodeUnsupported, "smiley v0.0.1 and speaks protocol versions 7 to 9"},
		"not here":      {Endpoint{Transport: "tcp", Host: "198.51.100.1", Port: 5556}, nil, recording.CodeInvalid, "no keys to protect"},
	} {
		patience := time.Minute
		if name == "silence" {
			patience = time.Second
		}
		_, err := Watch(t.Context(), WatchOptions{Recorder: c.recorder, Keys: c.keys, Software: "v1", Timeout: patience})
		hint := ""
		if e, ok := err.(*recording.Error); ok {
			hint = e.Hint
		}
		if recording.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) || hint == "" {
			t.Errorf("%s: %v (%s), hint %q", name, err, recording.CodeOf(err), hint)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Watch(ctx, WatchOptions{Recorder: address(silent)}); recording.CodeOf(err) != recording.CodeCanceled {
		t.Errorf("canceled: %v", err)
	}
	w := watchTest(t, rec, WatchOptions{Keys: &ClientKeys{client, server.Public}})
	w.Close()
}

// olderRecorder answers all that it hears as a recorder of another version does.
func olderRecorder(t *testing.T) (Endpoint, func()) {
	t.Helper()
	ctx, err := zmq4.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ctx.NewSocket(zmq4.ROUTER)
	if err != nil {
		t.Fatal(err)
	}
	var o options
	o.set(s.SetLinger(0))
	o.set(s.SetRcvtimeo(100 * time.Millisecond))
	o.set(s.Bind("tcp://127.0.0.1:*"))
	text, err := s.GetLastEndpoint()
	o.set(err)
	e, err := ParseEndpoint(text)
	o.set(err)
	if o.err != nil {
		t.Fatal(o.err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				_ = s.Close()
				return
			default:
			}
			if m, err := s.RecvMessageBytes(0); err == nil && len(m) == 2 {
				_, _ = s.SendMessage(m[0], protocol.AppendMessage(nil, &protocol.Refuse{
					Code: protocol.RefuseVersion, Min: 7, Max: 9, Software: "v0.0.1",
				}))
			}
		}
	}()
	return e, func() {
		close(stop)
		<-done
		_ = ctx.Term()
	}
}
