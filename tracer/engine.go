//go:build linux && amd64

package tracer

import (
	"cmp"
	"slices"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/pkg/proc/linutil"

	"smiley/recording"
)

// engine is the breakpoint engine: it stops the program at every site of its plans, copies what the plan says and lets it
// go on. All its methods run on one goroutine; those that append hold the pipeline's lock.
type engine struct {
	opt      *Options
	program  *Program
	process  *process
	memory   *stopMemory
	offsets  Offsets
	out      *pipeline
	capturer recording.Capturer

	sites      map[uint64]*site
	goroutines map[int64]*goroutine
	ended      []*goroutine                 // to be used again
	places     map[uint64]place             // of go statements and of functions that goroutines begin with
	system     map[uint64]bool              // whether goroutines that begin with a function are the runtime's own
	recent     [recentGoroutines]*goroutine // some of them, by id: looked at first
	crash      crash
	prints     printed
	panicLayout

	// rings hands over what the probes of the same run have written; nil when it has none. latest is the time of the last
	// event of either engine, so that their clocks cannot turn the run's time back.
	rings  func() error
	latest int64
	// lost reports whether anything that a goroutine did was dropped; nil: nothing ever is.
	lost func(goroutine int64) bool

	record []byte
	roots  []recording.Root

	// unmatched counts returns without a call, repeated counts calls seen twice: artefacts of breakpoints, not events.
	// idle counts stops of a program that is not recorded any longer.
	unmatched, repeated, idle uint64

	leaving     bool   // the program is about to become another one
	replacement string // what the program was about to become when probes last saw it

	failure error // of the engine itself; after it the program runs on unrecorded
}

// site is an address with a breakpoint and what it means.
type site struct {
	addr  uint64
	entry *traced
	ret   *traced
	line  *lineSite
	first []hook // what must be known before the other threads of a stop are looked at
	hooks []hook
}

type hook func(*hit) error

// traced is a function with a plan.
type traced struct {
	id                        recording.FunctionID
	floatParams, floatResults bool
	off                       bool          // its probes are being taken out
	inlined                   bool          // at some of its calls
	plan                      *Plan         // with breakpoints
	args, results             *probeCapture // with probes
	values                    *values       // with probes, until it is defined
	calls                     uint64        // recorded by probes
}

// hit is a thread that stands at a site.
type hit struct {
	thread proc.Thread
	site   *site
	raw    *linutil.AMD64Registers
	regs   Registers
	now    int64
}

// run drives the program to its end. The error is a failure of the engine, not of the program.
func (e *engine) run() (ending, error) {
	for {
		err := e.process.group.Continue()
		if err != nil {
			if end, ok := e.process.endingOf(err); ok {
				return end, nil
			}
			return e.letGo(err)
		}
		if err := e.stopped(); err != nil {
			// Whatever went wrong is ours: the program goes on without breakpoints.
			e.fail(err)
			if err := e.process.clearBreakpoints(); err != nil {
				return e.letGo(err)
			}
		}
		if e.leaving {
			// Delve loses its way when threads vanish in exec, and there would be nothing to see.
			if err := e.process.release(); err != nil {
				e.fail(recording.Errorf(recording.CodeInternal, "the program could not be released before its exec: %w", err))
			}
			return e.process.wait()
		}
	}
}

// fail ends the recording of a program that goes on.
func (e *engine) fail(err error) {
	e.out.mu.Lock()
	defer e.out.mu.Unlock()
	if e.failure == nil && e.out.failure() == nil {
		e.failure = err
	}
	e.sites = nil
}

// finish adds what was pending when the program ended.
func (e *engine) finish() error {
	if e.failure != nil || e.out.failure() != nil {
		return nil
	}
	e.out.mu.Lock()
	defer e.out.mu.Unlock()
	if err := e.flushPrinted(); err != nil {
		return err
	}
	if err := e.abandonWrites(); err != nil {
		return err
	}
	if e.replacement != "" && !e.leaving {
		if err := e.drop(nil, replacedBy(e.replacement)); err != nil {
			return err
		}
	}
	if err := e.endCrashed(); err != nil {
		return err
	}
	return e.quiet()
}

