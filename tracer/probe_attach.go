//go:build linux && amd64

package tracer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/install"
	places "smiley/tracer/probe/site"
)

// Attach records a running program from now on until ctx ends or the program does, and leaves it as it was. Of the options,
// those about building and starting mean nothing. The sink is closed. The program stands still for some milliseconds at
// the beginning and at the end.
func Attach(ctx context.Context, pid int, opt Options, sink recording.Sink) (Result, error) {
	opt.Engine = EngineProbe
	s := &session{opt: &opt, sink: sink, process: &process{pid: pid, terminal: -1}, collect: pauseCollection()}
	defer s.close()
	img, bias, err := s.find(pid)
	if err != nil {
		_ = sink.Close()
		return Result{}, err
	}
	s.out = preparePipeline(s.run, sink)
	if s.note, err = testament(&s.run, opt.Store); err != nil {
		s.discard()
		return Result{}, err
	}
	failure := s.armAttached(ctx, pid, img, bias)
	switch {
	case failure != nil && s.probes == nil:
		s.discard()
		return Result{}, unlessEnded(pid, failure)
	case failure != nil:
		failure = errors.Join(failure, s.leave(pid))
	default:
		failure = s.recordAttached(ctx, pid)
	}
	finished := time.Now()
	flushErr := errors.Join(s.noteLate(), s.engine.finish(), s.settleBudget())
	ledger, calls, sinkErr := s.out.finish(recording.RunEnd{
		End: finished, Duration: int64(finished.Sub(s.run.Start)), ExitCode: recording.ExitUnknown,
	})
	s.warnOfThreads()
	if sinkErr == nil {
		s.probes.installed.Settle()
	}
	ledger.Untraced = uint64(len(s.untraced))
	result := Result{
		Run: s.run.ID, Calls: calls, Ledger: ledger, Untraced: s.untraced, unmatched: s.engine.unmatched,
	}
	return result, errors.Join(failure, s.engine.failure, flushErr, sinkErr)
}

// recordAttached reads what the program writes until it is enough, or can no longer be kept, and leaves it.
func (s *session) recordAttached(ctx context.Context, pid int) error {
	if s.opt.MaxTime > 0 {
		limited, cancel := context.WithTimeout(ctx, s.opt.MaxTime)
		defer cancel()
		ctx = limited
	}
	over := make(chan struct{})
	until, stopWaiting := context.WithCancel(ctx)
	go func() {
		defer close(over)
		awaitProcess(until, pid, func() bool { return s.probes.installed.Gone() || s.out.failure() != nil })
	}()
	ticks := make(chan struct{})
	ticked := make(chan struct{})
	go func() {
		defer close(ticked)
		s.tick(ticks)
	}()
	s.probes.way = giveWay(!s.opt.DropWhenFull, false)
	s.probes.pump(over)
	s.probes.way.end()
	stopWaiting()
	<-over
	close(ticks)
	<-ticked
	return s.leave(pid)
}

// Detach takes out what a tracer that was killed left in a running program. heir is Options.Heir.
func Detach(pid int, heir func(*Inheritance) error) (c Cleaned, err error) {
	path, err := findProcess(pid)
	if err != nil {
		return Cleaned{}, err
	}
	defer func() { err = unlessEnded(pid, err) }()
	img, err := places.LoadAs(fmt.Sprintf("/proc/%d/exe", pid), path)
	if err != nil {
		return Cleaned{}, err
	}
	release, err := install.Claim(pid)
	if err != nil {
		return Cleaned{}, err
	}
	defer release()
	if err := unowned(pid); err != nil {
		return Cleaned{}, err
	}
	return takeOver(pid, img, heir)
}

// unowned makes sure that no living tracer is at work in a program. One that is attaching traces it until it has mapped the
// shared memory, so the order of the questions matters.
func unowned(pid int) error {
	if tracer := install.StatusNumber(pid, "TracerPid"); tracer != 0 { // a thread
		return recording.Errorf(recording.CodeLocked, "process %d is being traced by process %d", pid, install.LeaderOf(tracer)).
			WithHint("a program has one tracer at a time: end that one first")
	}
	owner, err := install.Owner(pid)
	if err != nil || owner == 0 {
		return err
	}
	return recording.Errorf(recording.CodeLocked, "process %d is being recorded by process %d", pid, owner).
		WithHint("kill -INT %d lets that one finish its recording and take its probes out", owner)
}

// unownedNow is unowned when nobody is just cleaning the program.
func unownedNow(pid int) error {
	release, err := install.Claim(pid)
	if err != nil {
		return err
	}
	defer release()
	return unowned(pid)
}

// takeOver takes out what a tracer that died left in the program, and hands what it had not stored to heir.
func takeOver(pid int, img *places.Image, heir func(*Inheritance) error) (c Cleaned, err error) {
	left, err := install.Left(pid, img)
	if err != nil {
		return c, err
	}
	if left {
		if err := unowned(pid); err != nil { // it may have come meanwhile
			return c, err
		}
		if err := install.Abandon(pid); err != nil {
			return c, err
		}
		if c.Bytes, err = install.Clean(pid, img); err != nil {
			return c, err
		}
	}
	// A tracer that was killed while it left has left the signal handler at least.
	more, whole, err := install.Settle(pid, img)
	c = Cleaned{Bytes: c.Bytes + more, Whole: whole}
	if err != nil || heir == nil {
		return c, err
	}
	// No thread is in a routine any more, or it is hopeless to wait for it: what is in the rings now is all there will be.
	c.Inherited = inherit(pid, img, heir)
	return c, nil
}

