package main

import (
	"context"

	"github.com/spf13/cobra"

	"smiley/analysis"
	"smiley/export"
)

func (a *app) replayCommand() *cobra.Command {
	var goroutine int64
	var function, from, to string
	var tree bool
	command := &cobra.Command{
		Use:   "replay RUN",
		Short: "Show a run in order: calls, results, panics and output, one line each",
		Long: `Show a run in order, one line an event, indented by the depth of calls: when it happened, where, what was called with which
arguments (→), what came back after which time (←), panics, and what the program wrote at the moment it wrote it.

A moment (--from, --to) is a time since the run's start ("1.5s", "250ms") or the number of an event ("#1204", the seq of
--json). Both ends are included.`,
		Example: `  smiley replay last | less
  smiley replay last --tree                       calls with results and durations only
  smiley replay last --function 'main.(*Cart).Add'
  smiley replay last --goroutine 7 --from 1.5s --to 2s
  smiley replay last --json | jq 'select(.failed)'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeFirst(cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := analysis.ParseFilter(goroutine, function, from, to)
			if err != nil {
				return err
			}
			return a.withRun(cmd.Context(), args[0], func(run *analysis.Run) error {
				return a.replay(cmd.Context(), run, filter, tree)
			})
		},
	}
	flags := command.Flags()
	flags.Int64Var(&goroutine, "goroutine", 0, "only this goroutine")
	flags.StringVar(&function, "function", "", `only calls of these functions: a name, the last part of one, or a package, "..." standing for any text`)
	flags.StringVar(&from, "from", "", "begin at this moment")
	flags.StringVar(&to, "to", "", "end at this moment")
	flags.BoolVar(&tree, "tree", false, "only calls, each with its results and duration")
	return a.withJSON(command)
}

func (a *app) replay(ctx context.Context, run *analysis.Run, filter analysis.Filter, tree bool) error {
	s := run.Summary()
	if err := a.sayLosses(&s); err != nil {
		return err
	}
	text := export.NewText(a.stdout, styleFor(a.files.stdout), s.Goroutines > 1)
	events := run.Events(ctx, filter)
	if tree {
		events = run.Calls(ctx, filter)
	}
	first := true
	for e, err := range events {
		if err != nil {
			return err
		}
		if a.json {
			err = a.printJSON(e)
		} else {
			err = text.Event(e)
		}
		if first && err == nil {
			// What comes first is shown at once, however long the rest takes.
			first, err = false, a.stdout.Flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
