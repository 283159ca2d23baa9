package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

// databaseFile returns the file that holds the recordings: --database, else $SMILEY_DATABASE, else a file in the
// person's data directory.
func (a *app) databaseFile() (string, error) {
	if a.database != "" {
		return a.database, nil
	}
	if file := os.Getenv("SMILEY_DATABASE"); file != "" {
		return file, nil
	}
	// The specification of these directories says that a relative path is to be ignored.
	dir := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", recording.Errorf(recording.CodeNotFound, "no place to keep recordings: %w", err).
				WithHint("name a file with --database, or set SMILEY_DATABASE")
		}
		dir = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(dir, "smiley", "smiley.db"), nil
}

// openReader opens the recordings for reading. The caller closes it.
func (a *app) openReader(ctx context.Context) (*store.Reader, error) {
	file, err := a.databaseFile()
	if err != nil {
		return nil, err
	}
	return store.OpenReader(ctx, file)
}

// openStore opens the recordings for writing, and makes the file when there is none. The caller closes it.
func (a *app) openStore(ctx context.Context) (*store.Store, error) {
	file, err := a.databaseFile()
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, file)
}

// opening is a database that is being opened while other things are made ready.
type opening struct {
	file       string // its absolute path
	done       chan struct{}
	recordings *store.Store
	err        error
}

// beginStore begins to open the database for writing, and calls failed if it cannot be opened.
func (a *app) beginStore(ctx context.Context, failed func()) (*opening, error) {
	file, err := a.databaseFile()
	if err == nil {
		file, err = filepath.Abs(file)
	}
	if err != nil {
		return nil, err
	}
	o := &opening{file: file, done: make(chan struct{})}
	go func() {
		defer close(o.done)
		if o.recordings, o.err = store.Open(ctx, file); o.err != nil {
			failed()
		}
	}()
	return o, nil
}

// wait returns why the database could not be opened, when that is known.
func (o *opening) wait() error {
	<-o.done
	return o.err
}

// store returns the open database, after wait has returned nil.
func (o *opening) store() *store.Store {
	<-o.done
	return o.recordings
}

// withReader calls read with the recordings.
func (a *app) withReader(ctx context.Context, read func(*store.Reader) error) error {
	reader, err := a.openReader(ctx)
	if err != nil {
		return err
	}
	err = read(reader)
	if closed := reader.Close(); err == nil {
		err = closed
	}
	return err
}

// withRun calls read with the run that a person named.
func (a *app) withRun(ctx context.Context, name string, read func(*analysis.Run) error) error {
	return a.withReader(ctx, func(reader *store.Reader) error {
		run, err := analysis.Open(ctx, reader, name)
		if err != nil {
			return err
		}
		return read(run)
	})
}

// completeRuns offers the newest runs for a shell to complete.
func (a *app) completeRuns(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	names := []string{store.LastRun + "\tthe run that began last"}
	err := a.withReader(cmd.Context(), func(reader *store.Reader) error {
		runs, err := reader.Runs(cmd.Context(), store.RunsQuery{})
		for i := range runs {
			names = append(names, runs[i].ID.String()+"\t"+export.Escape(filepath.Base(runs[i].Program))+", "+
				runs[i].Start.Local().Format("2006-01-02 15:04"))
		}
		return err
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeFirst completes the first argument as a run, and the ones behind it not at all, or as files.
func (a *app) completeFirst(rest cobra.ShellCompDirective) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return a.completeRuns(cmd, args, text)
		}
		return nil, rest
	}
}

// withStore calls write with the recordings open for writing.
func (a *app) withStore(ctx context.Context, write func(*store.Store) error) error {
	recordings, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	err = write(recordings)
	if closed := recordings.Close(); err == nil {
		err = closed
	}
	return err
}
