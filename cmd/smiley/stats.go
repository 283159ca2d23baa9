package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
)

func (a *app) statsCommand() *cobra.Command {
	command := &cobra.Command{
		Use:     "stats",
		Short:   "Show or export where the calls and the time of a run went",
		Example: "  smiley stats show last\n  smiley stats export last run.pb.gz && go tool pprof -top run.pb.gz",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.SuggestionsMinimumDistance = 2
	command.AddCommand(a.statsShowCommand(), a.statsExportCommand())
	return command
}

func (a *app) statsShowCommand() *cobra.Command {
	var sort string
	var top int
	command := &cobra.Command{
		Use:   "show RUN",
		Short: "Show the calls, errors, panics and times of every function",
		Long: `Show, for every recorded function, how often it was called, returned an error or panicked, and how long its calls took: in
total (a recursive function's inner calls are not counted again), by itself (without the recorded functions it called), and the
shortest, median, 95th and 99th percentile and longest call. Percentiles are off by 1/16 at most. Times hold what recording
itself costs.`,
		Example: `  smiley stats show last
  smiley stats show last --sort calls --top 10
  smiley stats show last --json | jq 'select(.errors > 0)'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeFirst(cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRun(cmd.Context(), args[0], func(run *analysis.Run) error {
				return a.statsShow(cmd.Context(), run, sort, top)
			})
		},
	}
	command.Flags().StringVar(&sort, "sort", "self", "order by: "+strings.Join(analysis.StatisticsOrders(), ", "))
	command.Flags().IntVar(&top, "top", 0, "only the first so many functions; 0 is all")
	err := command.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(analysis.StatisticsOrders(), cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag is defined three lines above
	}
	return a.withJSON(command)
}

func (a *app) statsShow(ctx context.Context, run *analysis.Run, sort string, top int) error {
	rows, err := run.Statistics(ctx, sort)
	if err != nil {
		return err
	}
	if top > 0 && top < len(rows) {
		rows = rows[:top]
	}
	s := run.Summary()
	if err := a.sayLosses(&s); err != nil {
		return err
	}
	t := newTable("FUNCTION", ">CALLS", ">ERRORS", ">PANICS", ">TOTAL", ">SELF", ">MIN", ">P50", ">P95", ">P99", ">MAX")
	for i := range rows {
		if a.json {
			if err := a.printJSON(&rows[i]); err != nil {
				return err
			}
			continue
		}
		r := &rows[i]
		cells := []string{r.Function, export.Count(r.Calls), export.Count(r.Errors), export.Count(r.Panics)}
		total, self := &r.Total, &r.Self
		if r.Ended == 0 {
			total, self = nil, nil // unknown, not nothing
		}
		for _, ns := range []*int64{total, self, r.Min, r.P50, r.P95, r.P99, r.Max} {
			cells = append(cells, timeOrDash(ns))
		}
		t.add(cells...)
	}
	if a.json {
		return nil
	}
	style := styleFor(a.files.stdout)
	t.paint = func(row, column int, text string) string {
		if column == 2 && rows[row].Errors > 0 || column == 3 && rows[row].Panics > 0 {
			return style.Alarm(text)
		}
		return text
	}
	return t.write(a.stdout, style)
}

func (a *app) statsExportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export RUN FILE",
		Short: "Write a profile for go tool pprof",
		Long: `Write a profile of the run's recorded calls, by call stack, with two kinds of samples: calls (count) and time (nanoseconds).
FILE may be "-" for standard output.`,
		Example: `  smiley stats export last run.pb.gz
  go tool pprof -http : run.pb.gz
  go tool pprof -sample_index calls -top run.pb.gz`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeFirst(cobra.ShellCompDirectiveDefault),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRun(cmd.Context(), args[0], func(run *analysis.Run) error {
				return a.statsExport(cmd.Context(), run, args[1])
			})
		},
	}
}

func (a *app) statsExport(ctx context.Context, run *analysis.Run, file string) error {
	s := run.Summary()
	if err := a.sayLosses(&s); err != nil {
		return err
	}
	profile, err := export.Profile(ctx, run)
	if err != nil {
		return err
	}
	if file == "-" {
		return profile.Write(a.stdout)
	}
	if err := writeFile(file, profile.Write); err != nil {
		return err
	}
	return a.say("wrote %s; see: go tool pprof -top %s", export.Escape(file), recording.ShellWord(file))
}
