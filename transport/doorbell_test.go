//go:build cgo && unix

package transport

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// A ring that comes while an earlier one is being heard is heard as well: the sleeper sees every change before it sleeps
// for long.
func TestNoRingIsLost(t *testing.T) {
	bell := newDoorbell()
	const changes = 100_000
	var made, seen atomic.Uint64
	looked := make(chan struct{}, 1)
	go func() {
		for made.Load() < changes {
			made.Add(1)
			bell.ring()
			if n := made.Load(); n%8 == 0 { // now and then the sleeper catches up, and must be woken again
				for seen.Load() < n {
					<-looked
				}
			}
		}
	}()
	for seen.Load() < changes {
		if !hears(bell) {
			t.Fatalf("asleep at change %d of %d", seen.Load(), made.Load())
		}
		seen.Store(made.Load())
		select {
		case looked <- struct{}{}:
		default:
		}
	}
}

// hears sleeps until the bell rings, and reports whether it ever did.
func hears(bell doorbell) bool {
	const forEver = 20 * time.Second
	before := time.Now()
	bell.sleep(forEver)
	return time.Since(before) < forEver
}

// Messages in both directions at once: sending takes the signals of what arrives, and still none is slept over. A message that
// is would only come with the next ring, which there is none of after the last one.
func TestNoMessageIsSleptOver(t *testing.T) {
	ctx, err := zmq4.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	const messages = 20_000
	ends := make([]*zmq4.Socket, 2)
	for i := range ends {
		if ends[i], err = ctx.NewSocket(zmq4.PAIR); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(ends[i].SetLinger(0), ends[i].SetSndhwm(16), ends[i].SetRcvhwm(16)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(ends[0].Bind("inproc://both"), ends[1].Connect("inproc://both")); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, len(ends))
	for _, s := range ends {
		go func() { done <- exchange(s, messages) }()
	}
	for range ends {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, s := range ends {
		_ = s.Close()
	}
	if err := ctx.Term(); err != nil {
		t.Fatal(err)
	}
}

// exchange sends and receives that many messages, sleeping when neither is possible.
func exchange(s *zmq4.Socket, messages int) error {
	bell := newDoorbell()
	w, err := bell.connect(s)
	if err != nil {
		return err
	}
	defer w.cut()
	for sent, received := 0, 0; sent < messages || received < messages; {
		state, err := ready(s)
		if err != nil {
			return err
		}
		switch {
		case state&zmq4.POLLOUT != 0 && sent < messages:
			if _, err := s.SendBytes([]byte{1}, zmq4.DONTWAIT); err != nil {
				return err
			}
			sent++
		case state&zmq4.POLLIN != 0 && received < messages:
			if _, err := s.RecvBytes(zmq4.DONTWAIT); err != nil {
				return err
			}
			received++
		default:
			if !hears(bell) {
				return errors.New("nothing rang")
			}
		}
	}
	return nil
}
