//go:build cgo && unix

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"smiley/bench/synthetic"
	"smiley/bench/table"
	"smiley/recording"
	"smiley/store"
	"smiley/transport"
)

const (
	draftsInFlight = 4
	blocksInFlight = 16 // as `smiley run` has it
)

// feed makes blocks of events on this goroutine, encodes them on another, and sends them to sink. It returns when all are
// acknowledged.
func feed(run recording.Run, m synthetic.Mix, sink recording.Sink, events func(*recording.Builder) error) error {
	drafts := make(chan *recording.Draft, draftsInFlight)
	sent := make(chan error, 1)
	go func() {
		var failed error
		for d := range drafts {
			if failed == nil {
				var block []byte
				if block, failed = d.Encode(nil); failed == nil {
					failed = sink.Send(block)
				}
			}
		}
		sent <- errors.Join(failed, sink.Close())
	}()
	b := recording.NewBuilder(run, func(d *recording.Draft) error {
		drafts <- d
		return nil
	})
	err := b.Define(m.Definitions())
	if err == nil {
		err = events(b)
	}
	if err == nil {
		err = b.Finish(recording.RunEnd{End: time.Now()})
	}
	close(drafts)
	return errors.Join(err, <-sent)
}

// local records into a file in this process, as `smiley run` does.
func local(ctx context.Context, file string, events func(*recording.Builder) error) (time.Duration, error) {
	kept, err := store.Open(ctx, file)
	if err != nil {
		return 0, err
	}
	run, err := synthetic.NewRun()
	if err != nil {
		return 0, err
	}
	sink, receiver := transport.Local(blocksInFlight)
	stored := make(chan error, 1)
	go func() {
		stored <- transport.Record(ctx, receiver, func(encoded []byte) error {
			_, err := kept.Append(ctx, encoded)
			return err
		})
	}()
	start := time.Now()
	err = feed(run, synthetic.Ints, sink, events)
	err = errors.Join(err, <-stored)
	took := time.Since(start)
	return took, errors.Join(err, kept.Close())
}

// remote records into a file of another process, as `smiley run --remote` does.
func remote(ctx context.Context, s settings, file string, encrypted bool, events func(*recording.Builder) error) (time.Duration, error) {
	e, err := startEnd(ctx, file, encrypted)
	if err != nil {
		return 0, err
	}
	run, err := synthetic.NewRun()
	if err != nil {
		return 0, err
	}
	sink, err := e.dial(ctx, transport.RemoteOptions{Run: run.ID, SpoolDir: filepath.Join(s.dir, "spool")})
	if err != nil {
		return 0, err
	}
	start := time.Now()
	err = feed(run, synthetic.Ints, sink, events)
	took := time.Since(start)
	if n := sink.Stats().Unacknowledged; n > 0 {
		err = errors.Join(err, fmt.Errorf("%d blocks are not acknowledged: %s", n, sink.Stats().LastError))
	}
	return took, errors.Join(err, e.stop())
}

// rounds is how often everything is measured, the kinds in turns; medians count. Shares are medians of the shares of each round, whose
// measurements are neighbours: on a machine that has other work they differ less than others.
const rounds = 5

// pipelines compares the whole way from events to a database.
func pipelines(ctx context.Context, s settings) error {
	calls := s.scaled(10_000_000)
	list := synthetic.Prepare(synthetic.Ints, 2*recording.BlockEvents)
	var took [3][]time.Duration
	for round := range rounds {
		for kind := range took {
			file := filepath.Join(s.dir, fmt.Sprintf("pipeline-%d-%d.db", round, kind))
			events := synthetic.Repeat(list, calls)
			var d time.Duration
			var err error
			if kind == 0 {
				d, err = local(ctx, file, events)
			} else {
				d, err = remote(ctx, s, file, kind == 2, events)
			}
			if err = errors.Join(err, removeAll(file)); err != nil {
				return err
			}
			took[kind] = append(took[kind], d)
		}
	}
	rows := [][]string{{"to", "calls/s (goal 3 M)", "of local (goal 80 %)"}}
	for kind, name := range []string{"a store in the same process", "a recorder over tcp", "a recorder over tcp, CURVE"} {
		rows = append(rows, []string{name, table.MillionsPerSecond(calls, median(took[kind])), share(took[kind], took[0])})
	}
	table.Print(fmt.Sprintf("From raw events to SQLite, %d million calls with two ints and a result", calls/1_000_000), rows...)
	return nil
}

func removeAll(file string) error { return removeGlob(file + "*") }

func median(list []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// share returns the median of how fast each round's measurement is beside the other of the same round.
func share(took, other []time.Duration) string {
	shares := make([]float64, len(took))
	for i := range took {
		shares[i] = float64(other[i]) / float64(took[i])
	}
	slices.Sort(shares)
	return fmt.Sprintf("%.0f %%", 100*shares[len(shares)/2])
}
