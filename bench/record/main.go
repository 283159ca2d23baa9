// Command record measures what a recording costs and how fast it answers, with synthetic events, so that the capture
// engine does not hide the pipeline and the store. It prints tables in Markdown; docs/explanation/performance.md holds the
// ones that count. Beside smiley's numbers stand those of a plain SQLite table with a row for every call.
//
//	go run ./bench/record                 everything, with 100 million calls in the largest recording
//	go run ./bench/record -scale 0.01     the same in a minute
//	go run ./bench/record -only query -file big.db    questions to a recording that is kept
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"smiley/bench/part"
)

// settings are the flags.
type settings struct {
	scale float64
	only  string
	file  string // the large recording; "" for a temporary one
	dir   string // of temporary files
	picks int
	serve bool // this process answers the questions of the query part
}

func main() {
	var s settings
	flag.Float64Var(&s.scale, "scale", 1, "size of everything; 0.01 is quick")
	flag.StringVar(&s.only, "only", "", "parts, separated by commas: throughput, size, query, goroutines (default all)")
	flag.StringVar(&s.file, "file", "", "the large recording: written when it is not there, and kept (default a temporary file)")
	flag.IntVar(&s.picks, "picks", 200, "random picks for each question")
	flag.BoolVar(&s.serve, "serve", false, "answer the questions about -file in this process")
	flag.Parse()
	if err := run(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if s.serve {
		return answer(ctx, s)
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
	return part.Run(ctx, s.only, s, []part.Part[settings]{
		{Name: "throughput", Measure: throughput},
		{Name: "size", Measure: size},
		{Name: "goroutines", Measure: goroutines},
		{Name: "query", Measure: query},
	})
}

// scaled is n at the chosen size, at least 1,000.
func (s settings) scaled(n int) int { return max(int(float64(n)*s.scale), 1000) }
