package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"smiley/recording"
	"smiley/store"
	"smiley/web"
)

// serverFlags are what a person asks of the server.
type serverFlags struct {
	listen   string
	token    string
	insecure bool
	open     bool
	readOnly bool
}

func (a *app) serverCommand() *cobra.Command {
	var flags serverFlags
	command := &cobra.Command{
		Use:   "server",
		Short: "Browse recordings in a web browser",
		Long: `Serve pages to browse the recordings with, until it is interrupted. It listens on this machine only; anything else needs
--token (everybody has to know it) or --insecure (a network that you trust: recordings hold what your programs worked with).`,
		Example: `  smiley server
  smiley server --open
  smiley server --listen 127.0.0.1:0
  smiley server --listen :8080 --token "$(openssl rand -hex 16)"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), &flags) },
	}
	set := command.Flags()
	set.StringVar(&flags.listen, "listen", "127.0.0.1:8080", "address and port to listen on; port 0 is any free one")
	set.StringVar(&flags.token, "token", "", "secret that everybody has to show")
	set.BoolVar(&flags.insecure, "insecure", false, "listen beyond this machine without a token")
	set.BoolVar(&flags.open, "open", false, "open the pages in a browser")
	set.BoolVar(&flags.readOnly, "read-only", false, "do not let anybody delete runs")
	return command
}

func (a *app) serve(ctx context.Context, flags *serverFlags) (err error) {
	file, err := a.databaseFile()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", flags.listen)
	if err != nil {
		return cannotListen(flags.listen, err)
	}
	address := listener.Addr().(*net.TCPAddr)
	if !address.IP.IsLoopback() && flags.token == "" && !flags.insecure {
		_ = listener.Close() // nobody has connected
		return recording.Errorf(recording.CodeInvalid, "%s can be reached from other machines, which could read all recordings", flags.listen).
			WithHint("set a --token, or say --insecure on a network that you trust")
	}
	level := slog.LevelWarn
	if a.debug {
		level = slog.LevelDebug
	}
	server := web.New(file, web.Options{
		Hosts: serverHosts(flags.listen, address), Token: flags.token, ReadOnly: flags.readOnly,
		Versions: [][2]string{{"smiley", version}, {"Go", runtime.Version()}, {"SQLite", store.SQLiteVersion()}},
		Log:      slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level})),
	})
	defer func() { err = errors.Join(err, server.Close()) }()
	home := serverURL(address, flags.token)
	if err := a.say("browse the recordings at %s (end with Ctrl-C)", home); err != nil {
		return errors.Join(err, listener.Close())
	}
	if flags.open {
		a.openBrowser(ctx, home)
	}
	return server.Serve(ctx, listener)
}

func cannotListen(address string, err error) error {
	e := recording.Errorf(recording.CodeInvalid, "cannot listen on %s: %w", address, err)
	if errors.Is(err, syscall.EADDRINUSE) {
		return e.WithHint("another smiley server may be there already; choose another port with --listen 127.0.0.1:0")
	}
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return e.WithHint("the address must be one of this machine, as in --listen 127.0.0.1:8080")
	case errors.Is(err, syscall.EACCES):
		return e.WithHint("ports below 1024 are not for everybody: choose another one, as in --listen 127.0.0.1:8080")
	}
	return e.WithHint("write an address and a port, as in --listen 127.0.0.1:8080")
}

// serverHosts are the names under which people may ask for a server that is not on the loopback.
func serverHosts(listen string, address *net.TCPAddr) []string {
	if address.IP.IsLoopback() {
		return nil
	}
	hosts := []string{address.IP.String()}
	if host, _, err := net.SplitHostPort(listen); err == nil && host != "" {
		hosts = append(hosts, host)
	}
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	if address.IP.IsUnspecified() {
		addresses, _ := net.InterfaceAddrs() // without them, the names are left
		for _, a := range addresses {
			if network, ok := a.(*net.IPNet); ok {
				hosts = append(hosts, network.IP.String())
			}
		}
	}
	return hosts
}

func serverURL(address *net.TCPAddr, token string) string {
	host := address.IP.String()
	if address.IP.IsUnspecified() {
		host = "localhost"
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	home := url.URL{Scheme: "http", Host: net.JoinHostPort(host, fmt.Sprint(address.Port)), Path: "/"}
	if token != "" {
		home.RawQuery = url.Values{"token": {token}}.Encode()
	}
	return home.String()
}

// openBrowser shows an address in the person's browser. That it cannot is no failure: the address was printed.
func (a *app) openBrowser(ctx context.Context, address string) {
	opener := map[string][]string{
		"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"},
	}[runtime.GOOS]
	if opener == nil {
		opener = []string{"xdg-open"}
	}
	command := exec.CommandContext(ctx, opener[0], append(opener[1:], address)...)
	if err := command.Start(); err != nil {
		_ = a.say("no browser could be opened: %v", err) // a lost remark
		return
	}
	go func() { _ = command.Wait() }() // ends with ctx at the latest
}
