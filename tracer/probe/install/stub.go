//go:build linux && amd64

package install

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/asm"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// stub is code that maps the shared memory from within the program and then puts every register back by itself. A thread
// that has begun it needs nobody any more: if we die on the way, the program finishes the stub and goes on.
//
// It is written over a function that only runs when a program starts, and taken out again. Behind it lies a hook for the
// signal handler, which swallows SIGTRAP: a thread that was stopped by a single step when we died gets that signal.
//
// Signals of the thread wait meanwhile, in the kernel and as they were sent: some handlers look at who sent them, and how. The thread
// runs the stub with them blocked. At its end the stub has the mask put back that there was, which only happens when we died on the way.
type stub struct {
	addr   uint64
	code   []byte
	hook   uint64   // where the hook begins
	opened uint64   // where the new descriptor is in RAX
	mapped []uint64 // where the result of each mapping is in RAX
	unmask uint64   // the system call that puts the mask of signals back
	mask   uint64   // which it is
	resume uint64   // where the thread goes on
	rax    uint64
}

// Results of a system call that was interrupted and is to be run again.
const (
	restartSys     = -512
	restartNoIntr  = -513
	restartNoHand  = -514
	restartBlock   = -516
	sysRestart     = 219
	syscallLen     = 2
	mapFlags       = unix.MAP_SHARED | unix.MAP_FIXED_NOREPLACE
	stubHost       = "runtime.schedinit"
	stubStepsLimit = 200
)

// newStub writes the stub for a thread with the given registers. It maps parts and takes old mappings out.
func newStub(
	addr uint64, regs *unix.PtraceRegs, mask uint64, parts []mapping, old []sharedMapping, name uint64, handler func(*asm.Code) error,
) (*stub, error) {
	s := &stub{addr: addr, mask: mask, resume: regs.Rip, rax: regs.Rax}
	if int64(regs.Orig_rax) >= 0 {
		switch int64(regs.Rax) {
		case restartSys, restartNoIntr, restartNoHand:
			s.resume, s.rax = regs.Rip-syscallLen, regs.Orig_rax
		case restartBlock:
			s.resume, s.rax = regs.Rip-syscallLen, sysRestart
		}
	}
	c := asm.New(addr)
	c.Raw(0xEB, signalSetSize) // jmp over the mask
	maskAt := c.PC()
	c.Raw(binary.LittleEndian.AppendUint64(nil, mask)...)
	call := func(number uint64, args ...uint64) {
		for i, a := range args {
			c.MovImm([]asm.Reg{asm.RDI, asm.RSI, asm.RDX, asm.R10}[i], a)
		}
		c.MovImm(asm.RAX, number)
		c.Syscall()
	}
	call(unix.SYS_MEMFD_CREATE, name, unix.MFD_CLOEXEC)
	s.opened = c.PC()
	c.Mov(asm.R8, asm.RAX) // system calls keep it
	for _, m := range parts {
		c.MovImm(asm.R9, m.offset)
		call(unix.SYS_MMAP, m.at, m.size, m.mode, mapFlags)
		s.mapped = append(s.mapped, c.PC())
	}
	c.Mov(asm.RDI, asm.R8)
	call(unix.SYS_CLOSE)
	for _, m := range old {
		call(unix.SYS_MUNMAP, m.from, m.to-m.from) // only addresses are lost when it fails
	}
	call(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, maskAt, 0, signalSetSize)
	s.unmask = c.PC() - syscallLen
	for _, r := range []struct {
		reg asm.Reg
		v   uint64
	}{
		{asm.RDI, regs.Rdi},
		{asm.RSI, regs.Rsi},
		{asm.RDX, regs.Rdx},
		{asm.R10, regs.R10},
		{asm.R8, regs.R8},
		{asm.R9, regs.R9},
		{asm.RCX, regs.Rcx},
		{asm.R11, regs.R11},
		{asm.RAX, s.rax},
	} {
		c.MovImm(r.reg, r.v)
	}
	c.Raw(0xFF, 0x25, 0, 0, 0, 0) // jmp to the address behind
	c.Raw(binary.LittleEndian.AppendUint64(nil, s.resume)...)
	s.hook = c.PC()
	other := c.NewLabel()
	c.CmpImm(asm.RDI, int32(unix.SIGTRAP))
	c.J(asm.NotEqual, other)
	c.Ret()
	c.Bind(other)
	err := handler(c)
	if err != nil {
		return nil, err
	}
	if s.code, err = c.Bytes(); err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "writing the stub: %w", err)
	}
	return s, nil
}

// run steps a thread through the stub. The memory is opened here while the program still has its descriptor. When it returns without an
// error, the thread stands where it was, and its signals are still blocked.
func (st *stub) run(s *stopped, t *thread, size int64) (*os.File, error) {
	regs := t.regs
	regs.Rip, regs.Orig_rax = st.addr, ^uint64(0)
	if err := unix.PtraceSetRegs(t.id, &regs); err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "setting registers: %w", err)
	}
	var shared *os.File
	var failed error
	if err := t.setSignalMask(allBut(unix.SIGTRAP)); err != nil { // which a step needs
		return nil, err
	}
	for range stubStepsLimit {
		if regs.Rip == st.unmask { // not yet: a handler would begin here
			regs.Rip += syscallLen
			if err := unix.PtraceSetRegs(t.id, &regs); err != nil {
				return shared, recording.Errorf(recording.CodeInternal, "setting registers: %w", err)
			}
		}
		if err := t.step(&regs); err != nil {
			return shared, err
		}
		if slices.Contains(st.mapped, regs.Rip) && failed == nil {
			failed = systemCallError("mmap", regs.Rax)
		}
		if regs.Rip == st.mapped[len(st.mapped)-1] && failed == nil {
			// Not before: what a program maps that locks all its memory is taken at once, as far as there is a file.
			failed = resize(shared, size)
		}
		switch regs.Rip {
		case st.opened:
			shared, failed = st.open(s.pid, regs.Rax)
		case st.resume:
			t.regs.Rip, t.regs.Rax, t.regs.Orig_rax = st.resume, st.rax, ^uint64(0)
			return shared, failed
		}
	}
	return shared, recording.Errorf(recording.CodeInternal, "the program does not run what smiley asks it to")
}

