package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"smiley/export"
	"smiley/recording"
	"smiley/transport"
)

func (a *app) pushCommand() *cobra.Command {
	var f remoteFlags
	var wait time.Duration
	command := &cobra.Command{
		Use:   "push [RUN...]",
		Short: "Deliver what could not be sent to a recorder when it was recorded",
		Long: `Deliver the blocks that runs with --remote left behind because the recorder could not be reached or the program's smiley
was killed: all of them, or those of the runs that are named by their whole id. What the recorder has acknowledged is removed;
the rest stays for the next time. A run whose program is still running is left alone.`,
		Example: `  smiley push
  smiley push --remote tcp://10.0.0.7:5556 --wait 1m`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var runs []recording.RunID
			for _, arg := range args {
				id, err := parseRunID(arg)
				if err != nil {
					return err
				}
				runs = append(runs, id)
			}
			if wait <= 0 {
				return recording.Errorf(recording.CodeInvalid, "--wait cannot be %v", wait).WithHint("give a time such as 30s")
			}
			return a.push(cmd.Context(), &f, wait, runs)
		},
	}
	f.register(command)
	flags := command.Flags()
	flags.StringVar(&f.recorder, "remote", "", "deliver to this recorder, whatever recorder the runs were meant for")
	flags.DurationVar(&wait, "wait", 10*time.Second, "give up when a recorder has acknowledged nothing for so long")
	return command
}

// push delivers what waits, and says how much that was.
func (a *app) push(ctx context.Context, f *remoteFlags, wait time.Duration, runs []recording.RunID) error {
	dir, err := spoolDir()
	if err != nil {
		return err
	}
	if runs == nil {
		if runs, err = transport.Spooled(dir); err != nil {
			return err
		}
		if len(runs) == 0 {
			return a.say("nothing waits to be delivered")
		}
	}
	var failed error
	silent := map[string]bool{} // recorders that have been waited for in vain
	for _, run := range runs {
		if err := a.pushRun(ctx, f, wait, dir, run, silent); err != nil {
			if failed != nil {
				a.fail(nil, failed)
			}
			failed = err
		}
	}
	return failed
}

func (a *app) pushRun(
	ctx context.Context, f *remoteFlags, wait time.Duration, dir string, run recording.RunID, silent map[string]bool,
) error {
	address, program, blocks, err := transport.SpooledInfo(dir, run)
	if err != nil {
		return err
	}
	if f.recorder != "" {
		address = f.recorder
	}
	if silent[address] {
		return a.say("run %s (%s): %s for %s left for the next time", run, export.Escape(program), export.Plural(uint64(blocks), "block"), address)
	}
	o, err := a.remoteOptions(f, address)
	if err != nil {
		return err
	}
	o.Patience = wait
	n, err := transport.Push(ctx, run, o)
	silent[address] = recording.CodeOf(err) == recording.CodeCanceled
	if n > 0 || err == nil {
		_ = a.say("%s", deliveredLine(run, program, n, o.Recorder))
	}
	return err
}

// deliveredLine says what was delivered of a run.
func deliveredLine(run recording.RunID, program string, blocks int, recorder transport.Endpoint) string {
	return fmt.Sprintf("run %s (%s): %s delivered to %s", run, export.Escape(program), export.Plural(uint64(blocks), "block"), recorder)
}

// pushEarlier delivers, until ctx ends, what earlier runs for the same recorder have left behind, and says what that was, one
// line a run. What fails stays where it is, and the next run or push tries again.
func pushEarlier(ctx context.Context, o transport.RemoteOptions) (delivered []string) {
	o.Warn = nil // the run that goes on says it
	runs, err := transport.Spooled(o.SpoolDir)
	if err != nil {
		return nil
	}
	for _, run := range runs {
		address, program, blocks, err := transport.SpooledInfo(o.SpoolDir, run)
		if err != nil || blocks == 0 || address != o.Recorder.String() {
			continue // it belongs to a program that runs, or to another recorder
		}
		if n, err := transport.Push(ctx, run, o); err == nil {
			delivered = append(delivered, deliveredLine(run, program, n, o.Recorder))
		}
	}
	return delivered
}

// parseRunID reads a whole id: a spool has no database to look a prefix up in.
func parseRunID(text string) (recording.RunID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, recording.Errorf(recording.CodeInvalid, "%q is not the id of a run", text).
			WithHint("give the whole id, as 'smiley run' printed it")
	}
	return id, nil
}
