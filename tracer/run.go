//go:build linux && amd64

package tracer

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// running says that a program is being traced: Delve waits for all children of the process at once, so that there can be
// one at a time.
var running atomic.Bool

// collectLater is how long after a run garbage is collected again: a process that records one program has ended until then.
const collectLater = 200 * time.Millisecond

// cutEvery is how often what was captured is sent on, so that a reader sees a live run and a crash takes no more: with the
// time after which blocks go to a spool, less than a quarter of a second.
const cutEvery = 200 * time.Millisecond

// Run runs a program to its end and sends what it does to sink, which it closes. When ctx ends, the program is killed and
// what was captured is kept.
//
// The error is about the recording: the program could not be found, built or started (then nothing was sent), or the
// recording broke off. A program that was started always runs to its own end, and the Result says how it ended even when
// there is an error. A process can run one program at a time, and must not wait for other children meanwhile.
func Run(ctx context.Context, opt Options, sink recording.Sink) (Result, error) {
	if !running.CompareAndSwap(false, true) {
		_ = sink.Close()
		return Result{}, recording.Errorf(recording.CodeUnsupported, "this process is running a program already")
	}
	defer running.Store(false)
	s := &session{opt: &opt, sink: sink, collect: pauseCollection()}
	defer s.close()
	err := s.prepare(ctx)
	if err == nil && opt.Start != nil {
		err = opt.Start()
	}
	if err != nil {
		_ = sink.Close()
		return Result{}, err
	}
	// Our thread is the program's parent: see launch.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := s.launch(); err != nil {
		_ = sink.Close()
		return Result{}, err
	}
	return s.record(ctx)
}

// session is one run in the making.
type session struct {
	opt      *Options
	sink     recording.Sink
	filter   *filter
	target   *target
	program  *Program
	image    imageLoader
	process  *process
	engine   *engine
	probes   *probes // nil: breakpoints
	out      *pipeline
	run      recording.Run
	chosen   chosen
	traced   int // functions with probes or breakpoints
	untraced []recording.Function
	inlined  map[string]bool // names of functions that were inlined at some of their calls
	sources  func() error    // waits until they are sent; nil: there are none to wait for
	note     []byte          // for who comes when this tracer has died
	collect  func()          // garbage again
	guardian *os.File        // a socket to who comes when this tracer dies; nil: nobody does
}

// chosen are the functions that are to be recorded, and those of them that cannot be.
type chosen struct{ traced, untraced []Symbol }

// choose finds the functions that are to be recorded, and says what a person will miss. The program goes by the name that they gave it.
func (s *session) choose(name string) error {
	var err error
	s.chosen.traced, s.chosen.untraced, err = s.filter.choose(s.program.Functions(), func(e *recording.Error) { warn(s.opt, e) })
	if err != nil || len(s.chosen.traced) > 0 {
		return err
	}
	hint := "--include, --include-deps and --include-stdlib add some"
	if len(s.opt.Exclude) > 0 {
		hint += "; what --exclude names is left out all the same"
	}
	warn(s.opt, recording.Errorf(recording.CodeNotFound, "no function of %s will be recorded", name).WithHint("%s", hint))
	return nil
}

// move turns addresses of the file into those of the program.
func (c *chosen) move(bias uint64) {
	if bias == 0 {
		return
	}
	for _, list := range [][]Symbol{c.traced, c.untraced} {
		for i := range list {
			if list[i].Entry != 0 { // else it has no code
				list[i].Entry += bias
				list[i].End += bias
			}
		}
	}
}

func (s *session) close() {
	time.AfterFunc(collectLater, s.collect)
	if s.probes != nil {
		_ = s.probes.installed.Close() // the program has ended
	}
	if s.guardian != nil {
		_ = s.guardian.Close() // not before all is accounted for
	}
	_, _ = s.image.wait() // it reads what is about to go
	if s.engine != nil {
		s.engine.memory.close()
	}
	if s.program != nil {
		_ = s.program.Close()
	}
	if s.target != nil {
		s.target.cleanup()
	}
}