// letGo detaches from a program that cannot be traced any longer and waits for its end.
func (e *engine) letGo(cause error) (ending, error) {
	failure := recording.Errorf(recording.CodeInternal, "tracing broke off: %w", cause).
		WithHint("the program went on without being recorded")
	_ = e.process.release() // it is in a bad way already
	end, err := e.process.wait()
	if err != nil {
		return end, err
	}
	return end, failure
}

// stopped handles one stop of the program: every thread that stands at a breakpoint, not only the one that Delve names.
func (e *engine) stopped() error {
	if len(e.sites) == 0 {
		e.idle++
		return nil
	}
	if err := e.out.failure(); err != nil {
		return err
	}
	defer e.memory.forget()
	hits, err := e.hits()
	if err != nil {
		return err
	}
	e.out.mu.Lock()
	defer e.out.mu.Unlock()
	if e.rings != nil {
		// No thread runs: whatever was written before this stop can be read now.
		if err := e.rings(); err != nil {
			return err
		}
	}
	for _, h := range hits {
		h.now = max(h.now, e.latest)
		e.latest = h.now
	}
	for _, h := range hits {
		for _, hook := range h.site.first {
			if err := hook(h); err != nil {
				return err
			}
		}
	}
	for _, h := range hits {
		if err := e.handle(h); err != nil {
			return err
		}
	}
	return nil
}

// hits collects the threads at sites, in the order of their ids.
func (e *engine) hits() ([]*hit, error) {
	now := e.out.now()
	var hits []*hit
	for _, thread := range e.process.tgt.ThreadList() {
		state := thread.Breakpoint()
		if state.Breakpoint == nil || !state.Active {
			continue
		}
		at, ok := e.sites[state.Breakpoint.Addr]
		if !ok {
			continue // a breakpoint instruction in the program itself
		}
		registers, err := thread.Registers()
		if err != nil {
			if gone(err) {
				return nil, nil // Continue will say how it ended
			}
			return nil, recording.Errorf(recording.CodeInternal, "cannot read registers: %w", err)
		}
		raw, ok := registers.(*linutil.AMD64Registers)
		if !ok {
			return nil, recording.Errorf(recording.CodeInternal, "unexpected registers %T", registers)
		}
		h := &hit{thread: thread, site: at, raw: raw, now: now}
		h.regs = generalRegisters(raw)
		hits = append(hits, h)
	}
	slices.SortFunc(hits, func(a, b *hit) int { return cmp.Compare(a.thread.ThreadID(), b.thread.ThreadID()) })
	return hits, nil
}

func generalRegisters(raw *linutil.AMD64Registers) Registers {
	r := raw.Regs
	return Registers{
		Int: [9]uint64{r.Rax, r.Rbx, r.Rcx, r.Rdi, r.Rsi, r.R8, r.R9, r.R10, r.R11},
		SP:  r.Rsp, PC: r.Rip, G: r.R14, DX: r.Rdx,
	}
}

// loadFloats adds the float registers, which cost another request.
func (h *hit) loadFloats() error {
	if _, err := h.raw.Copy(); err != nil {
		return recording.Errorf(recording.CodeInternal, "cannot read float registers: %w", err)
	}
	for i := range h.regs.X {
		copy(h.regs.X[i][:], h.raw.Fpregset.XmmSpace[16*i:])
	}
	return nil
}

func (e *engine) handle(h *hit) error {
	for _, hook := range h.site.hooks {
		if err := hook(h); err != nil {
			return err
		}
	}
	if h.site.entry != nil {
		if err := e.enter(h, h.site.entry); err != nil {
			return err
		}
	}
	if h.site.line != nil {
		if err := e.reach(h, h.site.line); err != nil {
			return err
		}
	}
	if h.site.ret != nil {
		return e.leave(h, h.site.ret)
	}
	return nil
}

