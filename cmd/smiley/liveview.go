package main

import (
	"context"
	"sync"
	"time"

	"smiley/analysis"
	"smiley/recording"
)

const (
	// viewBytes is how much may wait to be shown; of what comes then, the events are skipped.
	viewBytes = 16 << 20
	// viewTables is how much the tables of all runs may take that are shown. Beyond, runs are refused.
	viewTables = 256 << 20
	// viewNotes is how many notes may wait to be said, viewQueue how many things before no more runs are taken.
	viewNotes = 32
	viewQueue = 16 << 10
	// viewAge is how long a block may wait while there is a newer one.
	viewAge = time.Second
	// viewBlock is about what a block takes that waits, beside its bytes.
	viewBlock = 4 << 10
	// viewEarlier is how long before the monitor a run may have begun.
	viewEarlier = time.Minute
)

// liveView takes the blocks of runs as they come, and shows them. Taking never waits for the terminal: what is shown too slowly
// is skipped. What comes is hostile until it was checked: a run that contradicts itself is refused, and the others go on.
type liveView struct {
	begun time.Time

	mu      sync.Mutex // guards the following
	taken   map[recording.RunID]*takenRun
	tables  int64 // bytes of all of them
	queue   []*liveBlock
	bytes   int
	notes   int
	unsaid  int           // notes for which there was no room
	waiting chan struct{} // there is something in the queue
}

// takenRun is what the taking side knows of a run.
type takenRun struct {
	check   analysis.LiveCheck
	refused error
	skipped *liveBlock // the last thing in the queue of the run, when it is a block whose events are skipped
}

// liveBlock is a block that waits to be shown, the end of a run, or something to say.
type liveBlock struct {
	run    recording.RunID
	block  *recording.Block
	size   int
	missed uint64 // its events are skipped, and those of blocks behind it, up to this one; 0: they are shown
	define bool   // it is there for its definitions
	came   time.Time
	begins bool   // it is recorded, and blocks may follow
	ended  bool   // no more blocks of the run come
	events uint64 // ended: how many it has; 0: not known
	why    string // ended: what to say about it; "" for nothing
	say    string
}

func newLiveView() *liveView {
	return &liveView{begun: time.Now(), taken: map[recording.RunID]*takenRun{}, waiting: make(chan struct{}, 1)}
}

// next says which block of a run is expected. A run that began earlier is for a recorder.
func (v *liveView) next(_ context.Context, run recording.RunID) (uint32, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if t, known := v.taken[run]; known {
		return t.check.Next(), nil
	}
	if seconds, ns := run.Time().UnixTime(); time.Unix(seconds, ns).Before(v.begun.Add(-viewEarlier)) {
		return 0, recording.Errorf(recording.CodeInvalid, "it is a monitor, which keeps nothing, and the run began before it")
	}
	return 0, nil
}

// take queues a block to be shown. The error says that it was refused, with all that follows of its run.
func (v *liveView) take(encoded []byte) error {
	block, err := recording.Decode(encoded)
	if err != nil {
		if head, unreadable := recording.ParseHeader(encoded); unreadable == nil {
			return v.refuse(head.Run, err)
		}
		return err
	}
	return v.accept(block, len(encoded))
}

// accept is take for a block that is decoded.
func (v *liveView) accept(block *recording.Block, size int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	t, err := v.checked(block, (*analysis.LiveCheck).Block)
	if err != nil {
		return err
	}
	b := &liveBlock{run: block.Run, block: block, size: size + viewBlock, came: time.Now()}
	if v.bytes+b.size > viewBytes {
		v.skip(t, block)
		return nil
	}
	t.skipped = nil
	v.add(b)
	return nil
}

// define takes what was defined before the blocks that follow, of a run that was joined or of which blocks were left out.
func (v *liveView) define(encoded []byte) error {
	block, err := recording.Decode(encoded)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	t, err := v.checked(block, (*analysis.LiveCheck).Define)
	if err != nil {
		return err
	}
	t.skipped = nil
	v.add(&liveBlock{run: block.Run, block: block, define: true, came: time.Now()})
	return nil
}

