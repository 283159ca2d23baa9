//go:build linux && amd64

package tracer

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a new pseudo-terminal.
func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
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

// TestTerminal runs smiley on a terminal of its own: the program reads what is typed, sees a terminal, gets the signals of
// the keyboard, and smiley has the terminal back afterwards.
func TestTerminal(t *testing.T) {
	for _, test := range []struct {
		fixture string
		when    string // line to wait for before typing; "" is none
		typed   string
		want    []string
	}{
		{"stdin", "", "hello\n\x04", []string{"1 hello", "terminal: true true", "status 0 foreground true <nil>"}},
		{"signals|none", "ready", "\x03", []string{"ready", "status 130 foreground true <nil>"}},
	} {
		t.Run(test.fixture, func(t *testing.T) {
			keyboard, terminal := openTerminal(t)
			name, args, _ := strings.Cut(test.fixture, "|")
			smiley := exec.Command(os.Args[0])
			smiley.Env = append(os.Environ(), "SMILEY_TEST_ROLE="+strings.TrimSuffix("terminal|"+fixture(t, name)+"|"+args, "|"))
			smiley.Stdin, smiley.Stdout, smiley.Stderr = terminal, terminal, terminal
			smiley.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
			if err := smiley.Start(); err != nil {
				t.Fatal(err)
			}
			_ = terminal.Close()
			if test.when == "" {
				fmt.Fprint(keyboard, test.typed)
			}
			var lines []string
			for scanner := bufio.NewScanner(keyboard); scanner.Scan(); { // ends when nobody has the terminal open
				line := strings.TrimRight(scanner.Text(), "\r")
				lines = append(lines, line)
				if line == test.when {
					fmt.Fprint(keyboard, test.typed)
				}
			}
			if err := smiley.Wait(); err != nil {
				t.Error(err)
			}
			all := "\n" + strings.Join(lines, "\n") + "\n"
			for _, want := range test.want {
				if !strings.Contains(all, want+"\n") {
					t.Errorf("no line %q in %q", want, lines)
				}
			}
		})
	}
}

// TestJob stops a recorded program at the keyboard of a shell: the shell says that its job has stopped, and has it go on in the foreground,
// where the program reads on.
func TestJob(t *testing.T) {
	keyboard, terminal := openTerminal(t)
	shell := exec.Command("sh", "-mc", `"$SMILEY_TEST_BINARY"; echo "stopped: $?"; fg >/dev/null; echo "ended: $?"`)
	shell.Env = append(os.Environ(), "SMILEY_TEST_BINARY="+os.Args[0], "SMILEY_TEST_ROLE=terminal|"+fixture(t, "stdin"),
		"SMILEY_TEST_ENGINE="+string(EngineProbe))
	shell.Stdin, shell.Stdout, shell.Stderr = terminal, terminal, terminal
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Kill(-shell.Process.Pid, unix.SIGKILL) })
	_ = terminal.Close()
	fmt.Fprint(keyboard, "one\n")
	type when struct{ line, typed string }
	script := []when{{"1 one", "\x1a"}, {"stopped: 148", "two\n\x04"}}
	wanted := []string{"2 two", "terminal: true true", "status 0 foreground true <nil>", "ended: 0"}
	var lines []string
	for scanner := bufio.NewScanner(keyboard); scanner.Scan(); { // ends when nobody has the terminal open
		line := strings.TrimPrefix(strings.TrimRight(scanner.Text(), "\r"), "^Z")
		lines = append(lines, line)
		if len(script) > 0 && line == script[0].line {
			fmt.Fprint(keyboard, script[0].typed)
			script = script[1:]
		}
		if len(wanted) > 0 && line == wanted[0] {
			wanted = wanted[1:]
		}
	}
	if err := shell.Wait(); err != nil || len(script)+len(wanted) > 0 {
		t.Errorf("%v; waited in vain for %q and %q: %q", err, script, wanted, lines)
	}
}
