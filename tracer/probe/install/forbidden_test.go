//go:build linux && amd64

package install

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// TestForbiddenNamesWhatIsInTheWay has one hint for each reason, the nearest one first.
func TestForbiddenNamesWhatIsInTheWay(t *testing.T) {
	const person = 1000
	for name, c := range map[string]struct {
		s    surroundings
		code recording.Code
		hint string
	}{
		"filter":               {surroundings{uid: person, filtered: true, scope: 1, attach: true}, recording.CodePermission, "seccomp"},
		"it is traced":         {surroundings{uid: person, scope: 1, attach: true, its: 7, owner: person}, recording.CodeLocked, "process 7 traces it"},
		"we are traced":        {surroundings{tracer: 8, capable: true}, recording.CodeLocked, "strace without -f"},
		"nobody may":           {surroundings{capable: true, scope: 3}, recording.CodePermission, "started again"},
		"root of a container":  {surroundings{attach: true}, recording.CodePermission, "--cap-add SYS_PTRACE"},
		"another user's":       {surroundings{uid: person, attach: true, owner: 0, scope: 1}, recording.CodePermission, "another user's"},
		"run, and root only":   {surroundings{uid: person, scope: 2}, recording.CodePermission, "ptrace_scope is 2"},
		"attach, and children": {surroundings{uid: person, scope: 1, attach: true, owner: person}, recording.CodePermission, "smiley run needs neither"},
		"setuid":               {surroundings{uid: person, attach: true, owner: person}, recording.CodePermission, "setuid"},
		"not readable":         {surroundings{uid: person, scope: 1, attach: true, hidden: true, owner: person}, recording.CodePermission, "may not be read"},
		"something else":       {surroundings{capable: true, attach: true}, recording.CodePermission, "AppArmor"},
	} {
		e := c.s.explain(recording.Errorf(recording.CodePermission, "no: %w", unix.EPERM), "it")
		if e.Code != c.code || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("%s: %s, %q", name, e.Code, e.Hint)
		}
	}
}

// TestSurroundingsAreRead asks about this process what the system says elsewhere, too.
func TestSurroundingsAreRead(t *testing.T) {
	if traceFiltered() {
		t.Error("a filter forbids ptrace, although tests of this package use it")
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	if got, want := Capable(CapSysPtrace), data[0].Effective>>CapSysPtrace&1 != 0; got != want {
		t.Errorf("capable of tracing: %v, not %v", got, want)
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()
	err := whileStopped(child.Process.Pid, func(*stopped) error { // a second tracer comes too late
		seized := make(chan error)
		go onThread(func() { seized <- unix.PtraceSeize(child.Process.Pid) })
		e := Forbidden(child.Process.Pid, "it", <-seized)
		if e.Code != recording.CodeLocked || !strings.Contains(e.Hint, "process "+strconv.Itoa(os.Getpid())+" traces it") {
			t.Errorf("%s: %s (%s)", e.Code, e.Message, e.Hint)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
