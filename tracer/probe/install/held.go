//go:build linux && amd64

package install

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// Held is a program that was just started and stands at its first instruction. All its methods must be called on the OS thread
// that started it, which is its tracer.
type Held struct {
	Pid    int
	thread *thread
}

// Hold waits until a program that the calling thread started with PTRACE_TRACEME has loaded its code.
func Hold(pid int) (*Held, error) {
	h := &Held{Pid: pid, thread: &thread{id: pid}}
	alive, err := h.thread.wait()
	if err != nil {
		return nil, err
	}
	if !alive {
		return nil, recording.Errorf(recording.CodeInternal, "the program ended before it began")
	}
	if err := unix.PtraceGetRegs(pid, &h.thread.regs); err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "reading registers of process %d: %w", pid, err)
	}
	return h, nil
}

// Release lets the program go, traced by nobody. A signal that came meanwhile is handed on.
func (h *Held) Release() error { return h.thread.detach() }

// HandOver lets the program go, but not one instruction further: it is left stopped by SIGSTOP, for another tracer.
func (h *Held) HandOver() error {
	if err := unix.Kill(h.Pid, unix.SIGSTOP); err != nil {
		return recording.Errorf(recording.CodeInternal, "cannot hold process %d: %w", h.Pid, err)
	}
	return h.thread.detach()
}

// Bias returns what the loader added to the addresses of the program's file, whose entry point is given.
func (h *Held) Bias(entry uint64) (uint64, error) {
	const entryKey = 9 // AT_ENTRY
	vector, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", h.Pid))
	if err != nil {
		return 0, recording.Errorf(recording.CodePermission, "reading what process %d was given: %w", h.Pid, err)
	}
	for ; len(vector) >= 16; vector = vector[16:] {
		if binary.LittleEndian.Uint64(vector) == entryKey {
			return binary.LittleEndian.Uint64(vector[8:]) - entry, nil
		}
	}
	return 0, recording.Errorf(recording.CodeInternal, "process %d does not know where it begins", h.Pid)
}

// Install puts probes into the program.
func (h *Held) Install(img *site.Image, probes []Probe, o Options) (*Process, error) {
	begin := time.Now()
	if o.Survey == nil {
		o.Survey = surveyOf(img, probes)
	}
	p := &Process{Pid: h.Pid}
	bias, err := h.Bias(img.Entry)
	if err != nil {
		return nil, err
	}
	if err := p.open(); err != nil {
		return nil, err
	}
	if err := o.Survey.compare(p.memory, img, bias); err != nil { // before anybody is told which functions will have probes
		return nil, err
	}
	plan := planned(img, probes, o.Survey)
	p.Probes, p.Skipped = plan.probes, plan.skipped
	p.Report.Planned = time.Since(begin)
	if o.Runtime == nil {
		if o.Runtime, err = readRuntime(fmt.Sprintf("/proc/%d/exe", h.Pid)); err != nil {
			return nil, err
		}
	}
	if err := plan.displaceable(); err != nil {
		return nil, err
	}
	layout := o.layout(h.Pid, img)
	size := plan.codeSize()
	var left []byte
	if o.Note != nil {
		left = estate(&plan, o.Note)
	}
	behind := size + o.Nodes.Size()
	mapped := behind + estateSize(left)
	code, err := placed(h.Pid, img, bias, mapped, &layout)
	if err != nil {
		return nil, err
	}
	begin = time.Now()
	region, err := h.mapRegion(p, mappings(code, mapped, layout), zeroByte(img)+bias)
	if err != nil {
		return nil, err
	}
	p.Report.Mapped = time.Since(begin)
	p.share(region, mapped)
	// Beside the code, whatever needs none of it. Who is told knows that there will be probes, and has much to do, too.
	beside := make(chan error, 1)
	go func() {
		err := p.prepareRings(layout, &o)
		if err == nil && o.Ready != nil {
			err = o.Ready()
		}
		beside <- err
	}()
	err = p.generate(img, plan, routine.Config{
		Image: img, Bias: bias, Code: code, Size: size, Rings: layout, Offsets: o.Runtime.Offsets, Room: region[:size:size], Kinds: plan.kinds,
	})
	if err == nil {
		p.place(size, mapped, o.Nodes)
		p.placeEstate(left, region[behind:mapped], code+behind, layout)
		p.code = code
	}
	if err := errors.Join(err, <-beside); err != nil {
		return nil, err
	}
	p.makeReader(&plan, &o)
	go func() { beside <- p.start(&plan, &o) }()
	if o.Placing != nil {
		o.Placing(p)
	}
	if err := <-beside; err != nil {
		return nil, errors.Join(err, p.unwrite())
	}
	if o.Lasting {
		p.program.Patches = nil
	}
	return p, nil
}

// unwrite takes out what was written of the patches before one did not find what it was made for: nobody will read what they have the program
// write.
func (p *Process) unwrite() error {
	return takeOut(p.memory, append(undone(p.program.Patches), p.program.Shim.Undo()))
}

// mapRegion makes the program map shared memory, and maps all of it here. The program keeps no descriptor; the tracer does.
func (h *Held) mapRegion(p *Process, parts []mapping, name uint64) (region []byte, err error) {
	mask, err := h.thread.signalMask()
	if err != nil {
		return nil, err
	}
	if err := h.thread.setSignalMask(allBut(unix.SIGTRAP)); err != nil {
		return nil, err
	}
	defer func() { // what comes meanwhile waits until the program goes on
		if failed := h.thread.setSignalMask(mask); err == nil {
			err = failed
		}
	}()
	memory, at := p.memory, h.thread.regs.Rip
	old := make([]byte, syscallLen)
	if _, err := memory.ReadAt(old, int64(at)); err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "reading the program's code: %w", err)
	}
	if _, err := memory.WriteAt([]byte{0x0F, 0x05}, int64(at)); err != nil {
		return nil, recording.Errorf(recording.CodePermission, "writing the program's code: %w", err)
	}
	p.file, err = share(h.call, h.Pid, parts, name)
	if _, failed := memory.WriteAt(old, int64(at)); failed != nil {
		err = errors.Join(err, recording.Errorf(recording.CodeInternal, "restoring code: %w", failed))
	}
	if failed := unix.PtraceSetRegs(h.Pid, &h.thread.regs); failed != nil {
		err = errors.Join(err, recording.Errorf(recording.CodeInternal, "restoring registers: %w", failed))
	}
	if err != nil {
		return nil, err
	}
	return mapHere(p.file, parts)
}

// call runs a system call in the program, at the place where it stands.
func (h *Held) call(number uint64, args ...uint64) (uint64, error) {
	regs := h.thread.regs
	regs.Rax, regs.Orig_rax = number, ^uint64(0)
	for i, a := range args {
		*[]*uint64{&regs.Rdi, &regs.Rsi, &regs.Rdx, &regs.R10, &regs.R8, &regs.R9}[i] = a
	}
	if err := unix.PtraceSetRegs(h.Pid, &regs); err != nil {
		return 0, recording.Errorf(recording.CodeInternal, "setting registers: %w", err)
	}
	for regs.Rip == h.thread.regs.Rip { // a signal that comes in between is a stop of its own
		if err := h.thread.step(&regs); err != nil {
			return 0, err
		}
	}
	return regs.Rax, systemCallError(callName(number), regs.Rax)
}

// callName names a system call that is made in the program.
func callName(number uint64) string {
	switch number {
	case unix.SYS_MEMFD_CREATE:
		return "memfd_create"
	case unix.SYS_MMAP:
		return "mmap"
	}
	return fmt.Sprintf("system call %d", number)
}
