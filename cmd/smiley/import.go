package main

import (
	"context"

	"github.com/spf13/cobra"

	"smiley/store"
)

func (a *app) importCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "import FILE",
		Short:   "Add the runs of a file that export wrote",
		Example: "  smiley import run.smiley",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.importFile(cmd.Context(), args[0])
		},
	}
}

func (a *app) importFile(ctx context.Context, file string) error {
	return a.withStore(ctx, func(recordings *store.Store) error {
		ids, err := recordings.Import(ctx, file)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := a.say("imported run %s", id); err != nil {
				return err
			}
		}
		return nil
	})
}
