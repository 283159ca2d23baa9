package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"smiley/bench/synthetic"
	"smiley/bench/table"
	"smiley/recording"
	"smiley/store"
)

// query measures questions to a recording of 100 million calls. A process of its own asks them, so that its memory can
// be measured.
func query(ctx context.Context, s settings) error {
	if _, err := os.Stat(s.file); errors.Is(err, fs.ErrNotExist) {
		start := time.Now()
		calls := s.scaled(100_000_000)
		if err := recordFile(ctx, s.file, synthetic.Ints, synthetic.Large(calls)); err != nil {
			return err
		}
		disk, err := diskUse(s.file)
		if err != nil {
			return err
		}
		fmt.Printf("\nA recording of %d calls, half of them made by one call: %s, made in %s.\n", calls, table.Mebibytes(disk),
			time.Since(start).Round(time.Second))
	}
	file, err := filepath.Abs(s.file)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "-serve", "-file", file, "-picks", strconv.Itoa(s.picks))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// asker asks a recording.
type asker struct {
	r      *store.Reader
	id     recording.RunID
	run    *store.RunInfo
	random *rand.Rand
	calls  []uint64
	rows   [][]string
}

// answer asks the questions and prints how long they took.
func answer(ctx context.Context, s settings) error {
	r, err := store.OpenReader(ctx, s.file)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only read
	a := asker{r: r, random: rand.New(rand.NewPCG(3, 4)), rows: [][]string{{"question", "p50", "p95", "max"}}}
	if a.id, err = r.FindRun(ctx, store.LastRun); err != nil {
		return err
	}
	if a.run, err = r.Run(ctx, a.id); err != nil {
		return err
	}
	if err := a.choose(ctx, s.picks); err != nil {
		return err
	}
	if err := a.askAll(ctx, s.picks); err != nil {
		return err
	}
	a.rows = append(a.rows, []string{"memory of the process, at most", table.Mebibytes(peak()), "", ""})
	table.Print(fmt.Sprintf("Questions to a recording of %d calls", a.run.Calls), a.rows...)
	return nil
}

// choose picks random calls.
func (a *asker) choose(ctx context.Context, picks int) error {
	for len(a.calls) < picks {
		for e, err := range a.r.Events(ctx, a.id, store.EventQuery{FromSeq: 1 + a.random.Uint64N(a.run.Events), Limit: 1}) {
			if err != nil {
				return err
			}
			if e.Kind == recording.KindCall {
				a.calls = append(a.calls, e.Seq)
			}
		}
	}
	return nil
}

func (a *asker) askAll(ctx context.Context, picks int) error {
	loop, err := a.r.Roots(ctx, a.id, synthetic.LoopGoroutine, 0, 1)
	if err != nil {
		return err
	}
	functions, err := a.r.Functions(ctx, a.id)
	if err != nil {
		return err
	}
	shorts := int64(a.run.Goroutines) - synthetic.LoopGoroutine
	return errors.Join(
		a.ask("children of a random call, first page", picks, func(i int) error {
			_, err := a.r.Children(ctx, a.id, a.calls[i], 0, 100)
			return err
		}),
		a.ask("children of the call that made half of all calls, first page", picks, func(int) error {
			_, err := a.r.Children(ctx, a.id, loop[0].Seq, 0, 100)
			return err
		}),
		a.ask("the same, page behind a random child", picks, func(i int) error { return a.childrenBehind(ctx, loop[0].Seq, a.calls[i]) }),
		a.ask("outermost calls of a goroutine, first page", picks, func(i int) error {
			_, err := a.r.Roots(ctx, a.id, int64(1+i%synthetic.LoopGoroutine), 0, 100)
			return err
		}),
		a.ask("events of a random short goroutine, first page", picks, func(int) error {
			return a.first(ctx, store.EventQuery{Goroutine: synthetic.FirstShort + a.random.Int64N(max(shorts, 1)), Limit: 100})
		}),
		a.ask("events from a random time on, first page", picks, func(int) error {
			return a.first(ctx, store.EventQuery{FromTime: a.random.Int64N(a.run.Last), Limit: 100})
		}),
		a.ask("statistics of all functions", picks, func(int) error {
			_, err := a.r.FunctionStats(ctx, a.id)
			return err
		}),
		a.ask("call graph", picks, func(int) error {
			_, err := a.r.EdgeStats(ctx, a.id)
			return err
		}),
		a.ask("a random call with its values", picks, func(i int) error { return a.values(ctx, functions, a.calls[len(a.calls)-1-i]) }),
	)
}

// ask measures one question.
func (a *asker) ask(name string, n int, question func(i int) error) error {
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		if err := question(i); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	a.rows = append(a.rows, []string{
		name, table.Milliseconds(took[n/2]), table.Milliseconds(took[n*95/100]), table.Milliseconds(took[n-1]),
	})
	return nil
}

// childrenBehind asks for the page behind the first child of call that begins at or behind seq.
func (a *asker) childrenBehind(ctx context.Context, call, seq uint64) error {
	for e, err := range a.r.Events(ctx, a.id, store.EventQuery{FromSeq: seq, Goroutine: synthetic.LoopGoroutine, Limit: 2}) {
		if err != nil {
			return err
		}
		if e.Kind == recording.KindCall {
			_, err := a.r.Children(ctx, a.id, call, e.Seq, 100)
			return err
		}
	}
	return nil
}

func (a *asker) first(ctx context.Context, query store.EventQuery) error {
	query.Parts = recording.WithData
	for _, err := range a.r.Events(ctx, a.id, query) {
		if err != nil {
			return err
		}
	}
	return nil
}

// values asks for a call and decodes its arguments and results.
func (a *asker) values(ctx context.Context, functions []recording.Function, seq uint64) error {
	types, err := a.r.Types(ctx, a.id)
	if err != nil {
		return err
	}
	call, err := a.r.Call(ctx, a.id, seq)
	if err != nil {
		return err
	}
	d := recording.ValueDecoder{Types: types, Bounds: a.run.Settings.Bounds}
	f := functions[call.Function-1]
	for _, v := range d.Values(f.Params, call.Args) {
		if v.Unreadable != "" {
			return fmt.Errorf("argument %s of call %d is unreadable: %s", v.Name, seq, v.Unreadable)
		}
	}
	d.Values(f.Results, call.Results)
	return nil
}
