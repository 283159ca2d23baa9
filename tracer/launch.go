//go:build linux && amd64

package tracer

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/pkg/proc/native"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"smiley/recording"
	"smiley/tracer/probe/install"
)

// process is a launched program, not one instruction old. Our own thread traces it until it is let go, or until Delve takes it
// over because breakpoints are needed: Delve reads all of a program's symbols, which takes long.
//
// It is started here and not by Delve's own Launch for three more reasons: its descriptors are ours as they are (Delve would
// reopen or replace stdin), it can have an environment of its own, and the kernel kills it when this process dies in
// whatever way (Pdeathsig), so that nothing is left behind with breakpoints in it.
type process struct {
	pid   int
	held  *install.Held     // while our thread traces it
	group *proc.TargetGroup // nil: Delve does not
	tgt   *proc.Target
	path  string
	plain bool // the binary has no DWARF, of which Delve would complain

	terminal int // descriptor of the terminal that the program is handed whenever we are in the foreground; −1: none
	ownGroup int // process group that gets it back
}

// launch starts t stopped at its first instruction. The caller's goroutine must stay locked to its OS thread
// until the program has ended: that thread traces the program, and the kernel takes the death of that thread for ours. stripped
// says that the binary has no DWARF.
func launch(t *target, argv []string, opt *Options, stripped bool) (*process, error) {
	stdin := fileOr(opt.Stdin, os.Stdin)
	p := &process{terminal: -1, path: t.path, plain: stripped}
	attr := &syscall.SysProcAttr{Ptrace: true, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if fd := int(stdin.Fd()); term.IsTerminal(fd) {
		// Keyboard signals and reads belong to the foreground process group: that is the program's now, or when a shell has brought us there.
		if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil {
			p.terminal, p.ownGroup = fd, unix.Getpgrp()
			attr.Foreground, attr.Ctty = group == p.ownGroup, 0
		}
	}
	child, err := os.StartProcess(t.path, argv, &os.ProcAttr{
		Dir:   opt.Dir,
		Env:   opt.Env,
		Files: []*os.File{stdin, fileOr(opt.Stdout, os.Stdout), fileOr(opt.Stderr, os.Stderr)},
		Sys:   attr,
	})
	if err != nil {
		return nil, startFailure(t, opt.Dir, err)
	}
	p.pid = child.Pid
	_ = child.Release() // Delve waits for it, see reap
	if p.terminal >= 0 {
		// We are in the background now: what we write there must not stop us. Not before: the program would
		// inherit it.
		signal.Ignore(syscall.SIGTTOU)
	}
	if p.held, err = install.Hold(p.pid); err != nil {
		p.abandon()
		return nil, err
	}
	return p, nil
}

// toDelve hands the program over to Delve, if that has not happened yet.
func (p *process) toDelve() error {
	switch {
	case p.group != nil:
		return nil
	case p.plain:
		return withoutStderr(p.handOver)
	}
	return p.handOver()
}

// withoutStderr runs f with this process's descriptor 2 closed off: Delve prints a warning about missing DWARF there,
// in words that do not help, and cannot be told not to.
func withoutStderr(f func() error) error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return f()
	}
	defer null.Close()
	saved, err := unix.FcntlInt(2, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return f()
	}
	defer unix.Close(saved)
	if err := unix.Dup3(int(null.Fd()), 2, 0); err != nil {
		return f()
	}
	defer func() { _ = unix.Dup3(saved, 2, 0) }()
	return f()
}

func fileOr(f, otherwise *os.File) *os.File {
	if f != nil {
		return f
	}
	return otherwise
}

// handOver passes the stopped program from this thread to Delve, whose own thread must be the tracer.
func (p *process) handOver() error {
	// The pending SIGSTOP takes effect with the detach, before the program's first instruction. SIGCONT then removes
	// what is left of it, and of the one that attaching sends: neither reaches the program.
	if err := p.held.HandOver(); err != nil {
		return err
	}
	p.held = nil
	group, err := native.Attach(p.pid, nil, nil)
	if err != nil {
		_ = unix.Kill(p.pid, unix.SIGCONT) // if it is to live, then without us
		if errors.Is(err, unix.EPERM) {
			return install.Forbidden(p.pid, p.path, err)
		}
		return recording.Errorf(recording.CodeInternal, "Delve cannot trace %s: %w", p.path, err)
	}
	p.group, p.tgt = group, group.Selected
	if err := unix.Kill(p.pid, unix.SIGCONT); err != nil {
		return recording.Errorf(recording.CodeInternal, "cannot continue %s: %w", p.path, err)
	}
	return p.clearBreakpoints()
}

// clearBreakpoints removes every breakpoint, Delve's own included.
func (p *process) clearBreakpoints() error {
	if p.group == nil {
		return nil
	}
	var first error
	for addr, bp := range p.tgt.Breakpoints().M {
		for _, b := range bp.Breaklets {
			b.Kind = proc.UserBreakpoint // the only kind that Delve clears on demand
		}
		if err := p.tgt.ClearBreakpoint(addr); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// release lets the program go on by itself, without breakpoints.
func (p *process) release() error {
	if p.group == nil {
		held := p.held
		if p.held = nil; held == nil {
			return nil
		}
		return held.Release()
	}
	cleared := p.clearBreakpoints()
	detached := p.group.Detach(false)
	if detached != nil && gone(detached) {
		// Delve stops at a thread that is just beginning or ending. It also ends its tracing OS thread, with which the
		// system detaches the rest.
		detached = nil
	}
	return errors.Join(cleared, detached)
}

// abandon kills a program that could not be handed over and collects it.
func (p *process) abandon() {
	_ = unix.Kill(p.pid, unix.SIGKILL)
	if p.group != nil {
		_ = p.group.Detach(false)
	}
	_, _ = p.reap()
	p.restoreTerminal()
}

// restoreTerminal takes the terminal back from a program that has ended.
func (p *process) restoreTerminal() {
	if p.terminal < 0 {
		return
	}
	p.takeTerminal()
	signal.Reset(syscall.SIGTTOU)
	p.terminal = -1
}
