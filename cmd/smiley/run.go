package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
	"smiley/store"
	"smiley/tracer"
	"smiley/transport"
)

// blocksInFlight is how many blocks may be under way to the store before the program waits for it.
const blocksInFlight = 16

// signalsInFlight is how many signals may wait to be passed on to the program.
const signalsInFlight = 16

func (a *app) runCommand() *cobra.Command {
	capture := newCaptureFlags()
	var buildFlags, engine string
	var tags, lines []string
	var quiet bool
	var remote remoteFlags
	command := &cobra.Command{
		Use:   "run [flags] TARGET [-- ARGS]",
		Short: "Run a program and record what it does",
		Long: `Run a program and record every call of its functions, with arguments, results, goroutine and time.

TARGET is a binary, a package (./cmd/x, ., an import path) or a .go file. Packages and files are built first, their own module
without inlining so that every call can be seen. The program owns standard input, output and error as if it had been
started without smiley; signals reach it, and a second SIGINT or SIGTERM kills it, with everything captured so far kept. smiley
exits with the program's status (128+n when signal n ended it), or with 125 when smiley itself fails.

By default the functions of the main module are recorded. A pattern names a package ("example.com/m/...") or a function
("main.(*Cart).Add"), "..." standing for any text; with --include only what it names is recorded.

Calls are captured by probes, small pieces of code in the program that cost it less than a tenth of a microsecond. A few functions
have no room for one; those that --include names without "..." get a breakpoint, which stops the whole program at every call, and
the others are listed by smiley show.`,
		Example: `  smiley run ./cmd/server -- --port 8080
  smiley run . --exclude 'example.com/m/log/...'
  smiley run ./server --include 'main.handle...' --include 'example.com/m/db/...'
  smiley run ./bin/tool --include-deps --max-depth 4
  smiley run . --lines main.parse`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || cmd.ArgsLenAtDash() == 0 {
				return errors.New("what should be run? a binary, a package or a .go file is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := capture.traceOptions()
			if err != nil {
				return err
			}
			options.Target, options.Args = args[0], args[1:]
			options.BuildFlags, options.Tags = strings.Fields(buildFlags), tags
			switch options.Engine = tracer.Engine(engine); options.Engine {
			case tracer.EngineAuto, tracer.EngineProbe, tracer.EngineBreakpoint:
			default:
				return recording.Errorf(recording.CodeInvalid, "there is no engine %q", engine).WithHint("--engine auto, probe or breakpoint")
			}
			if options.Lines = lines; len(lines) > 0 && options.Engine == tracer.EngineProbe {
				return recording.Errorf(recording.CodeInvalid, "lines need breakpoints, and --engine probe allows none").WithHint("leave --engine out")
			}
			if remote.recorder != "" {
				return a.runRemote(cmd.Context(), options, quiet, &remote)
			}
			return a.run(cmd.Context(), options, quiet)
		},
	}
	flags := command.Flags()
	flags.StringVar(&buildFlags, "build-flags", "", "further flags for go build, separated by spaces")
	flags.StringSliceVar(&tags, "tags", nil, "build tags")
	flags.StringArrayVar(&lines, "lines", nil, "record each line of these functions, with its variables; every line stops the program for about a millisecond")
	flags.StringVar(&engine, "engine", string(tracer.EngineAuto), "how calls are captured: auto, probe or breakpoint")
	capture.register(command)
	remote.registerSending(command)
	flags.BoolVarP(&quiet, "quiet", "q", false, "say nothing unless something is wrong")
	return command
}

// run records a program into the store, through the channel that a remote recorder would be at the other end of.
func (a *app) run(ctx context.Context, options tracer.Options, quiet bool) error {
	recordings, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	guardRun(&options, recordings)
	result, err := a.record(ctx, recordings, func(sink recording.Sink) (tracer.Result, error) {
		return a.trace(ctx, options, quiet, sink)
	})
	if err == nil && (!quiet || result.Ledger.Dropped > 0) {
		err = a.sayResult(ctx, recordings.Reader, result)
	}
	if closed := recordings.Close(); err == nil {
		err = closed
	}
	if err != nil && result.Run != (recording.RunID{}) {
		_ = a.say("the program ended with status %d; what was recorded until the failure is in run %s", result.Status(), result.Run)
	}
	a.status = result.Status()
	return err
}

// record lets trace record a program and keeps its blocks until the last one is committed.
func (a *app) record(
	ctx context.Context, recordings *store.Store, trace func(recording.Sink) (tracer.Result, error),
) (tracer.Result, error) {
	sink, receiver := transport.Local(blocksInFlight)
	kept := make(chan error, 1)
	go func() {
		kept <- transport.Record(ctx, receiver, func(encoded []byte) error {
			_, err := recordings.Append(ctx, encoded)
			return err
		})
	}()
	result, err := trace(sink)
	if failed := <-kept; err == nil {
		err = failed
	}
	return result, err
}

// trace runs the program and sends its blocks to sink.
func (a *app) trace(ctx context.Context, options tracer.Options, quiet bool, sink recording.Sink) (tracer.Result, error) {
	signals := make(chan os.Signal, signalsInFlight)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)
	options.Signals = signals
	options.Stdin, options.Stdout, options.Stderr = a.files.stdin, a.files.stdout, a.files.stderr
	options.Warn = a.sayError
	defer a.showProgress(&options, quiet)()
	return tracer.Run(ctx, options, sink)
}

// showProgress has the options show how far a recording has come, on a terminal. The returned function takes that away.
func (a *app) showProgress(options *tracer.Options, quiet bool) (clear func()) {
	counter := newCounter(a.files)
	if counter == nil || quiet {
		return func() {}
	}
	options.Progress = counter.show
	return counter.clear
}

// sayResult is the one line at the end: which run, how much of it there is, and how to look at it.
func (a *app) sayResult(ctx context.Context, reader *store.Reader, result tracer.Result) error {
	run, err := analysis.Open(ctx, reader, result.Run.String())
	if err != nil {
		return err
	}
	id, err := run.ShortID(ctx)
	if err != nil {
		return err
	}
	s := run.Summary()
	lost := "nothing lost"
	if losses := export.Losses(&s); len(losses) > 0 {
		lost = strings.Join(losses, ", ")
	}
	see := "smiley replay " + id
	if a.database != "" {
		see += " --database " + a.database
	}
	return a.say("run %s: %s, %s, %s; see: %s", id, export.Plural(s.Calls, "call"), export.Plural(s.Goroutines, "goroutine"), lost, see)
}
