package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"smiley/bench/synthetic"
	"smiley/recording"
	"smiley/store"
)

// recorder is a process that records into the file.
type recorder struct {
	cmd  *exec.Cmd
	stay io.Closer
}

func startRecorder(ctx context.Context, s *settings) (*recorder, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-record", "-file", s.file, "-rate", strconv.Itoa(s.rate))
	cmd.Stderr = os.Stderr
	stay, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &recorder{cmd, stay}, cmd.Start()
}

func (r *recorder) stop() error { return errors.Join(r.stay.Close(), r.cmd.Wait()) }

// record records a synthetic program into a file at a rate of calls a second, until standard input ends.
func record(ctx context.Context, file string, rate int) error {
	kept, err := store.Open(ctx, file)
	if err != nil {
		return err
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what counts
	}()
	_, err = synthetic.Record(ctx, kept, synthetic.Values, func(b *recording.Builder) error { return paced(b, rate, over) })
	return errors.Join(err, kept.Close())
}

// paced appends events in portions, twenty a second.
func paced(b *recording.Builder, rate int, over <-chan struct{}) error {
	const portions = 20
	p := synthetic.NewProgram(synthetic.Values)
	tick := time.NewTicker(time.Second / portions)
	defer tick.Stop()
	begin := time.Now()
	for {
		select {
		case <-over:
			return nil
		case <-tick.C:
		}
		p.Now = max(p.Now, int64(time.Since(begin)))
		for calls := rate / portions; calls > 0; {
			var r recording.Raw
			p.Next(&r)
			if err := b.Append(&r); err != nil {
				return err
			}
			if r.Kind == recording.KindCall {
				calls--
			}
		}
		if err := b.Cut(p.Now); err != nil {
			return err
		}
	}
}
