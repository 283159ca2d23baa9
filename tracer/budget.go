//go:build linux && amd64

package tracer

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/install"
	"smiley/tracer/probe/ring"
)

// budgetEvery is how often is looked at what the probes cost.
const budgetEvery = 200 * time.Millisecond

// returnsWithin bounds the waiting for calls of a function that is being switched off to return: after it their returns are not
// seen any more.
const returnsWithin = time.Second

// budget knows what probes cost the program, and switches off those that cost too much.
//
// The cost is estimated: records counted, times what one takes, which is mostly the reading of the time stamp counter, and that is
// measured. The time that threads waited for room is measured by themselves, and divided among the records. The sum is compared
// with the processor time that the program had for itself meanwhile.
//
// A function is switched off in two steps, so that calls under way still return in the recording: first the probe at its entry
// goes; those at its returns go when no recorded call is open any more.
type budget struct {
	limit float64 // the share of the program's own time that probes may cost; 0: any
	tick  float64 // ns to read the time stamp counter
	at    time.Time
	cpu   time.Duration // of the program, at at
	waits uint64        // ticks that threads have waited for room, at at
	share float64       // what was paid between the last two looks

	each    []float64   // what each function took between the last two looks
	closing []switchOff // their entries are off
	off     []recording.Function
}

// switchOff is a function that is being switched off.
type switchOff struct {
	index  int
	since  time.Time
	latest int64   // on the clock of the run
	share  float64 // what its probes cost
}

// newBudget prepares the accounts.
func (p *probes) newBudget() {
	p.budget = budget{limit: p.opt.MaxOverhead, tick: measureTick(), at: time.Now(), cpu: p.spent()}
}

// measureTick returns how many ns it takes to read the time stamp counter here.
func measureTick() float64 {
	const reads, tries = 1000, 5
	best := time.Duration(1 << 62)
	for range tries {
		begin := time.Now()
		for range reads {
			ring.Ticks()
		}
		best = min(best, time.Since(begin))
	}
	return float64(best) / reads
}

// recordCost estimates the ns that a record takes; docs/explanation/probes.md has the measurements behind it.
func recordCost(c *probeCapture, tick float64) float64 {
	return 1.5*tick + 0.5*float64(len(c.Words)) + 1.5*float64(c.refers)
}

// copyCost is the same for a copy of memory that values refer to.
const copyCost = 5.

// spent returns the processor time that the program has had.
func (p *probes) spent() time.Duration {
	var t unix.Timespec
	const scheduler = 2 // CPUCLOCK_SCHED
	if err := unix.ClockGettime(int32(^p.process.pid<<3|scheduler), &t); err != nil {
		return p.budget.cpu // it has ended
	}
	return time.Duration(t.Nano())
}

// audit looks at what was paid since the last time, and switches off what is too much. held says that no thread of the program
// runs. The caller holds the pipeline's lock.
func (p *probes) audit(held bool) error {
	b := &p.budget
	now, cpu := time.Now(), p.spent()
	all, each := p.paid()
	own := max(float64(cpu-b.cpu)-all, float64(cpu-b.cpu)/20) // an estimate can exceed what it is a part of
	waits := p.installed.Reader.Waited()
	waited := float64(p.installed.Clock.Duration(waits - b.waits))
	b.at, b.cpu, b.waits = now, cpu, waits
	if own <= 0 {
		return nil
	}
	b.share = (all + waited) / own
	if b.limit > 0 && p.engine.failure == nil {
		if err := p.close(held, now); err != nil {
			return err
		}
		// Whoever writes more waits more.
		for i := range each {
			each[i] *= 1 + waited/max(all, 1)
		}
		return p.switchOff(each, own, held)
	}
	return nil
}

// paid returns what the records of all probes and of each function took since the last look.
func (p *probes) paid() (all float64, each []float64) {
	b := &p.budget
	if b.each == nil {
		b.each = make([]float64, len(p.watched))
	}
	clear(b.each)
	for i, h := range p.handlers {
		if h == nil || h.volume == h.audited {
			continue
		}
		cost := float64(h.count-h.audited.count)*recordCost(h.capture, b.tick) + float64(h.copied-h.audited.copied)*copyCost
		h.audited = h.volume
		b.each[i/2] += cost
		all += cost
	}
	return all, b.each
}

