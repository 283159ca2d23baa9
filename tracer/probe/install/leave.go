//go:build linux && amd64

package install

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/routine"
)

// Remove takes the probes out of the running program: every byte of its text but the signal handler's is what it was, see Settle.
// Threads that are inside of routines run out of them by themselves, so routines and rings stay mapped. Some may still wait for room in
// their rings: the caller reads until they have found it, and then calls Reader.Abandon.
func (p *Process) Remove() error {
	return whileStopped(p.Pid, func(s *stopped) error {
		if p.Gone() {
			return nil
		}
		if err := s.leaveIslands(p.program.Patches); err != nil {
			return err
		}
		return takeOut(p.memory, undone(p.program.Patches))
	})
}

// undone returns the patches that take patches back.
func undone(patches []routine.Patch) []routine.Patch {
	undo := make([]routine.Patch, len(patches))
	for i := range undo {
		undo[i] = patches[i].Undo()
	}
	return undo
}

// takeOut is write for patches that put back what was there. The program may have changed functions since they got probes: what is there
// now stays.
func takeOut(memory *os.File, undo []routine.Patch) error {
	err := write(memory, undo)
	if recording.CodeOf(err) != recording.CodeUnsupported {
		return err
	}
	rest, err := applicable(memory, undo)
	if err != nil {
		return err
	}
	return write(memory, rest)
}

// applicable leaves out patches that do not find the bytes they were made for.
func applicable(memory *os.File, patches []routine.Patch) ([]routine.Patch, error) {
	var list []routine.Patch
	for i := range patches {
		ok, err := finds(memory, &patches[i])
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, patches[i])
		}
	}
	return list, nil
}

// unchanged leaves out patches of functions that something else has changed, and says which these are: a function gets all of its probes or
// none.
func unchanged(memory *os.File, patches []routine.Patch) (same []routine.Patch, changed map[int]bool, err error) {
	changed = map[int]bool{}
	for i := range patches {
		ok, err := finds(memory, &patches[i])
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			changed[int(patches[i].Owner)] = true
		}
	}
	return slices.DeleteFunc(patches, func(p routine.Patch) bool { return changed[int(p.Owner)] }), changed, nil
}

// finds reports whether a patch finds the bytes that it was made for.
func finds(memory *os.File, p *routine.Patch) (bool, error) {
	now := make([]byte, len(p.Old()))
	if _, err := memory.ReadAt(now, int64(p.Addr)); err != nil {
		return false, unreadableCode(err)
	}
	return bytes.Equal(now, p.Old()), nil
}

// Gone reports whether the program is no more: it ended, or became another one.
func (p *Process) Gone() bool {
	var b [1]byte
	_, err := p.memory.ReadAt(b[:], int64(p.program.Shim.Addr))
	return errors.Is(err, io.EOF) // memory that nobody runs in any more
}

// leaveIslands takes threads that stand at islands back to their sites: an island's bytes are about to become others.
func (s *stopped) leaveIslands(patches []routine.Patch) error {
	for i := range patches {
		p := &patches[i]
		if p.For == 0 {
			continue
		}
		for _, t := range s.threads {
			if t.regs.Rip != p.Addr {
				continue
			}
			t.regs.Rip = p.For
			if err := unix.PtraceSetRegs(t.id, &t.regs); err != nil {
				return recording.Errorf(recording.CodeInternal, "setting registers of thread %d: %w", t.id, err)
			}
		}
	}
	return nil
}