// enter records a call.
func (e *engine) enter(h *hit, f *traced) error {
	g, err := e.goroutineOf(h.regs.G, h.now)
	if g == nil || err != nil {
		return err
	}
	frame := g.hi - h.regs.SP
	if f.plan.EntryRepeats && g.innermost(frame, f.id) {
		// The function's first instruction is also the head of a loop: no call.
		e.repeated++
		return nil
	}
	g.unwind(frame)
	if e.opt.MaxDepth > 0 && len(g.calls) >= e.opt.MaxDepth {
		return nil
	}
	if f.floatParams {
		if err := h.loadFloats(); err != nil {
			return err
		}
	}
	e.roots = f.plan.ArgRoots(e.roots[:0], &h.regs)
	raw := recording.Raw{Kind: recording.KindCall, Function: f.id, Goroutine: g.id, Time: h.now, Frame: frame}
	if err := e.appendValues(g, &raw, &e.capturer, f.plan.Function.Params); err != nil {
		return err
	}
	g.calls = append(g.calls, openCall{function: f.id, frame: frame})
	return nil
}

// leave records a return. One whose call was not recorded is none.
func (e *engine) leave(h *hit, f *traced) error {
	g, err := e.goroutineOf(h.regs.G, h.now)
	if g == nil || err != nil {
		return err
	}
	frame := g.hi - h.regs.SP
	if _, ok := g.close(frame, f.id); !ok {
		if e.opt.MaxDepth == 0 {
			e.unmatched++
		}
		return nil
	}
	if f.floatResults {
		if err := h.loadFloats(); err != nil {
			return err
		}
	}
	e.roots = f.plan.ResultRoots(e.roots[:0], &h.regs)
	raw := recording.Raw{Kind: recording.KindReturn, Function: f.id, Goroutine: g.id, Time: h.now, Frame: frame}
	return e.appendValues(g, &raw, &e.capturer, f.plan.Function.Results)
}

// appendValues captures params at e.roots into raw and appends it.
func (e *engine) appendValues(g *goroutine, raw *recording.Raw, capturer *recording.Capturer, params []recording.Param) error {
	var counts recording.Counts
	e.record, counts = capturer.Append(e.record[:0], params, e.roots)
	raw.Data, raw.Truncated, raw.Unreadable = e.record, counts.Truncated, counts.Unreadable
	return e.append(g, raw)
}

// append adds an event of a goroutine behind the definitions it needs, and behind the printed text that came before it.
func (e *engine) append(g *goroutine, raw *recording.Raw) error {
	if err := e.flushPrinted(); err != nil {
		return err
	}
	if !g.told {
		if err := e.tell(g, raw.Time); err != nil {
			return err
		}
	}
	if err := e.define(); err != nil {
		return err
	}
	return e.out.append(raw)
}

// drop counts an event of a goroutine, or of none, that was seen and could not be kept.
func (e *engine) drop(g *goroutine, reason string) error {
	if err := e.flushPrinted(); err != nil {
		return err
	}
	if g == nil {
		return e.out.drop(1, 0, reason)
	}
	if !g.told {
		if err := e.tell(g, e.out.now()); err != nil {
			return err
		}
	}
	return e.out.drop(1, g.id, reason)
}

// define adds the types, functions and files that came up since the last time.
func (e *engine) define() error {
	if !e.program.hasDefinitions() { // nearly always
		return nil
	}
	return e.out.builder.Define(e.program.Definitions())
}

// place sets the breakpoints of all sites.
func (e *engine) place() error {
	for addr := range e.sites {
		// Delve counts hits of user breakpoints by goroutine and never forgets one; this kind it only reports.
		if _, err := e.process.tgt.SetBreakpoint(0, addr, proc.PluginOpenBreakpoint, nil); err != nil {
			return recording.Errorf(recording.CodeInternal, "cannot set a breakpoint at %#x: %w", addr, err)
		}
	}
	return nil
}

// at returns the site at addr, made when it is new.
func (e *engine) at(addr uint64) *site {
	s := e.sites[addr]
	if s == nil {
		s = &site{addr: addr}
		e.sites[addr] = s
	}
	return s
}
