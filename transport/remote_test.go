//go:build cgo && unix

package transport

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smiley/internal/loopback"
	"smiley/recording"
)

// memoryStore is a store that keeps the promises of the real one.
type memoryStore struct {
	mu     sync.Mutex
	runs   map[recording.RunID][][]byte
	twice  int
	refuse func(h recording.Header) error
	stored chan struct{} // one signal, for whoever waits for progress
}

func newMemoryStore() *memoryStore {
	return &memoryStore{runs: map[recording.RunID][][]byte{}, stored: make(chan struct{}, 1)}
}

func (s *memoryStore) next(_ context.Context, run recording.RunID) (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint32(len(s.runs[run])), nil
}

func (s *memoryStore) commit(encoded []byte) error {
	h, err := recording.ParseHeader(encoded)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(h); err != nil {
			return err
		}
	}
	switch n := uint32(len(s.runs[h.Run])); {
	case h.Number < n:
		s.twice++
	case h.Number > n:
		return recording.Errorf(recording.CodeInvalid, "a gap before block %d", h.Number)
	default:
		s.runs[h.Run] = append(s.runs[h.Run], encoded)
	}
	select {
	case s.stored <- struct{}{}:
	default:
	}
	return nil
}

func (s *memoryStore) setRefuse(f func(recording.Header) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = f
}

func (s *memoryStore) blocks(run recording.RunID) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.runs[run])
}

// await waits until the run has at least n blocks.
func (s *memoryStore) await(t *testing.T, run recording.RunID, n int) {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for len(s.blocks(run)) < n {
		select {
		case <-s.stored:
		case <-timeout:
			t.Fatalf("%d of %d blocks after two minutes", len(s.blocks(run)), n)
		}
	}
}

// testBlock returns something with the head of a block.
func testBlock(run recording.RunID, number, events uint32, payload int) []byte {
	b := make([]byte, 80+payload)
	copy(b, "SMLY")
	binary.LittleEndian.PutUint16(b[4:], 1)
	copy(b[8:], run[:])
	binary.LittleEndian.PutUint32(b[24:], number)
	binary.LittleEndian.PutUint32(b[28:], events)
	binary.LittleEndian.PutUint64(b[32:], 1)
	for i := 80; i < len(b); i++ {
		b[i] = byte(int(number) + i)
	}
	return b
}

func testStrip(body []byte) []byte { return slices.Clone(body[:80]) }