func (st *stub) open(pid int, fd uint64) (*os.File, error) {
	if err := systemCallError("memfd_create", fd); err != nil {
		return nil, err
	}
	shared, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%d", pid, fd), os.O_RDWR, 0)
	if err != nil {
		return nil, recording.Errorf(recording.CodePermission, "opening the shared memory: %w", err)
	}
	return shared, nil
}

// systemCallError says that a system call failed in the program, and what limit of the program may be why.
func systemCallError(name string, rax uint64) error {
	v := int64(rax)
	if v >= 0 || v <= -4096 {
		return nil
	}
	err := recording.Errorf(recording.CodePermission, "%s in the program: %w", name, unix.Errno(-v))
	switch unix.Errno(-v) {
	case unix.ENOMEM:
		return err.WithHint("are the program's addresses limited? see Max address space in /proc/PID/limits, and ulimit -v")
	case unix.EAGAIN:
		return err.WithHint("the program locks its memory, of which it may not have more: see Max locked memory in /proc/PID/limits, and ulimit -l")
	case unix.EPERM, unix.EACCES:
		return err.WithHint("a filter of system calls (seccomp) or a security module forbids it; smiley run --engine breakpoint does without")
	case unix.EMFILE, unix.ENFILE:
		return err.WithHint("the program has as many files open as it may: see Max open files in /proc/PID/limits, and ulimit -n")
	}
	return err
}

// step runs one instruction. The thread's signals must be blocked: the one that it stopped with then goes back to those that wait.
func (t *thread) step(regs *unix.PtraceRegs) error {
	if err := ptrace(unix.PTRACE_SINGLESTEP, t.id, 0, uintptr(t.signal)); err != nil {
		return recording.Errorf(recording.CodeInternal, "stepping: %w", err)
	}
	t.signal = 0
	alive, err := t.wait()
	if err != nil {
		return err
	}
	if !alive {
		return recording.Errorf(recording.CodeNotFound, "the program ended while smiley was attaching")
	}
	if err := unix.PtraceGetRegs(t.id, regs); err != nil {
		return recording.Errorf(recording.CodeInternal, "reading registers: %w", err)
	}
	return nil
}

// mapRegion maps the shared memory in the program and here.
func (a *attachment) mapRegion(s *stopped) ([]byte, error) {
	t := s.any()
	host := a.img.Lookup(stubHost)
	if t == nil || host == nil {
		return nil, recording.Errorf(recording.CodeUnsupported, "the program has no %s", stubHost)
	}
	if err := passFilter(s.pid, t.id); err != nil {
		return nil, err
	}
	parts := mappings(a.code, a.mapped(), a.layout)
	old, err := a.unused(s)
	if err != nil {
		return nil, err
	}
	mask, err := t.signalMask()
	if err != nil {
		return nil, err
	}
	st, err := newStub(host.Addr+a.bias, &t.regs, mask, parts, old, zeroByte(a.img)+a.bias, a.handlerHead)
	if err != nil {
		return nil, err
	}
	if uint64(len(st.code)) > host.End-host.Addr {
		return nil, recording.Errorf(recording.CodeUnsupported, "%s has no room for the stub", stubHost)
	}
	file := a.img.Text(host.Addr, host.Addr+uint64(len(st.code)))
	for at := 0; at < len(file); at += site.JumpLen {
		end := min(at+site.JumpLen, len(file))
		a.host = append(a.host, routine.NewPatch(st.addr+uint64(at), file[at:end], st.code[at:end]))
	}
	if err := write(a.process.memory, a.host); err != nil {
		return nil, err
	}
	// From here on the handler's head leads to the hook, until it leads to the shim.
	hook := routine.Jump(a.img, a.plan.handler.Addr, a.bias, st.hook)
	hook.Replaces = true
	if err := write(a.process.memory, []routine.Patch{hook}); err != nil {
		return nil, err
	}
	a.process.program.Shim.Replaces = true
	shared, err := st.run(s, t, total(parts))
	if shared != nil {
		defer func() { _ = shared.Close() }()
	}
	if err == nil {
		err = t.settle()
	}
	if failed := t.setSignalMask(mask); err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	return mapHere(shared, parts)
}

// handlerName is where all signal handlers of Go begin.
const handlerName = "runtime.sigtramp"

// handlerHead writes the head of the signal handler as it is in the program's file, and the way back to what follows it.
func (a *attachment) handlerHead(c *asm.Code) error {
	return routine.Displaced(c, a.img, a.bias, &a.plan.handler)
}

// settle takes a thread out of the stop of a single step, into one that leaves no signal behind.
func (t *thread) settle() error {
	if err := unix.PtraceInterrupt(t.id); err != nil {
		return recording.Errorf(recording.CodeInternal, "stopping thread %d: %w", t.id, err)
	}
	if err := unix.PtraceCont(t.id, 0); err != nil {
		return recording.Errorf(recording.CodeInternal, "stopping thread %d: %w", t.id, err)
	}
	if alive, err := t.wait(); err != nil || !alive {
		return recording.Errorf(recording.CodeNotFound, "the program ended while smiley was attaching")
	}
	return nil
}

// restoreHost takes the stub out.
func (a *attachment) restoreHost() error {
	return write(a.process.memory, undone(a.host))
}
