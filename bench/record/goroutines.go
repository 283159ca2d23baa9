package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"smiley/bench/synthetic"
	"smiley/bench/table"
	"smiley/recording"
	"smiley/store"
)

// shortLived is how many of the short goroutines are alive at a time.
const shortLived = 100

// goroutines measures whether the recorder's memory stays flat while a program starts one short goroutine after the
// other: each makes two calls and ends.
func goroutines(ctx context.Context, s settings) error {
	total := s.scaled(2_000_000)
	file := filepath.Join(s.dir, "goroutines.db")
	st, err := store.Open(ctx, file)
	if err != nil {
		return err
	}
	resetPeak()
	rows := [][]string{{"goroutines ended", "memory"}}
	start := time.Now()
	_, err = synthetic.Record(ctx, st, synthetic.Ints, func(b *recording.Builder) error {
		return churn(b, total, func(done int) {
			rows = append(rows, []string{fmt.Sprint(done), table.Mebibytes(resident())})
		})
	})
	took := time.Since(start)
	if err := errors.Join(err, st.Close()); err != nil {
		return err
	}
	disk, err := diskUse(file)
	rows = append(rows, []string{"peak", table.Mebibytes(peak())})
	table.Print(fmt.Sprintf("Memory while %d goroutines begin and end (%s events/s, %.0f B a goroutine on disk)", total,
		table.MillionsPerSecond(6*total, took), float64(disk)/float64(total)), rows...)
	return errors.Join(err, removeAll(file))
}

// churn appends the events of total goroutines: start, a call in a call, end.
func churn(b *recording.Builder, total int, sample func(done int)) error {
	p := synthetic.NewProgram(synthetic.Ints)
	const events = 6
	stacks := make([][]recording.FunctionID, shortLived)
	var r recording.Raw
	for wave := 0; wave < total; wave += shortLived {
		for step := range events {
			for i := range shortLived {
				p.Tick()
				id := int64(wave + i + 1)
				switch step {
				case 0:
					r = recording.Raw{Kind: recording.KindGoroutineStart, Goroutine: id, Time: p.Now}
				case 1, 2:
					p.Enter(&r, &stacks[i], id, recording.FunctionID(step))
				case 3, 4:
					p.Leave(&r, &stacks[i], id)
				case 5:
					r = recording.Raw{Kind: recording.KindGoroutineEnd, Goroutine: id, Time: p.Now}
				}
				if err := b.Append(&r); err != nil {
					return err
				}
			}
		}
		if done := wave + shortLived; done%(max(total/5/shortLived, 1)*shortLived) == 0 {
			sample(done)
		}
	}
	return nil
}
