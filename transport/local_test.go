package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"smiley/recording"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func numbered(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

// Every block arrives once, in order, and the sender is never more than its bound ahead of the acknowledgements.
func TestLocalDeliversInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.IntRange(0, 5).Draw(t, "in flight")
		count := rapid.IntRange(0, 40).Draw(t, "blocks")
		sink, receiver := Local(bound)
		sent := make(chan int, count+1)
		result := make(chan error, 1)
		go func() {
			for n := range count {
				if err := sink.Send(numbered(n)); err != nil {
					result <- err
					return
				}
				sent <- n
			}
			result <- sink.Close()
		}()
		kept := 0
		err := Record(context.Background(), receiver, func(encoded []byte) error {
			if got := int(binary.LittleEndian.Uint32(encoded)); got != kept {
				t.Fatalf("block %d came as number %d", got, kept)
			}
			if ahead := len(sent) - kept; ahead > max(bound, 1) {
				t.Fatalf("%d blocks unacknowledged, bound %d", ahead, bound)
			}
			kept++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		if kept != count {
			t.Fatalf("%d of %d blocks kept", kept, count)
		}
	})
}

// Who awaits goes on when no more blocks than that are under way, and when the receiver has ended.
func TestLocalAwaits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound, n := rapid.IntRange(1, 5).Draw(t, "in flight"), rapid.IntRange(0, 6).Draw(t, "awaited")
		count := rapid.IntRange(0, 40).Draw(t, "blocks")
		stop := rapid.IntRange(0, 80).Draw(t, "blocks that are kept")
		sink, receiver := Local(bound)
		near := sink.(recording.NearSink)
		var kept atomic.Int64
		result := make(chan error, 1)
		go func() {
			for sent := range count {
				near.Await(n)
				if ahead := sent - int(kept.Load()); ahead > n && int(kept.Load()) < stop {
					result <- fmt.Errorf("%d blocks under way, awaited %d", ahead, n)
					return
				}
				if sink.Send(numbered(sent)) != nil {
					break
				}
			}
			near.Await(0)
			_ = sink.Close()
			result <- nil
		}()
		_ = Record(context.Background(), receiver, func([]byte) error {
			if int(kept.Load()) == stop {
				return errors.New("disk full")
			}
			kept.Add(1)
			return nil
		})
		if err := <-result; err != nil {
			t.Fatal(err)
		}
	})
}

// A block that cannot be kept ends the channel: the sender learns why, from a waiting Send and from Close alike.
func TestLocalTellsTheSenderWhy(t *testing.T) {
	full := errors.New("disk full")
	sink, receiver := Local(2)
	delivered := make(chan error, 1)
	go func() {
		kept := 0
		delivered <- Record(context.Background(), receiver, func([]byte) error {
			if kept++; kept == 3 {
				return full
			}
			return nil
		})
	}()
	var err error
	for n := 0; err == nil; n++ {
		if n > 10 {
			t.Fatal("a broken channel takes blocks for ever")
		}
		err = sink.Send(numbered(n))
	}
	if !errors.Is(err, full) {
		t.Errorf("Send: %v", err)
	}
	if err := sink.Close(); !errors.Is(err, full) {
		t.Errorf("Close: %v", err)
	}
	if err := <-delivered; !errors.Is(err, full) {
		t.Errorf("Record: %v", err)
	}
}

// A receiver that goes away frees a sender that waits for room.
func TestLocalReceiverCloseFreesSender(t *testing.T) {
	sink, receiver := Local(1)
	if err := sink.Send(numbered(0)); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- sink.Send(numbered(1)) }()
	receiver.Close(nil)
	if err := <-waiting; err == nil {
		t.Error("Send succeeded without a receiver")
	}
	if err := sink.Close(); err == nil {
		t.Error("Close reports a block as delivered that nobody has")
	}
}

// Receive ends with its context while nothing comes.
func TestLocalReceiveHonoursContext(t *testing.T) {
	_, receiver := Local(1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := receiver.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Receive: %v", err)
	}
}