func testRun(t testing.TB) recording.RunID {
	t.Helper()
	id, err := recording.NewRunID()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// recorder is a Listener with its loop.
type recorder struct {
	*Listener
	cancel context.CancelFunc
	ended  chan error
}

func startRecorder(t testing.TB, o ListenOptions, s *memoryStore) *recorder {
	t.Helper()
	if o.Endpoint == (Endpoint{}) {
		o.Endpoint = Endpoint{Transport: "tcp", Host: loopback.Address()}
	}
	o.NextBlock = s.next
	l, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &recorder{l, cancel, make(chan error, 1)}
	go func() { r.ended <- Serve(ctx, l, s.commit) }()
	return r
}

func (r *recorder) stop(t testing.TB) {
	t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func dialTest(t testing.TB, o RemoteOptions) *Remote {
	t.Helper()
	if o.Run == (recording.RunID{}) {
		o.Run = testRun(t)
	}
	if o.Strip == nil {
		o.Strip = testStrip
	}
	r, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sendAll(t testing.TB, r *Remote, from, to uint32, payload int) {
	t.Helper()
	for number := from; number < to; number++ {
		if err := r.Send(testBlock(r.options.Run, number, 10, payload)); err != nil {
			t.Fatal(err)
		}
	}
}

func checkRun(t testing.TB, s *memoryStore, run recording.RunID, n, payload int) {
	t.Helper()
	got := s.blocks(run)
	if len(got) != n {
		t.Fatalf("%d of %d blocks are stored", len(got), n)
	}
	for i, b := range got {
		if !slices.Equal(b, testBlock(run, uint32(i), 10, payload)) {
			t.Fatalf("block %d is not what was sent", i)
		}
	}
	if s.twice != 0 {
		t.Errorf("%d blocks reached the store twice", s.twice)
	}
}

// Blocks of several runs arrive over tcp and ipc, and an orderly end leaves nothing behind.
func TestRemoteDelivers(t *testing.T) {
	for name, endpoint := range map[string]Endpoint{
		"tcp": {Transport: "tcp", Host: loopback.Address()},
		"ipc": {Transport: "ipc", Path: filepath.Join(t.TempDir(), "r")},
	} {
		t.Run(name, func(t *testing.T) {
			store := newMemoryStore()
			rec := startRecorder(t, ListenOptions{Endpoint: endpoint}, store)
			defer rec.stop(t)
			spool := filepath.Join(t.TempDir(), "spool")
			var wg sync.WaitGroup
			for range 3 {
				r := dialTest(t, RemoteOptions{Recorder: rec.Endpoint(), SpoolDir: spool})
				wg.Go(func() {
					sendAll(t, r, 0, 200, 5000)
					if err := r.Close(); err != nil {
						t.Error(err)
					}
					checkRun(t, store, r.options.Run, 200, 5000)
				})
			}
			wg.Wait()
			if runs, err := Spooled(spool); err != nil || len(runs) != 0 {
				t.Errorf("spools %v, %v", runs, err)
			}
		})
	}
}

// A recorder that is not there: the sender's calls return, everything is in the spool, and push delivers it when the
// recorder is there. Pushed twice, it changes nothing.
func TestSpoolIsPushed(t *testing.T) {
	store := newMemoryStore()
	rec := startRecorder(t, ListenOptions{}, store)
	endpoint := rec.Endpoint()
	rec.stop(t)

	spool := t.TempDir()
	r := dialTest(t, RemoteOptions{Recorder: endpoint, SpoolDir: spool})
	sendAll(t, r, 0, 50, 100_000)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if st := r.Stats(); st.Unacknowledged != 50 || !strings.Contains(st.LastError, "nobody listens") {
		t.Errorf("stats %+v", st)
	}
	_, err := Push(t.Context(), r.options.Run, RemoteOptions{Recorder: endpoint, SpoolDir: spool, Patience: 50 * time.Millisecond})
	if recording.CodeOf(err) != recording.CodeCanceled || !strings.HasPrefix(err.Error(), "50 blocks are not delivered to "+endpoint.String()) {
		t.Errorf("push without a recorder: %v", err)
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(spool)); err != nil {
		t.Fatal(err)
	}

	rec = startRecorder(t, ListenOptions{Endpoint: endpoint}, store)
	defer rec.stop(t)
	for i, dir := range []string{spool, copied} {
		want := []int{50, 0}[i]
		recorder, _, blocks, err := SpooledInfo(dir, r.options.Run)
		if err != nil || blocks != 50 || recorder != endpoint.String() {
			t.Fatalf("%s, %d blocks, %v", recorder, blocks, err)
		}
		n, err := Push(t.Context(), r.options.Run, RemoteOptions{Recorder: endpoint, SpoolDir: dir, Strip: testStrip})
		if err != nil || n != want {
			t.Fatalf("%d blocks, %v", n, err)
		}
		checkRun(t, store, r.options.Run, 50, 100_000)
		if runs, err := Spooled(dir); err != nil || len(runs) != 0 {
			t.Errorf("spools %v, %v", runs, err)
		}
	}
}

// A recorder that restarts in the middle costs nothing.
func TestRecorderRestarts(t *testing.T) {
	store := newMemoryStore()
	rec := startRecorder(t, ListenOptions{}, store)
	endpoint := rec.Endpoint()
	r := dialTest(t, RemoteOptions{Recorder: endpoint, SpoolDir: t.TempDir()})
	for part := range uint32(3) {
		sendAll(t, r, part*100, part*100+50, 20_000)
		store.await(t, r.options.Run, int(part)*100+20)
		rec.stop(t)
		sendAll(t, r, part*100+50, part*100+100, 20_000)
		rec = startRecorder(t, ListenOptions{Endpoint: endpoint}, store)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	checkRun(t, store, r.options.Run, 300, 20_000)
	if st := r.Stats(); st.Disconnects < 3 {
		t.Errorf("stats %+v", st)
	}
	rec.stop(t)
}

// A store that cannot commit for a while holds up its runs and loses nothing; one that never can ends that run only.
func TestCommitFails(t *testing.T) {
	store := newMemoryStore()
	rec := startRecorder(t, ListenOptions{}, store)
	defer rec.stop(t)
	spool := t.TempDir()
	bad := dialTest(t, RemoteOptions{Recorder: rec.Endpoint(), SpoolDir: spool})
	good := dialTest(t, RemoteOptions{Recorder: rec.Endpoint(), SpoolDir: spool})
	full := 0
	store.setRefuse(func(h recording.Header) error {
		if h.Run == bad.options.Run && h.Number == 3 {
			return recording.Errorf(recording.CodeDamaged, "block 3 is damaged")
		}
		if h.Run == good.options.Run && h.Number == 7 && full < 3 {
			full++
			return recording.Errorf(recording.CodeFull, "the disk is full")
		}
		return nil
	})
	sendAll(t, bad, 0, 10, 100)
	sendAll(t, good, 0, 10, 100)
	if err := good.Close(); err != nil {
		t.Error(err)
	}
	checkRun(t, store, good.options.Run, 10, 100)
	if err := bad.Close(); err != nil {
		t.Error(err)
	}
	checkRun(t, store, bad.options.Run, 3, 100)
	if err := bad.Failure(); err == nil || !strings.Contains(err.Error(), "block 3 is damaged") {
		t.Errorf("failure %v", err)
	}
	if st := rec.Stats(); st.CommitFailures != 4 {
		t.Errorf("stats %+v", st)
	}
	if _, _, n, err := SpooledInfo(spool, bad.options.Run); err != nil || n == 0 {
		t.Errorf("%d blocks of the refused run are kept, %v", n, err)
	}
}

// Memory and spool are full and nobody is there: with Drop the program is not held, and what is lost is counted.
func TestDropWhenFull(t *testing.T) {
	store := newMemoryStore()
	rec := startRecorder(t, ListenOptions{}, store)
	endpoint := rec.Endpoint()
	rec.stop(t)
	spool := t.TempDir()
	r := dialTest(t, RemoteOptions{
		Recorder: endpoint, SpoolDir: spool, MemoryBytes: 100_000, SpoolBytes: 200_000, Drop: true,
	})
	sendAll(t, r, 0, 100, 10_000)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	st := r.Stats()
	if st.DroppedBlocks < 50 || st.DroppedEvents != st.DroppedBlocks*10 {
		t.Errorf("stats %+v", st)
	}
	rec = startRecorder(t, ListenOptions{Endpoint: endpoint}, store)
	defer rec.stop(t)
	if _, err := Push(t.Context(), r.options.Run, RemoteOptions{Recorder: endpoint, SpoolDir: spool}); err != nil {
		t.Fatal(err)
	}
	blocks := store.blocks(r.options.Run)
	tombstones := uint64(0)
	for _, b := range blocks {
		if len(b) == 80 {
			tombstones++
		}
	}
	if len(blocks) != 100 || tombstones != st.DroppedBlocks {
		t.Errorf("%d blocks, %d of them tombstones; dropped %d", len(blocks), tombstones, st.DroppedBlocks)
	}
}

// Memory and spool are full and nobody is there: whoever makes blocks is told to make none, what is under way is taken all the
// same, and with a recorder there is room again.
func TestFullUntilThereIsRoom(t *testing.T) {
	store := newMemoryStore()
	rec := startRecorder(t, ListenOptions{}, store)
	endpoint := rec.Endpoint()
	rec.stop(t)
	r := dialTest(t, RemoteOptions{
		Recorder: endpoint, SpoolDir: t.TempDir(), MemoryBytes: 100_000, SpoolBytes: 200_000, Drop: true, Overflow: true,
	})
	n := uint32(0)
	for ; !r.Full(); n++ {
		if n == 100 {
			t.Fatal("never full")
		}
		sendAll(t, r, n, n+1, 10_000)
	}
	sendAll(t, r, n, n+3, 10_000) // under way when it became full
	rec = startRecorder(t, ListenOptions{Endpoint: endpoint}, store)
	defer rec.stop(t)
	store.await(t, r.options.Run, int(n)+3)
	for deadline := time.Now().Add(2 * time.Minute); r.Full(); {
		if time.Now().After(deadline) {
			t.Fatal("full for ever")
		}
		r.link.wake()
		runtime.Gosched()
	}
	sendAll(t, r, n+3, n+4, 10_000)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	checkRun(t, store, r.options.Run, int(n)+4, 10_000)
	if st := r.Stats(); st.DroppedBlocks != 0 {
		t.Errorf("stats %+v", st)
	}
}

// Wrong, missing and unknown keys: refused within the connect time-out, and counted. The right ones work.
func TestKeys(t *testing.T) {
	pair := func() KeyPair {
		p, err := NewKeyPair()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	server, client, stranger := pair(), pair(), pair()
	store := newMemoryStore()
	rec := startRecorder(t, ListenOptions{Keys: &ServerKeys{
		Own: server, Authorized: func(key string) bool { return key == client.Public },
	}}, store)
	defer rec.stop(t)
	for name, c := range map[string]struct {
		keys *ClientKeys
		want string
	}{
		"stranger":     {&ClientKeys{stranger, server.Public}, "does not accept this key"},
		"wrong server": {&ClientKeys{client, stranger.Public}, "no keys or others"},
		"no keys":      {nil, "may want keys"},
	} {
		t.Run(name, func(t *testing.T) {
			warnings := make(chan string, 10)
			r := dialTest(t, RemoteOptions{
				Recorder: rec.Endpoint(), Keys: c.keys, SpoolDir: t.TempDir(), Warn: func(text string) { warnings <- text },
			})
			sendAll(t, r, 0, 3, 100)
			if text := <-warnings; !strings.Contains(text, c.want) { // while the program runs
				t.Errorf("warning %q", text)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			st := r.Stats()
			if st.Acked != 0 || !strings.Contains(st.LastError, c.want) {
				t.Errorf("stats %+v", st)
			}
			if len(warnings) != 0 {
				t.Errorf("warned again: %q", <-warnings)
			}
		})
	}
	r := dialTest(t, RemoteOptions{Recorder: rec.Endpoint(), Keys: &ClientKeys{client, server.Public}})
	sendAll(t, r, 0, 20, 5000)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	checkRun(t, store, r.options.Run, 20, 5000)
	if st := rec.Stats(); st.Denied == 0 || st.HandshakeFailed == 0 {
		t.Errorf("stats %+v", st)
	}
}

// An address that others reach needs keys, or a person who insists and is warned.
func TestAddressesNeedKeys(t *testing.T) {
	e, err := ParseEndpoint("tcp://0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(ListenOptions{Endpoint: e}); recording.CodeOf(err) != recording.CodeInvalid {
		t.Errorf("Listen: %v", err)
	}
	if _, err := Dial(t.Context(), RemoteOptions{Recorder: Endpoint{Transport: "tcp", Host: "192.0.2.1", Port: 5556}}); recording.CodeOf(err) != recording.CodeInvalid {
		t.Errorf("Dial: %v", err)
	}
	warned := ""
	store := newMemoryStore()
	rec := startRecorder(t, ListenOptions{Endpoint: e, Insecure: true, Warn: func(text string) { warned = text }}, store)
	rec.stop(t)
	if !strings.Contains(warned, "unencrypted") {
		t.Errorf("warning %q", warned)
	}
}

// A second recorder at the same address is told so.
func TestAddressInUse(t *testing.T) {
	for name, endpoint := range map[string]Endpoint{
		"tcp": {Transport: "tcp", Host: loopback.Address()},
		"ipc": {Transport: "ipc", Path: filepath.Join(t.TempDir(), "r")},
	} {
		t.Run(name, func(t *testing.T) {
			rec := startRecorder(t, ListenOptions{Endpoint: endpoint}, newMemoryStore())
			defer rec.stop(t)
			if _, err := Listen(ListenOptions{Endpoint: rec.Endpoint()}); recording.CodeOf(err) != recording.CodeLocked {
				t.Errorf("Listen: %v", err)
			}
		})
	}
}
