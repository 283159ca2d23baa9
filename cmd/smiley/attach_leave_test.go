//go:build linux && amd64

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"smiley/internal/stress"
)

// newTerminal returns both ends of a new pseudo-terminal.
func newTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return keyboard, terminal
}

// awaitOwner waits until a living smiley records the program.
func (p *busyProgram) awaitOwner(t *testing.T, smiley *exec.Cmd) {
	t.Helper()
	owner := fmt.Sprintf("is being recorded by process %d\n", smiley.Process.Pid)
	within(t, "smiley to be attached", func() bool {
		out, err := command(t, "detach", p.pid)
		return err != nil && strings.Contains(out, owner)
	})
}

// TestAttachEndsWithItsTerminal closes the terminal that smiley was attached from: it leaves the program as it was, and its run is
// whole.
func TestAttachEndsWithItsTerminal(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	program := startBusy(t)
	before := text(t, program.pid)
	database := filepath.Join(t.TempDir(), "runs.db")
	keyboard, terminal := newTerminal(t)
	smiley := exec.Command("smiley", "attach", program.pid, "--database", database)
	smiley.Stdin, smiley.Stdout, smiley.Stderr = terminal, terminal, terminal
	smiley.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := startHearing(smiley, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = smiley.Process.Kill() })
	_ = terminal.Close()
	program.awaitOwner(t, smiley)
	_ = keyboard.Close()
	_ = smiley.Wait() // it may find nobody to tell how it went
	if status := smiley.ProcessState.Sys().(syscall.WaitStatus); !status.Exited() {
		t.Errorf("smiley ended with %v", status)
	}
	if !bytes.Equal(before, text(t, program.pid)) {
		t.Error("the program's code is not what it was")
	}
	if out, err := command(t, "detach", program.pid); err != nil || !strings.Contains(out, "nothing of smiley") {
		t.Errorf("something was left: %v\n%s", err, out)
	}
	if out, err := command(t, "list", "--json", "--database", database); err != nil || !strings.Contains(out, `"status":"complete"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if out := program.end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// startHearing starts a command that is to end with a signal, although the tests may have been started by something that has it ignored.
func startHearing(command *exec.Cmd, sig os.Signal) error {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, sig) // what a process handles its children do not ignore
	defer signal.Stop(heard)
	return command.Start()
}

// TestAttachUnderNohup: a smiley that is to outlive its terminal does.
func TestAttachUnderNohup(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	program := startBusy(t)
	database := filepath.Join(t.TempDir(), "runs.db")
	smiley := exec.Command("sh", "-c", `trap "" HUP; exec smiley attach "$0" --quiet --database "$1"`, program.pid, database)
	if err := smiley.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = smiley.Process.Kill() })
	program.awaitOwner(t, smiley)
	_ = smiley.Process.Signal(syscall.SIGHUP)
	program.awaitOwner(t, smiley) // the signal was delivered, and ignored, before it
	_ = smiley.Process.Signal(syscall.SIGINT)
	if err := smiley.Wait(); err != nil {
		t.Error(err)
	}
	if out := program.end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// TestStressAttachSignalled ends smiley by signals at random moments, while it reads, attaches, records and leaves, sometimes by two:
// each time the code is what it was, and smiley says how it went.
func TestStressAttachSignalled(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	program := startBusy(t)
	database := filepath.Join(t.TempDir(), "runs.db")
	before := text(t, program.pid)
	begin := time.Now()
	if out, err := command(t, "attach", program.pid, "--calls", "1", "--database", database); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	whole := time.Since(begin) // of an attach and a leave
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}
	times, early, interrupted, recorded := stress.Times(3, 100), 0, 0, 0
	for round := range times {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		smiley := exec.CommandContext(ctx, "smiley", "attach", program.pid, "--for", "300ms", "--database", database)
		var said bytes.Buffer
		smiley.Stdout, smiley.Stderr = &said, &said
		if err := smiley.Start(); err != nil {
			t.Fatal(err)
		}
		for range 1 + rand.IntN(2) {
			timer := time.NewTimer(rand.N(whole + 100*time.Millisecond))
			<-timer.C
			_ = smiley.Process.Signal(signals[rand.IntN(len(signals))])
		}
		err := smiley.Wait()
		cancel()
		status := smiley.ProcessState.Sys().(syscall.WaitStatus)
		switch {
		case status.Signaled() && status.Signal() != syscall.SIGKILL, strings.Contains(said.String(), "SIGQUIT: quit\n"):
			// before it minded signals, or when it had left
			early++
		case err != nil && strings.Contains(said.String(), "interrupted"):
			interrupted++
		case err == nil && strings.Contains(said.String(), "smiley replay") && !strings.Contains(said.String(), "dropped"):
			recorded++
		default:
			t.Fatalf("round %d: %v\n%s", round, err, said.String())
		}
		if !bytes.Equal(before, text(t, program.pid)) {
			t.Fatalf("round %d: the program's code is not what it was\n%s", round, said.String())
		}
	}
	if out := program.end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
	stress.Row(t, "attached smiley ended by SIGINT, SIGTERM, SIGHUP or SIGQUIT at random moments, 8 goroutines", times, fmt.Sprintf(
		"code byte-identical each time, results right; %d runs were complete, %d had not begun", recorded, early+interrupted))
}

// TestStressTargetEnds has the program end, or become another one, at random moments while smiley attaches, records and leaves: its output
// and status are what they are without smiley, and smiley ends by itself.
func TestStressTargetEnds(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	binary := buildBusy(t)
	database := filepath.Join(t.TempDir(), "runs.db")
	first := runBusy(t, binary)
	begin := time.Now()
	if out, err := command(t, "attach", first.pid, "--calls", "1", "--database", database); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	whole := time.Since(begin)
	first.end()
	for _, end := range []struct {
		name, says string
		args       []string
	}{
		{"ends", "wrong results: 0\n", nil},
		{"becomes another one", "ready\nwrong results: 0\n", []string{"exec"}},
	} {
		times, recorded := stress.Times(1, 100), 0
		for round := range times {
			program := runBusy(t, binary, end.args...)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			smiley := exec.CommandContext(ctx, "smiley", "attach", program.pid, "--for", "20ms", "--database", database)
			var said bytes.Buffer
			smiley.Stdout, smiley.Stderr = &said, &said
			if err := smiley.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.NewTimer(whole/4 + rand.N(whole))
			<-timer.C
			if out := program.end(); out != end.says {
				t.Errorf("round %d: the program says %q", round, out)
			}
			err := smiley.Wait()
			hangs := ctx.Err() != nil
			cancel()
			var exit *exec.ExitError
			switch {
			case hangs || strings.Contains(said.String(), "goroutine ") || err != nil && (!errors.As(err, &exit) || exit.ExitCode() != statusFailed):
				t.Fatalf("round %d: %v\n%s", round, err, said.String())
			case err == nil:
				recorded++
			}
		}
		stress.Row(t, "the program "+end.name+" at a random moment of attaching, recording and leaving", times,
			fmt.Sprintf("output and status as alone; %d were recorded", recorded))
	}
}
