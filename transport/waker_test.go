//go:build cgo

package transport

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// A wake that comes while an earlier one is being noticed is noticed as well: the sleeper sees every change before it sleeps
// for long.
func TestNoWakeIsLost(t *testing.T) {
	ctx, err := zmq4.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWaker(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const changes = 100_000
	var made, seen atomic.Uint64
	looked := make(chan struct{}, 1)
	go func() {
		for made.Load() < changes {
			made.Add(1)
			w.wake()
			if n := made.Load(); n%8 == 0 { // now and then the sleeper catches up, and must be woken again
				for seen.Load() < n {
					<-looked
				}
			}
		}
	}()
	p := zmq4.NewPoller()
	p.Add(w.read, zmq4.POLLIN)
	for seen.Load() < changes {
		ready, err := poll(p, 20*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(ready) == 0 {
			t.Fatalf("asleep at change %d of %d", seen.Load(), made.Load())
		}
		w.drain()
		seen.Store(made.Load())
		select {
		case looked <- struct{}{}:
		default:
		}
	}
	w.close()
	if err := ctx.Term(); err != nil {
		t.Fatal(err)
	}
}
