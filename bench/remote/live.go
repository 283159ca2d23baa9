//go:build cgo && unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"smiley/bench/table"
)

// ticking is a program that calls tick at a rate, with the time of the call.
const ticking = `package main

import (
	"os"
	"strconv"
	"time"
)

//go:noinline
func tick(at int64) int64 { return at }

func main() {
	rate, _ := strconv.Atoi(os.Args[1])
	lasting, _ := time.ParseDuration(os.Args[2])
	start := time.Now()
	for made := 0; time.Since(start) < lasting; time.Sleep(time.Millisecond) {
		for ; made < int(float64(rate)*time.Since(start).Seconds()); made++ {
			tick(time.Now().UnixNano())
		}
	}
}
`

// delays measures how long it takes from a call to its line of `smiley monitor`: real processes, a real program.
func delays(ctx context.Context, s settings) error {
	smiley, program := filepath.Join(s.dir, "smiley"), filepath.Join(s.dir, "ticking")
	if err := os.WriteFile(program+".go", []byte(ticking), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{{smiley, "smiley/cmd/smiley"}, {program, program + ".go"}} {
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", args[0], args[1]).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	rows := [][]string{{"calls/s", "lines", "p50", "p99 (goal 300 ms)", "max"}}
	for _, rate := range []int{100, 10_000} {
		list, err := delaysOf(ctx, smiley, program, rate, time.Duration(s.scaled(20_000))*time.Millisecond)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return errors.New("smiley monitor shows nothing")
		}
		slices.Sort(list)
		at := func(p int) string { return table.Milliseconds(list[(len(list)-1)*p/100]) }
		rows = append(rows, []string{strconv.Itoa(rate), strconv.Itoa(len(list)), at(50), at(99), at(100)})
	}
	table.Print("From a call to its line of smiley monitor, over tcp", rows...)
	return nil
}

// delaysOf runs the program and returns how late each line was.
func delaysOf(ctx context.Context, smiley, program string, rate int, lasting time.Duration) ([]time.Duration, error) {
	monitor := exec.CommandContext(ctx, smiley, "monitor", "--exit", "--function", "main.tick", "--listen", "tcp://127.0.0.1:0")
	lines, err := monitor.StdoutPipe()
	if err != nil {
		return nil, err
	}
	words, err := monitor.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := monitor.Start(); err != nil {
		return nil, err
	}
	said := bufio.NewReader(words)
	line, err := said.ReadString('\n')
	_, address, ok := strings.Cut(line, "listening at ")
	address, _, _ = strings.Cut(address, ";")
	if err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("smiley monitor says %q", line), err, monitor.Process.Kill(), monitor.Wait())
	}
	go func() { _, _ = io.Copy(os.Stderr, said) }() // ends with the monitor: what it skips is to be seen

	run := exec.CommandContext(ctx, smiley, "run", "-q", "--remote", strings.TrimSpace(address), "--include", "main.tick", program, "--",
		strconv.Itoa(rate), lasting.String())
	run.Stderr = os.Stderr
	if err := run.Start(); err != nil {
		return nil, errors.Join(err, monitor.Process.Kill(), monitor.Wait())
	}
	ended := make(chan error, 1)
	go func() {
		err := run.Wait()
		if err != nil {
			err = errors.Join(err, monitor.Process.Kill()) // which would wait for another program
		}
		ended <- err
	}()
	var list []time.Duration
	for shown := bufio.NewScanner(lines); shown.Scan(); {
		now := time.Now().UnixNano()
		_, rest, ok := strings.Cut(shown.Text(), "tick(at=")
		if !ok {
			continue // its return
		}
		number, _, _ := strings.Cut(rest, ")")
		if at, err := strconv.ParseInt(number, 10, 64); err == nil {
			list = append(list, time.Duration(now-at))
		}
	}
	return list, errors.Join(<-ended, monitor.Wait())
}
