//go:build cgo && unix

package transport

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"smiley/internal/stress"
	"smiley/recording"
	"smiley/transport/protocol"
)

// attack is one hostile peer at a recorder's control or data port.
type attack struct {
	t    *testing.T
	e    Endpoint
	port uint16 // of the data socket
}

// moment is how long one that is not hung up on stays.
const moment = 300 * time.Millisecond

// raw opens a TCP connection, writes what it is given, and stays until the recorder hangs up or a moment has passed. After a greeting it
// waits for the recorder's.
func (a *attack) raw(port uint16, data ...[]byte) { a.stay(moment, port, data...) }

// stay is raw with another moment, and reports whether the recorder hung up.
func (a *attack) stay(moment time.Duration, port uint16, data ...[]byte) (hungUp bool) {
	c, err := net.Dial("tcp", net.JoinHostPort(a.e.Host, strconv.Itoa(int(port))))
	if err != nil {
		a.t.Error(err)
		return false
	}
	defer c.Close() //nolint:errcheck // whatever the recorder says to that
	for _, d := range data {
		if _, err := c.Write(d); err != nil {
			return true
		}
		if len(d) > 64 && d[0] == 0xff && d[10] == 3 {
			a.untilReady(c)
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(moment)); err != nil {
		a.t.Error(err)
	}
	_, err = io.Copy(io.Discard, c)
	return !os.IsTimeout(err)
}

// oversized sends a frame that is longer than the recorder takes.
func (a *attack) oversized(port uint16, socketType string, size uint64) {
	if !a.stay(time.Minute, port, greeting(socketType), longFrame(size, 0), noise(1<<20)) {
		a.t.Errorf("the recorder listens to a frame of %d bytes", size)
	}
}

func (a *attack) untilReady(c net.Conn) {
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		a.t.Error(err)
	}
	var got []byte
	buffer := make([]byte, 4096)
	for !bytes.Contains(got, []byte("READY")) {
		n, err := c.Read(buffer)
		if err != nil {
			a.t.Errorf("no greeting: %v after %q", err, got)
			return
		}
		got = append(got, buffer[:n]...)
	}
}

// greeting is how a peer of ZeroMQ's protocol 3.0 begins that uses no encryption, up to its READY.
func greeting(socketType string) []byte {
	g := make([]byte, 64)
	g[0], g[9], g[10] = 0xff, 0x7f, 3
	copy(g[12:], "NULL")
	ready := "\x05READY\x0bSocket-Type" + string(binary.BigEndian.AppendUint32(nil, uint32(len(socketType)))) + socketType
	return append(append(g, 4, byte(len(ready))), ready...)
}

