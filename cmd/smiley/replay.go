package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"smiley/analysis"
	"smiley/export"
)

func (a *app) replayCommand() *cobra.Command {
	var chosen filterFlags
	var tree, open, full bool
	command := &cobra.Command{
		Use:   "replay RUN",
		Short: "Show a run in order: calls, results, panics and output, one line each",
		Long: `Show a run in order, one line an event, indented by the depth of calls: when it happened, where, what was called with which
arguments (→), what came back after which time (←), panics, and what the program wrote at the moment it wrote it.

A moment (--from, --to) is a time since the run's start ("1.5s", "250ms") or the number of an event ("#1204", the seq of
--json). Both ends are included.

Where the values of a line are many or long, the longest are cut and end in "…"; --full and --json show them whole.`,
		Example: `  smiley replay last | less
  smiley replay last --tree                       calls with results and durations only
  smiley replay last --tree --max-depth 3         what it does, from afar
  smiley replay last --tree --errors              calls that returned an error
  smiley replay last --tree --over 10ms           calls that took long
  smiley replay last --open                       what every goroutine was in at the end
  smiley replay last --function 'main.(*Cart).Add'
  smiley replay last --goroutine 7 --from 1.5s --to 2s
  smiley replay last --json --errors | jq .results`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeFirst(cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := chosen.filter()
			if err != nil {
				return err
			}
			filter.Open = open
			return a.withRun(cmd.Context(), args[0], func(run *analysis.Run) error {
				return a.replay(cmd.Context(), run, filter, tree || open, full)
			})
		},
	}
	chosen.add(command)
	command.Flags().BoolVar(&tree, "tree", false, "only calls, each with its results and duration")
	command.Flags().BoolVar(&open, "open", false, "only calls that had not ended when the recording did, as --tree shows them")
	addFull(command, &full)
	return a.withJSON(command)
}

// flushEvery is how long a line may wait for others before it is shown.
const flushEvery = 100 * time.Millisecond

func (a *app) replay(ctx context.Context, run *analysis.Run, filter analysis.Filter, tree, full bool) error {
	s := run.Summary()
	if err := a.sayLosses(&s); err != nil {
		return err
	}
	text := export.NewText(a.stdout, styleFor(a.files.stdout), s.Goroutines > 1)
	if !full {
		text.Shorten()
	}
	events := run.Events(ctx, filter)
	if tree {
		events = run.Calls(ctx, filter)
	}
	var flushed time.Time
	for e, err := range events {
		if err != nil {
			return err
		}
		if a.json {
			err = a.printJSON(e)
		} else {
			err = text.Event(e)
		}
		if now := time.Now(); err == nil && now.Sub(flushed) > flushEvery {
			// The first line is shown at once and the others soon, however long the rest takes.
			flushed, err = now, a.stdout.Flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
