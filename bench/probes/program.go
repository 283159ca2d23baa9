//go:build linux && amd64

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"smiley/recording"
	"smiley/tracer"
)

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// sustain keeps every call of a program that does nothing else, for a minute, in a process of its own.
func sustain(ctx context.Context, s settings) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	database := filepath.Join(s.dir, "sustain.db")
	cmd := exec.CommandContext(ctx, self, "-record", database, s.target, "sustain", strconv.Itoa(s.seconds))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%w: %s", err, stderr.String())
	}
	f := figures(string(out))
	usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	info, err := os.Stat(database)
	if err != nil {
		return err
	}
	// The functions that call are recorded, too.
	if own := f["calls"]; f["recorded"] < own || f["recorded"] > own+100 {
		return fmt.Errorf("%.0f calls made, %.0f recorded", own, f["recorded"])
	}
	table(fmt.Sprintf("Kept from program to SQLite, %.0f s, program, tracer and store on the same processors", f["seconds"]),
		[]string{"calls", "calls/s (goal 3 M)", "lost", "bytes a call", "peak memory of tracer and store (goal 256 MiB)"},
		[]string{
			fmt.Sprintf("%.1f M", f["recorded"]/1e6), fmt.Sprintf("%.2f M", f["recorded"]/f["seconds"]/1e6), fmt.Sprintf("%.0f", f["dropped"]),
			fmt.Sprintf("%.1f", float64(info.Size())/f["recorded"]), fmt.Sprintf("%d MiB", usage.Maxrss>>10),
		})
	return nil
}

// The server's handler takes so much longer in the runs that show what such a load makes of a little more work.
const longer = 2 * time.Microsecond

// server measures the requests a second of a web server, its load on the same machine, and who takes how much processor time: with few
// connections, where server and load wait for each other, and with many, where each always has something to do.
func server(ctx context.Context, s settings) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	shares := [][]string{{"connections", "requests/s untraced", fmt.Sprintf("a handler %v longer", longer), "recorded", "share (goal 90 %)"}}
	times := [][]string{{"a request, µs of processor time", "untraced", fmt.Sprintf("a handler %v longer", longer), "recorded"}}
	for _, connections := range []int{8, 128} {
		many := strconv.Itoa(connections)
		var untraced, slowed, recorded []served
		for i := range rounds {
			database := filepath.Join(s.dir, fmt.Sprintf("server-%d-%d.db", connections, i))
			for _, way := range []struct {
				runs    *[]served
				command []string
			}{
				{&untraced, []string{s.target, "server", "0"}},
				{&slowed, []string{s.target, "server", strconv.Itoa(int(longer))}},
				{&recorded, []string{self, "-record", database, s.target, "server", "0"}},
			} {
				r, err := requests(ctx, s, many, way.command)
				if err != nil {
					return err
				}
				*way.runs = append(*way.runs, r)
			}
		}
		perSecond := func(r served) float64 { return r.perSecond }
		share := func(runs []served) string {
			var of []float64
			for i, r := range runs {
				of = append(of, r.perSecond/untraced[i].perSecond)
			}
			return fmt.Sprintf("%.0f %%", 100*median(of))
		}
		shares = append(shares, []string{many, fmt.Sprintf("%.0f", middle(untraced, perSecond)), share(slowed), fmt.Sprintf("%.0f", middle(recorded, perSecond)), share(recorded)})
		for _, who := range []struct {
			name   string
			figure func(served) float64
		}{
			{"server", func(r served) float64 { return r.server }},
			{"load", func(r served) float64 { return r.load }},
			{"tracer and store", func(r served) float64 { return r.recorder }},
		} {
			row := []string{who.name + ", " + many + " connections"}
			for _, runs := range [][]served{untraced, slowed, recorded} {
				row = append(row, fmt.Sprintf("%.1f", middle(runs, who.figure)))
			}
			times = append(times, row)
		}
	}
	table("net/http with JSON, all functions of the main module recorded", shares...)
	table("The same, by who takes the time", times...)
	return nil
}

// middle returns the median of a figure.
func middle(runs []served, figure func(served) float64) float64 {
	values := make([]float64, len(runs))
	for i, r := range runs {
		values[i] = figure(r)
	}
	return median(values)
}

// served is what came of a run of the server: requests a second, and µs of processor time for each, user and system.
type served struct{ perSecond, server, load, recorder float64 }

