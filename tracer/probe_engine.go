//go:build linux && amd64

package tracer

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"smiley/recording"
	"smiley/tracer/probe/install"
	"smiley/tracer/probe/ring"
	places "smiley/tracer/probe/site"
)

// probes is the probe engine: the program writes records into rings by itself, and the engine turns them into events. It
// keeps the state that the breakpoint engine keeps, and appends to the same pipeline.
type probes struct {
	*engine
	installed *install.Process
	bias      uint64
	watched   []watched        // the functions that have probes
	handlers  []*recordHandler // by the number that records carry, see handler
	memory    recordMemory
	capturer  recording.Capturer // reads memory
	regs      Registers
	current   seen
	shift     int64 // from the clock of the rings to that of the run
	dropped   uint64
	reported  uint64 // of these, what the program dropped
	unplaced  uint64 // of these, what it dropped because there was no ring for a thread
	strays    uint64 // what was read and is missing, because what belongs to it was dropped: returns, beginnings of writes
	late      map[*places.Function]late
	unhooked  []Symbol // hooks that got no probes, with the reason
	retries   int      // how often late functions were tried again
	retryAt   time.Time
	lossy     bool
	way       *precedence   // nil: this process does not give way
	turns     atomic.Uint64 // how often the rings were read
	budget    budget
	foreseen  foreseen
	nodes     *nodes
	beside    bool // Delve is attached, and stops the program for breakpoints
	// templateBytes is what the templates of all sites take.
	templateBytes int
	decisive      []int32 // scratch of makeTemplate
}

// recordHandler turns records of one kind into events.
type recordHandler struct {
	capture *probeCapture
	see     func(*seen) error // nil: of no interest
	volume
	audited volume // of these, at the last look at what probes cost
	templates
}

// volume counts records, and copies in them.
type volume struct{ count, copied uint64 }

// handler returns what turns the records of a site into events. It is made when the first one comes: of the functions of a large program most are
// never called.
func (p *probes) handler(site uint32) *recordHandler {
	if h := p.handlers[site]; h != nil {
		return h
	}
	f := p.watched[site/2].traced
	h := handler(f.args, func(r *seen) error { return p.entered(r, f) })
	if site%2 != 0 {
		h = handler(f.results, func(r *seen) error { return p.left(r, f) })
	}
	p.handlers[site] = h
	return h
}

// seen is a record with its registers loaded.
type seen struct {
	*ring.Record
	now   int64
	plain bool // its values are captured as they are
	model bool // a template is about to be made of it
}

// heartbeat is how often the program is told that somebody reads, also while that takes long, or waits for the sink. The pump tells it
// more often by the way.
const heartbeat = 200 * time.Millisecond

// Whoever reads often reads little each time, and takes the processor from the program for it. The pauses between readings are
// such that the fullest ring is a sixteenth full at each: then a program that suddenly writes sixteen times as fast
// still does not wait.
const (
	shortestPause = 200 * time.Microsecond
	longestPause  = 10 * time.Millisecond
	wantedFill    = 1. / 16
)

// nextPause returns how long to wait before rings are read again that were that full after the last pause; 0 when they are
// filling up.
func nextPause(last time.Duration, fill float64) time.Duration {
	switch {
	case fill > 4*wantedFill:
		return 0
	case fill > wantedFill:
		return max(last/2, shortestPause)
	case fill < wantedFill/2:
		return min(max(2*last, shortestPause), longestPause)
	}
	return max(last, shortestPause)
}

// runBeside drives the breakpoints of the same run, and reads the rings all the while, until the program has ended and nothing
// is left.
func (p *probes) runBeside() (ending, error) {
	p.beside = true
	over, pumped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(pumped)
		p.pump(over)
	}()
	end, err := p.engine.run()
	close(over)
	<-pumped
	return end, err
}