// prepare does all that can fail because of what the person asked for, before anything runs.
func (s *session) prepare(ctx context.Context) error {
	err := seesProcesses()
	if err != nil {
		return err
	}
	if s.filter, err = newFilter(s.opt); err != nil {
		return err
	}
	if s.target, err = resolve(ctx, s.opt, s.filter.include); err != nil {
		return err
	}
	s.filter.built = s.target.built
	if s.program, err = beginProgram(s.target.path, s.target.path, s.loadImage); err != nil {
		return err
	}
	if err := s.choose(s.opt.Target); err != nil {
		return err
	}
	if s.program.Stripped() && len(s.chosen.traced) > 0 {
		warn(s.opt, recording.Errorf(recording.CodeUnsupported, "%s is stripped: calls are recorded without their values", s.opt.Target).
			WithHint("build it without -ldflags=-w or -s"))
	}
	s.warnOfInlined(s.chosen.traced)
	s.warnOfRights()
	if ctx.Err() != nil {
		return recording.Errorf(recording.CodeCanceled, "interrupted: %w", ctx.Err())
	}
	return nil
}

// inlinedSome is the reason that a traced function carries when calls of it are missing.
const inlinedSome = "inlined at some of its calls, which are not recorded"

// warnOfInlined names functions whose recorded calls are not all there were.
func (s *session) warnOfInlined(traced []Symbol) {
	const named = 3
	s.inlined = s.program.inlinedInPart()
	var names []string
	for i := range traced {
		if s.inlined[traced[i].Name] && !slices.Contains(names, traced[i].Name) {
			names = append(names, traced[i].Name)
		}
	}
	if len(names) == 0 {
		return
	}
	shown := strings.Join(names[:min(named, len(names))], ", ")
	if more := len(names) - named; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	warn(s.opt, recording.Errorf(recording.CodeUnsupported, "the compiler inlined calls of %s, which are not recorded", shown).
		WithHint("give smiley the package instead of the binary to build it without inlining"))
}

// launch starts the program, stopped at its first instruction, and describes the run.
func (s *session) launch() error {
	id, err := recording.NewRunID()
	if err != nil {
		return recording.Errorf(recording.CodeInternal, "cannot make a run id: %w", err)
	}
	argv := append([]string{s.target.argv0}, s.opt.Args...)
	if s.process, err = launch(s.target, argv, s.opt, s.program.Stripped()); err != nil {
		return err
	}
	bias, err := s.process.held.Bias(s.program.EntryPoint())
	if err != nil {
		s.process.abandon()
		return err
	}
	s.program.SetBias(bias)
	s.chosen.move(bias)
	if s.opt.engine() == EngineBreakpoint {
		if err := s.process.toDelve(); err != nil {
			s.process.abandon()
			return err
		}
	}
	host, _ := os.Hostname()
	cwd := s.opt.Dir
	if cwd == "" {
		cwd, _ = os.Getwd()
	}
	info := s.program.BuildInfo()
	s.run = recording.Run{
		ID: id, Program: s.target.name, Args: s.opt.Args, Cwd: cwd, Host: host, PID: s.process.pid,
		GoVersion: info.GoVersion, GoOS: runtime.GOOS, GoArch: runtime.GOARCH,
		Module: info.Main.Path, Revision: revision(info), Start: time.Now(),
		Settings: s.opt.settings(s.opt.engine()),
	}
	if s.opt.Guardian != nil {
		if s.note, err = testament(&s.run, s.opt.Store); err != nil {
			s.process.abandon()
		}
	}
	return err
}

func revision(info *buildinfo.BuildInfo) string {
	var rev, dirty string
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			rev = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			dirty = "+dirty"
		}
	}
	if rev == "" {
		return ""
	}
	return rev + dirty
}

