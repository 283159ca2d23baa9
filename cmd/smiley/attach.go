package main

import (
	"cmp"
	"context"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"smiley/recording"
	"smiley/store"
	"smiley/tracer"
)

func (a *app) attachCommand() *cobra.Command {
	capture := newCaptureFlags()
	var quiet bool
	var span time.Duration
	var remote remoteFlags
	command := &cobra.Command{
		Use:   "attach PID",
		Short: "Record a program that is running",
		Long: `Record a running program from now on, until Ctrl-C, until --for or --calls is over, or until the program ends. It is stopped for some
milliseconds at the beginning and at the end, and left as it was: every byte of its code is put back.

Calls that had begun before are not recorded, and neither is how the program ends. The program is recorded as it was built: what the
compiler inlined leaves no calls.

If smiley is killed meanwhile, the program goes on; smiley detach PID then takes the probes out.`,
		Example: `  smiley attach 4711
  smiley attach 4711 --for 10s --include 'main.handle...'
  smiley attach $(pgrep server) --calls 1000000`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			pid, err := parsePID(args[0])
			if err != nil {
				return err
			}
			options, err := capture.traceOptions()
			if err != nil {
				return err
			}
			if span < 0 {
				return recording.Errorf(recording.CodeInvalid, "--for cannot be %s", span).WithHint("give a duration such as 10s")
			}
			options.MaxTime, options.MaxCalls = span, capture.options.MaxCalls
			if remote.recorder != "" {
				return a.attachRemote(cmd.Context(), pid, options, quiet, &remote)
			}
			return a.attach(cmd.Context(), pid, options, quiet)
		},
	}
	capture.register(command)
	remote.registerSending(command)
	command.Flags().DurationVar(&span, "for", 0, "detach after recording for this time; 0 is no limit")
	command.Flags().Uint64Var(&capture.options.MaxCalls, "calls", 0, "detach after this many calls; 0 is no limit")
	command.Flags().BoolVarP(&quiet, "quiet", "q", false, "say nothing unless something is wrong")
	return command
}

func (a *app) detachCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "detach PID",
		Short: "Take out what a killed smiley left in a running program",
		Long: `Take out the probes that a smiley that was killed left in a running program. Every byte of its code is put back, the head of the
runtime's signal handler last, when no thread is in a probe any longer. What that smiley had not read becomes a run, and how
many events were lost is noted in its own run, if that is in this database. A smiley that is alive detaches by itself, at Ctrl-C.`,
		Example: `  smiley detach 4711`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			pid, err := parsePID(args[0])
			if err != nil {
				return err
			}
			return a.detach(cmd.Context(), pid)
		},
	}
}

// detach cleans up after a smiley that was killed.
func (a *app) detach(ctx context.Context, pid int) error {
	cleaned, err := tracer.Detach(pid, a.laterHeir(ctx))
	switch {
	case err != nil:
		return err
	case !cleaned.Whole:
		a.sayError(tracer.StillLeaving(pid))
	case cleaned.Bytes == 0:
		err = a.say("there is nothing of smiley in process %d", pid)
	default:
		err = a.say("process %d is as it was: %d bytes of its code were put back", pid, cleaned.Bytes)
	}
	if lost := cleaned.Inherited; recording.CodeOf(lost) != recording.CodeNotFound {
		return cmp.Or(lost, err)
	}
	a.fail(nil, cleaned.Inherited) // another database is no failure of this command
	return err
}

func parsePID(text string) (int, error) {
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 0 {
		return 0, recording.Errorf(recording.CodeInvalid, "%q is no process id", text).WithHint("pgrep NAME finds one")
	}
	return pid, nil
}

// attach records a running program into the store.
func (a *app) attach(ctx context.Context, pid int, options tracer.Options, quiet bool) error {
	recordings, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	options.Store, options.Heir = recordings.File(), a.heir(ctx, recordings)
	result, err := a.record(ctx, func() *store.Store { return recordings }, func(sink recording.Sink) (tracer.Result, error) {
		return a.traceAttached(ctx, pid, options, quiet, sink)
	})
	if err == nil && (!quiet || result.Ledger.Dropped > 0) {
		err = a.sayResult(ctx, recordings.Reader, result)
	}
	if closed := recordings.Close(); err == nil {
		err = closed
	}
	return err
}

// attachRemote records a running program, and sends the recording to a recorder.
func (a *app) attachRemote(ctx context.Context, pid int, options tracer.Options, quiet bool, f *remoteFlags) error {
	options.Store, options.Heir = f.recorder, a.laterHeir(ctx)
	program := "process " + strconv.Itoa(pid)
	return a.sendTo(ctx, program, options.DropWhenFull, quiet, f, func(sink recording.Sink) (tracer.Result, error) {
		return a.traceAttached(ctx, pid, options, quiet, sink)
	})
}

// leaveOn are the signals that end an attach: a person's, of which SIGQUIT would leave the probes where they are, a system's, and that of a
// terminal that is closed, unless whoever started smiley wants it to live on (nohup).
func leaveOn() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// traceAttached sends blocks of a running program to sink until a person ends that, or it is enough. A request to end leaves the
// program; what is under way to the sink still gets there.
func (a *app) traceAttached(
	ctx context.Context, pid int, options tracer.Options, quiet bool, sink recording.Sink,
) (tracer.Result, error) {
	until, stop := signal.NotifyContext(ctx, leaveOn()...)
	defer stop()
	options.Warn = a.sayError
	defer a.showProgress(&options, quiet)()
	return tracer.Attach(until, pid, options, sink)
}
