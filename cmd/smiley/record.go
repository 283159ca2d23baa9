package main

import (
	"context"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"smiley/export"
	"smiley/recording"
	"smiley/store"
	"smiley/transport"
	"smiley/transport/filelock"
	"smiley/transport/keyring"
	"smiley/transport/protocol"
)

// recordOptions are the flags of `smiley record`.
type recordOptions struct {
	listen   string
	metrics  string
	insecure bool
}

func (a *app) recordCommand() *cobra.Command {
	var o recordOptions
	command := &cobra.Command{
		Use:   "record",
		Short: "Keep the recordings of programs that run elsewhere",
		Long: `Receive what 'smiley run --remote' sends, from many programs at once, and keep it in the database. A block is acknowledged
when it is committed; senders keep everything else, and send it again when the recorder is back. SIGTERM and SIGINT end the
recorder cleanly, with status 0; a second one at once.

'smiley monitor --connect' shows what is being recorded while it is.

On an address that other machines reach, keys are needed on both sides: see 'smiley keys --help'. Control messages use the port
that is named, blocks the one after it.`,
		Example: `  smiley record
  smiley record --listen tcp://0.0.0.0:5556 --database /var/lib/smiley/runs.db --metrics 127.0.0.1:9556`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends a recorder at once whose disk does not answer
			return a.recorder(ctx, o)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.listen, "listen", transport.DefaultEndpoint, "where to listen: tcp://HOST:PORT or ipc://PATH")
	flags.StringVar(&o.metrics, "metrics", "", "serve Prometheus metrics at this address (HOST:PORT), under /metrics")
	flags.BoolVar(&o.insecure, "insecure", false, "listen without keys on an address that other machines reach, for all to read and forge")
	return command
}

// recorder receives and keeps blocks until ctx ends.
func (a *app) recorder(ctx context.Context, o recordOptions) error {
	file, err := a.databaseFile()
	if err != nil {
		return err
	}
	recordings, err := store.Open(ctx, file)
	if err != nil {
		return err
	}
	lock, err := filelock.Lock(recordings.File() + ".recorder")
	if recording.CodeOf(err) == recording.CodeLocked {
		err = recording.Errorf(recording.CodeLocked, "another recorder writes to %s", recordings.File()).
			WithHint("let senders use that one, or choose another database")
	}
	if err == nil {
		err = a.listen(ctx, recordings, o)
		if closed := filelock.Unlock(lock); err == nil {
			err = closed
		}
	}
	if closed := recordings.Close(); err == nil {
		err = closed
	}
	return err
}

func (a *app) listen(ctx context.Context, recordings *store.Store, o recordOptions) error {
	l := transport.ListenOptions{
		Software: currentVersions().Smiley, Insecure: o.insecure, NextBlock: recordings.NextBlock,
		Warn: func(text string) { _ = a.say("warning: %s", text) },
	}
	var err error
	if l.Endpoint, err = transport.ParseEndpoint(o.listen); err != nil {
		return err
	}
	if !l.Endpoint.Local() && !o.insecure {
		if l.Keys, err = serverKeys(l.Endpoint); err != nil {
			return err
		}
	}
	l.Define = func(ctx context.Context, run recording.RunID, have protocol.Defined) (protocol.Definitions, error) {
		next, now, blocks, err := recordings.Follow(ctx, run, store.Tables(have))
		return protocol.Definitions{Next: next, Now: protocol.Defined(now), Blocks: blocks}, err
	}
	measures := newMeasures()
	l.Committed = measures.acknowledged
	gone := make(chan recording.RunID, 1024)
	l.Gone = func(run recording.RunID) {
		select {
		case gone <- run:
		default: // it stays "recording" until this recorder ends
		}
	}
	listener, err := transport.Listen(l)
	if err != nil {
		return err
	}
	defer listener.Close(nil)
	serving, stop := context.WithCancel(ctx)
	defer stop()
	metrics, stopMetrics, err := measures.serve(serving, o.metrics, listener)
	if err != nil {
		return err
	}
	defer stopMetrics()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case run := <-gone:
				measures.gone(run)
				if err := recordings.Interrupt(serving, run); err != nil {
					a.fail(nil, err)
				}
			case <-serving.Done():
				return
			}
		}
	}()
	defer func() {
		stop()
		<-ended
	}()
	if err := a.say("listening at %s, recording into %s", listener.Endpoint(), export.Escape(recordings.File())); err != nil {
		return err
	}
	if metrics != "" {
		if err := a.say("metrics at http://%s/metrics", metrics); err != nil {
			return err
		}
	}
	// A commit that has begun ends: the sender can be told about it.
	committing := context.WithoutCancel(ctx)
	return transport.Serve(ctx, listener, func(encoded []byte) error {
		measures.resume(committing, recordings.Reader, encoded)
		began := time.Now()
		head, err := recordings.Append(committing, encoded)
		measures.committed(time.Since(began), head, len(encoded), err)
		return err
	})
}

// serverKeys are the keys of a recorder on this machine.
func serverKeys(endpoint transport.Endpoint) (*transport.ServerKeys, error) {
	ring, err := keyring.Default()
	if err != nil {
		return nil, err
	}
	own, err := ownKeys(ring, endpoint)
	if err != nil {
		return nil, err
	}
	return &transport.ServerKeys{Own: own, Authorized: ring.Authorized}, nil
}

// serveHTTP serves a handler until ctx ends. It returns where, and a function that waits for the end.
func serveHTTP(ctx context.Context, address string, handler http.Handler) (at string, wait func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return "", nil, recording.Errorf(recording.CodeInvalid, "cannot serve metrics at %s: %w", address, err).
			WithHint("choose another address with --metrics")
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // always an error: that it was closed
	}()
	return listener.Addr().String(), func() {
		stop()
		_ = server.Close()
		<-ended
	}, nil
}
