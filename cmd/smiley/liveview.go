package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
)

const (
	// viewBytes is how much may wait to be shown; of what comes then, the events are skipped.
	viewBytes = 16 << 20
	// viewAge is how long a block may wait while there is a newer one.
	viewAge = time.Second
	// viewFarewell is how long a monitor that ends with the program waits for its sender to say that it has ended too.
	viewFarewell = 2 * time.Second
	// viewEarlier is how long before the monitor a run may have begun.
	viewEarlier = time.Minute
)

// liveView shows the events of runs as their blocks come. take never waits for the terminal: what is shown too slowly is skipped.
type liveView struct {
	app    *app
	filter analysis.Filter
	exit   bool
	begun  time.Time

	mu      sync.Mutex // guards the following
	numbers map[recording.RunID]uint32
	queue   []liveBlock
	bytes   int
	waiting chan struct{} // there is something in the queue

	// Of show's goroutine.
	runs    map[recording.RunID]*liveRun
	several bool // more than one run was seen
	line    bytes.Buffer
}

// liveBlock is a block that waits to be shown, or the end of a sender.
type liveBlock struct {
	run   recording.RunID
	block *recording.Block // nil: no more blocks come
	size  int              // 0: its events are skipped
	came  time.Time
}

type liveRun struct {
	live  *analysis.Live
	text  *export.Text
	label string
	ended bool
}

func newLiveView(a *app, filter analysis.Filter, exit bool) *liveView {
	return &liveView{
		app: a, filter: filter, exit: exit, begun: time.Now(), numbers: map[recording.RunID]uint32{},
		runs: map[recording.RunID]*liveRun{}, waiting: make(chan struct{}, 1),
	}
}

// next says which block of a run is expected. A run that began earlier is for a recorder.
func (v *liveView) next(_ context.Context, run recording.RunID) (uint32, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n, known := v.numbers[run]; known {
		return n, nil
	}
	if seconds, ns := run.Time().UnixTime(); time.Unix(seconds, ns).Before(v.begun.Add(-viewEarlier)) {
		return 0, recording.Errorf(recording.CodeInvalid, "it is a monitor, which keeps nothing, and the run began before it")
	}
	return 0, nil
}

// take queues a block for show.
func (v *liveView) take(encoded []byte) error {
	block, err := recording.Decode(encoded)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.numbers[block.Run] = block.Number + 1
	b := liveBlock{run: block.Run, block: block, size: len(encoded), came: time.Now()}
	if v.bytes+b.size > viewBytes {
		v.addSkipped(block)
		return nil
	}
	v.add(b)
	return nil
}

// addSkipped queues what a block defines, without its events. Such blocks that follow each other become one, so that a
// terminal that takes nothing costs no memory but that of the definitions.
func (v *liveView) addSkipped(b *recording.Block) {
	head := &recording.Block{Header: b.Header, Start: b.Start, End: b.End, Definitions: b.Definitions}
	head.Definitions.Goroutines = nil
	if n := len(v.queue); n > 0 {
		if last := &v.queue[n-1]; last.run == b.Run && last.block != nil && last.size == 0 {
			d := &last.block.Definitions
			d.Types = append(d.Types, b.Definitions.Types...)
			d.Functions = append(d.Functions, b.Definitions.Functions...)
			d.Files = append(d.Files, b.Definitions.Files...)
			last.block.Header.Events += b.Header.Events // at most 64 Ki a block, so a count of 32 bits lasts for days
			last.block.Final, last.block.End = b.Final, b.End
			return
		}
	}
	v.add(liveBlock{run: b.Run, block: head, came: time.Now()})
}

// gone says that no more blocks of a run come.
func (v *liveView) gone(run recording.RunID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.numbers, run)
	v.add(liveBlock{run: run, came: time.Now()})
}

func (v *liveView) add(b liveBlock) {
	v.queue = append(v.queue, b)
	v.bytes += b.size
	select {
	case v.waiting <- struct{}{}:
	default:
	}
}

// pop returns the next block; old says that it has waited too long.
func (v *liveView) pop() (b liveBlock, old, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.queue) == 0 {
		return b, false, false
	}
	b = v.queue[0]
	v.queue[0] = liveBlock{}
	v.queue = v.queue[1:]
	v.bytes -= b.size
	return b, b.size == 0 || len(v.queue) > 0 && time.Since(b.came) > viewAge, true
}

// show prints what comes until ctx ends; with exit, until the first run that it saw has ended.
func (v *liveView) show(ctx context.Context) error {
	var patience <-chan time.Time // runs once the last block was shown: its sender has to learn that it came
	for {
		b, old, ok := v.pop()
		if !ok {
			if err := v.app.stdout.Flush(); err != nil {
				return err
			}
			select {
			case <-v.waiting:
			case <-patience:
				return nil
			case <-ctx.Done():
				return nil
			}
			continue
		}
		done, err := v.one(&b, old)
		if err != nil || done && v.exit && b.block == nil {
			return err
		}
		if done && v.exit && patience == nil {
			patience = time.After(viewFarewell)
		}
	}
}

// one shows a block and reports whether its run is over.
func (v *liveView) one(b *liveBlock, old bool) (done bool, err error) {
	r := v.runs[b.run]
	if b.block == nil {
		if r == nil {
			return false, nil
		}
		delete(v.runs, b.run)
		if r.ended {
			return true, nil
		}
		return true, v.app.say("run %s: its sender is gone", b.run)
	}
	if r == nil {
		r = v.begin(b.run)
	}
	if old {
		r.live.Skip(b.block)
	} else {
		err = v.events(r, b.block)
	}
	if r.label == "" && r.live.Start() != nil {
		r.label = fmt.Sprintf("%s[%d]", filepath.Base(r.live.Start().Program), r.live.Start().PID)
	}
	if err == nil && b.block.Final {
		r.ended = true
		err = v.skipped(r)
	}
	return r.ended, err
}

func (v *liveView) begin(run recording.RunID) *liveRun {
	r := &liveRun{live: analysis.NewLive(v.filter)}
	r.text = export.NewText(&v.line, styleFor(v.app.files.stdout), true)
	v.runs[run] = r
	v.several = v.several || len(v.runs) > 1
	return r
}

// skipped says how many events of a run were left out before the ones that follow.
func (v *liveView) skipped(r *liveRun) error {
	n := r.live.Skipped()
	if n == 0 {
		return nil
	}
	if err := v.app.stdout.Flush(); err != nil {
		return err
	}
	of := ""
	if v.several {
		of = " of " + export.Escape(r.label)
	}
	return v.app.say("%s skipped%s: they came faster than they could be shown", export.Plural(n, "event"), of)
}

// events shows the events of a block.
func (v *liveView) events(r *liveRun, b *recording.Block) error {
	if err := v.skipped(r); err != nil {
		return err
	}
	for e, err := range r.live.Events(b) {
		if err != nil {
			return err
		}
		if r.label == "" && b.Start != nil {
			r.label = fmt.Sprintf("%s[%d]", filepath.Base(b.Start.Program), b.Start.PID)
		}
		if v.app.json {
			err = v.app.printJSON(struct {
				Run string `json:"run"`
				*analysis.Event
			}{b.Run.String(), e})
		} else {
			err = v.print(r, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *liveView) print(r *liveRun, e *analysis.Event) error {
	v.line.Reset()
	if v.several {
		v.line.WriteString(export.Escape(r.label) + "  ")
	}
	if err := r.text.Event(e); err != nil {
		return err
	}
	_, err := v.app.stdout.Write(v.line.Bytes())
	return err
}
