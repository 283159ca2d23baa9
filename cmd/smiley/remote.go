package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"smiley/export"
	"smiley/recording"
	"smiley/tracer"
	"smiley/transport"
	"smiley/transport/keyring"
)

// remoteFlags are the flags of commands that send to a recorder.
type remoteFlags struct {
	recorder   string
	insecure   bool
	spoolBytes int64
	holdFor    time.Duration
}

func (f *remoteFlags) register(command *cobra.Command) {
	command.Flags().BoolVar(&f.insecure, "insecure", false, "talk to a recorder on another machine without keys, for all to read and forge")
}

// registerSending adds the flags of the commands that record and send.
func (f *remoteFlags) registerSending(command *cobra.Command) {
	command.Flags().StringVar(&f.recorder, "remote", "", "send the recording to the recorder at this address (tcp://HOST:PORT or ipc://PATH)")
	command.Flags().Int64Var(&f.spoolBytes, "spool-bytes", 4<<30, "with --remote: bytes to keep on disk while the recorder cannot be reached; 0: nothing, and what it has not acknowledged in the end is lost")
	command.Flags().DurationVar(&f.holdFor, "hold", time.Minute, "with --remote and --on-full wait: how long the program is held when memory and spool are full, before events are dropped and counted")
	f.register(command)
}

// checkSending checks the flags of registerSending.
func (f *remoteFlags) checkSending() error {
	if f.spoolBytes < 0 {
		return recording.Errorf(recording.CodeInvalid, "--spool-bytes cannot be %d", f.spoolBytes).
			WithHint("give a number of bytes; 0 keeps nothing on disk")
	}
	if f.holdFor <= 0 {
		return recording.Errorf(recording.CodeInvalid, "--hold cannot be %v", f.holdFor).
			WithHint("give a time such as 30s; --on-full drop does not hold the program at all")
	}
	return nil
}

// spoolDir returns the directory where blocks wait that could not be delivered.
func spoolDir() (string, error) {
	// The specification of these directories says that a relative path is to be ignored.
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", recording.Errorf(recording.CodeNotFound, "no place for blocks that cannot be delivered: %w", err).
				WithHint("set HOME, or XDG_STATE_HOME to an absolute path")
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "smiley", "spool"), nil
}

// remoteOptions says how to reach a recorder, with the keys that this takes.
func (a *app) remoteOptions(f *remoteFlags, address string) (transport.RemoteOptions, error) {
	o := transport.RemoteOptions{
		Software: currentVersions().Smiley, SpoolBytes: f.spoolBytes, HoldFor: f.holdFor, Insecure: f.insecure,
		Warn: func(text string) { _ = a.say("warning: %s", text) },
	}
	err := transport.Available() // said before a program runs that would not be recorded
	if err != nil {
		return o, err
	}
	if o.Recorder, err = transport.ParseEndpoint(address); err != nil {
		return o, err
	}
	if o.SpoolDir, err = spoolDir(); err != nil {
		return o, err
	}
	o.Keys, err = clientKeys(o.Recorder, f.insecure)
	return o, err
}

// clientKeys are the keys to talk to a recorder with, nil when it takes none. One that is reached on this machine takes some
// when its key was noted down: it may listen beyond the machine, or be at the other end of a tunnel.
func clientKeys(recorder transport.Endpoint, insecure bool) (*transport.ClientKeys, error) {
	if insecure {
		return nil, nil
	}
	ring, err := keyring.Default()
	if err != nil && recorder.Local() {
		return nil, nil // there is no place where a key could have been noted down
	}
	if err != nil {
		return nil, err
	}
	known, unknown := ring.Recorder(recorder)
	if recorder.Local() && recording.CodeOf(unknown) == recording.CodeNotFound {
		return nil, nil
	}
	own, err := ownKeys(ring, recorder)
	if err != nil {
		return nil, err
	}
	if unknown != nil {
		return nil, unknown
	}
	return &transport.ClientKeys{Own: own, Recorder: known}, nil
}

