package main

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

func (a *app) listCommand() *cobra.Command {
	var failed bool
	command := &cobra.Command{
		Use:   "list",
		Short: "List the recorded runs, the newest first",
		Example: `  smiley list
  smiley list --errors             only the runs whose program failed
  smiley list --json | jq .id`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withReader(cmd.Context(), func(reader *store.Reader) error {
				return a.list(cmd.Context(), reader, failed)
			})
		},
	}
	command.Flags().BoolVar(&failed, "errors", false, "only runs whose program ended with a panic, a status other than 0, or a signal")
	return a.withJSON(command)
}

func (a *app) list(ctx context.Context, reader *store.Reader, failed bool) error {
	var runs []analysis.Summary
	err := analysis.EachRun(ctx, reader, failed, func(s analysis.Summary) error {
		if a.json {
			return a.printJSON(s)
		}
		runs = append(runs, s)
		return nil
	})
	if err != nil || a.json {
		return err
	}
	if len(runs) == 0 {
		return a.say("no runs; record one with: smiley run ./your/program")
	}
	ids, err := analysis.ShortIDs(ctx, reader)
	if err != nil {
		return err
	}
	style := styleFor(a.files.stdout)
	t := newTable("RUN", "STARTED", "PROGRAM", ">DURATION", ">CALLS", "STATUS", "LOST", "ERROR")
	t.paint = func(row, column int, text string) string {
		if s := &runs[row]; column >= 5 && (s.Error != "" || s.Signal != "" || s.Status == string(recording.StatusInterrupted)) {
			return style.Alarm(text)
		}
		return text
	}
	for i := range runs {
		s := &runs[i]
		t.add(ids[s.ID], s.Start.Local().Format("2006-01-02 15:04:05"), commandLine(s), duration(s), export.Count(s.Calls),
			ending(s), lost(s), firstLine(s.Error))
	}
	return t.write(a.stdout, style)
}

// commandLine is what was run, as a person would type it.
func commandLine(s *analysis.Summary) string {
	return clip(strings.TrimRight(filepath.Base(s.Program)+" "+arguments(s), " "), 48)
}

// arguments are what the program was given, those with blanks in quotes.
func arguments(s *analysis.Summary) string {
	words := make([]string, len(s.Args))
	for i, arg := range s.Args {
		words[i] = arg
		if arg == "" || strings.ContainsAny(arg, " \t\n\"'\\$") {
			words[i] = strconv.Quote(arg)
		}
	}
	return strings.Join(words, " ")
}

// clip cuts text to n characters.
func clip(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}

func duration(s *analysis.Summary) string {
	if s.Duration == nil {
		return "?"
	}
	return export.Duration(*s.Duration)
}

// ending says how a run ended, or that it did not: "exit 0", "SIGKILL", "recording", "interrupted".
func ending(s *analysis.Summary) string {
	switch {
	case s.Signal != "":
		return s.Signal
	case s.ExitCode != nil:
		return "exit " + strconv.Itoa(*s.ExitCode)
	case s.Status == string(recording.StatusComplete):
		return "detached"
	}
	return s.Status
}

// lost says in a word what a list shows of the ledger.
func lost(s *analysis.Summary) string {
	switch {
	case !s.Loss.Balances():
		return "unbalanced"
	case s.Loss.Dropped > 0:
		return export.Count(s.Loss.Dropped)
	case s.Status == string(recording.StatusInterrupted):
		return "the end"
	}
	return "-"
}

func firstLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " …"
	}
	return clip(line, 60)
}
