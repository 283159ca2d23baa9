package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"smiley/analysis"
	"smiley/export"
)

func (a *app) goroutinesCommand() *cobra.Command {
	return a.withJSON(&cobra.Command{
		Use:     "goroutines RUN",
		Aliases: []string{"threads"},
		Short:   "List the goroutines of a run",
		Example: `  smiley goroutines last
  smiley replay last --goroutine 7     what one of them did`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeFirst(cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRun(cmd.Context(), args[0], func(run *analysis.Run) error {
				return a.goroutines(cmd.Context(), run)
			})
		},
	})
}

func (a *app) goroutines(ctx context.Context, run *analysis.Run) error {
	s := run.Summary()
	if err := a.sayLosses(&s); err != nil {
		return err
	}
	// Rows are printed a page at a time: there may be a million.
	const page = 1000
	style := styleFor(a.files.stdout)
	t := newTable(">GOROUTINE", ">PARENT", "STARTED IN", "RUNS", ">START", ">END", ">CALLS", ">EVENTS")
	for g, err := range run.Goroutines(ctx) {
		if err != nil {
			return err
		}
		if a.json {
			if err := a.printJSON(g); err != nil {
				return err
			}
			continue
		}
		t.add(strconv.FormatInt(g.ID, 10), orDash(g.Parent), startedIn(&g), g.Function, export.Duration(g.Start), timeOrDash(g.End),
			export.Count(g.Calls), export.Count(g.Events))
		if len(t.rows) == page {
			if err := t.write(a.stdout, style); err != nil {
				return err
			}
			t.rows = nil
		}
	}
	if a.json || len(t.rows) == 0 {
		return nil
	}
	return t.write(a.stdout, style)
}

func orDash(n int64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

func timeOrDash(ns *int64) string {
	if ns == nil {
		return "-"
	}
	return export.Duration(*ns)
}

func startedIn(g *analysis.Goroutine) string {
	switch {
	case g.CreatedIn == "":
		return "-"
	case g.CreatedLine == 0:
		return g.CreatedIn
	}
	return g.CreatedIn + ":" + strconv.Itoa(g.CreatedLine)
}
