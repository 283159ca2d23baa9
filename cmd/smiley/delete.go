package main

import (
	"context"

	"github.com/spf13/cobra"

	"smiley/recording"
	"smiley/store"
)

func (a *app) deleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "delete RUN...",
		Short: "Delete runs, with the source files that no other run shares",
		Example: `  smiley delete last
  smiley delete 0193c8f2 0193c8f7`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.delete(cmd.Context(), args)
		},
	}
}

func (a *app) delete(ctx context.Context, names []string) error {
	// Reading comes first: it finds out whether there is anything to delete without making a database.
	var ids []recording.RunID
	err := a.withReader(ctx, func(reader *store.Reader) error {
		for _, name := range names {
			id, err := reader.FindRun(ctx, name)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(recordings *store.Store) error {
		if err := recordings.Delete(ctx, ids...); err != nil {
			return err
		}
		for _, id := range ids {
			if err := a.say("deleted run %s", id); err != nil {
				return err
			}
		}
		return nil
	})
}