// run lets the program go and reads until it has ended and nothing is left.
func (p *probes) run() (ending, error) {
	if err := p.process.release(); err != nil {
		return p.letGo(err)
	}
	type outcome struct {
		ending
		error
	}
	ended := make(chan outcome, 1)
	over := make(chan struct{})
	p.way = giveWay(!p.opt.DropWhenFull, true)
	go func() {
		end, err := p.process.wait()
		p.way.end() // there is nobody left to give way to
		ended <- outcome{end, err}
		close(over)
	}()
	p.pump(over)
	o := <-ended
	return o.ending, o.error
}

// pump reads until over is closed and nothing is left.
func (p *probes) pump(over <-chan struct{}) {
	defer p.beating()()
	calibrated, tidied := time.Now(), time.Now()
	pause := time.Duration(0)
	for {
		now := time.Now()
		calibrate, tidy := now.Sub(calibrated) > time.Second, now.Sub(tidied) > 100*time.Millisecond
		if calibrate {
			calibrated = now
		}
		if tidy {
			tidied = now
		}
		p.upkeep(calibrate, tidy)
		select {
		case <-over:
			p.drain()
			return
		default:
		}
		if p.enough() {
			return
		}
		p.installed.Reader.Beat()
		p.turns.Add(1)
		if pause = nextPause(pause, p.drain()); pause > 0 {
			rest(pause)
		}
	}
}

// upkeep sets the clock right and takes back rings of threads that ended. The breakpoint engine drains, too, so that it locks.
func (p *probes) upkeep(calibrate, tidy bool) {
	audit := !p.beside && time.Since(p.budget.at) > budgetEvery // beside breakpoints it happens at a stop
	if !calibrate && !tidy && !audit {
		return
	}
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	if audit {
		p.fails(p.audit(false))
	}
	if calibrate {
		p.installed.Clock.Calibrate()
	}
	if tidy {
		p.installed.TakeBack()
		p.fails(p.tryLate())
	}
}

// fails notes an error that ends the recording; nil is none. The caller holds the pipeline's lock.
func (p *probes) fails(err error) {
	if err != nil && p.engine.failure == nil && p.out.failure() == nil {
		p.engine.failure = err
		p.installed.Reader.Abandon()
	}
}

// clock is the present on the clock that records carry.
func (p *probes) clock() int64 {
	return max(p.installed.Clock.Nanoseconds(ring.Ticks())+p.shift, p.latest)
}

// beating has the program told that somebody reads, until stop is called.
func (p *probes) beating() (stop func()) {
	var end alarm
	second := p.installed.Clock.Ticks(time.Second)
	var beat sync.WaitGroup
	beat.Go(func() { p.beat(&end, second) })
	return func() {
		end.ring()
		beat.Wait()
	}
}

// beat tells the program that somebody reads, until stop rings, and sees to it that somebody can. second
// is a second in ticks.
func (p *probes) beat(stop *alarm, second uint64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.way.spare()
	for {
		p.installed.Reader.Beat()
		if stop.within(heartbeat) {
			return
		}
		p.way.look(time.Now(), time.Duration(float64(p.installed.Reader.Waited())/float64(second)*1e9), p.turns.Load())
	}
}

// drain turns what the rings hold into events, and returns how full the fullest was. After a failure it only empties them, so that
// the program does not wait.
func (p *probes) drain() float64 {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	p.drainLocked()
	return p.installed.Reader.Fill()
}

// drainLocked is drain for a caller that holds the pipeline's lock.
func (p *probes) drainLocked() int {
	failed := p.engine.failure != nil || p.out.failure() != nil
	see := p.record1
	if failed {
		see = func(*ring.Record) error { return nil }
	}
	n, err := p.installed.Reader.Drain(see)
	if err == nil && !failed {
		err = p.countDropped()
	}
	if !failed {
		p.installed.Reader.Other(p.out.ledger.Captured, p.reported)
	}
	if err == nil && !failed {
		p.learn()
	}
	p.fails(err)
	return n
}

