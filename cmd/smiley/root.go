package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"smiley/export"
	"smiley/recording"
)

// Exit statuses. `smiley run` otherwise exits with the status of the program it ran.
const (
	statusOK     = 0
	statusFailed = 1
	statusRun    = 125 // run: smiley itself failed
)

// Help lists the commands in the order in which one comes to need them.
func init() { cobra.EnableCommandSorting = false }

// app is one invocation of smiley.
type app struct {
	stdin  io.Reader
	stdout *bufio.Writer // data
	output io.Writer     // what stdout writes to, for a command that must not wait for it
	stderr io.Writer     // chatter
	files  files

	database string // --database
	json     bool   // --json
	debug    bool   // --debug
	status   int
}

// files are the descriptors behind the streams, where they have one: a program that is run gets these.
type files struct{ stdin, stdout, stderr *os.File }

// Run runs smiley with args, which do not include the program's name, and returns its exit status. The status is that of
// the recorded program for `smiley run`.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: bufio.NewWriterSize(stdout, 64<<10), output: stdout, stderr: stderr}
	a.files.stdin, _ = stdin.(*os.File)
	a.files.stdout, _ = stdout.(*os.File)
	a.files.stderr, _ = stderr.(*os.File)

	// A reader that goes away, as head does, is no failure: with a handler installed writing fails, and that ends us
	// quietly. An ignored signal would be passed on to the program that is run; a handled one is not.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)

	root := a.rootCommand()
	root.SetArgs(shared(args))
	root.SetIn(stdin)
	root.SetOut(a.stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	if flushed := a.stdout.Flush(); err == nil {
		err = flushed
	}
	if err == nil || closedPipe(err) {
		return a.status
	}
	a.fail(command, err)
	if command != nil && (command.Name() == "run" || command.Name() == "test") {
		return statusRun
	}
	return statusFailed
}

// shared puts what is meant for a program that is run behind a --, where that can be told from its form: pflag would drop flags that
// begin with -test. silently, and take others of go test for its own.
func shared(args []string) []string {
	name := slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "-") })
	if name > 0 && args[name-1] == "--database" {
		name++
	}
	if name < 0 || name >= len(args) {
		return args
	}
	own, rest := args[:name+1:name+1], args[name+1:]
	switch args[name] {
	case "test":
		return append(own, moveTestFlags(rest)...)
	case "run":
		for i, arg := range rest {
			if arg == "--" {
				break
			}
			if strings.HasPrefix(arg, "-test.") {
				return append(append(append(own, rest[:i]...), "--"), rest[i:]...)
			}
		}
	}
	return args
}

func closedPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, fs.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// fail says what went wrong: one line with the message, one with what to do about it, and with --debug the causes.
func (a *app) fail(command *cobra.Command, err error) {
	var known *recording.Error
	if !errors.As(err, &known) {
		known = commandLineError(command, err)
	}
	a.sayError(known)
	if a.debug {
		fmt.Fprintf(a.stderr, "debug: %s: %v\n", known.Code, err)
		for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
			fmt.Fprintf(a.stderr, "debug: %T: %v\n", cause, cause)
		}
	}
}

// sayError prints an error or a warning. A compiler's words are several lines; all but those are kept to one.
func (a *app) sayError(e *recording.Error) {
	lines := strings.Split(strings.TrimRight(e.Message, "\n"), "\n")
	for i := range lines {
		lines[i] = export.Escape(strings.ReplaceAll(lines[i], "\t", "    "))
	}
	fmt.Fprintf(a.stderr, "smiley: %s\n", strings.Join(lines, "\n"))
	if e.Hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", export.Escape(e.Hint))
	}
}

func (a *app) rootCommand() *cobra.Command {
	showVersions := false
	root := &cobra.Command{
		Use:   "smiley",
		Short: "Record what a Go program does, call by call with values, and read it back",
		Long: `smiley records what a Go program did: every call of your functions, with its arguments, its results, its goroutine and
its time. The recording is kept in one file and is there when the program is long gone.`,
		Example: `  smiley run ./cmd/server              record a program of yours
  smiley list                          what was recorded
  smiley replay last                   the last recording, event by event
  smiley replay last --tree --errors   the calls that returned an error
  smiley stats show last               where the calls and the time went
  smiley server --open                 all of it in a web browser`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              cobra.NoArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error { return enoughDescriptors() },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if showVersions {
				return a.printVersions()
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVar(&showVersions, "version", false, "show what smiley version does")
	root.SuggestionsMinimumDistance = 2
	flags := root.PersistentFlags()
	flags.StringVar(&a.database, "database", "", "file that holds the recordings (default $SMILEY_DATABASE, else $XDG_DATA_HOME/smiley/smiley.db)")
	flags.BoolVar(&a.debug, "debug", false, "show the causes of an error")
	root.AddGroup(&cobra.Group{ID: "record", Title: "Record:"}, &cobra.Group{ID: "look", Title: "Look at what was recorded:"},
		&cobra.Group{ID: "keep", Title: "Move and remove recordings:"}, &cobra.Group{ID: "remote", Title: "Record on another machine:"})
	group := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
		}
		root.AddCommand(commands...)
	}
	group("record", a.runCommand(), a.testCommand(), a.attachCommand(), a.detachCommand())
	group("look", a.listCommand(), a.showCommand(), a.replayCommand(), a.statsCommand(), a.goroutinesCommand(), a.filesCommand(),
		a.serverCommand(), a.reportCommand())
	group("keep", a.exportCommand(), a.importCommand(), a.deleteCommand())
	group("remote", a.recordCommand(), a.monitorCommand(), a.pushCommand(), a.keysCommand())
	root.AddCommand(a.versionCommand(), a.guardCommand())
	return root
}

// withJSON adds --json to a command that reads.
func (a *app) withJSON(command *cobra.Command) *cobra.Command {
	command.Flags().BoolVar(&a.json, "json", false, "print one JSON object a line (see docs/reference/json.md)")
	return command
}

// printJSON writes a value as one line.
func (a *app) printJSON(value any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
