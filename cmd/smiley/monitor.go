package main

import (
	"context"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"smiley/analysis"
	"smiley/recording"
	"smiley/transport"
)

// monitorOptions are the flags of `smiley monitor`.
type monitorOptions struct {
	listen   string
	connect  string
	run      string // with connect: only this one
	insecure bool
	exit     bool
	full     bool // long values are not cut
	filter   analysis.Filter
}

func (a *app) monitorCommand() *cobra.Command {
	var o monitorOptions
	var chosen filterFlags
	command := &cobra.Command{
		Use:   "monitor [--connect URL [RUN]]",
		Short: "Show what programs do while they do it, and keep nothing",
		Long: `Show what programs do at once, in the format of 'smiley replay'. When there are several programs, each line begins with the
name and the process of its program. Nobody is ever held back: events that come faster than they can be shown are skipped, and a
line says how many.

With --connect, watch what a recorder ('smiley record') is recording: all runs, or the one that is named by its id or the
beginning of it, or 'last', the one that began last. A run that has begun is joined where it is. When no program runs, wait for one;
when the recorder stops, wait until it is back.

Without, receive what 'smiley run --remote' sends, in the place of a recorder. Nothing is kept: what has been shown is gone. Only
runs that begin while the monitor listens are shown (one minute earlier at most): what earlier runs have left to deliver waits for
a recorder.

With --exit the monitor ends when the program has ended that it shows; of several, when none is left.`,
		Example: `  smiley monitor
  smiley monitor --exit --function 'main.(*Cart).Add'
  smiley monitor --connect tcp://127.0.0.1:5556
  smiley monitor --connect tcp://recorder:5556 01a21e81-a0e0 --exit
  smiley monitor --connect tcp://recorder:5556 last
  smiley monitor --listen tcp://127.0.0.1:7000 --json | jq 'select(.failed)'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.run = args[0]
			}
			if o.run != "" && o.connect == "" {
				return recording.Errorf(recording.CodeInvalid, "a run can be named with --connect only").
					WithHint("smiley monitor --connect %s %s; or choose programs when they are started", transport.DefaultEndpoint, recording.ShellWord(o.run))
			}
			var err error
			if o.filter, err = chosen.filter(); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return a.monitor(ctx, o)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.listen, "listen", transport.DefaultEndpoint, "where programs send to: tcp://HOST:PORT or ipc://PATH")
	flags.StringVar(&o.connect, "connect", "", "watch what the recorder at this address records: tcp://HOST:PORT or ipc://PATH")
	command.MarkFlagsMutuallyExclusive("listen", "connect")
	flags.BoolVar(&o.insecure, "insecure", false, "listen or connect without keys on an address that other machines reach, for all to read and forge")
	flags.BoolVar(&o.exit, "exit", false, "end when the programs that are shown have ended")
	chosen.add(command)
	addFull(command, &o.full)
	return a.withJSON(command)
}

// viewPatience is how long a monitor that is told to end waits for a terminal that takes nothing.
const viewPatience = time.Second

// monitor shows blocks until ctx ends, or with --exit the programs.
func (a *app) monitor(ctx context.Context, o monitorOptions) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	view := newLiveView()
	begin := a.monitorListen
	if o.connect != "" {
		begin = a.monitorConnect
	}
	receive, err := begin(ctx, o, view)
	if err != nil {
		return err
	}
	shown := make(chan error, 1)
	go func() { // ends with ctx; with the process when the terminal takes nothing
		shown <- newLiveScreen(a, view, o).show(ctx)
		stop()
	}()
	err = receive(ctx)
	stop()
	select {
	case failed := <-shown:
		if err == nil {
			err = failed
		}
	case <-time.After(viewPatience):
	}
	return err
}

// monitorListen returns what takes blocks in the place of a recorder.
func (a *app) monitorListen(_ context.Context, o monitorOptions, view *liveView) (func(context.Context) error, error) {
	l := transport.ListenOptions{
		Software: currentVersions().Smiley, Insecure: o.insecure, NextBlock: view.next,
		Warn: func(text string) { _ = a.say("warning: %s", text) },
		Gone: view.gone,
	}
	var err error
	if l.Endpoint, err = transport.ParseEndpoint(o.listen); err != nil {
		return nil, err
	}
	if !l.Endpoint.Local() && !o.insecure {
		if l.Keys, err = serverKeys(l.Endpoint); err != nil {
			return nil, err
		}
	}
	listener, err := transport.Listen(l)
	if err != nil {
		return nil, err
	}
	if err := a.say("listening at %s; nothing is kept", listener.Endpoint()); err != nil {
		listener.Close(err)
		return nil, err
	}
	return func(ctx context.Context) error { return transport.Serve(ctx, listener, view.take) }, nil
}