// checked checks a block against those before it.
func (v *liveView) checked(block *recording.Block, check func(*analysis.LiveCheck, *recording.Block) error) (*takenRun, error) {
	t := v.taken[block.Run]
	if t == nil {
		if len(v.queue) > viewQueue {
			return nil, recording.Errorf(recording.CodeLocked, "the monitor's terminal takes nothing at the moment")
		}
		t = &takenRun{}
		v.taken[block.Run] = t
	}
	if t.refused != nil {
		return t, t.refused
	}
	before := t.check.Size()
	err := check(&t.check, block)
	v.tables += t.check.Size() - before
	if err == nil && v.tables > viewTables {
		err = recording.Errorf(recording.CodeInvalid, "a monitor has no room for what run %s defines beside other runs", block.Run).
			WithHint("record it, and replay it from the database")
	}
	if err != nil {
		v.refused(block.Run, t, err)
	}
	return t, err
}

// refuse takes no more of a run.
func (v *liveView) refuse(run recording.RunID, err error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := v.taken[run]
	if t == nil {
		t = &takenRun{}
		v.taken[run] = t
	}
	if t.refused == nil {
		v.refused(run, t, err)
	}
	return t.refused
}

func (v *liveView) refused(run recording.RunID, t *takenRun, err error) {
	t.refused = err
	v.note("run " + run.String() + " is not shown any more: " + err.Error())
	if t.check.Next() > 0 {
		v.add(&liveBlock{run: run, ended: true})
		return
	}
	v.forget(run) // its sender is told, and nothing more is heard of it
}

// tell queues something to say.
func (v *liveView) tell(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.note(text)
}

// note queues something to say. A flood of notes becomes a number.
func (v *liveView) note(text string) {
	if v.notes == viewNotes {
		v.unsaid++
		return
	}
	v.notes++
	v.add(&liveBlock{say: text})
}

// skip queues what a block defines, without its events. Such blocks of a run become one, so that a terminal that takes nothing
// costs no memory but that of the definitions.
func (v *liveView) skip(t *takenRun, b *recording.Block) {
	end := b.FirstSeq + uint64(b.Header.Events)
	if last := t.skipped; last != nil {
		d := &last.block.Definitions
		d.Types = append(d.Types, b.Definitions.Types...)
		d.Functions = append(d.Functions, b.Definitions.Functions...)
		d.Files = append(d.Files, b.Definitions.Files...)
		last.block.Final, last.block.End, last.missed = b.Final, b.End, end
		return
	}
	head := &recording.Block{Header: b.Header, Start: b.Start, End: b.End, Definitions: b.Definitions}
	head.Definitions.Goroutines = nil // those that begin in what is skipped are not shown
	t.skipped = &liveBlock{run: b.Run, block: head, missed: end, came: time.Now()}
	v.add(t.skipped)
}

// begin says that a run is being recorded.
func (v *liveView) begin(run recording.RunID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.add(&liveBlock{run: run, begins: true})
}

// gone says that no more blocks of a run come.
func (v *liveView) gone(run recording.RunID) { v.end(run, 0, "its sender is gone") }

// end says that a run is over: with how many events, 0 when that is not known, and why, when that is worth a word.
func (v *liveView) end(run recording.RunID, events uint64, why string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forget(run)
	v.add(&liveBlock{run: run, ended: true, events: events, why: why})
}

func (v *liveView) forget(run recording.RunID) {
	if t := v.taken[run]; t != nil {
		v.tables -= t.check.Size()
		delete(v.taken, run)
	}
}

func (v *liveView) add(b *liveBlock) {
	v.queue = append(v.queue, b)
	v.bytes += b.size
	select {
	case v.waiting <- struct{}{}:
	default:
	}
}

// pop returns the next thing to show, nil when there is none.
func (v *liveView) pop() *liveBlock {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.queue) == 0 {
		return nil
	}
	b := v.queue[0]
	v.queue[0] = nil
	v.queue = v.queue[1:]
	v.bytes -= b.size
	if b.say != "" {
		v.notes--
	}
	if t := v.taken[b.run]; t != nil && t.skipped == b {
		t.skipped = nil
	}
	return b
}

// behind reports whether a block waits for one that takes too long.
func (v *liveView) behind(b *liveBlock) bool {
	if time.Since(b.came) < viewAge {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.queue) > 0
}

// unsaidNotes returns how many notes were not said since it was last asked.
func (v *liveView) unsaidNotes() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.unsaid
	v.unsaid = 0
	return n
}
