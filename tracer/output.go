//go:build linux && amd64

package tracer

import (
	"fmt"

	"smiley/recording"
)

// maxOutput bounds what is kept of one write.
const maxOutput = 64 << 10

// pendingWrite is a write of a goroutine to descriptor 1 or 2 that has begun: how much of it was written is known at its
// return, when the registers that say where it lies are gone.
type pendingWrite struct {
	frame uint64 // 0: none
	// losses is what the record of its beginning says: ring.SharedLosses.
	losses uint16
	data   []byte // descriptor, the first maxOutput bytes; empty: the kernel copies them from another descriptor
	asked  uint64
	// awaited says that the program records returns of writes as long as this one's has not come.
	awaited bool
}

// onWrite runs at the entry of func write(fd int, p []byte) (n int, err error).
func (e *engine) onWrite(h *hit) error {
	fd, addr, length := h.regs.Int[0], h.regs.Int[1], h.regs.Int[2]
	if fd != 1 && fd != 2 {
		return nil
	}
	g, err := e.goroutineOf(h.regs.G, h.now)
	if g == nil || err != nil {
		return err
	}
	data := make([]byte, 1+min(length, maxOutput))
	data[0] = byte(fd)
	if length > 0 {
		if err := e.memory.read(data[1:], addr); err != nil {
			return e.drop(g, "output could not be read")
		}
	}
	g.write = pendingWrite{frame: g.hi - h.regs.SP, data: data, asked: length}
	return nil
}

// onCopy runs at the entry of functions that let the system copy from one descriptor to another, argument number index
// being the one that is written to.
func (e *engine) onCopy(index int) hook {
	return func(h *hit) error {
		if fd := h.regs.Int[index]; fd != 1 && fd != 2 {
			return nil
		}
		g, err := e.goroutineOf(h.regs.G, h.now)
		if g == nil || err != nil {
			return err
		}
		g.write = pendingWrite{frame: g.hi - h.regs.SP}
		return nil
	}
}

// onWritten runs at the returns of both: RAX is how much was written.
func (e *engine) onWritten(h *hit) error {
	g, err := e.goroutineOf(h.regs.G, h.now)
	if g == nil || err != nil || g.write.frame != g.hi-h.regs.SP {
		return err
	}
	return e.wrote(g, int64(h.regs.Int[0]), h.now)
}

// wrote records what a goroutine's pending write has written: n bytes.
func (e *engine) wrote(g *goroutine, n, now int64) error {
	w := g.write
	g.write = pendingWrite{}
	if len(w.data) == 0 && n > 0 {
		return e.drop(g, fmt.Sprintf("the system copied %d bytes of output from another file", n))
	}
	if n <= 0 || uint64(n) > w.asked {
		return nil // nothing was written
	}
	raw := recording.Raw{Kind: recording.KindOutput, Goroutine: g.id, Time: now, Data: w.data}
	if kept := uint64(len(w.data) - 1); uint64(n) < kept {
		raw.Data = w.data[:1+n]
	} else if uint64(n) > kept {
		raw.Truncated = 1
	}
	return e.append(g, &raw)
}

// abandonWrites accounts for writes whose return nobody will see: whether the system took them is unknown.
func (e *engine) abandonWrites() error {
	for _, g := range e.goroutines {
		if g.write.frame == 0 {
			continue
		}
		g.write = pendingWrite{}
		if err := e.drop(g, "the program ended while it wrote output"); err != nil {
			return err
		}
	}
	return nil
}

// printed gathers what print, println and crash reports write piece by piece, until a line or a report is whole or
// something else happens.
type printed struct {
	goroutine int64
	time      int64
	data      []byte // descriptor, text; empty: nothing is pending
}

// hookPrint watches the function that the runtime itself writes with. Its return tells everything: being assembly, it keeps
// its arguments and its result on the stack.
func (e *engine) hookPrint(byName map[string]Symbol) {
	for _, name := range []string{"runtime.write1.abi0", "runtime.write1"} {
		sym, ok := byName[name]
		if !ok {
			continue
		}
		where, err := e.sitesOf(sym)
		if err != nil {
			return
		}
		for _, offset := range where.returns {
			s := e.at(sym.Entry + uint64(offset))
			s.hooks = append(s.hooks, e.onPrinted)
		}
		return
	}
}

// onPrinted runs at the return of func write1(fd uintptr, p unsafe.Pointer, n int32) int32.
func (e *engine) onPrinted(h *hit) error {
	args, err := e.printArgs(h.regs.SP)
	if err != nil || (args.fd != 1 && args.fd != 2) || args.written <= 0 {
		return nil
	}
	text := make([]byte, min(args.written, maxOutput))
	if err := e.memory.read(text, args.addr); err != nil {
		return e.drop(nil, "output could not be read")
	}
	if e.crash.begun && args.fd == 2 {
		e.crash.add(text)
	}
	goroutine := e.writer(h)
	if p := &e.prints; len(p.data) > 0 && (p.goroutine != goroutine || uint64(p.data[0]) != args.fd || len(p.data) > maxOutput) {
		if err := e.flushPrinted(); err != nil {
			return err
		}
	}
	if len(e.prints.data) == 0 {
		e.prints = printed{goroutine: goroutine, time: h.now, data: append(e.prints.data[:0], byte(args.fd))}
	}
	e.prints.data = append(e.prints.data, text...)
	if !e.crash.begun && text[len(text)-1] == '\n' {
		return e.flushPrinted()
	}
	return nil
}

type printArgs struct {
	fd, addr uint64
	written  int32
}

func (e *engine) printArgs(sp uint64) (printArgs, error) {
	var a printArgs
	var err error
	if a.fd, err = e.memory.word(sp + 8); err != nil {
		return a, err
	}
	if a.addr, err = e.memory.word(sp + 16); err != nil {
		return a, err
	}
	written, err := e.memory.word(sp + 32)
	a.written = int32(uint32(written))
	return a, err
}

// writer returns the goroutine that runs on a thread, also while it is on its system stack; 0 when there is none.
func (e *engine) writer(h *hit) int64 {
	state, err := e.readG(h.regs.G)
	if err != nil {
		return 0
	}
	if state.id == 0 {
		m, err := e.memory.word(h.regs.G + e.offsets.M)
		if err != nil {
			return 0
		}
		current, err := e.memory.word(m + e.offsets.MCurG)
		if err != nil || current == 0 {
			return 0
		}
		if state, err = e.readG(current); err != nil {
			return 0
		}
	}
	if e.lookup(state.id) == nil {
		return 0
	}
	return state.id
}

// flushPrinted appends the pending text. The caller holds the pipeline's lock.
func (e *engine) flushPrinted() error {
	if len(e.prints.data) == 0 {
		return nil
	}
	raw := recording.Raw{Kind: recording.KindOutput, Goroutine: e.prints.goroutine, Time: e.prints.time, Data: e.prints.data}
	e.prints.data = e.prints.data[:0] // what is told of the goroutine is not to come here again
	if g := e.lookup(raw.Goroutine); g != nil && !g.told {
		if err := e.tell(g, raw.Time); err != nil {
			return err
		}
	}
	return e.out.append(&raw)
}
