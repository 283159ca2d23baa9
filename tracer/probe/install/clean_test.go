//go:build linux && amd64

package install

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// TestThreadsAtIslands: a thread that stands at an island of a tracer that died goes on where that leads, whether or not the file has an
// instruction there. One in a system call stays where it is.
func TestThreadsAtIslands(t *testing.T) {
	pid, img, end := busy(t)
	p, err := Attach(pid, img, mainProbes(img, twoWords), Options{Rings: 32, RingBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	code, err := sharedRegions(pid)
	if err != nil {
		t.Fatal(err)
	}
	stub := img.Lookup(stubHost) // nobody runs it any more
	islands := []routine.Patch{routine.Jump(img, stub.Addr, 0, target(p.program.Shim.New(), p.program.Shim.Addr))}
	for _, patch := range p.program.Patches {
		if patch.For != 0 {
			islands = append(islands, patch)
		}
	}
	if len(islands) < 2 || !img.IsInstruction(stub.Addr) {
		t.Fatal("there are no islands: nothing to try")
	}
	err = whileStopped(pid, func(s *stopped) error {
		thread := s.threads[pid]
		was := thread.regs
		defer func() {
			thread.regs = was
			if err := unix.PtraceSetRegs(thread.id, &was); err != nil {
				t.Error(err)
			}
		}()
		if err := write(p.memory, islands[:1]); err != nil {
			return err
		}
		defer func() {
			if err := write(p.memory, []routine.Patch{islands[0].Undo()}); err != nil {
				t.Error(err)
			}
		}()
		for _, island := range islands {
			for _, call := range []uint64{^uint64(0), unix.SYS_FUTEX} {
				thread.regs.Rip, thread.regs.Orig_rax = island.Addr, call
				if err := leaveUnknownIslands(s, p.memory, img, 0, code); err != nil {
					return err
				}
				want := target(island.New(), island.Addr)
				if call == unix.SYS_FUTEX {
					want = island.Addr
				}
				if thread.regs.Rip != want {
					t.Errorf("in system call %d, a thread at %#x goes on at %#x, want %#x", int64(call), island.Addr, thread.regs.Rip, want)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(); err != nil {
		t.Fatal(err)
	}
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// TestHandlerIsPutBackFirst: when cleaning breaks off, the signal handler does not lead into the stub any longer, of which a part may be gone.
func TestHandlerIsPutBackFirst(t *testing.T) {
	img, err := site.Load(fixture(t, "busy"))
	if err != nil {
		t.Fatal(err)
	}
	memory := textAsMemory(t, img)
	put := func(b []byte, at uint64) {
		t.Helper()
		if _, err := memory.WriteAt(b, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	host, handler := img.Lookup(stubHost), img.Lookup(handlerName)
	put(bytes.Repeat([]byte{0x90}, 100), host.Addr)
	hook := routine.Jump(img, handler.Addr, 0, host.Addr+50)
	put(hook.New(), handler.Addr)
	changes, err := changesOf(memory, img, 0, nil)
	if err != nil || len(changes.ours) == 0 || len(changes.others) > 0 {
		t.Fatalf("%+v, %v", changes, err)
	}
	put([]byte{0xCC}, host.Addr) // which cleaning does not find as it was
	if err := putBack(memory, changes.ours, img, 0); err == nil {
		t.Error("cleaning did not break off")
	}
	if same, err := asInFile(memory, img, handler.Addr, 0); !same || err != nil {
		t.Errorf("the handler is as in its file: %v, %v", same, err)
	}
}
