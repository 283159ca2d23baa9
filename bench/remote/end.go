//go:build cgo && unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"smiley/recording"
	"smiley/store"
	"smiley/transport"
)

// serve is the other end, in a process of its own: it prints where it listens, and ends with its standard input.
func serve(ctx context.Context, s settings) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if s.serve == "plain" {
		return servePlain(ctx)
	}
	o := transport.ListenOptions{Endpoint: transport.Endpoint{Transport: "tcp", Host: "127.0.0.1"}}
	if s.secret != "" {
		own, err := transport.KeyPairOf(s.secret)
		if err != nil {
			return err
		}
		o.Keys = &transport.ServerKeys{Own: own, Authorized: func(public string) bool { return public == s.client }}
	}
	if s.serve == "discard" {
		o.NextBlock = func(context.Context, recording.RunID) (uint32, error) { return 0, nil }
		return receive(ctx, o, func([]byte) error { return nil })
	}
	kept, err := store.Open(ctx, s.serve)
	if err != nil {
		return err
	}
	o.NextBlock = kept.NextBlock
	err = receive(ctx, o, func(encoded []byte) error {
		_, err := kept.Append(context.WithoutCancel(ctx), encoded)
		return err
	})
	return errors.Join(err, kept.Close())
}

func receive(ctx context.Context, o transport.ListenOptions, commit func([]byte) error) error {
	l, err := transport.Listen(o)
	if err != nil {
		return err
	}
	fmt.Println(l.Endpoint())
	return transport.Serve(ctx, l, commit)
}

// otherEnd is a running `-serve` process.
type otherEnd struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	address string
	keys    *transport.ClientKeys // nil: no encryption
}

func startEnd(ctx context.Context, what string, encrypted bool) (*otherEnd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	e := &otherEnd{}
	args := []string{"-serve", what}
	if encrypted {
		recorder, err := transport.NewKeyPair()
		if err != nil {
			return nil, err
		}
		own, err := transport.NewKeyPair()
		if err != nil {
			return nil, err
		}
		e.keys = &transport.ClientKeys{Own: own, Recorder: recorder.Public}
		args = append(args, "-secret="+recorder.Secret, "-client="+own.Public)
	}
	e.cmd = exec.CommandContext(ctx, self, args...)
	e.cmd.Stderr = os.Stderr
	if e.stdin, err = e.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(err, e.stop())
	}
	e.address = strings.TrimSpace(line)
	return e, nil
}

func (e *otherEnd) stop() error {
	return errors.Join(e.stdin.Close(), e.cmd.Wait())
}

// dial connects to the other end. Blocks that it does not take would go to no spool.
func (e *otherEnd) dial(ctx context.Context, o transport.RemoteOptions) (*transport.Remote, error) {
	var err error
	if o.Recorder, err = transport.ParseEndpoint(e.address); err != nil {
		return nil, err
	}
	o.Keys = e.keys
	return transport.Dial(ctx, o)
}
