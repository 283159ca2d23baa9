package main

import (
	"context"

	"github.com/spf13/cobra"

	"smiley/analysis"
)

func (a *app) filesCommand() *cobra.Command {
	return a.withJSON(&cobra.Command{
		Use:   "files RUN [NAME]",
		Short: "List the source files of a run, or print one as it was when the program ran",
		Example: `  smiley files last
  smiley files last cart.go        any ending of its path that only one file has`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRun(cmd.Context(), args[0], func(run *analysis.Run) error {
				if len(args) == 2 {
					return a.printFile(cmd.Context(), run, args[1])
				}
				return a.listFiles(cmd.Context(), run)
			})
		},
	})
}

func (a *app) listFiles(ctx context.Context, run *analysis.Run) error {
	files, err := run.Files(ctx)
	if err != nil {
		return err
	}
	t := newTable("FILE", "SHA-256", "MISSING")
	for _, f := range files {
		if a.json {
			if err := a.printJSON(f); err != nil {
				return err
			}
			continue
		}
		hash := "-"
		if f.SHA256 != "" {
			hash = f.SHA256[:12]
		}
		t.add(f.Name, hash, f.Missing)
	}
	if a.json {
		return nil
	}
	return t.write(a.stdout, styleFor(a.files.stdout))
}

// printFile prints a source file byte for byte; as JSON, with its name.
func (a *app) printFile(ctx context.Context, run *analysis.Run, name string) error {
	file, body, err := run.File(ctx, name)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(struct {
			analysis.File
			Body string `json:"body"`
		}{file, string(body)})
	}
	_, err = a.stdout.Write(body)
	return err
}

func (a *app) completeFiles(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeRuns(cmd, args, text)
	}
	var names []string
	if len(args) == 1 {
		err := a.withRun(cmd.Context(), args[0], func(run *analysis.Run) error {
			files, err := run.Files(cmd.Context())
			for _, f := range files {
				names = append(names, f.Name)
			}
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
