//go:build linux && amd64

package tracer

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"smiley/recording"
	"smiley/tracer/probe/install"
	places "smiley/tracer/probe/site"
)

// watched is a function that gets probes.
type watched struct {
	function    *places.Function
	entry, exit recordHandler
	symbol      *Symbol // owned by who chose it
	traced      *traced // nil for hooks
}

// armProbes puts probes into the stopped program. It returns the functions that can have none, with their reasons.
func (s *session) armProbes(traced []Symbol) ([]Symbol, error) {
	img, err := s.image.wait()
	if err != nil {
		return nil, err
	}
	put := func(wanted []install.Probe, o install.Options) (*install.Process, error) {
		// Types are known now, whatever becomes of the functions.
		if err := s.sourcesSent(); err != nil {
			return nil, err
		}
		if err := s.out.announce(s.engine.define); err != nil {
			return nil, err
		}
		o.Patience = launchedPatience
		return s.process.held.Install(img, wanted, o)
	}
	refused, err := s.putProbes(img, s.program.bias, traced, put)
	s.image.image = nil // nothing of a program that was launched is ever put back
	if err == nil {
		s.probes.teach(max(foreseenFirst, len(s.probes.handlers)/2/functionsPerType))
	}
	return refused, err
}

// imageLoader reads a program's code while its symbols are read. Its zero value has read nothing.
type imageLoader struct {
	done  chan struct{}
	image *places.Image
	err   error
}

// loadImage begins to read the code of a program whose function table was read, if there will be probes.
func (s *session) loadImage(p *Program) {
	if s.opt.engine() == EngineBreakpoint {
		return
	}
	l := &s.image
	l.done = make(chan struct{})
	go func() {
		defer close(l.done)
		l.image, l.err = places.New(p.file, p.list)
	}()
}

// wait returns the image when it is there.
func (l *imageLoader) wait() (*places.Image, error) {
	if l.done == nil {
		return nil, nil
	}
	<-l.done
	return l.image, l.err
}

// putProbes makes the handlers and has put install the probes.
func (s *session) putProbes(
	img *places.Image, bias uint64, traced []Symbol, put func([]install.Probe, install.Options) (*install.Process, error),
) (refused []Symbol, err error) {
	s.program.file.Forget() // what was looked at until now
	p := &probes{engine: s.engine, bias: bias}
	p.capturer = s.engine.capturer
	p.capturer.Memory = &p.memory
	p.capturer.Resolver = s.program.Resolver(&p.memory)
	p.nodes = newNodes(p.capturer.Types, s.opt.Bounds)
	list, refused := p.candidates(img, traced)
	list = append(list, p.hooks(img, list)...)
	survey := surveyOf(img, list)
	list, more := p.watch(list, s.inlined)
	refused = append(refused, more...)
	bySite := map[*places.Function]*watched{}
	wanted := make([]install.Probe, len(list))
	for i := range list {
		w := &list[i]
		bySite[w.function] = w
		wanted[i] = install.Probe{
			Function: w.function, Args: &w.entry.capture.Capture, Results: &w.exit.capture.Capture, Events: w.traced != nil,
		}
	}
	where, err := s.program.runtime()
	if err != nil {
		return nil, err
	}
	options := install.Options{
		RingBytes: uint64(s.opt.RingBytes), DropWhenFull: s.opt.DropWhenFull, Runtime: where, Survey: <-survey, Note: s.note,
		Nodes: &p.nodes.Nodes,
	}
	options.Ready = func() error { return s.announceProbed(list, options.Survey) }
	take := func(installed *install.Process) {
		p.installed = installed
		refused = append(refused, p.takeInstalled(s, bySite)...)
		p.foresee(list)
	}
	options.Placing = take
	installed, err := put(wanted, options)
	if err != nil {
		return nil, err
	}
	if p.installed == nil { // attached
		take(installed)
	}
	s.program.file.Forget()
	s.probes = p
	return refused, nil
}

// takeInstalled makes the handlers of the probes that were installed. It returns the functions that have none.
func (p *probes) takeInstalled(s *session, bySite map[*places.Function]*watched) (refused []Symbol) {
	for _, skipped := range p.installed.Skipped {
		if w := bySite[skipped.Function]; w.traced != nil {
			if skipped.Later {
				if p.late == nil {
					p.late = map[*places.Function]late{}
				}
				p.late[skipped.Function] = late{w.traced, *w.symbol, skipped.Reason}
				w.traced = nil // it is defined when it has got its probes, or when it is sure that it never will
				continue
			}
			refused = append(refused, w.symbol.refused(skipped.Reason))
			w.traced = nil
		}
	}
	installed := make([]*watched, 0, len(p.installed.Probes))
	p.handlers = make([]recordHandler, 0, 2*len(p.installed.Probes))
	for _, probe := range p.installed.Probes {
		w := bySite[probe.Function]
		installed = append(installed, w)
		p.handlers = append(p.handlers, w.entry, w.exit)
		if w.traced != nil { // not before: what is defined once stays what it is
			w.traced.id = s.program.AddFunction(w.symbol.Entry, w.traced.plan.Function)
		}
	}
	p.installed.Probes = nil // the handlers are all that is needed of them
	p.installed.Reader.Account(&s.out.ledger.Captured)
	p.installed.Reader.Known = p.templateOf
	p.engine.lost = p.installed.Reader.Lost
	p.shift = int64(p.installed.Start.Sub(s.out.start))
	p.newBudget(installed)
	return refused
}

