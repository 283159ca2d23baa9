package main

import (
	"context"

	"github.com/spf13/cobra"

	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

func (a *app) exportCommand() *cobra.Command {
	var force bool
	command := &cobra.Command{
		Use:   "export RUN FILE",
		Short: "Write one run to a file of its own, to keep it or send it to somebody",
		Example: `  smiley export last run.smiley
  smiley replay last --database run.smiley     look into such a file without importing it`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeFirst(cobra.ShellCompDirectiveDefault),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.export(cmd.Context(), args[0], args[1], force)
		},
	}
	command.Flags().BoolVar(&force, "force", false, "replace FILE when it exists")
	return command
}

func (a *app) export(ctx context.Context, name, file string, force bool) error {
	if file == "-" {
		return recording.Errorf(recording.CodeInvalid, "a run is written to a file, not to standard output").WithHint("name a file; ./- is one")
	}
	return a.withReader(ctx, func(reader *store.Reader) error {
		id, err := reader.FindRun(ctx, name)
		if err != nil {
			return err
		}
		if err := reader.Export(ctx, id, file, force); err != nil {
			return err
		}
		return a.say("wrote run %s to %s", id, export.Escape(file))
	})
}
