//go:build linux && amd64

// Command probes measures what recording costs a program, beside peers in the same run, and prints tables in Markdown.
//
//	go run ./bench/probes                    everything; some three minutes
//	go run ./bench/probes -seconds 5         the long parts shorter
//	go run ./bench/probes -only cost,server
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"smiley/recording"
	"smiley/store"
	"smiley/tracer"
	"smiley/transport"
)

// settings are the flags, and what all parts use.
type settings struct {
	seconds int
	only    string
	dir     string // of temporary files
	target  string // the program
}

func main() {
	s := settings{}
	flag.IntVar(&s.seconds, "seconds", 60, "length of the sustained run")
	flag.StringVar(&s.only, "only", "", "parts, separated by commas: cost, sustain, server, startup, attach (default all)")
	child := flag.String("record", "", "record the target with the given arguments into this database, in this process")
	flag.Parse()
	var err error
	if *child != "" {
		err = recordHere(context.Background(), *child, flag.Args())
	} else {
		err = run(context.Background(), s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "probes:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp("", "smiley-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	s.dir, s.target = dir, filepath.Join(dir, "target")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", s.target, "./bench/probes/target").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for _, part := range []struct {
		name    string
		measure func(context.Context, settings) error
	}{{"cost", cost}, {"sustain", sustain}, {"server", server}, {"startup", startup}, {"attach", attach}} {
		if s.only != "" && !slices.Contains(strings.Split(s.only, ","), part.name) {
			continue
		}
		if err := part.measure(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// output runs a command and returns what it printed.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w: %s", filepath.Base(name), err, exit.Stderr)
	}
	return string(out), err
}

// figures reads lines "name number".
func figures(out string) map[string]float64 {
	m := map[string]float64{}
	for line := range strings.Lines(out) {
		var name string
		var v float64
		if _, err := fmt.Sscan(line, &name, &v); err == nil {
			m[name] = v
		}
	}
	return m
}

// recorded is what came of a program that was recorded into a database.
type recorded struct {
	tracer.Result
	printed string
	took    time.Duration
}

// record runs a program under the whole pipeline, from the tracer through the channel to the store.
func record(ctx context.Context, database string, opt tracer.Options) (*recorded, error) {
	stdout, err := os.CreateTemp(filepath.Dir(database), "stdout")
	if err != nil {
		return nil, err
	}
	defer stdout.Close() //nolint:errcheck // temporary
	opt.Stdout = stdout
	r, err := recordWith(ctx, database, opt)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(stdout.Name())
	r.printed = string(text)
	return r, err
}

// recordWith is record for a program whose output goes where the options say.
func recordWith(ctx context.Context, database string, opt tracer.Options) (*recorded, error) {
	opt.Bounds = recording.DefaultBounds()
	return keep(ctx, database, func(sink recording.Sink) (tracer.Result, error) { return tracer.Run(ctx, opt, sink) })
}

// keep puts the blocks that trace sends into a new database.
func keep(ctx context.Context, database string, trace func(recording.Sink) (tracer.Result, error)) (*recorded, error) {
	recordings, err := store.Open(ctx, database)
	if err != nil {
		return nil, err
	}
	const blocksInFlight = 16
	sink, receiver := transport.Local(blocksInFlight)
	kept := make(chan error, 1)
	go func() {
		kept <- transport.Record(ctx, receiver, func(encoded []byte) error {
			_, err := recordings.AppendOwn(ctx, encoded)
			return err
		})
	}()
	begin := time.Now()
	result, err := trace(sink)
	err = errors.Join(err, <-kept)
	took := time.Since(begin)
	return &recorded{Result: result, took: took}, errors.Join(err, recordings.Close())
}

// recordHere records the target in a process of its own, so that its memory and its processor time can be told, and nobody else gives way with
// it. It prints what the target prints, and then what came of it.
func recordHere(ctx context.Context, database string, args []string) error {
	r, err := recordWith(ctx, database, tracer.Options{Target: args[0], Args: args[1:], Engine: tracer.EngineProbe, Stdout: os.Stdout})
	if err != nil {
		return err
	}
	fmt.Printf("recorded %d\ndropped %d\nseconds %f\n", r.Calls, r.Ledger.Dropped, r.took.Seconds())
	fmt.Printf("tracer %d\nprogram %d\n", processor(syscall.RUSAGE_SELF).Microseconds(), processor(syscall.RUSAGE_CHILDREN).Microseconds())
	return nil
}

// table prints rows of cells as a Markdown table; the first row is the head.
func table(title string, rows ...[]string) {
	fmt.Printf("\n### %s\n\n", title)
	for i, row := range rows {
		fmt.Printf("| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Println("|" + strings.Repeat("---|", len(row)))
		}
	}
}