// remoteSink is a connection to a recorder that is made when the first block says which run it is for. Its methods are
// called by one goroutine.
type remoteSink struct {
	ctx     context.Context
	options transport.RemoteOptions
	remote  *transport.Remote                // nil before the first block
	full    atomic.Pointer[transport.Remote] // the same, for Full
}

// Full implements recording.FullSink. Any goroutine may call it.
func (s *remoteSink) Full() bool {
	remote := s.full.Load()
	return remote != nil && remote.Full()
}

// Send implements recording.Sink.
func (s *remoteSink) Send(encoded []byte) error {
	if s.remote == nil {
		head, err := recording.ParseHeader(encoded)
		if err != nil {
			return err
		}
		s.options.Run = head.Run
		if s.remote, err = transport.Dial(s.ctx, s.options); err != nil {
			return err
		}
		s.full.Store(s.remote)
	}
	return s.remote.Send(encoded)
}

// Close implements recording.Sink.
func (s *remoteSink) Close() error {
	if s.remote == nil {
		return nil
	}
	return s.remote.Close()
}

// runRemote records a program, and sends the recording to a recorder.
func (a *app) runRemote(ctx context.Context, options tracer.Options, quiet bool, f *remoteFlags) error {
	return a.sendTo(ctx, options.Target, options.DropWhenFull, quiet, f, func(sink recording.Sink) (tracer.Result, error) {
		result, err := a.trace(ctx, options, quiet, sink)
		a.status = result.Status()
		if err != nil && result.Run != (recording.RunID{}) {
			_ = a.say("the program ended with status %d", result.Status())
		}
		return result, err
	})
}

// sendTo lets trace record a program, sends its blocks to a recorder, and says what became of them.
func (a *app) sendTo(
	ctx context.Context, program string, drop, quiet bool, f *remoteFlags, trace func(recording.Sink) (tracer.Result, error),
) error {
	if err := f.checkSending(); err != nil {
		return err
	}
	o, err := a.remoteOptions(f, f.recorder)
	if err != nil {
		return err
	}
	o.Program, o.Drop, o.Overflow = program, drop, true

	// Blocks of earlier runs that are still here have the time of this run to be delivered.
	earlier, cancel := context.WithCancel(ctx)
	var delivery sync.WaitGroup
	var delivered []string
	delivery.Go(func() { delivered = pushEarlier(earlier, o) })
	if f.spoolBytes == 0 {
		o.SpoolDir = ""
	}
	sink := &remoteSink{ctx: ctx, options: o}
	result, err := trace(sink)
	cancel()
	delivery.Wait()
	if err != nil {
		if sink.remote != nil && result.Run != (recording.RunID{}) {
			_ = a.say("run %s is not whole at %s", result.Run, o.Recorder)
		}
		return err
	}
	if !quiet {
		for _, line := range delivered {
			_ = a.say("%s", line)
		}
	}
	return a.sayRemoteResult(result, sink, quiet)
}

// sayRemoteResult is the one line at the end: which run, where it is, and what still waits to be delivered.
func (a *app) sayRemoteResult(result tracer.Result, sink *remoteSink, quiet bool) error {
	if sink.remote == nil {
		return nil
	}
	stats := sink.remote.Stats()
	waiting := stats.Unacknowledged
	if quiet && waiting == 0 && result.Ledger.Dropped == 0 {
		return nil
	}
	lost := "nothing lost"
	if result.Ledger.Dropped > 0 {
		lost = export.Plural(result.Ledger.Dropped, "event") + " lost"
	}
	if waiting == 0 {
		return a.say("run %s: %s, %s; it is at %s", result.Run, export.Plural(result.Calls, "call"), lost, sink.options.Recorder)
	}
	reason := stats.LastError
	if failure := sink.remote.Failure(); failure != nil {
		reason = failure.Error()
	}
	return a.say("run %s: %s, %s, but %s could not be delivered to %s (%s), kept in %s; deliver with: smiley push",
		result.Run, export.Plural(result.Calls, "call"), lost, export.Plural(uint64(waiting), "block"), sink.options.Recorder,
		export.Escape(reason), sink.remote.SpoolDir())
}
