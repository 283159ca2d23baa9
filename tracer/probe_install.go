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
	symbol      *Symbol        // owned by who chose it; nil for hooks
	traced      *traced        // nil for hooks
	entry, exit *recordHandler // of hooks
}

// captures returns what the records of both kinds hold.
func (w *watched) captures() (entry, exit *probeCapture) {
	if w.traced != nil {
		return w.traced.args, w.traced.results
	}
	return w.entry.capture, w.exit.capture
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
		o.Patience, o.Lasting = launchedPatience, s.opt.MaxOverhead == 0
		return s.process.held.Install(img, wanted, o)
	}
	refused, err := s.putProbes(img, s.program.bias, traced, put)
	s.image.image = nil // nothing of a program that was launched is ever put back
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

// putProbes prepares the captures of the functions that are recorded, and has put install the probes.
func (s *session) putProbes(
	img *places.Image, bias uint64, traced []Symbol, put func([]install.Probe, install.Options) (*install.Process, error),
) (refused []Symbol, err error) {
	where, err := s.program.runtime() // before anybody looks for sites: who gives up may close the file
	if err != nil {
		return nil, err
	}
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
	wanted := make([]install.Probe, len(list))
	for i := range list {
		w := &list[i]
		entry, exit := w.captures()
		wanted[i] = install.Probe{Function: w.function, Args: &entry.Capture, Results: &exit.Capture, Events: w.traced != nil}
	}
	p.nodes.Reserve()
	p.foresee(list)
	s.program.file.Forget()
	options := install.Options{
		RingBytes: uint64(s.opt.RingBytes), DropWhenFull: s.opt.DropWhenFull, Runtime: where, Survey: <-survey, Note: s.note,
		Nodes: &p.nodes.Nodes, Types: p.foreseen.first,
	}
	options.Ready = func() error { return p.announceProbed(s, list, options.Survey) }
	take := func(installed *install.Process) {
		p.installed = installed
		refused = append(refused, p.takeInstalled(s, list)...)
	}
	options.Placing = take
	installed, err := put(wanted, options)
	p.foreseen.first = nil
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

// takeInstalled keeps those of list that have got probes, in its place, and prepares for their records. It returns the functions that have none.
func (p *probes) takeInstalled(s *session, list []watched) (refused []Symbol) {
	skipped := map[*places.Function]*install.Skipped{}
	for i := range p.installed.Skipped {
		skipped[p.installed.Skipped[i].Function] = &p.installed.Skipped[i]
	}
	p.watched = list[:0]
	for _, w := range list {
		why := skipped[w.function]
		if why != nil && w.traced == nil {
			w.symbol = p.hookSymbol(w.function)
		}
		switch {
		case why == nil:
			if w.traced != nil && w.traced.values != nil { // not before: what is defined once stays what it is
				p.add(&w)
			}
		case why.Later: // it is defined when it has got its probes, or when it is sure that it never will
			if p.late == nil {
				p.late = map[*places.Function]late{}
			}
			p.late[w.function] = late{w.traced, *w.symbol, why.Reason}
		case w.traced == nil:
			p.unhooked = append(p.unhooked, w.symbol.refused(why.Reason))
		default:
			refused = append(refused, w.symbol.refused(why.Reason))
		}
		if why != nil && !why.Numbered {
			continue
		}
		w.function = nil // it is a part of all that is known of the program's code
		p.watched = append(p.watched, w)
	}
	clear(list[len(p.watched):])
	p.hear()
	p.installed.Probes, p.installed.Skipped = nil, nil // the captures are all that is needed of them
	p.installed.Reader.Account(&s.out.ledger.Captured)
	p.installed.Reader.Known = p.templateOf
	p.engine.lost = p.installed.Reader.Lost
	p.shift = int64(p.installed.Start.Sub(s.out.start))
	p.newBudget()
	return refused
}

// hookSymbol names a hook.
func (p *probes) hookSymbol(f *places.Function) *Symbol {
	sym, ok := p.program.FunctionContaining(f.Addr + p.bias)
	if !ok {
		sym = Symbol{Name: f.Name}
	}
	return &sym
}

// add defines a function that has probes, or is about to.
func (p *probes) add(w *watched) {
	f := p.program.function(w.symbol)
	f.Params, f.Results, f.Trace = w.traced.values.params, w.traced.values.results, recording.TraceProbe
	if w.traced.inlined {
		f.Reason = inlinedSome
	}
	w.traced.id = p.program.AddFunction(w.symbol.Entry, f)
	w.traced.values = nil
}

// hear prepares for records of the functions that have probes.
func (p *probes) hear() {
	p.handlers = make([]*recordHandler, 2*len(p.watched))
	for i := range p.watched {
		p.handlers[install.EntryNumber(i)], p.handlers[install.ReturnNumber(i)] = p.watched[i].entry, p.watched[i].exit
	}
}

// announceProbed defines the functions that are about to get probes, in the order of their sites.
func (p *probes) announceProbed(s *session, list []watched, survey *install.Survey) error {
	for some := range slices.Chunk(list, announcedAtOnce) {
		s.program.expectFunctions(len(list), len(some))
		for i := range some {
			if w := &some[i]; w.traced != nil && survey.Complete(w.function) {
				p.add(w)
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
	all := make([]traced, len(symbols))
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
		list = append(list, watched{function: f, symbol: sym, traced: &all[i]})
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
	go func() {
		survey := install.NewSurvey(img, functions)
		img.Planned()
		done <- survey
	}()
	return done
}

// watch plans the values of the functions that are recorded and compiles their captures. It leaves out those whose values cannot be planned.
func (p *probes) watch(candidates []watched, inlined map[string]bool) (list []watched, refused []Symbol) {
	list = candidates[:0]
	for _, w := range candidates {
		if w.traced == nil { // a hook
			list = append(list, w)
			continue
		}
		v, err := p.program.valuesOf(w.symbol)
		if err != nil {
			refused = append(refused, w.symbol.refused(err.Error()))
			continue
		}
		w.traced.values, w.traced.inlined = &v, inlined[w.symbol.Name]
		list = append(list, w)
	}
	p.program.debug.forget()
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
					v := w.traced.values
					w.traced.args = compiled.of(v.params, v.args)
					w.traced.results = compiled.of(v.results, v.returned)
					v.args, v.returned = nil, nil // the captures have them, of which there are fewer
				}
			}
		})
	}
	all.Wait()
	for i := range list {
		if w := &list[i]; w.traced != nil {
			p.nodes.root(w.traced.args)
			p.nodes.root(w.traced.results)
		}
	}
}

// launchedPatience is how long a program that was started waits for room while the tracer's heart does not beat: it ends with a tracer
// that dies, so that one whose heart does not beat is stopped, or finds no processor on a busy machine.
const launchedPatience = 10 * time.Second