// announceProbed defines the functions that are about to get probes, in the order of their sites.
func (s *session) announceProbed(list []watched, survey *install.Survey) error {
	for some := range slices.Chunk(list, announcedAtOnce) {
		s.program.expectFunctions(len(list), len(some))
		for i := range some {
			if w := &some[i]; w.traced != nil && survey.Complete(w.function) {
				s.program.AddFunction(w.symbol.Entry, w.traced.plan.Function)
			}
		}
		if err := s.out.announce(s.engine.define); err != nil {
			return err
		}
	}
	return nil
}

// announcedAtOnce bounds the functions that are defined together: they take memory until they are encoded.
const announcedAtOnce = 8192

// candidates are the functions that probes can be tried on, with their symbols. The others are refused, with the reason.
func (p *probes) candidates(img *places.Image, symbols []Symbol) (list []watched, refused []Symbol) {
	list = make([]watched, 0, len(symbols))
	for i := range symbols {
		sym := &symbols[i]
		f := img.FunctionAt(sym.Entry - p.bias)
		reason := ""
		switch {
		case p.opt.unprobed != nil && p.opt.unprobed(sym.Name):
			reason = "refused for a test"
		case f == nil || f.Addr != sym.Entry-p.bias:
			reason = "the function table does not have it"
		default:
			reason = f.Skip
		}
		if reason != "" {
			refused = append(refused, sym.refused(reason))
			continue
		}
		list = append(list, watched{function: f, symbol: sym, traced: &traced{}})
	}
	return list, refused
}

// surveyOf looks for the sites of functions while their values are planned.
func surveyOf(img *places.Image, list []watched) <-chan *install.Survey {
	functions := make([]*places.Function, len(list))
	for i := range list {
		functions[i] = list[i].function
	}
	done := make(chan *install.Survey, 1)
	go func() { done <- install.NewSurvey(img, functions) }()
	return done
}

// watch makes the handlers of the functions that are recorded, and leaves out those whose values cannot be planned.
func (p *probes) watch(candidates []watched, inlined map[string]bool) (list []watched, refused []Symbol) {
	list = candidates[:0]
	for _, w := range candidates {
		if w.traced == nil { // a hook
			list = append(list, w)
			continue
		}
		plan, err := p.program.PlanValues(w.symbol)
		if err != nil {
			refused = append(refused, w.symbol.refused(err.Error()))
			continue
		}
		plan.Function.Trace = recording.TraceProbe
		if inlined[w.symbol.Name] {
			plan.Function.Reason = inlinedSome
		}
		t := w.traced
		t.plan = plan
		w.entry.see = func(r *seen) error { return p.entered(r, t) }
		w.exit.see = func(r *seen) error { return p.left(r, t) }
		list = append(list, w)
	}
	p.compile(list)
	return list, refused
}

// compile compiles the captures of all functions, on as many processors as there are: the types are complete. Functions with
// values of the same types in the same places share theirs.
func (p *probes) compile(list []watched) {
	workers := min(runtime.GOMAXPROCS(0), 8)
	var all sync.WaitGroup
	for n := range workers {
		all.Go(func() {
			compiled := newCaptures(p.capturer.Types, p.opt.Bounds)
			for i := n * len(list) / workers; i < (n+1)*len(list)/workers; i++ {
				if w := &list[i]; w.traced != nil {
					plan := w.traced.plan
					w.entry.capture = compiled.of(plan.Function.Params, plan.args)
					w.exit.capture = compiled.of(plan.Function.Results, plan.results)
					w.traced.args, w.traced.results = w.entry.capture, w.exit.capture
					plan.args, plan.results = nil, nil // the captures have them, of which there are fewer
				}
			}
		})
	}
	all.Wait()
	for i := range list {
		if w := &list[i]; w.traced != nil {
			p.nodes.root(w.entry.capture)
			p.nodes.root(w.exit.capture)
		}
	}
}

// launchedPatience is how long a program that was started waits for room while the tracer's heart does not beat: it ends with a tracer
// that dies, so that one whose heart does not beat is stopped, or finds no processor on a busy machine.
const launchedPatience = 10 * time.Second
