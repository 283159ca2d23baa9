//go:build cgo && unix

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"smiley/bench/synthetic"
	"smiley/bench/table"
	"smiley/recording"
	"smiley/transport"
)

// cutEvery is how often a block ends at the latest, as in the tracer.
const cutEvery = 200 * time.Millisecond

// latencies measures how long it takes from a block's end to its acknowledgement, that is to its commit, while a program
// makes calls steadily.
func latencies(ctx context.Context, s settings) error {
	rows := [][]string{{"calls/s", "blocks", "p50", "p99 (goal 50 ms)", "max"}}
	for _, rate := range []int{100_000, 1_000_000} {
		list, err := steady(ctx, s, rate, time.Duration(s.scaled(20_000))*time.Millisecond)
		if err != nil {
			return err
		}
		slices.Sort(list)
		at := func(p int) string { return table.Milliseconds(list[(len(list)-1)*p/100]) }
		rows = append(rows, []string{fmt.Sprint(rate), fmt.Sprint(len(list)), at(50), at(99), at(100)})
	}
	table.Print("From the end of a block to its acknowledgement, over tcp", rows...)
	return nil
}

// steady sends calls at a rate for a while and returns the latency of each block.
func steady(ctx context.Context, s settings, rate int, lasting time.Duration) ([]time.Duration, error) {
	file := filepath.Join(s.dir, fmt.Sprintf("latency-%d.db", rate))
	e, err := startEnd(ctx, file, false)
	if err != nil {
		return nil, err
	}
	run, err := synthetic.NewRun()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var list []time.Duration
	sink, err := e.dial(ctx, transport.RemoteOptions{
		Run: run.ID, SpoolDir: filepath.Join(s.dir, "spool"),
		Acked: func(d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, d)
		},
	})
	if err != nil {
		return nil, err
	}
	err = feed(run, synthetic.Ints, sink, func(b *recording.Builder) error {
		p := synthetic.NewProgram(synthetic.Ints)
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		start, cut := time.Now(), time.Now()
		var r recording.Raw
		for made := 0; time.Since(start) < lasting; <-ticker.C {
			for due := int(float64(2*rate) * time.Since(start).Seconds()); made < due; made++ {
				p.Next(&r)
				if err := b.Append(&r); err != nil {
					return err
				}
			}
			if time.Since(cut) >= cutEvery {
				cut = time.Now()
				if err := b.Cut(p.Now); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return list, errors.Join(err, e.stop(), removeAll(file))
}
