//go:build linux && amd64

package tracer

import (
	"errors"
	"time"

	"smiley/recording"
	"smiley/tracer/probe/install"
	places "smiley/tracer/probe/site"
)

// newEngine makes the state that both engines share. The program must be stopped, or not looked at yet.
func (s *session) newEngine() error {
	memory := newStopMemory(s.process.pid)
	s.engine = &engine{
		opt: s.opt, program: s.program, process: s.process, memory: memory, out: s.out,
		sites: map[uint64]*site{}, goroutines: map[int64]*goroutine{}, places: map[uint64]place{}, system: map[uint64]bool{},
		panicLayout: layoutOfPanic(goMinor(s.run.GoVersion)),
		capturer: recording.Capturer{
			Types: s.program.Types(), Bounds: s.opt.Bounds, Memory: memory, Resolver: s.program.Resolver(memory),
		},
	}
	var err error
	s.engine.offsets, err = s.program.Offsets()
	return err
}

// arm decides how each function is traced, and puts probes and breakpoints into the stopped program.
func (s *session) arm() error {
	if err := s.newEngine(); err != nil {
		return err
	}
	traced, untraced := s.chosen.traced, s.chosen.untraced
	before := len(untraced)
	stopping := traced // the functions that get breakpoints
	if s.opt.engine() != EngineBreakpoint {
		probed, lined := s.filter.divide(traced)
		refused, err := s.armProbes(probed)
		switch {
		case err == nil:
			var more []Symbol
			stopping, more = s.breakpointsFor(refused)
			stopping = append(stopping, lined...)
			untraced = append(untraced, more...)
		case s.opt.engine() == EngineProbe || recording.CodeOf(err) != recording.CodeUnsupported:
			return err
		default:
			warn(s.opt, recording.Errorf(recording.CodeUnsupported, "probes cannot be used here, so that each call stops the program: %w", err).
				WithHint("--include less of it, or see docs/reference/limits.md"))
		}
	}
	if s.probes == nil || len(stopping) > 0 {
		if err := s.process.toDelve(); err != nil {
			return err
		}
	} else if err := s.process.release(); err != nil { // the rings hold what comes while the rest is prepared
		return err
	}
	untraced = append(untraced, s.setBreakpoints(stopping)...)
	s.traced = len(traced) - (len(untraced) - before)
	if s.probes != nil {
		untraced = append(untraced, s.probes.unhooked...)
	}
	if err := s.noteUntraced(untraced); err != nil {
		return err
	}
	return s.engine.place()
}

// breakpointsFor divides the functions that probes refused: those that the person named are worth the cost of breakpoints, the
// others are not.
func (s *session) breakpointsFor(refused []Symbol) (stopping, untraced []Symbol) {
	for _, sym := range refused {
		if sym.Reason == install.ChangedByOthers { // a breakpoint would be written over what is there
			untraced = append(untraced, sym)
			continue
		}
		if s.opt.engine() == EngineAuto && s.filter.named(&sym) {
			sym.Reason = ""
			stopping = append(stopping, sym)
			continue
		}
		if places.RuntimeOwn(sym.Package) && !s.filter.asked(&sym) { // nobody means the runtime with --include-stdlib
			continue
		}
		if s.opt.engine() == EngineAuto {
			sym.Reason += "; named by --include it gets a breakpoint, which is slow"
		}
		untraced = append(untraced, sym)
	}
	return stopping, untraced
}

// setBreakpoints plans the breakpoints of a run and returns the functions that can have none. Beside probes, they are only
// for the given functions and for what Delve must know of.
func (s *session) setBreakpoints(stopping []Symbol) (refused []Symbol) {
	e := s.engine
	if s.probes != nil && len(stopping) == 0 {
		return nil
	}
	for _, sym := range stopping {
		reason := ""
		if s.inlined[sym.Name] {
			reason = inlinedSome
		}
		t, err := e.trace(sym, reason)
		if err != nil {
			sym.Reason = err.Error()
			refused = append(refused, sym)
			continue
		}
		if s.filter.byLine(&sym) {
			if err := e.traceLines(sym, t); err != nil {
				warn(s.opt, err)
			}
		}
	}
	byName := named(s.program.Functions())
	e.hook(byName, execHooks)
	if s.probes == nil {
		e.hook(byName, runtimeHooks)
		e.hookPrint(byName)
		return refused
	}
	p := s.probes
	e.rings = func() error {
		p.drainLocked()
		if time.Since(p.budget.at) > budgetEvery {
			p.fails(p.audit(true))
		}
		return p.engine.failure
	}
	return refused
}

// noteUntraced defines functions that could not be traced, with their reasons.
func (s *session) noteUntraced(symbols []Symbol) error {
	if err := s.sourcesSent(); err != nil {
		return err
	}
	for i := range symbols {
		sym := &symbols[i]
		f := recording.Function{Name: sym.Name, Package: sym.Package, Line: sym.Line, Trace: recording.TraceNot, Reason: sym.Reason}
		f.ID = s.program.AddFunction(sym.Entry, f)
		s.untraced = append(s.untraced, f)
	}
	return s.out.announce(s.engine.define)
}

// drive runs the program to its end with the engines that were armed.
func (s *session) drive() (ending, error) {
	switch {
	case s.probes == nil && s.process.group == nil: // it broke off before there was anything to run
		if err := s.process.release(); err != nil {
			return s.engine.letGo(err)
		}
		return s.process.wait()
	case s.probes == nil:
		return s.engine.run()
	case len(s.engine.sites) > 0:
		return s.probes.runBeside()
	}
	return s.probes.run()
}

// breakpointByte is what a breakpoint writes; no instruction that one is for begins with it.
const breakpointByte = 0xCC

// trace adds the sites of one function. reason says why some of its calls are missing, "" when none is.
func (e *engine) trace(sym Symbol, reason string) (*traced, error) {
	plan, err := e.program.Plan(sym)
	if err != nil {
		return nil, err
	}
	for _, addr := range append([]uint64{plan.Entry}, plan.Returns...) {
		var now [1]byte
		if e.memory.ReadMemory(now[:], addr) == nil && now[0] == breakpointByte { // whoever wrote that gets what it stops, and we nothing
			return nil, errors.New(install.ChangedByOthers)
		}
	}
	f := plan.Function
	f.Trace, f.Reason = recording.TraceBreakpoint, reason
	t := &traced{
		id: e.program.AddFunction(sym.Entry, f), plan: plan,
		floatParams:  anyFloat(e.capturer.Types, f.Params),
		floatResults: anyFloat(e.capturer.Types, f.Results),
	}
	e.at(plan.Entry).entry = t
	for _, addr := range plan.Returns {
		e.at(addr).ret = t
	}
	return t, nil
}