// find reads everything about the program that can be read while it runs.
func (s *session) find(pid int) (img *places.Image, bias uint64, err error) {
	path, err := findProcess(pid)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = unlessEnded(pid, err) }()
	if err := unownedNow(pid); err != nil {
		return nil, 0, err
	}
	file := fmt.Sprintf("/proc/%d/exe", pid) // also when the file was replaced meanwhile
	s.target = &target{path: file, argv0: path, name: path, cleanup: func() {}}
	if s.filter, err = newFilter(s.opt); err != nil {
		return nil, 0, err
	}
	if s.program, err = beginProgram(file, path, s.loadImage); err != nil {
		return nil, 0, err
	}
	if img, err = s.image.wait(); err != nil {
		return nil, 0, err
	}
	if bias, err = install.Bias(pid, img); err != nil {
		return nil, 0, err
	}
	s.program.SetBias(bias)
	id, err := recording.NewRunID()
	if err != nil {
		return nil, 0, recording.Errorf(recording.CodeInternal, "cannot make a run id: %w", err)
	}
	host, _ := os.Hostname()
	cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	var args []string
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil {
		args = strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")[1:]
	}
	info := s.program.BuildInfo()
	s.run = recording.Run{
		ID: id, Program: path, Args: args, Cwd: cwd, Host: host, PID: pid,
		GoVersion: info.GoVersion, GoOS: runtime.GOOS, GoArch: runtime.GOARCH,
		Module: info.Main.Path, Revision: revision(info), Start: time.Now(),
		Settings: s.opt.settings(EngineProbe),
	}
	return img, bias, nil
}

// armAttached puts probes into the running program.
func (s *session) armAttached(ctx context.Context, pid int, img *places.Image, bias uint64) error {
	if err := s.newEngine(); err != nil {
		return err
	}
	if err := s.choose(fmt.Sprintf("process %d", pid)); err != nil {
		return err
	}
	s.inlined = s.program.inlinedInPart() // nobody is warned: it is built as it is, but those who look at the run are told
	s.sendSources()
	release, err := install.Claim(pid)
	if err != nil {
		return err
	}
	defer release()
	if errors.Is(ctx.Err(), context.Canceled) { // that a deadline has passed is no reason to record nothing at all
		return recording.Errorf(recording.CodeCanceled, "interrupted: %w", ctx.Err())
	}
	if err := unowned(pid); err != nil { // it may have come while everything was read
		return err
	}
	cleaned, err := takeOver(pid, img, s.opt.Heir)
	if err != nil {
		return err
	}
	if cleaned.Inherited != nil { // this run is none the worse for it
		warn(s.opt, asWarning(cleaned.Inherited))
	}
	refused, err := s.putProbes(img, bias, s.chosen.traced, func(wanted []install.Probe, o install.Options) (*install.Process, error) {
		return install.Attach(pid, img, wanted, o)
	})
	if err != nil {
		return errors.Join(err, s.putBack(pid, img))
	}
	s.out.begin()
	defer s.probes.beating()() // long sources of many functions, or a slow sink, take their time
	_, refused = s.breakpointsFor(refused)
	return s.noteUntraced(slices.Concat(s.chosen.untraced, refused, s.probes.unhooked))
}

// putBack takes out of a program what an attach that failed halfway has put in.
func (s *session) putBack(pid int, img *places.Image) error {
	left, err := install.Left(pid, img)
	if err != nil || !left {
		return err
	}
	if err := install.Abandon(pid); err != nil {
		return err
	}
	if _, err := install.Clean(pid, img); err != nil {
		return err
	}
	_, whole, err := install.Settle(pid, img)
	if err == nil && !whole {
		warn(s.opt, StillLeaving(pid))
	}
	return err
}

// leave takes the probes out and reads what was still written.
func (s *session) leave(pid int) error {
	gone := func() bool { return !lives(pid) || s.probes.installed.Gone() }
	if gone() {
		s.probes.drain()
		return nil
	}
	err := s.probes.installed.Remove()
	s.probes.readOut()
	if err != nil && hasEnded(pid) {
		return nil
	}
	if err != nil {
		return err
	}
	// The handler of signals comes last. A program that has just ended needs it no more.
	img, err := s.image.wait()
	if err != nil {
		return err
	}
	_, whole, err := install.Settle(pid, img)
	s.probes.drain() // what the last threads wrote on their way out
	switch {
	case gone() || err != nil && hasEnded(pid):
		return nil
	case err == nil && !whole:
		warn(s.opt, StillLeaving(pid))
	}
	return err
}

// readOut reads what threads write that were under way in routines, or waiting for room, when the probes were taken out.
func (p *probes) readOut() {
	const (
		silent = 3 // times in a row that nothing was written
		pause  = time.Millisecond
		limit  = time.Second // a ring of another's making could be filled for ever
	)
	empty := 0
	for deadline := time.Now().Add(limit); empty < silent && time.Now().Before(deadline); {
		p.installed.Reader.Beat()
		if p.drain() > 0 {
			empty = 0
			continue
		}
		empty++
		time.Sleep(pause) // a waiting thread looks every 20 µs; nothing tells when it does
	}
	p.installed.Reader.Abandon() // nobody waits for us from here on
	p.drain()
}

// awaitProcess returns when ctx ends or a process that is not our child does, or when over says that there is nothing to wait for any more.
func awaitProcess(ctx context.Context, pid int, over func() bool) {
	const often = 100 * time.Millisecond // nothing tells of an exec by itself
	if fd, err := unix.PidfdOpen(pid, 0); err == nil {
		defer func() { _ = unix.Close(fd) }()
		for {
			ended, err := awaitEnd(ctx, fd, often)
			if ended || ctx.Err() != nil || over() {
				return
			}
			if err != nil {
				break
			}
		}
	}
	ticker := time.NewTicker(often) // the kernel, or a sandbox, has no means for it
	defer ticker.Stop()
	for lives(pid) && !over() {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
