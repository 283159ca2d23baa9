package tracer

import (
	"sync"
	"sync/atomic"
	"time"

	"smiley/recording"
)

// draftsInFlight bounds the blocks between the builder and the sink: when the sink is slower than the program, the
// program waits.
const draftsInFlight = 4

// pipeline carries what an engine sees to a sink: raws → builder → drafts → encoded blocks. Building happens on the
// engine's goroutine, encoding and sending on one of its own, which ends with finish.
type pipeline struct {
	start time.Time // of the run: the zero of its clock
	sink  recording.Sink

	mu      sync.Mutex // guards builder and ledger
	builder *recording.Builder
	ledger  recording.Ledger // Captured, Truncated, Unreadable; the rest is added by result
	calls   uint64
	full    func() bool        // the sink has no room; nil: it always has
	near    recording.NearSink // sink, when blocks do not leave the process; else nil
	lost    uint64             // events dropped since the last gap

	drafts  chan outgoing
	begun   chan struct{} // closed when blocks may be sent
	given   chan struct{} // closed when the run will never begin
	encoded func()        // for the draft that is emitted next, which takes it, see outgoing; nil: nothing
	ended   chan struct{} // closed when the sending goroutine has ended
	refused chan struct{} // closed when the sink has refused a block
	err     error         // why, valid once refused is closed
	stored  atomic.Uint64 // events in blocks that the sink took
}

// outgoing is a draft on its way.
type outgoing struct {
	*recording.Draft
	encoded func() // called when nothing that it refers to is needed any more; nil: nobody wants to know
}

// newPipeline makes a pipeline for a run that has begun.
func newPipeline(run recording.Run, sink recording.Sink) *pipeline {
	p := preparePipeline(run, sink)
	p.begin()
	return p
}

// preparePipeline makes a pipeline for a run that may never begin: nothing is sent before begin says that it has. Until then there is room
// for draftsInFlight blocks, and who has more waits.
func preparePipeline(run recording.Run, sink recording.Sink) *pipeline {
	p := &pipeline{
		start:   run.Start,
		sink:    sink,
		drafts:  make(chan outgoing, draftsInFlight),
		begun:   make(chan struct{}),
		given:   make(chan struct{}),
		ended:   make(chan struct{}),
		refused: make(chan struct{}),
	}
	if s, ok := sink.(recording.FullSink); ok {
		p.full = s.Full
	}
	p.near, _ = sink.(recording.NearSink)
	p.builder = recording.NewBuilder(run, p.emit)
	go p.send()
	return p
}

// begin has blocks sent from now on.
func (p *pipeline) begin() { close(p.begun) }

// giveUp has the blocks of a run that never began thrown away, so that nobody waits for them to be sent: see discard.
func (p *pipeline) giveUp() { close(p.given) }

// now is the time on the run's clock.
func (p *pipeline) now() int64 { return int64(time.Since(p.start)) }

func (p *pipeline) emit(d *recording.Draft) error {
	select {
	case p.drafts <- outgoing{d, p.encoded}:
		p.encoded = nil
		return nil
	case <-p.refused:
		return p.err
	}
}

// send encodes and sends until the drafts end. After a refusal it only drains, so that nobody waits for it.
func (p *pipeline) send() {
	defer close(p.ended)
	failed := false
	select {
	case <-p.begun:
	case <-p.given:
		p.err = recording.Errorf(recording.CodeCanceled, "there is nothing to record")
		failed = true
		close(p.refused)
	}
	for d := range p.drafts {
		if !failed {
			if err := p.sendOne(d); err != nil {
				p.err = err
				failed = true
				close(p.refused)
			}
		} else if d.encoded != nil {
			d.encoded()
		}
	}
}

func (p *pipeline) sendOne(d outgoing) error {
	var encoded []byte
	var err error
	if p.near != nil {
		if d.encoded != nil {
			p.near.Await(sourceBlocks)
		}
		encoded, err = d.EncodeNear(p.near.Spare())
	} else {
		encoded, err = d.Encode(nil)
	}
	if d.encoded != nil {
		d.encoded()
	}
	if err != nil {
		return err
	}
	head, err := recording.ParseHeader(encoded)
	if err != nil {
		return err
	}
	if err := p.sink.Send(encoded); err != nil {
		return err
	}
	p.stored.Add(uint64(head.Events))
	return nil
}

// failure returns why the sink refused a block, nil while it has not.
func (p *pipeline) failure() error {
	select {
	case <-p.refused:
		return p.err
	default:
		return nil
	}
}

// append adds an event. The caller holds mu.
func (p *pipeline) append(r *recording.Raw) error {
	if p.full != nil {
		// The ends of goroutines are kept: without them the builder would remember the goroutines for ever.
		if r.Kind != recording.KindGoroutineEnd && p.full() {
			p.lost++
			return nil
		}
		if err := p.tellLost(); err != nil {
			return err
		}
	}
	err := p.builder.Append(r)
	if recording.CodeOf(err) == recording.CodeInvalid {
		return err // the builder did not take it for an event
	}
	p.ledger.Captured++
	p.ledger.Truncated += uint64(r.Truncated)
	p.ledger.Unreadable += uint64(r.Unreadable)
	if r.Kind == recording.KindCall {
		p.calls++
	}
	return err
}

// tellLost puts a gap in the place of the events that the sink had no room for. The caller holds mu.
func (p *pipeline) tellLost() error {
	n := p.lost
	if n == 0 {
		return nil
	}
	p.lost = 0
	return p.drop(n, 0, "the recorder could not be reached, and memory and spool were full")
}

// drop counts events that were seen and could not be kept. The caller holds mu.
func (p *pipeline) drop(n uint64, goroutine int64, reason string) error {
	p.ledger.Captured += n + 1 // the gap is an event too
	return p.builder.Drop(n, goroutine, p.now(), reason)
}

// cut sends what is pending, so that readers see it and a crash cannot take it.
func (p *pipeline) cut() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure() != nil {
		return nil // the engine learns of it by itself
	}
	return p.builder.Cut(p.now())
}

// announce sends the definitions that there are so far, if they are many: they are encoded and stored while the program is still being
// prepared, or runs already.
func (p *pipeline) announce(define func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := define(); err != nil || p.failure() != nil {
		return err
	}
	return p.builder.CutDefinitions(p.now())
}

// progress is safe to call at any time.
func (p *pipeline) progress(run recording.RunID) Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	ledger := p.ledger
	ledger.Stored = p.stored.Load()
	return Progress{Run: run, Calls: p.calls, Events: ledger.Captured, Ledger: ledger}
}

// discard ends a pipeline that was given up. Nobody may add to it any more.
func (p *pipeline) discard() {
	close(p.drafts)
	<-p.ended
	_ = p.sink.Close()
}

// finish adds the end of the run, waits until everything is sent and closes the sink. It returns the run's ledger, which
// balances: what the sink did not take is dropped.
func (p *pipeline) finish(end recording.RunEnd) (recording.Ledger, uint64, error) {
	p.mu.Lock()
	err := p.failure()
	if err == nil {
		err = p.tellLost()
	}
	if err == nil {
		err = p.builder.Finish(end)
	}
	close(p.drafts)
	ledger, calls := p.ledger, p.calls
	p.mu.Unlock()
	<-p.ended
	if failed := p.failure(); failed != nil {
		err = failed
	}
	if closeErr := p.sink.Close(); err == nil {
		err = closeErr
	}
	ledger.Stored = p.stored.Load()
	ledger.Dropped = ledger.Captured - ledger.Stored
	return ledger, calls, err
}
