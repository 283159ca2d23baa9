package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"smiley/export"
	"smiley/recording"
	"smiley/store"
	"smiley/web"
)

// reportFlags are what a person asks of a report.
type reportFlags struct {
	output string
	force  bool
	web.ReportOptions
}

func (a *app) reportCommand() *cobra.Command {
	var flags reportFlags
	command := &cobra.Command{
		Use:   "report RUN",
		Short: "Write a run as web pages that need no server, to attach to a bug report",
		Long: `Write the pages of smiley server for one run into a folder, or with --single-file into one page. A browser opens them
from the disk. What does not fit is left out, the calls that others point out last, and named on the first page.

A report holds the values, the output and the source that the recording has. Look at it before you give it away.`,
		Example: `  smiley report last
  smiley report last --single-file -o bug.html --title "Wrong total for Edsger"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeFirst(cobra.ShellCompDirectiveNoFileComp),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.report(cmd.Context(), args[0], &flags) },
	}
	set := command.Flags()
	set.StringVarP(&flags.output, "output", "o", "", "folder or file to write (default smiley-report-RUN, with --single-file smiley-report-RUN.html)")
	set.BoolVar(&flags.force, "force", false, "replace an older report")
	set.StringVar(&flags.Title, "title", "", "what stands above the report (default: the command)")
	set.IntVar(&flags.MaxCalls, "max-calls", 0, "calls with pages of their own, and in the details; source files and lists are no more (default 2000, with --single-file 200)")
	set.BoolVar(&flags.SingleFile, "single-file", false, "write one page that holds everything, without scripts")
	return a.withJSON(command)
}

func (a *app) report(ctx context.Context, name string, flags *reportFlags) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	file, err := a.databaseFile()
	if err != nil {
		return err
	}
	var id recording.RunID
	if err := a.withReader(ctx, func(reader *store.Reader) (err error) {
		id, err = reader.FindRun(ctx, name)
		return err
	}); err != nil {
		return err
	}
	output := flags.output
	if output == "" {
		output = "smiley-report-" + id.String()[:13]
		if flags.SingleFile {
			output += ".html"
		}
	}
	options := flags.ReportOptions
	options.Replace = flags.force
	if a.files.stderr != nil && isTerminal(a.files.stderr) {
		options.Progress = func(pages int) { fmt.Fprintf(a.stderr, clearLine+"smiley: %s", export.Plural(uint64(pages), "page")) }
		defer func() { _, _ = io.WriteString(a.stderr, clearLine) }() // nobody misses it
	}
	summary, err := web.Report(ctx, file, id.String(), output, options)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(summary)
	}
	for _, left := range summary.LeftOut {
		if err := a.say("left out: %s", left); err != nil {
			return err
		}
	}
	open := output
	if !flags.SingleFile {
		open += "/index.html"
	}
	return a.say("wrote %s (%.1f MB); open %s in a browser", export.Plural(uint64(summary.Pages), "page"), float64(summary.Bytes)/1e6, recording.ShellWord(open))
}
