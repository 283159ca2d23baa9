//go:build linux && amd64

package install

import (
	"os"
	"time"

	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// A thread that is on its way out of a routine still needs the shim: a signal that finds it there must be shown an ordinary
// place. It takes microseconds, unless the thread waits for a processor or a signal's handler runs above the routine.
const (
	settlePause = 3 * time.Millisecond
	settleTwice = 2 // stops in a row that find no thread in routines
)

// Settle gives a program its signal handler back after all probes were taken out, as the last of its bytes: when no thread has
// been in a routine of any tracer at two stops in a row. It returns how many bytes it put back, and whether the handler is what the
// file says now; if not, the program goes on with the shim, which does nothing, and Settle may be called again. img is the program's.
func Settle(pid int, img *site.Image) (restored int, done bool, err error) {
	bias, err := Bias(pid, img)
	if err != nil {
		return 0, false, err
	}
	handler := img.Lookup(handlerName)
	if handler == nil {
		return 0, true, nil
	}
	p := &Process{Pid: pid}
	if err := p.open(); err != nil {
		return 0, false, err
	}
	defer func() { _ = p.memory.Close() }()
	calm := 0
	for deadline := time.Now().Add(routinesPatience); time.Now().Before(deadline); time.Sleep(settlePause) {
		if same, err := asInFile(p.memory, img, handler.Addr, bias); same || err != nil {
			return restored, same, err
		}
		regions, err := sharedRegions(pid) // of all tracers that ever were
		if err != nil {
			return 0, false, err
		}
		err = whileStopped(pid, func(s *stopped) error {
			if err := s.runs(img, bias); err != nil {
				return err
			}
			if s.inRoutines(regions) {
				calm = 0
				return nil
			}
			if calm++; calm < settleTwice {
				return nil
			}
			now := make([]byte, site.JumpLen)
			if _, err := p.memory.ReadAt(now, int64(handler.Addr+bias)); err != nil {
				return err
			}
			restored = site.JumpLen
			return write(p.memory, []routine.Patch{
				routine.NewPatch(handler.Addr+bias, now, img.Text(handler.Addr, handler.Addr+site.JumpLen)),
			})
		})
		if err != nil {
			return 0, false, err
		}
	}
	return 0, false, nil
}

// asInFile reports whether the head of a function is what its file says.
func asInFile(memory *os.File, img *site.Image, addr, bias uint64) (bool, error) {
	now := make([]byte, site.JumpLen)
	if _, err := memory.ReadAt(now, int64(addr+bias)); err != nil {
		return false, err
	}
	return [site.JumpLen]byte(now) == [site.JumpLen]byte(img.Text(addr, addr+site.JumpLen)), nil
}
