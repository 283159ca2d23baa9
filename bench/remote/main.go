//go:build cgo && unix

// Command remote measures what it costs to keep recordings elsewhere: the same events go to a store in this process and to
// a recorder in another one, the same blocks through smiley's channel and through a bare ZeroMQ PUSH/PULL pair, and a real
// program is watched with smiley monitor, all over loopback. It prints tables in Markdown; docs/explanation/performance.md holds
// the ones that count.
//
//	go run ./bench/remote                  everything, in four minutes
//	go run ./bench/remote -scale 0.1       the same, quick
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"smiley/bench/part"
)

// settings are the flags.
type settings struct {
	scale float64
	only  string
	dir   string // of temporary files

	serve  string // this process is the other end: "store FILE", "discard", "plain"
	secret string // of the recorder, when it uses keys
	client string // public key of the sender
}

func main() {
	var s settings
	flag.Float64Var(&s.scale, "scale", 1, "size of everything")
	flag.StringVar(&s.only, "only", "", "parts, separated by commas: pipeline, channel, latency, live (default all)")
	flag.StringVar(&s.serve, "serve", "", "be the other end: a database file, discard, or plain")
	flag.StringVar(&s.secret, "secret", "", "with -serve: the key")
	flag.StringVar(&s.client, "client", "", "with -serve: the key of the sender")
	flag.Parse()
	if err := run(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, "remote:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if s.serve != "" {
		return serve(ctx, s)
	}
	dir, err := os.MkdirTemp("", "smiley-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	s.dir = dir
	return part.Run(ctx, s.only, s, []part.Part[settings]{
		{Name: "pipeline", Measure: pipelines},
		{Name: "channel", Measure: channels},
		{Name: "latency", Measure: latencies},
		{Name: "live", Measure: delays},
	})
}

// scaled is n at the chosen size, at least 1,000.
func (s settings) scaled(n int) int { return max(int(float64(n)*s.scale), 1000) }
