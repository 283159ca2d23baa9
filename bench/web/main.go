// Command web measures how fast the pages of a large recording answer, and in how much memory: requests for every page and
// its JSON at random places, first one after the other, then by many readers at once while another run is being recorded
// into the same file. It prints tables in Markdown; docs/explanation/performance.md holds them. Beside some pages stand the
// same questions to a plain SQLite table with a row for every call, of a twentieth of the size.
//
//	go run ./bench/web                      ten million calls
//	go run ./bench/web -scale 1             a hundred million: some minutes and 2 GB of temporary disk
//	go run ./bench/web -file big.db         of a recording that is kept; bench/record -only query -file makes the same one
//	go run ./bench/web -only cold           one of the parts: pages, search, cold, crowd
//	go run ./bench/web -only pages -pages flame,losses    pages whose name holds a word
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"smiley/bench/part"
	"smiley/bench/synthetic"
	"smiley/bench/table"
	"smiley/recording"
	"smiley/store"
)

// settings are the flags.
type settings struct {
	scale    float64
	file     string
	requests int
	readers  int
	rate     int
	only     string
	pages    string
	plain    bool
	record   bool // this process records into -file until it is interrupted
	dir      string

	run     *store.RunInfo
	targets []target
}

// wholeSize is how many calls the recording has at scale 1; the plain table has a twentieth of its rows.
const (
	wholeSize = 100_000_000
	plainPart = 20
)

func main() {
	var s settings
	flag.Float64Var(&s.scale, "scale", 0.1, "size of the recording; 1 is a hundred million calls")
	flag.StringVar(&s.file, "file", "", "the recording: written when it is not there, and kept (default a temporary file)")
	flag.IntVar(&s.requests, "requests", 200, "requests for each page")
	flag.IntVar(&s.readers, "readers", 20, "readers at once")
	flag.IntVar(&s.rate, "rate", 100_000, "calls a second that are recorded meanwhile")
	flag.StringVar(&s.only, "only", "", "parts, separated by commas: pages, search, cold, crowd (default all)")
	flag.StringVar(&s.pages, "pages", "", "only pages whose name holds one of these, with commas between")
	flag.BoolVar(&s.plain, "plain", true, "ask the plain table, too")
	flag.BoolVar(&s.record, "record", false, "record into -file until standard input ends")
	flag.Parse()
	if err := run(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if s.record {
		return record(ctx, s.file, s.rate)
	}
	dir, err := os.MkdirTemp("", "smiley-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	s.dir = dir
	if s.file == "" {
		s.file = filepath.Join(dir, "large.db")
	}
	if s.file, err = filepath.Abs(s.file); err != nil {
		return err
	}
	if s.run, err = s.prepare(ctx); err != nil {
		return err
	}
	if s.targets, err = newTargets(ctx, s.file, s.run, s.pages); err != nil {
		return err
	}
	return part.Run(ctx, s.only, s, []part.Part[settings]{
		{Name: "pages", Measure: alone},
		{Name: "search", Measure: search},
		{Name: "cold", Measure: cold},
		{Name: "crowd", Measure: together},
	})
}

// prepare makes the recording unless it is there, and returns its run.
func (s *settings) prepare(ctx context.Context) (*store.RunInfo, error) {
	if _, err := os.Stat(s.file); errors.Is(err, fs.ErrNotExist) {
		if err := recordLarge(ctx, s.file, int(s.scale*wholeSize)); err != nil {
			return nil, err
		}
	}
	r, err := store.OpenReader(ctx, s.file)
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // only read
	id, err := r.FindRun(ctx, store.LastRun)
	if err != nil {
		return nil, err
	}
	return r.Run(ctx, id)
}

func recordLarge(ctx context.Context, file string, calls int) error {
	kept, err := store.Open(ctx, file)
	if err != nil {
		return err
	}
	_, err = synthetic.Record(ctx, kept, synthetic.Ints, synthetic.Large(calls))
	return errors.Join(err, kept.Close())
}

// alone asks for every page, one request after the other.
func alone(ctx context.Context, s settings) error {
	var plain map[string]plainRow
	if s.plain {
		var err error
		if plain, err = s.askPlain(ctx); err != nil {
			return err
		}
	}
	server, err := startServer(ctx, &s)
	if err != nil {
		return err
	}
	defer server.stop()
	first := time.Now()
	if err := server.digest(ctx, s.run.ID); err != nil {
		return err
	}
	read := time.Since(first)
	rows := [][]string{{"page", "p50", "p95", "max", "processor", "its JSON: p50", "p95", "max", "processor", "plain SQL, a twentieth"}}
	for i := range s.targets {
		t := &s.targets[i]
		row := []string{t.name}
		for _, address := range []func() string{t.page, t.json} {
			if address == nil {
				row = append(row, "", "", "", "")
				continue
			}
			used := server.used()
			took, err := server.ask(ctx, address, s.requests)
			if err != nil {
				return err
			}
			row = append(append(row, percentiles(took)...), table.Milliseconds((server.used()-used)/time.Duration(s.requests)))
		}
		answer := ""
		if p, ok := plain[t.plain]; ok {
			answer = p.String()
		}
		rows = append(rows, append(row, answer))
	}
	table.Print(fmt.Sprintf("Pages of a recording of %d calls, %d requests each at random places (goal: 100 ms at p95)", s.run.Calls, s.requests), rows...)
	fmt.Printf("\nRead once for the flame graph and the time line: %s. Memory of the server at most: %s.\n", read.Round(10*time.Millisecond), table.Mebibytes(server.peak()))
	return nil
}

// percentiles are the median, the p95 and the longest of some times, which are in order.
func percentiles(took []time.Duration) []string {
	return []string{table.Milliseconds(took[len(took)/2]), table.Milliseconds(took[len(took)*95/100]), table.Milliseconds(took[len(took)-1])}
}

// together asks for all pages by many readers at once, while another run is being recorded.
func together(ctx context.Context, s settings) error {
	recorder, err := startRecorder(ctx, &s)
	if err != nil {
		return err
	}
	server, err := startServer(ctx, &s)
	if err != nil {
		return errors.Join(err, recorder.stop())
	}
	took, refused, err := server.crowd(ctx, s.targets, s.readers, s.requests)
	peak := server.peak()
	server.stop()
	if err := errors.Join(err, recorder.stop(), s.forget(ctx, s.run.ID)); err != nil {
		return err
	}
	if len(took) == 0 {
		return errors.New("no request was answered")
	}
	slices.Sort(took)
	table.Print(fmt.Sprintf("%d readers at once, while %d calls a second are recorded into the same file", s.readers, s.rate),
		[]string{"requests answered", "without an answer in time", "p50", "p95", "max", "memory of the server, at most (goal: 256 MiB)"},
		append(append([]string{fmt.Sprint(len(took)), fmt.Sprint(refused)}, percentiles(took)...), table.Mebibytes(peak)))
	return nil
}

// forget deletes the runs that came into the file while it was measured.
func (s *settings) forget(ctx context.Context, keep recording.RunID) error {
	kept, err := store.Open(ctx, s.file)
	if err != nil {
		return err
	}
	runs, err := kept.Runs(ctx, store.RunsQuery{})
	var ids []recording.RunID
	for i := range runs {
		if runs[i].ID != keep {
			ids = append(ids, runs[i].ID)
		}
	}
	if err == nil && len(ids) > 0 {
		err = kept.Delete(ctx, ids...)
	}
	return errors.Join(err, kept.Close())
}
