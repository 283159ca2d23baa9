//go:build linux && amd64

package tracer

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"smiley/recording"
	"smiley/tracer/probe/install"
	"smiley/tracer/probe/ring"
	places "smiley/tracer/probe/site"
)

// inherit hands what tracers that died left in a program to heir.
func inherit(pid int, img *places.Image, heir func(*Inheritance) error) error {
	estates, err := install.Estates(pid)
	for _, e := range estates {
		bias, failed := install.Bias(pid, img)
		if failed == nil {
			failed = inheritOne(&leftover{pid: pid, path: fmt.Sprintf("/proc/%d/exe", pid), bias: bias, img: img, estate: e}, heir)
		}
		err = errors.Join(err, failed)
		e.Close()
	}
	return err
}

func inheritOne(left *leftover, heir func(*Inheritance) error) error {
	var l legacy
	// It lay in the program's memory, so that nothing of it is trusted.
	if err := json.Unmarshal(left.estate.Note, &l); err != nil || l.Run.PID != left.pid {
		return recording.Errorf(recording.CodeDamaged, "which run a tracer that died had begun cannot be read")
	}
	if err := heir(&Inheritance{Run: l.Run, Store: l.Store, left: left}); err != nil {
		return err
	}
	return left.estate.Settle()
}

// leftover is an estate that nobody has read yet.
type leftover struct {
	pid    int
	path   string // of the program's file
	bias   uint64
	img    *places.Image
	estate *install.Estate
	read   bool
}

func (l *leftover) count(stored uint64) (lost uint64, err error) {
	return l.readAll(stored, func(*ring.Record) bool { return false })
}

// readAll reads what nobody has read, and returns how many events are lost when a store has the first ones. see is shown the records
// behind these, and says whether an event was made of one.
func (l *leftover) readAll(stored uint64, see func(*ring.Record) bool) (lost uint64, err error) {
	e := l.estate
	if l.read {
		return 0, recording.Errorf(recording.CodeInternal, "what a tracer that died left was read twice")
	}
	l.read = true
	skip, told := uint64(0), e.Captured+e.Reported
	if stored > told {
		skip = stored - told // it had read on since it last said how far it was
	}
	if e.Dropped > e.Reported {
		lost = e.Dropped - e.Reported
	}
	if told > stored {
		lost += told - stored
	}
	missed, err := e.Read(skip, see)
	return lost + missed, err
}

// recover does count, and makes a run of its own of what it reads, which it sends to sink. It returns the run's id and how many events
// it has, none when there are none or when they cannot be understood.
func (l *leftover) recover(of recording.Run, stored uint64, sink recording.Sink) (id recording.RunID, recovered, lost uint64, err error) {
	if !l.estate.Waits() {
		_ = sink.Close()
		lost, err = l.count(stored)
		return id, 0, lost, err
	}
	s, err := l.session(of, sink)
	if err != nil {
		_ = sink.Close()
		lost, err = l.count(stored) // at least that
		return id, 0, lost, err
	}
	defer s.close()
	p := s.probes
	s.out.mu.Lock()
	s.out.ledger.Captured++
	err = s.out.builder.Drop(0, 0, 0, "the beginning is run "+of.ID.String()+", whose smiley was killed; this was left in the program")
	var failed error
	if err == nil {
		lost, err = l.readAll(stored, func(r *ring.Record) bool {
			before := s.out.ledger.Captured
			if failed == nil {
				failed = p.record1(r)
			}
			return s.out.ledger.Captured != before
		})
	}
	s.out.mu.Unlock()
	failed = errors.Join(failed, s.engine.finish())
	now := time.Now()
	ledger, _, sunk := s.out.finish(recording.RunEnd{
		End: now, Duration: max(int64(now.Sub(s.run.Start)), p.latest), ExitCode: recording.ExitUnknown,
	})
	if sunk == nil && ledger.Stored > 0 {
		id, recovered = s.run.ID, ledger.Stored-1 // without the gap at its beginning
	}
	return id, recovered, lost, errors.Join(err, failed, sunk)
}

// session makes what turns records into events, as it was in the tracer that died.
func (l *leftover) session(of recording.Run, sink recording.Sink) (*session, error) {
	opt := &Options{
		Include: of.Settings.Include, Exclude: of.Settings.Exclude, IncludeDeps: of.Settings.IncludeDeps,
		IncludeStdlib: of.Settings.IncludeStdlib, MaxDepth: of.Settings.MaxDepth, Bounds: of.Settings.Bounds, Engine: EngineProbe,
	}
	s := &session{opt: opt, sink: sink, process: &process{pid: l.pid, terminal: -1}, run: of, collect: func() {}}
	s.target = &target{path: l.path, argv0: of.Program, name: of.Program, cleanup: func() {}}
	var err error
	if s.program, err = OpenProgram(l.path); err != nil {
		return nil, err
	}
	s.program.SetBias(l.bias)
	if s.run.ID, err = recording.NewRunID(); err != nil {
		s.close()
		return nil, err
	}
	s.out = newPipeline(s.run, sink)
	if err = s.newEngine(); err == nil {
		err = l.probes(s)
	}
	if err != nil {
		s.discard()
		s.close()
		return nil, err
	}
	return s, nil
}

// probes makes the handlers of all records.
func (l *leftover) probes(s *session) error {
	e, bias := l.estate, l.bias
	p := &probes{engine: s.engine, bias: bias}
	p.capturer = s.engine.capturer
	p.capturer.Memory = &p.memory
	p.capturer.Resolver = s.program.Resolver(&p.memory)
	p.nodes = newNodes(p.capturer.Types, s.opt.Bounds)
	other := recording.Errorf(recording.CodeDamaged, "what a tracer that died left does not fit the program")
	hooks := map[uint64]watched{}
	for _, w := range p.hooks(l.img, nil) {
		hooks[w.function.Addr] = w
	}
	list := make([]watched, len(e.Functions))
	for i, addr := range e.Functions {
		f := l.img.FunctionAt(addr)
		sym, ok := s.program.FunctionContaining(addr + bias)
		if f == nil || f.Addr != addr || !ok {
			return other
		}
		if e.Events(i) {
			list[i] = watched{function: f, symbol: &sym, traced: &traced{}}
		} else if list[i], ok = hooks[addr]; !ok {
			return other
		}
	}
	list, refused := p.watch(list, nil)
	if len(refused) > 0 {
		return other
	}
	for i := range list {
		w := &list[i]
		if entry, exit := w.captures(); !e.Fits(i, &entry.Capture, &exit.Capture) {
			return other
		}
		if w.traced != nil {
			p.add(w)
		}
	}
	p.watched = list
	p.hear()
	now := time.Now()
	p.installed = &install.Process{Pid: l.pid, Reader: e.Reader, Clock: ring.NewClock(now, ring.Ticks())}
	p.engine.lost = e.Reader.Lost
	p.shift = int64(now.Sub(s.run.Start))
	s.probes = p
	return nil
}
