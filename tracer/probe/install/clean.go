//go:build linux && amd64

package install

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// Clean takes out what a tracer that died left in a program: every byte of the functions' code that it wrote, but the head of the
// signal handler, is what the file says again. It returns how many bytes that were.
func Clean(pid int, img *site.Image) (int, error) {
	bias, err := Bias(pid, img)
	if err != nil {
		return 0, err
	}
	p := &Process{Pid: pid}
	if err := p.open(); err != nil {
		return 0, err
	}
	defer func() { _ = p.memory.Close() }()
	code, err := sharedRegions(pid)
	if err != nil {
		return 0, err
	}
	n := 0
	for range cleanTries {
		busy := false
		err = whileStopped(pid, func(s *stopped) error {
			if err := s.runs(img, bias); err != nil {
				return err
			}
			if busy = s.inside(p.memory, img.Lookup(stubHost), bias); busy {
				return nil
			}
			changes, err := changesOf(p.memory, img, bias, code)
			if err != nil {
				return err
			}
			n = len(changes.ours)
			if err := leaveUnknownIslands(s, p.memory, img, bias, code); err != nil {
				return err
			}
			return putBack(p.memory, changes.ours, img, bias)
		})
		if err != nil || !busy {
			return n, err
		}
	}
	return 0, recording.Errorf(recording.CodeLocked, "process %d is still busy with what an earlier tracer left", pid).WithHint("try again")
}

// putBack takes out what a tracer that died has written. The head of the signal handler comes before what it may lead to, the hook in the function that
// holds the stub: whoever dies in between must leave no signal a way into code that is gone.
func putBack(memory *os.File, ours []routine.Patch, img *site.Image, bias uint64) error {
	host := img.Lookup(stubHost)
	var first, last []routine.Patch
	for i := range ours {
		if at := ours[i].Addr - bias; host != nil && at >= host.Addr && at < host.End {
			last = append(last, ours[i])
		} else {
			first = append(first, ours[i])
		}
	}
	if err := write(memory, first); err != nil {
		return err
	}
	return write(memory, last)
}

// leaveUnknownIslands sends threads that stand at islands of a tracer that died to where these lead. Nothing tells an island from other jumps into
// code, for its host can have an instruction there, too: what threads at these would do next they have done then. One in a system call can be sent
// back to before it by the kernel, and stays where it is.
func leaveUnknownIslands(s *stopped, memory *os.File, img *site.Image, bias uint64, code []sharedMapping) error {
	for _, t := range s.threads {
		if img.Text(t.regs.Rip-bias, t.regs.Rip-bias+site.JumpLen) == nil || int64(t.regs.Orig_rax) >= 0 {
			continue
		}
		now := make([]byte, site.JumpLen)
		if _, err := memory.ReadAt(now, int64(t.regs.Rip)); err != nil || !leadsInto(code, now, t.regs.Rip) {
			continue
		}
		t.regs.Rip = target(now, t.regs.Rip)
		if err := unix.PtraceSetRegs(t.id, &t.regs); err != nil {
			return recording.Errorf(recording.CodeInternal, "setting registers of thread %d: %w", t.id, err)
		}
	}
	return nil
}

// cleanTries bounds the waiting for a thread to leave a stub, which takes it microseconds.
const cleanTries = 20

// inside reports whether a thread runs in a function that holds a stub, or will again when it returns from the handler of a signal.
func (s *stopped) inside(memory *os.File, host *site.Function, bias uint64) bool {
	if host == nil {
		return false
	}
	in := func(at uint64) bool { return at >= host.Addr+bias && at < host.End+bias }
	stack := make([]byte, threadStack)
	for _, t := range s.threads {
		if in(t.regs.Rip) {
			return true
		}
		n, _ := memory.ReadAt(stack, int64(t.regs.Rsp&^7))
		for i := 0; i+3*8 <= n; i += 8 {
			// The context that the kernel keeps for a handler has the place, the flags and the code segment in this order. Without the last,
			// what is left on the stack of how the program started would look like it.
			if in(binary.LittleEndian.Uint64(stack[i:])) && binary.LittleEndian.Uint16(stack[i+2*8:]) == userCode {
				return true
			}
		}
	}
	return false
}

// userCode is the segment in which 64-bit programs run.
const userCode = 0x33