// switchOff begins to switch off the hottest functions, one by one, until the others fit into the budget.
func (p *probes) switchOff(each []float64, own float64, held bool) error {
	b := &p.budget
	paid := 0.0
	for i := range p.watched {
		if t := p.watched[i].traced; t == nil || !t.off {
			paid += each[i]
		}
	}
	var chosen []int
	for paid > b.limit*own {
		hottest := -1
		for i := range p.watched {
			if t := p.watched[i].traced; t != nil && !t.off && each[i] > 0 && (hottest < 0 || each[i] > each[hottest]) {
				hottest = i
			}
		}
		if hottest < 0 {
			break
		}
		p.watched[hottest].traced.off = true
		chosen = append(chosen, hottest)
		paid -= each[hottest]
	}
	if len(chosen) == 0 {
		return nil
	}
	if err := p.disable(chosen, install.AtEntry, held); err != nil {
		return err
	}
	for _, i := range chosen {
		b.closing = append(b.closing, switchOff{i, b.at, p.clock(), each[i] / own})
	}
	return nil
}

// disable takes probes out of a program that may just be ending, or becoming another one.
func (p *probes) disable(functions []int, part install.Part, held bool) error {
	err := p.way.stopping(func() error { return p.installed.Disable(functions, part, held) })
	if err != nil && (!lives(p.process.pid) || p.installed.Gone()) {
		return nil
	}
	return err
}

// close finishes with the functions whose calls have returned.
func (p *probes) close(held bool, now time.Time) error {
	b := &p.budget
	if len(b.closing) == 0 {
		return nil
	}
	open := map[recording.FunctionID]bool{}
	for _, g := range p.goroutines {
		for _, c := range g.calls {
			open[c.function] = true
		}
	}
	var done []int
	var rest []switchOff
	for _, c := range b.closing {
		// What the rings held when the entry's probe went has to be read first.
		returned := p.latest > c.latest && !open[p.watched[c.index].traced.id]
		if !returned && now.Sub(c.since) < returnsWithin {
			rest = append(rest, c)
			continue
		}
		done = append(done, c.index)
		if err := p.nameOff(&c); err != nil {
			return err
		}
	}
	b.closing = rest
	if len(done) == 0 {
		return nil
	}
	return p.disable(done, install.AtReturns, held)
}

// settleBudget ends the accounts: what was switched off is not traced.
func (s *session) settleBudget() error {
	p := s.probes
	if p == nil || s.engine.failure != nil || s.out.failure() != nil {
		return nil
	}
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	err := p.closeAll()
	s.untraced = append(s.untraced, p.budget.off...)
	return err
}

// closeAll names what is being switched off while the program ends.
func (p *probes) closeAll() error {
	for i := range p.budget.closing {
		if err := p.nameOff(&p.budget.closing[i]); err != nil {
			return err
		}
	}
	p.budget.closing = nil
	return nil
}

// nameOff puts a function that was switched off among those that are not traced. It keeps its id for the calls that were
// recorded, and gets another as one of which calls are missing.
func (p *probes) nameOff(c *switchOff) error {
	f := &p.watched[c.index]
	reason := fmt.Sprintf("switched off after %.1f s and %d recorded calls: its probes cost %.0f %% of the program's time, and --max-overhead allows %.0f %% in all",
		time.Duration(c.latest).Seconds(), f.traced.calls, 100*c.share, 100*p.budget.limit)
	described := recording.Function{
		Name: f.symbol.Name, Package: f.symbol.Package, Line: f.symbol.Line, Trace: recording.TraceNot, Reason: reason,
	}
	described.ID = p.program.AddFunction(0, described)
	p.budget.off = append(p.budget.off, described)
	return p.define()
}

// tell adds what is being paid to a progress report. The caller does not hold the pipeline's lock.
func (p *probes) tell(progress *Progress) {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	progress.Probes = true
	progress.Overhead = p.budget.share
	progress.SwitchedOff = slices.Clone(names(p.budget.off))
}

func names(functions []recording.Function) []string {
	var list []string
	for i := range functions {
		list = append(list, functions[i].Name)
	}
	return list
}
