package install

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/asm"
	"smiley/tracer/probe/routine"
)

// stub is code that maps the shared memory from within the program and then puts every register back by itself. A thread
// that has begun it needs nobody any more: if we die on the way, the program finishes the stub and goes on.
//
// It is written over a function that only runs when a program starts, and taken out again.
type stub struct {
	addr   uint64
	code   []byte
	opened uint64 // where the new descriptor is in RAX
	mapped [2]uint64
	resume uint64 // where the thread goes on
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
	executable     = unix.PROT_READ | unix.PROT_EXEC
	readWrite      = unix.PROT_READ | unix.PROT_WRITE
	stubHost       = "runtime.schedinit"
	stubStepsLimit = 200
)

// newStub writes the stub for a thread with the given registers.
func newStub(addr uint64, regs *unix.PtraceRegs, code, codeSize, dataSize, name uint64) (*stub, error) {
	s := &stub{addr: addr, resume: regs.Rip, rax: regs.Rax}
	if int64(regs.Orig_rax) >= 0 {
		switch int64(regs.Rax) {
		case restartSys, restartNoIntr, restartNoHand:
			s.resume, s.rax = regs.Rip-syscallLen, regs.Orig_rax
		case restartBlock:
			s.resume, s.rax = regs.Rip-syscallLen, sysRestart
		}
	}
	c := asm.New(addr)
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
	for i, m := range []struct{ at, size, mode, offset uint64 }{
		{code, codeSize, executable, 0}, {code + codeSize, dataSize, readWrite, codeSize},
	} {
		c.MovImm(asm.R9, m.offset)
		call(unix.SYS_MMAP, m.at, m.size, m.mode, mapFlags)
		s.mapped[i] = c.PC()
	}
	c.Mov(asm.RDI, asm.R8)
	call(unix.SYS_CLOSE)
	for _, r := range []struct {
		reg asm.Reg
		v   uint64
	}{
		{asm.RDI, regs.Rdi}, {asm.RSI, regs.Rsi}, {asm.RDX, regs.Rdx}, {asm.R10, regs.R10}, {asm.R8, regs.R8}, {asm.R9, regs.R9},
		{asm.RCX, regs.Rcx}, {asm.R11, regs.R11}, {asm.RAX, s.rax},
	} {
		c.MovImm(r.reg, r.v)
	}
	c.Raw(0xFF, 0x25, 0, 0, 0, 0) // jmp to the address behind
	c.Raw(binary.LittleEndian.AppendUint64(nil, s.resume)...)
	var err error
	if s.code, err = c.Bytes(); err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "writing the stub: %w", err)
	}
	return s, nil
}

// run steps a thread through the stub. The memory is opened here while the program still has its descriptor.
func (st *stub) run(s *stopped, t *thread, size int64) (*os.File, error) {
	regs := t.regs
	regs.Rip, regs.Orig_rax = st.addr, ^uint64(0)
	if err := unix.PtraceSetRegs(t.id, &regs); err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "setting registers: %w", err)
	}
	var shared *os.File
	var failed error
	for range stubStepsLimit {
		if err := t.step(&regs); err != nil {
			return shared, err
		}
		switch regs.Rip {
		case st.opened:
			shared, failed = st.open(s.pid, regs.Rax, size)
		case st.mapped[0], st.mapped[1]:
			if failed == nil {
				failed = systemCallError("mmap", regs.Rax)
			}
		case st.resume:
			t.regs.Rip, t.regs.Rax, t.regs.Orig_rax = st.resume, st.rax, ^uint64(0)
			return shared, failed
		}
	}
	return shared, recording.Errorf(recording.CodeInternal, "the program does not run what smiley asks it to")
}

func (st *stub) open(pid int, fd uint64, size int64) (*os.File, error) {
	if err := systemCallError("memfd_create", fd); err != nil {
		return nil, err
	}
	shared, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%d", pid, fd), os.O_RDWR, 0)
	if err != nil {
		return nil, recording.Errorf(recording.CodePermission, "opening the shared memory: %w", err)
	}
	if err := shared.Truncate(size); err != nil {
		_ = shared.Close()
		return nil, recording.Errorf(recording.CodeInternal, "sizing the shared memory: %w", err)
	}
	return shared, nil
}

func systemCallError(name string, rax uint64) error {
	if v := int64(rax); v < 0 && v > -4096 {
		return recording.Errorf(recording.CodePermission, "%s in the program: %w", name, unix.Errno(-v))
	}
	return nil
}

// step runs one instruction. A signal that comes in between is kept for later.
func (t *thread) step(regs *unix.PtraceRegs) error {
	if err := unix.PtraceSingleStep(t.id); err != nil {
		return recording.Errorf(recording.CodeInternal, "stepping: %w", err)
	}
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
	st, err := newStub(host.Addr+a.bias, &t.regs, a.code, a.size, a.layout.Size(), zeroByte(a.img)+a.bias)
	if err != nil {
		return nil, err
	}
	old := a.img.Text(host.Addr, host.Addr+uint64(len(st.code)))
	if uint64(len(st.code)) > host.End-host.Addr {
		return nil, recording.Errorf(recording.CodeUnsupported, "%s has no room for the stub", stubHost)
	}
	in := routine.Patch{Addr: st.addr, Old: old, New: st.code}
	if err := write(a.process.memory, []routine.Patch{in}); err != nil {
		return nil, err
	}
	size := int64(a.size + a.layout.Size())
	shared, err := st.run(s, t, size)
	if shared != nil {
		defer func() { _ = shared.Close() }()
	}
	if err != nil {
		return nil, err
	}
	if err := write(a.process.memory, []routine.Patch{{Addr: st.addr, Old: st.code, New: old}}); err != nil {
		return nil, err
	}
	region, err := unix.Mmap(int(shared.Fd()), 0, int(size), readWrite, unix.MAP_SHARED)
	if err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "mapping the shared memory: %w", err)
	}
	return region, nil
}