// record runs the launched program to its end.
func (s *session) record(ctx context.Context) (Result, error) {
	defer s.process.restoreTerminal()
	ignored := s.hearIgnored()
	s.out = newPipeline(s.run, s.sink)
	s.sendSources()
	setupErr := errors.Join(s.arm(), s.sourcesSent())
	if setupErr != nil {
		s.engine.fail(setupErr)
		_ = s.process.clearBreakpoints()
	}
	stop := s.attend(ctx, ignored)
	end, engineErr := s.drive()
	finished := time.Now()
	stop()
	flushErr := errors.Join(s.engine.finish(), s.settleBudget())
	message, stack := s.engine.crash.report()
	last := recording.RunEnd{
		End: finished, Duration: int64(finished.Sub(s.run.Start)), ExitCode: end.code, Error: message, Stack: stack,
	}
	if end.signal != 0 {
		last.Signal = signalName(end.signal)
	}
	ledger, calls, sinkErr := s.out.finish(last)
	s.warnOfThreads()
	if s.probes != nil {
		s.probes.installed.Settle() // what is missing now is said in the error
	}
	ledger.Untraced = uint64(len(s.untraced))
	result := Result{
		Run: s.run.ID, ExitCode: end.code, Signal: last.Signal, Error: message, Calls: calls, Traced: s.traced,
		Ledger: ledger, Untraced: s.untraced,
		unmatched: s.engine.unmatched, repeated: s.engine.repeated, idle: s.engine.idle,
		living: len(s.engine.goroutines),
	}
	return result, errors.Join(setupErr, engineErr, s.engine.failure, flushErr, sinkErr)
}

// sendSources begins to send the source files of the functions that are to be recorded, on a goroutine that sourcesSent waits for.
func (s *session) sendSources() {
	files := s.program.takeSources(s.chosen.traced)
	sent := make(chan error, 1)
	go func() { sent <- s.out.sendSources(files, s.program.readSource) }()
	s.sources = sync.OnceValue(func() error { return <-sent })
}

// sourcesSent waits until the source files were sent, if they are. Before, no definition may be.
func (s *session) sourcesSent() error {
	if s.sources == nil {
		return nil
	}
	return s.sources()
}

// discard ends the pipeline of a run that never began, and what adds to it.
func (s *session) discard() {
	s.out.giveUp()
	_ = s.sourcesSent() // they were not
	s.out.discard()
}

// hearIgnored begins to take the signals that we were started to ignore. Not before the program was started, or it would not have inherited
// that they are ignored; not after it was let go, because it may soon wait for them.
func (s *session) hearIgnored() chan os.Signal {
	ignored := make(chan os.Signal, 8)
	if len(s.opt.Ignored) > 0 {
		signal.Notify(ignored, s.opt.Ignored...)
	}
	return ignored
}

// attend starts what goes on beside the engine: the regular cut, and whoever wants to stop the program, ignored signals among them. The
// returned function ends all of it and waits for it.
func (s *session) attend(ctx context.Context, ignored chan os.Signal) (stop func()) {
	done := make(chan struct{})
	own, _ := ownScheduling() // before anything is given away
	var all sync.WaitGroup
	all.Add(4)
	go func() {
		defer all.Done()
		s.appoint(done, own)
	}()
	go func() {
		defer all.Done()
		s.followJob(done)
	}()
	go func() {
		defer all.Done()
		s.tick(done)
	}()
	go func() {
		defer all.Done()
		s.forward(ctx, ignored, done)
	}()
	return func() {
		signal.Stop(ignored)
		close(done)
		all.Wait()
	}
}

func (s *session) tick(done <-chan struct{}) {
	ticker := time.NewTicker(cutEvery)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			s.collect()     // not at once: what a short program leaves is not worth it
			_ = s.out.cut() // a refusal of the sink shows at the engine's next event, or at the end
			if s.opt.Progress != nil {
				progress := s.out.progress(s.run.ID)
				if s.probes != nil {
					s.probes.tell(&progress)
				}
				s.opt.Progress(progress)
			}
		}
	}
}

// forward passes signals on to the program. The second request to end kills it, but none of those that we were started to ignore.
func (s *session) forward(ctx context.Context, ignored <-chan os.Signal, done <-chan struct{}) {
	requests := 0
	canceled := ctx.Done()
	for {
		select {
		case <-done:
			return
		case sig := <-ignored:
			if number, ok := sig.(syscall.Signal); ok {
				_ = unix.Kill(s.process.pid, number)
			}
		case <-canceled:
			canceled = nil
			_ = unix.Kill(s.process.pid, unix.SIGKILL)
		case sig := <-s.opt.Signals:
			number, ok := sig.(syscall.Signal)
			if !ok {
				continue
			}
			if number == syscall.SIGINT || number == syscall.SIGTERM {
				requests++
			}
			if requests > 1 {
				number = syscall.SIGKILL
			}
			_ = unix.Kill(s.process.pid, number)
		}
	}
}