// longFrame is the head of a frame of so many bytes.
func longFrame(size uint64, more byte) []byte {
	return binary.BigEndian.AppendUint64([]byte{2 | more}, size)
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// socket sends control messages as a real client would, and never reads.
func (a *attack) socket(messages ...[]byte) {
	ctx, err := zmq4.NewContext()
	if err != nil {
		a.t.Error(err)
		return
	}
	defer ctx.Term() //nolint:errcheck // a test
	s, err := ctx.NewSocket(zmq4.DEALER)
	if err != nil {
		a.t.Error(err)
		return
	}
	defer s.Close() //nolint:errcheck // a test
	var o options
	o.set(s.SetRcvhwm(1))
	o.set(s.SetLinger(2 * time.Second))
	o.set(s.Connect(a.e.String()))
	for _, m := range messages {
		_, err := s.SendBytes(m, 0)
		o.set(err)
	}
	if o.err != nil {
		a.t.Error(o.err)
	}
}

// attacks are all that a stranger can do. Each is refused and counted.
func (a *attack) attacks(run recording.RunID) map[string]func() {
	control, data := a.e.Port, a.port
	hello := func(version uint16, secret byte) []byte {
		m := protocol.AppendMessage(nil, &protocol.Hello{
			Min: version, Max: version, Run: run, Secret: protocol.Secret{secret},
		})
		binary.LittleEndian.PutUint16(m[4:], version)
		return m
	}
	return map[string]func(){
		"random bytes":     func() { a.raw(control, noise(4096)); a.raw(data, noise(1<<20)) },
		"nothing":          func() { a.raw(control); a.raw(data) },
		"half a greeting":  func() { a.raw(data, greeting("PUSH")[:30]) },
		"4 GiB to control": func() { a.oversized(control, "DEALER", 4<<30) },
		"4 GiB of data":    func() { a.oversized(data, "PUSH", 4<<30) },
		"2^63 bytes":       func() { a.oversized(data, "PUSH", 1<<63) },
		"truncated frame":  func() { a.raw(data, greeting("PUSH"), longFrame(1000, 0), noise(999)) },
		"truncated block":  func() { a.raw(data, greeting("PUSH"), longFrame(protocol.MaxBlock, 0), noise(10)) },
		"one part":         func() { a.raw(data, greeting("PUSH"), longFrame(100, 0), noise(100)) },
		"three parts": func() {
			a.raw(data, greeting("PUSH"), longFrame(10, 1), noise(10), longFrame(10, 1), noise(10), longFrame(10, 0), noise(10))
		},
		"forged envelope": func() {
			e := protocol.AppendEnvelope(nil, &protocol.Envelope{Token: protocol.Token(noise(16))})
			a.raw(data, greeting("PUSH"), longFrame(uint64(len(e)), 1), e, longFrame(100, 0), noise(100))
		},
		"noise as messages": func() { a.socket(noise(100), noise(2000), nil) },
		"unknown version":   func() { a.socket(hello(999, 0)) },
		"forged run":        func() { a.socket(hello(protocol.Version, 99)) },
		"never reads": func() {
			m := hello(protocol.Version, 98)
			list := make([][]byte, 20_000)
			for i := range list {
				list[i] = m
			}
			a.socket(list...)
		},
	}
}

// resident returns the memory this process holds, ZeroMQ's included; 0 where the system does not say.
func resident(t *testing.T) int64 {
	t.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// Strangers send all kinds of nonsense while a program is being recorded: they are refused and counted, memory stays within
// bounds, and the program's recording is whole.
func TestStressHostilePeers(t *testing.T) {
	times := stress.Times(2, 20)
	store := newMemoryStore()
	rec := startRecorder(t, ListenOptions{}, store)
	r := dialTest(t, RemoteOptions{Recorder: rec.Endpoint(), SpoolDir: t.TempDir()})
	sendAll(t, r, 0, 10, 5000)
	store.await(t, r.options.Run, 10)
	a := &attack{t: t, e: rec.Endpoint(), port: rec.Endpoint().Port + 1}
	first, number := int64(0), uint32(10)
	for round := range times {
		for name, do := range a.attacks(r.options.Run) {
			before := rec.Stats()
			do()
			sendAll(t, r, number, number+5, 5000)
			number += 5
			store.await(t, r.options.Run, int(number)) // the recorder serves
			if name != "nothing" && !strings.HasPrefix(name, "half") && !strings.HasPrefix(name, "truncated") {
				awaitCount(t, rec, name, before)
			}
		}
		if round == 0 {
			first = resident(t)
		}
	}
	if grown := resident(t) - first; grown > 100<<20 {
		t.Errorf("memory grew by %d MiB in %d rounds", grown>>20, times-1)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if st := r.Stats(); st.Disconnects != 0 {
		t.Errorf("the program's connection broke: %+v", st)
	}
	checkRun(t, store, r.options.Run, int(number), 5000)
	st := rec.Stats()
	if st.Sessions > 1 || st.Runs != 1 || st.QueuedBytes != 0 {
		t.Errorf("the recorder ends with %+v", st)
	}
	rec.stop(t)
	stress.Row(t, "hostile peers: noise, truncated frames, lengths of 4 GiB, forgeries, other versions, no reading", times,
		"all refused and counted, the program beside them recorded whole")
}

// awaitCount waits until the recorder has counted something that it refused.
func awaitCount(t *testing.T, rec *recorder, name string, before ListenerStats) {
	t.Helper()
	sum := func(s ListenerStats) uint64 {
		return s.Malformed + s.Versions + s.Unknown + s.Refused + s.Denied + s.HandshakeFailed + s.Disconnected
	}
	deadline := time.Now().Add(time.Minute)
	for sum(rec.Stats()) == sum(before) {
		if time.Now().After(deadline) {
			t.Errorf("%s: not counted", name)
			return
		}
		time.Sleep(time.Millisecond) // polling counters
	}
}