func (p *probes) countDropped() error {
	unplaced := p.installed.Reader.Unplaced()
	byProgram := p.installed.Reader.Dropped()
	n := byProgram + p.strays
	if n == p.dropped {
		return nil
	}
	lost := n - p.dropped
	reason := "there was no room for them"
	if unplaced > p.unplaced || unplaced == byProgram { // what is a stray now was dropped before
		reason += ": " + p.tooManyThreads()
	}
	p.dropped, p.reported, p.unplaced = n, byProgram, unplaced
	return p.out.drop(lost, 0, reason)
}

func (p *probes) tooManyThreads() string {
	return fmt.Sprintf("more than %d threads recorded at once", p.installed.Reader.Rings())
}

// warnOfThreads says why events are missing, when it is for want of rings.
func (s *session) warnOfThreads() {
	if s.probes == nil || s.probes.unplaced == 0 {
		return
	}
	warn(s.opt, recording.Errorf(recording.CodeUnsupported, "%s: what others called was dropped", s.probes.tooManyThreads()).
		WithHint("record less, so that fewer threads do: --include, --exclude"))
}

// record1 handles one record.
func (p *probes) record1(r *ring.Record) error {
	if int(r.Site) >= len(p.handlers) {
		return nil
	}
	h := p.handler(r.Site)
	h.count++
	h.copied += uint64(len(r.Items))
	if h.see == nil {
		return nil
	}
	plain, model := false, false
	if r.Template == nil {
		plain, model = h.capture.plain(r), p.wantsTemplate(&h.templates)
		if !plain || model {
			h.capture.load(r, &p.regs, &p.memory)
		}
	}
	p.latest = max(p.installed.Clock.Nanoseconds(r.Time)+p.shift, p.latest)
	p.current = seen{r, p.latest, plain, model}
	if err := h.see(&p.current); err != nil || !model {
		return err
	}
	p.makeTemplate(h, r)
	return nil
}

// goroutine returns the state of the goroutine that wrote a record; one that nobody saw begin is defined without its
// past. It is nil on a system stack.
func (p *probes) goroutine(r *seen) (*goroutine, error) {
	if r.Goroutine == 0 {
		return nil, nil
	}
	if g := p.lookup(r.Goroutine); g != nil {
		return g, nil
	}
	return p.introduce(gState{id: r.Goroutine}, r.now, false)
}

// entered records a call.
func (p *probes) entered(r *seen, f *traced) error {
	g, err := p.goroutine(r)
	if g == nil || err != nil {
		return err
	}
	frame := uint64(r.Frame)
	g.unwind(frame)
	if p.opt.MaxDepth > 0 && len(g.calls) >= p.opt.MaxDepth || p.enough() {
		return nil
	}
	if err := p.appendEvent(g, recording.KindCall, r, f, f.args); err != nil {
		return err
	}
	g.calls = append(g.calls, openCall{f.id, r.Losses, frame})
	f.calls++
	return nil
}

// enough reports whether as many calls were recorded as were asked for.
func (p *probes) enough() bool { return p.opt.MaxCalls > 0 && p.out.calls >= p.opt.MaxCalls }

// left records a return. One whose call was not recorded is none.
func (p *probes) left(r *seen, f *traced) error {
	g, err := p.goroutine(r)
	if g == nil || err != nil {
		return err
	}
	frame := uint64(r.Frame)
	call, ok := g.close(frame, f.id)
	if !ok {
		switch {
		case p.opt.MaxDepth > 0 || p.enough() || f.off:
		case r.Losses > 0:
			p.strays++ // its call was dropped; else it began before it could be recorded
		default:
			p.unmatched++
		}
		return nil
	}
	if call.losses != r.Losses {
		p.strays++ // a call of the function was dropped meanwhile: it can be that one which returns, in the place of the one that is known
		return nil
	}
	return p.appendEvent(g, recording.KindReturn, r, f, f.results)
}

// losing reports whether the program has dropped anything yet.
func (p *probes) losing() bool {
	p.lossy = p.lossy || p.installed.Reader.Dropped() > 0
	return p.lossy
}
