//go:build linux && amd64

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"smiley/tracer"
)

const (
	costCalls  = 1_000_000 // of each shape
	slowCalls  = 300       // with engines that stop the program
	rounds     = 5         // of which the median counts
	goroutines = 4
)

var shapeNames = []string{"nothing", "pair", "text"}

// cost compares what a call takes, without and with somebody recording it.
func cost(ctx context.Context, s settings) error {
	rows := [][]string{{"added per call, ns", "no values (goal 60)", "two ints in, int and error out (goal 80)", "16-byte string in, int out (goal 100)"}}
	for _, workers := range []int{1, goroutines} {
		var added [rounds]map[string]float64
		for i := range added {
			args := []string{"cost", strconv.Itoa(costCalls), strconv.Itoa(workers)}
			plain, err := output(ctx, s.target, args...)
			if err != nil {
				return err
			}
			r, err := record(ctx, filepath.Join(s.dir, fmt.Sprintf("cost-%d-%d.db", workers, i)), tracer.Options{
				Target: s.target, Args: args, Engine: tracer.EngineProbe, Include: []string{"main.nothing", "main.pair", "main.text"},
			})
			if err != nil {
				return err
			}
			if r.Ledger.Dropped > 0 {
				return fmt.Errorf("%d events were dropped", r.Ledger.Dropped)
			}
			added[i] = difference(figures(r.printed), figures(plain))
		}
		rows = append(rows, costRow(fmt.Sprintf("smiley, %d goroutines (wall)", workers), medians(added[:])))
	}
	stopping, err := stopping(ctx, s)
	if err != nil {
		return err
	}
	rows = append(rows, costRow("smiley, breakpoint engine", stopping))
	rows = append(rows, peers(ctx, s)...)
	table("Added to a call, entry and return", rows...)
	return nil
}

func difference(with, without map[string]float64) map[string]float64 {
	d := map[string]float64{}
	for name, v := range with {
		d[name] = v - without[name]
	}
	return d
}

func medians(all []map[string]float64) map[string]float64 {
	m := map[string]float64{}
	for _, name := range shapeNames {
		var values []float64
		for _, one := range all {
			values = append(values, one[name])
		}
		m[name] = median(values)
	}
	return m
}

func costRow(who string, added map[string]float64) []string {
	row := []string{who}
	for _, name := range shapeNames {
		row = append(row, fmt.Sprintf("%.0f", added[name]))
	}
	return row
}

// stopping measures the breakpoint engine.
func stopping(ctx context.Context, s settings) (map[string]float64, error) {
	args := []string{"cost", strconv.Itoa(slowCalls), "1"}
	r, err := record(ctx, filepath.Join(s.dir, "breakpoints.db"), tracer.Options{
		Target: s.target, Args: args, Engine: tracer.EngineBreakpoint, Include: []string{"main.pair"}, Exclude: []string{"main.shapes..."},
	})
	if err != nil {
		return nil, err
	}
	return figures(r.printed), nil
}

// peers measures other tools where they can be had; a row says why when one cannot.
func peers(ctx context.Context, s settings) [][]string {
	var rows [][]string
	for _, peer := range []struct {
		name    string
		measure func(context.Context, settings) (string, error)
	}{{"dlv trace", dlvTrace}, {"runtime/trace region (no values)", regions}, {"uftrace, C twin (`-pg`), two arguments and result", uftrace}} {
		cell, err := peer.measure(ctx, s)
		if err != nil {
			cell = "not measured: " + strings.ReplaceAll(firstLine(err.Error()), "|", "/")
		}
		rows = append(rows, []string{peer.name, "", cell, ""})
	}
	return rows
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// dlvTrace measures Delve's own tracing, built from the nested module that pins it.
func dlvTrace(ctx context.Context, s settings) (string, error) {
	dlv := filepath.Join(s.dir, "dlv")
	build := exec.CommandContext(ctx, "go", "build", "-o", dlv, "github.com/go-delve/delve/cmd/dlv")
	build.Dir = "bench/peers"
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	trace := exec.CommandContext(ctx, dlv, "trace", "--exec", s.target, "main.pair", "--", "cost", strconv.Itoa(slowCalls), "1")
	printed, err := trace.Output()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%.0f", figures(string(printed))["pair"]), nil
}

func regions(ctx context.Context, s settings) (string, error) {
	out, err := output(ctx, s.target, "region", strconv.Itoa(costCalls))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%.0f", figures(out)["added"]), nil
}

const twin = `#include <stdio.h>
#include <stdlib.h>
#include <time.h>
__attribute__((noinline)) long pair(long a, long b) { __asm__ volatile(""); return a + b; }
int main(int argc, char **argv) {
	long n = atol(argv[1]), sum = 0;
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (long i = 0; i < n; i++) sum += pair(i, -1);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("pair %.3f\n", ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / n);
	return sum == 42;
}
`

// uftrace measures the tracer for C programs, on a program of the same shape.
func uftrace(ctx context.Context, s settings) (string, error) {
	source, program := filepath.Join(s.dir, "twin.c"), filepath.Join(s.dir, "twin")
	if err := os.WriteFile(source, []byte(twin), 0o600); err != nil {
		return "", err
	}
	if _, err := output(ctx, "gcc", "-O2", "-pg", "-g", "-o", program, source); err != nil {
		return "", err
	}
	if _, err := exec.LookPath("uftrace"); err != nil {
		return "", fmt.Errorf("uftrace is not installed (apt-get install uftrace libcapstone4)")
	}
	const calls = "1000000"
	// In that directory, since a program built with -pg leaves its gmon.out where it runs.
	plain, err := output(ctx, "env", "-C", s.dir, program, calls)
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	traced, err := output(limited, "env", "-C", s.dir, "uftrace", "record", "-d", filepath.Join(s.dir, "uftrace"),
		"-A", "pair@arg1,arg2", "-R", "pair@retval", program, calls)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%.0f", figures(traced)["pair"]-figures(plain)["pair"]), nil
}
