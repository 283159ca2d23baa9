// Package child starts programs for tests that need one that runs: it prints "ready" when it does, and ends when its input does.
package child

import (
	"bufio"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// Process is a program that was started.
type Process struct {
	Pid int
	In  io.WriteCloser // its end tells the program to end

	t      testing.TB
	cmd    *exec.Cmd
	out    *bufio.Reader
	errors strings.Builder
}

// Start starts a program and waits until it is ready. It is killed when the test ends before it does.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.errors
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	p.Pid, p.In, p.out = cmd.Process.Pid, in, bufio.NewReader(out)
	if line := p.Line(); line != "ready\n" {
		t.Fatalf("the program says %q instead of being ready", line)
	}
	return p
}

// Line waits for the next line that the program prints; at the end it is what is left.
func (p *Process) Line() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil && err != io.EOF {
		p.t.Fatal(err)
	}
	return line
}

// End tells the program to end, waits until it has, and returns what it printed and nobody has read. The test fails when it does not
// end as it should.
func (p *Process) End() string {
	p.t.Helper()
	_ = p.In.Close()
	rest, err := io.ReadAll(p.out)
	if err != nil {
		p.t.Error(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the program ended with %v\n%s", err, p.errors.String())
	}
	return string(rest)
}
