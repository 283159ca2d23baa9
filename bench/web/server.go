package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"smiley/recording"
)

// server is a `smiley server` process.
type server struct {
	cmd    *exec.Cmd
	base   string
	client *http.Client
}

var addressPattern = regexp.MustCompile(`http://\S+/`)

// startServer builds smiley once and starts its server on any free port.
func startServer(ctx context.Context, s *settings) (*server, error) {
	binary := filepath.Join(s.dir, "smiley")
	if _, err := os.Stat(binary); err != nil {
		build := exec.CommandContext(ctx, "go", "build", "-o", binary, "smiley/cmd/smiley")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, binary, "server", "--database", s.file, "--listen", "127.0.0.1:0")
	said, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if base := addressPattern.FindString(lines.Text()); base != "" {
			go func() { _, _ = io.Copy(os.Stderr, said) }() // ends with the process
			return &server{cmd: cmd, base: strings.TrimSuffix(base, "/"), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: s.readers}}}, nil
		}
	}
	return nil, errors.Join(errors.New("the server did not say its address"), cmd.Process.Kill(), cmd.Wait())
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(os.Interrupt) // it may have ended
	_ = s.cmd.Wait()                       // so may this
}

// peak returns the most memory the server has held at a time, in bytes; 0 where the system does not say.
func (s *server) peak() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}

// used returns the processor time that the server has used; 0 where the system does not say.
func (s *server) used() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// Behind the name, which may hold anything: user and system time are the 12th and 13th field.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const user, tick = 11, 10 * time.Millisecond
	sum := time.Duration(0)
	for _, field := range fields[min(user, len(fields)):min(user+2, len(fields))] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0
		}
		sum += time.Duration(n) * tick
	}
	return sum
}

// get asks once and returns how long the answer took, with all of its body.
func (s *server) get(ctx context.Context, address string) ([]byte, time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+address, http.NoBody)
	if err != nil {
		return nil, 0, err
	}
	start := time.Now()
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	body, err := io.ReadAll(answer.Body)
	took := time.Since(start)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, 0, err
	}
	if answer.StatusCode == http.StatusServiceUnavailable {
		return nil, 0, fmt.Errorf("%s: %w", address, errRefused)
	}
	// A step that leads nowhere is an answer; so is a page that leads on.
	if answer.StatusCode >= http.StatusBadRequest && !strings.Contains(address, "/go") {
		return nil, 0, fmt.Errorf("%s: %d %s", address, answer.StatusCode, body)
	}
	return body, took, nil
}

// ask asks n times and returns how long the answers took, the shortest first.
func (s *server) ask(ctx context.Context, address func() string, n int) ([]time.Duration, error) {
	list := make([]time.Duration, n)
	for i := range list {
		var err error
		if _, list[i], err = s.get(ctx, address()); err != nil {
			return nil, err
		}
	}
	slices.Sort(list)
	return list, nil
}

// digest waits until the run has been read for its flame graph.
func (s *server) digest(ctx context.Context, run recording.RunID) error {
	for {
		body, _, err := s.get(ctx, "/runs/"+run.String()+"/flame.json?n=1")
		if err != nil {
			return err
		}
		var answer struct{ Partial bool }
		if err := json.Unmarshal(body, &answer); err != nil || !answer.Partial {
			return err
		}
	}
}

// errRefused is an answer that says that there is no time for one.
var errRefused = errors.New("no time for an answer")

// crowd asks for pages and JSON in a random order by some readers at once. It returns how long the answers took, and how
// many requests got none.
func (s *server) crowd(ctx context.Context, targets []target, readers, each int) (all []time.Duration, refused int, failed error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range readers {
		random := rand.New(rand.NewPCG(uint64(i), 7))
		group.Add(1)
		go func() {
			defer group.Done()
			for range each {
				mu.Lock() // targets share their random numbers
				t := &targets[random.IntN(len(targets))]
				address := t.page
				if t.json != nil && random.IntN(2) == 0 || address == nil {
					address = t.json
				}
				at := address()
				stop := failed != nil
				mu.Unlock()
				if stop {
					return
				}
				_, took, err := s.get(ctx, at)
				mu.Lock()
				if errors.Is(err, errRefused) {
					refused++
				} else {
					failed = errors.Join(failed, err)
					all = append(all, took)
				}
				mu.Unlock()
			}
		}()
	}
	group.Wait()
	return all, refused, failed
}