// requests runs a server, by itself or by a command that records it, and beside it a load over so many connections.
func requests(ctx context.Context, s settings, connections string, command []string) (served, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return served{}, err
	}
	if err := cmd.Start(); err != nil {
		return served{}, err
	}
	printed := bufio.NewReader(pipe)
	url, err := printed.ReadString('\n')
	if err != nil {
		return served{}, errors.Join(err, cmd.Wait())
	}
	load := exec.CommandContext(ctx, s.target, "load", strconv.Itoa(max(2, s.seconds/12)), strings.TrimSpace(url), connections)
	out, err := load.Output()
	if err != nil { // the server was not told to stop
		return served{}, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	rest, err := io.ReadAll(printed)
	if err = errors.Join(err, cmd.Wait()); err != nil {
		return served{}, err
	}
	took := func(p *os.ProcessState) float64 { return float64((p.UserTime() + p.SystemTime()).Microseconds()) }
	f := figures(string(out))
	r := served{perSecond: f["requests"], server: took(cmd.ProcessState), load: took(load.ProcessState)}
	if own := figures(string(rest)); own["tracer"] > 0 {
		r.server, r.recorder = own["program"], own["tracer"]
	}
	for _, total := range []*float64{&r.server, &r.load, &r.recorder} {
		*total /= f["answered"]
	}
	return r, nil
}

// processor returns the processor time of this process, or of its children that have ended.
func processor(who int) time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(who, &u) // it knows both
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// startup measures how much later a large program answers when all of its functions are recorded.
func startup(ctx context.Context, s settings) error {
	program := filepath.Join(s.dir, "go")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "cmd/go").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	const asTheCommandHas = 176 << 20 // see cmd/smiley
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(asTheCommandHas))
	var plain, traced []float64
	functions := 0
	for i := range rounds {
		begin := time.Now()
		if _, err := output(ctx, program, "version"); err != nil {
			return err
		}
		plain = append(plain, time.Since(begin).Seconds()*1e3)
		r, err := record(ctx, filepath.Join(s.dir, fmt.Sprintf("startup-%d.db", i)), tracer.Options{
			Target: program, Args: []string{"version"}, Engine: tracer.EngineProbe, IncludeDeps: true, IncludeStdlib: true,
		})
		if err != nil {
			return err
		}
		traced = append(traced, r.took.Seconds()*1e3)
		functions = r.Traced
	}
	table("`go version`, every function recorded",
		[]string{"functions", "untraced", "recorded", "added (goal 300 ms for 10,000 functions)"},
		[]string{
			strconv.Itoa(functions), fmt.Sprintf("%.0f ms", median(plain)), fmt.Sprintf("%.0f ms", median(traced)),
			fmt.Sprintf("%.0f ms", median(traced)-median(plain)),
		})
	return nil
}

// attach measures for how long a running program stands still, as it sees it itself.
func attach(ctx context.Context, s settings) error {
	var plain, traced []float64
	for i := range rounds {
		out, err := output(ctx, s.target, "gaps", "2000")
		if err != nil {
			return err
		}
		plain = append(plain, figures(out)["longest"]/1e3)
		longest, err := attached(ctx, s, filepath.Join(s.dir, fmt.Sprintf("attach-%d.db", i)))
		if err != nil {
			return err
		}
		traced = append(traced, longest/1e3)
	}
	table("Attaching to a running program and leaving it: the longest time it stood still",
		[]string{"untraced", "attached and left (goal 50 ms)", "worst of all"},
		[]string{fmt.Sprintf("%.1f ms", median(plain)), fmt.Sprintf("%.1f ms", median(traced)), fmt.Sprintf("%.1f ms", slices.Max(traced))})
	return nil
}

func attached(ctx context.Context, s settings, database string) (float64, error) {
	cmd := exec.CommandContext(ctx, s.target, "gaps", "3000")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	lines := bufio.NewReader(stdout)
	if _, err := lines.ReadString('\n'); err != nil {
		return 0, err
	}
	until, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer cancel()
	_, err = keep(ctx, database, func(sink recording.Sink) (tracer.Result, error) {
		return tracer.Attach(until, cmd.Process.Pid, tracer.Options{Bounds: recording.DefaultBounds(), Include: []string{"main.pair", "main.line", "main.total"}}, sink)
	})
	if err != nil {
		return 0, err
	}
	last, err := lines.ReadString('\n')
	return figures(last)["longest"], errors.Join(err, cmd.Wait())
}
