// Command web measures how fast the pages of a large recording answer, and in how much memory: requests for every page and
// its JSON at random places, first one after the other, then by many readers at once while another run is being recorded
// into the same file. It prints tables in Markdown; docs/explanation/performance.md holds them. Beside some pages stand the
// same questions to a plain SQLite table with a row for every call, of a twentieth of the size.
//
//	go run ./bench/web                      ten million calls
//	go run ./bench/web -scale 1             a hundred million: some minutes and 2 GB of temporary disk
//	go run ./bench/web -file big.db         of a recording that is kept; bench/record -only query -file makes the same one
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
	"strings"
	"time"

	"smiley/bench/synthetic"
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
	plain    bool
	crowd    bool
	record   bool // this process records into -file until it is interrupted
	dir      string
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
	flag.StringVar(&s.only, "only", "", "only pages whose name holds one of these, with commas between")
	flag.BoolVar(&s.plain, "plain", true, "ask the plain table, too")
	flag.BoolVar(&s.crowd, "crowd", true, "many readers at once, too")
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
	run, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	targets, err := newTargets(ctx, s.file, run, s.only)
	if err != nil {
		return err
	}
	var rows map[string]plainRow
	if s.plain {
		if rows, err = s.askPlain(ctx); err != nil {
			return err
		}
	}
	if err := s.alone(ctx, run, targets, rows); err != nil {
		return err
	}
	if !s.crowd {
		return nil
	}
	return s.together(ctx, run, targets)
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
func (s *settings) alone(ctx context.Context, run *store.RunInfo, targets []target, plain map[string]plainRow) error {
	server, err := startServer(ctx, s)
	if err != nil {
		return err
	}
	defer server.stop()
	first := time.Now()
	if err := server.digest(ctx, run.ID); err != nil {
		return err
	}
	read := time.Since(first)
	rows := [][]string{{"page", "p50", "p95", "max", "processor", "its JSON: p50", "p95", "max", "processor", "plain SQL, a twentieth"}}
	for i := range targets {
		t := &targets[i]
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
			row = append(row, milliseconds(took[len(took)/2]), milliseconds(took[len(took)*95/100]), milliseconds(took[len(took)-1]),
				milliseconds((server.used()-used)/time.Duration(s.requests)))
		}
		answer := ""
		if p, ok := plain[t.plain]; ok {
			answer = p.String()
		}
		rows = append(rows, append(row, answer))
	}
	table(fmt.Sprintf("Pages of a recording of %d calls, %d requests each at random places (goal: 100 ms at p95)", run.Calls, s.requests), rows...)
	fmt.Printf("\nRead once for the flame graph and the time line: %s. Memory of the server at most: %s.\n", read.Round(10*time.Millisecond), mebibytes(server.peak()))
	return nil
}

// together asks for all pages by many readers at once, while another run is being recorded.
func (s *settings) together(ctx context.Context, run *store.RunInfo, targets []target) error {
	recorder, err := startRecorder(ctx, s)
	if err != nil {
		return err
	}
	server, err := startServer(ctx, s)
	if err != nil {
		return errors.Join(err, recorder.stop())
	}
	took, refused, err := server.crowd(ctx, targets, s.readers, s.requests)
	peak := server.peak()
	server.stop()
	if err := errors.Join(err, recorder.stop(), s.forget(ctx, run.ID)); err != nil {
		return err
	}
	if len(took) == 0 {
		return errors.New("no request was answered")
	}
	slices.Sort(took)
	table(fmt.Sprintf("%d readers at once, while %d calls a second are recorded into the same file", s.readers, s.rate),
		[]string{"requests answered", "without an answer in time", "p50", "p95", "max", "memory of the server, at most (goal: 256 MiB)"},
		[]string{fmt.Sprint(len(took)), fmt.Sprint(refused), milliseconds(took[len(took)/2]), milliseconds(took[len(took)*95/100]), milliseconds(took[len(took)-1]), mebibytes(peak)})
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

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
