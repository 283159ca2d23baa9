package tracer

import (
	"sync/atomic"
	"testing"
	"time"

	"smiley/recording"
)

// fullSink keeps blocks, and says that it has no room when it is told to.
type fullSink struct {
	full   atomic.Bool
	blocks [][]byte
}

func (s *fullSink) Send(encoded []byte) error {
	s.blocks = append(s.blocks, encoded)
	return nil
}
func (s *fullSink) Close() error { return nil }
func (s *fullSink) Full() bool   { return s.full.Load() }

// TestFullSink: what comes while the sink has no room is one gap with its count, blocks are numbered without holes, and the
// ledger balances; also when the run ends meanwhile.
func TestFullSink(t *testing.T) {
	id, err := recording.NewRunID()
	if err != nil {
		t.Fatal(err)
	}
	sink := &fullSink{}
	p := newPipeline(recording.Run{ID: id, Start: time.Now(), Settings: recording.Settings{Bounds: recording.DefaultBounds()}}, sink)
	some := func(n int) {
		for range n {
			p.mu.Lock()
			err := p.append(&recording.Raw{Kind: recording.KindOutput, Goroutine: 1, Time: p.now(), Data: []byte("\x01x")})
			p.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := p.cut(); err != nil {
			t.Fatal(err)
		}
	}
	some(5)
	sink.full.Store(true)
	some(7)
	sink.full.Store(false)
	some(3)
	sink.full.Store(true)
	some(11)
	ledger, _, err := p.finish(recording.RunEnd{})
	if err != nil {
		t.Fatal(err)
	}
	if ledger.Captured != 5+7+1+3+11+1 || ledger.Dropped != 7+11 || ledger.Stored != 5+3+2 {
		t.Errorf("ledger %+v", ledger)
	}
	var missing []uint64
	events := uint32(0)
	for i, encoded := range sink.blocks {
		block, err := recording.Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if int(block.Number) != i {
			t.Errorf("block %d has number %d", i, block.Number)
		}
		events += block.Header.Events
		for e, err := range block.Events(recording.WithData) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == recording.KindGap {
				missing = append(missing, uint64(e.Data[0]))
			}
		}
		if block.Final && block.Dropped != 18 {
			t.Errorf("the final block counts %d dropped", block.Dropped)
		}
	}
	if len(missing) != 2 || missing[0] != 7 || missing[1] != 11 || events != 10 {
		t.Errorf("gaps %v, %d events", missing, events)
	}
}
