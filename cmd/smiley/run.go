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

// launchFlags are the flags of the commands that start a program: how it is built, how its calls are captured, and where to.
type launchFlags struct {
	capture       *captureFlags
	build, engine string
	tags, lines   []string
	quiet         bool
	remote        remoteFlags
}

func newLaunchFlags() *launchFlags { return &launchFlags{capture: newCaptureFlags()} }

func (f *launchFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.build, "build-flags", "", "further flags for go build, separated by spaces; in quotes they may have spaces in them")
	flags.StringSliceVar(&f.tags, "tags", nil, "build tags")
	flags.StringArrayVar(&f.lines, "lines", nil, "record each line of these functions, with its variables; every line stops the program for about a millisecond")
	flags.StringVar(&f.engine, "engine", string(tracer.EngineAuto), "how calls are captured: auto, probe or breakpoint")
	f.capture.register(command)
	f.remote.registerSending(command)
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing unless something is wrong")
}

// options checks the flags and returns what they say.
func (f *launchFlags) options() (tracer.Options, error) {
	options, err := f.capture.traceOptions()
	if err != nil {
		return options, err
	}
	if options.BuildFlags, err = splitQuoted(f.build); err != nil {
		return options, err
	}
	options.Tags = f.tags
	switch options.Engine = tracer.Engine(f.engine); options.Engine {
	case tracer.EngineAuto, tracer.EngineProbe, tracer.EngineBreakpoint:
	default:
		return options, recording.Errorf(recording.CodeInvalid, "there is no engine %q", f.engine).WithHint("--engine auto, probe or breakpoint")
	}
	if options.Lines = f.lines; len(f.lines) > 0 && options.Engine == tracer.EngineProbe {
		return options, recording.Errorf(recording.CodeInvalid, "lines need breakpoints, and --engine probe allows none").WithHint("leave --engine out")
	}
	return options, nil
}

// splitQuoted splits at spaces that are not between quotes, single or double, as the go command does with flags. A quote in the
// middle of a word begins a quoted part of it.
func splitQuoted(text string) ([]string, error) {
	var words []string
	var word []byte
	quote, begun := byte(0), false
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, begun = c, true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if begun {
				words, word, begun = append(words, string(word)), nil, false
			}
		default:
			word, begun = append(word, c), true
		}
	}
	if quote != 0 {
		return nil, recording.Errorf(recording.CodeInvalid, "--build-flags: the quote %c in %q has no end", quote, text).
			WithHint(`--build-flags "-race '-ldflags=-s -w'"`)
	}
	if begun {
		words = append(words, string(word))
	}
	return words, nil
}

func (a *app) runCommand() *cobra.Command {
	launch := newLaunchFlags()
	command := &cobra.Command{
		Use:   "run [flags] TARGET [-- ARGS]",
		Short: "Run a program and record what it does",
		Long: `Run a program and record every call of its functions, with arguments, results, goroutine and time.

TARGET is a binary, a package (./cmd/x, ., an import path) or a .go file. Packages and files are built first, their own module
without inlining so that every call can be seen. The program owns standard input, output and error as if it had been
started without smiley; signals reach it, and a second SIGINT or SIGTERM kills it, with everything captured so far kept. smiley
exits with the program's status (128+n when signal n ended it), or with 125 when smiley itself fails. Flags of the program go
behind --; those of a test binary (-test.run) need none. The tests of a package are run by smiley test.

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
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("what should be run? a binary, a package or a .go file is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := launch.options()
			if err != nil {
				return err
			}
			options.Target, options.Args = args[0], args[1:]
			a.warnGoTool(args)
			return a.launch(cmd.Context(), options, launch)
		},
	}
	launch.register(command)
	return command
}

// warnGoTool tells somebody who has the go command run a program or tests that these are children of it, which are not recorded.
func (a *app) warnGoTool(args []string) {
	if len(args) < 2 || args[0] != "go" {
		return
	}
	instead := map[string]string{"test": "smiley test PACKAGE", "run": "smiley run PACKAGE"}[args[1]]
	if instead != "" {
		a.sayError(recording.Errorf(recording.CodeInvalid, "this records the go command itself: what go %s starts is another process", args[1]).
			WithHint("to record that: %s", instead))
	}
}

// launch records a program as the options and flags say, here or elsewhere.
func (a *app) launch(ctx context.Context, options tracer.Options, flags *launchFlags) error {
	if flags.remote.recorder != "" {
		return a.runRemote(ctx, options, flags.quiet, &flags.remote)
	}
	return a.run(ctx, options, flags.quiet)
}

// run records a program into the store, through the channel that a remote recorder would be at the other end of.
func (a *app) run(ctx context.Context, options tracer.Options, quiet bool) error {
	// Opened beside looking at the program: both take some time, and somebody waits.
	preparing, cancel := context.WithCancel(ctx)
	defer cancel()
	opening, err := a.beginStore(ctx, cancel)
	if err != nil {
		return err
	}
	guardRun(&options, opening.file)
	options.Start = opening.wait
	result, err := a.record(ctx, opening.store, func(sink recording.Sink) (tracer.Result, error) {
		return a.trace(preparing, options, quiet, sink)
	})
	if failed := opening.wait(); failed != nil {
		return failed
	}
	recordings := opening.store()
	if err == nil && (!quiet || result.Ledger.Dropped > 0) {
		err = a.sayResult(ctx, recordings.Reader, result)
	}
	if err == nil && !quiet && options.Tests && result.ExitCode != 0 {
		err = a.sayFailedTests(ctx, recordings.Reader, result.Run)
	}
	if err != nil && result.Run != (recording.RunID{}) {
		a.sayBroken(ctx, recordings.Reader, result)
	}
	if closed := recordings.Close(); err == nil {
		err = closed
	}
	a.status = result.Status()
	return err
}

// sayBroken says how a program ended of which the recording failed, and what there is of that.
func (a *app) sayBroken(ctx context.Context, reader *store.Reader, result tracer.Result) {
	kept, err := reader.Run(context.WithoutCancel(ctx), result.Run)
	switch {
	case err == nil:
		_ = a.say("the program ended with status %d; see what was recorded until the failure, %s: %s", result.Status(),
			export.Plural(kept.Calls, "call"), a.again("smiley replay "+result.Run.String()))
	case recording.CodeOf(err) == recording.CodeNotFound:
		_ = a.say("the program ended with status %d; nothing of it was recorded", result.Status())
	default: // what is kept cannot be read now
		_ = a.say("the program ended with status %d", result.Status())
	}
}

// record lets trace record a program and keeps its blocks until the last one is committed. There are none before the database is open.
func (a *app) record(
	ctx context.Context, recordings func() *store.Store, trace func(recording.Sink) (tracer.Result, error),
) (tracer.Result, error) {
	sink, receiver := transport.Local(blocksInFlight)
	kept := make(chan error, 1)
	go func() {
		kept <- transport.Record(ctx, receiver, func(encoded []byte) error {
			_, err := recordings().AppendOwn(ctx, encoded)
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
	// What smiley was started to ignore, as by nohup, the program ignores, too, as it would alone: unless it handles it.
	for _, sig := range forwarded {
		if signal.Ignored(sig) {
			options.Ignored = append(options.Ignored, sig)
		} else {
			signal.Notify(signals, sig)
		}
	}
	defer signal.Stop(signals)
	options.Signals = signals
	options.Stdin, options.Stdout, options.Stderr = a.files.stdin, a.files.stdout, a.files.stderr
	if options.Tests {
		// As under go test: a test that reads finds the end, and does not wait for somebody to type.
		null, err := os.Open(os.DevNull)
		if err != nil {
			return tracer.Result{}, err
		}
		defer func() { _ = null.Close() }()
		options.Stdin = null
	}
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
	// That nobody can be told, on a full disk perhaps, is no failure of the recording: the status is the program's.
	_ = a.say("run %s: %s, %s, %s; see: %s", id, export.Plural(s.Calls, "call"), export.Plural(s.Goroutines, "goroutine"), lost,
		a.again("smiley replay "+id))
	return nil
}
