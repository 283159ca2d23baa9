//go:build linux && amd64

package tracer

import (
	"encoding/binary"
	"errors"
	"strings"

	"smiley/recording"
	"smiley/tracer/probe/asm"
	"smiley/tracer/probe/routine"
	places "smiley/tracer/probe/site"
)

// hooks are the functions of the runtime and the standard library whose running means an event, as runtimeHooks has
// them for breakpoints. One that has no room for probes, or that is recorded for itself, is left out.
func (p *probes) hooks(img *places.Image, recorded []watched) []watched {
	taken := map[*places.Function]bool{}
	for _, w := range recorded {
		taken[w.function] = true
	}
	nothing := &probeCapture{}
	gSize := int(max(p.offsets.GoID, p.offsets.ParentGoID, p.offsets.GoPC, p.offsets.StartPC, p.offsets.StackHi, p.offsets.Panic) + 8)
	var list []watched
	for i := range img.Functions {
		f := &img.Functions[i]
		if taken[f] {
			continue
		}
		w := watched{function: f, entry: recordHandler{capture: nothing}, exit: recordHandler{capture: nothing}}
		switch f.Name {
		case "runtime.newproc1":
			w.exit = handler(p.behind(asm.RAX, gSize), p.goroutineBegan)
			w.events = atReturn
		case "runtime.Goexit":
			w.entry.see = p.goexitBegan
		case "runtime.goexit1":
			w.entry.see = p.goroutineEnded
			w.events = atEntry
		case "runtime.gopanic":
			w.entry = handler(p.panicCapture(), p.panicked)
			w.events = atEntry
		case "runtime.recovery":
			w.entry = handler(p.recoveryCapture(gSize), p.recovered)
			w.events = atEntry
		case "runtime.fatalpanic":
			w.entry.see = p.panickedFatally
		case "runtime.throw", "runtime.fatal", "runtime.fatalsignal":
			w.entry.see = p.crashed
		case "syscall.write", "golang.org/x/sys/unix.write":
			w.entry, w.exit = handler(writeCapture(), p.writing), handler(registers(asm.RAX), p.written)
			w.events = atEntry
		case "internal/syscall/unix.CopyFileRange", "syscall.Splice":
			w.entry, w.exit = handler(registers(asm.RCX), p.copyingTo(2)), handler(registers(asm.RAX), p.written)
		case "syscall.sendfile":
			w.entry, w.exit = handler(registers(asm.RAX), p.copyingTo(0)), handler(registers(asm.RAX), p.written)
		case "syscall.Exec":
			w.entry = handler(execCapture(), p.replacing)
			w.exit.see = p.notReplaced
		case "runtime.write1":
			if !strings.HasSuffix(f.File, ".s") {
				continue
			}
			w.exit = handler(p.printCapture(), p.printed)
		default:
			continue
		}
		list = append(list, w)
	}
	return list
}

func handler(c *probeCapture, see func(*seen) error) recordHandler {
	return recordHandler{capture: c, see: see}
}

// registers records registers.
func registers(list ...asm.Reg) *probeCapture {
	c := &probeCapture{}
	for _, r := range list {
		c.word(routine.Word{Reg: r})
	}
	return c
}

// behind copies memory behind a register.
func (p *probes) behind(r asm.Reg, n int) *probeCapture {
	return &probeCapture{Capture: routine.Capture{
		Words:  []routine.Word{{Reg: r}},
		Copies: []routine.Copy{{Count: routine.Source{Constant: true}, Scale: uint32(n), Max: uint32(n)}},
	}}
}

// state reads what a record holds of the g at addr.
func (p *probes) state(addr uint64) (s gState, ok bool) {
	word := func(offset uint64) uint64 {
		v, err := p.memory.word(addr + offset)
		ok = ok && err == nil
		return v
	}
	ok = true
	o := &p.offsets
	s = gState{
		id: int64(word(o.GoID)), parent: int64(word(o.ParentGoID)), lo: word(o.StackLo), hi: word(o.StackHi),
		goPC: word(o.GoPC), start: word(o.StartPC),
	}
	return s, ok
}

// goroutineBegan handles the return of runtime.newproc1: RAX is the new g.
func (p *probes) goroutineBegan(r *seen) error {
	state, ok := p.state(p.regs.Int[0])
	if !ok || state.id == 0 || p.isSystem(state.start) {
		return nil
	}
	if _, known := p.goroutines[state.id]; known {
		return nil
	}
	_, err := p.introduce(state, r.now, true)
	return err
}

func (p *probes) goexitBegan(r *seen) error {
	g, err := p.goroutine(r)
	if g != nil {
		g.goexit = true
	}
	return err
}

// goroutineEnded handles the entry of runtime.goexit1. Goroutines that nobody knows are the runtime's own.
func (p *probes) goroutineEnded(r *seen) error {
	g, ok := p.goroutines[r.Goroutine]
	if !ok {
		return nil
	}
	return p.end(g, r.now)
}

// maxRuntimeCallers bounds the frames between runtime.gopanic and the function that panicked.
const maxRuntimeCallers = 6

// panicCapture records the value of a panic and the return addresses up to the function that panicked.
func (p *probes) panicCapture() *probeCapture {
	anyType := &recording.Type{Name: "any", Kind: recording.KindInterface, Size: 16}
	c := &probeCapture{types: p.capturer.Types, bounds: p.opt.Bounds}
	value := c.place(&location{size: 16, pieces: []piece{{0, 8, 0, false}, {8, 8, 1, false}}})
	// The words that follow are found by position, see panicking.
	c.value(anyType, value, copyBudget{nesting: 3, errors: 2})
	at := routine.Source{Index: c.word(routine.Word{Reg: asm.RBP})}
	c.word(routine.Word{Kind: routine.Stack, Offset: 0})
	for range maxRuntimeCallers {
		c.Copies = append(c.Copies, routine.Copy{Pointer: at, Count: routine.Source{Constant: true}, Scale: 16, Max: 16})
		at = routine.Source{InCopy: true, Index: len(c.Copies) - 1}
	}
	return c
}

func (p *probes) panicked(r *seen) error {
	g, err := p.goroutine(r)
	if g == nil || err != nil {
		return err
	}
	raw := recording.Raw{Kind: recording.KindPanic, Goroutine: g.id, Time: r.now, Function: p.panicking(r)}
	var value [16]byte
	binary.LittleEndian.PutUint64(value[:8], p.regs.Int[0])
	binary.LittleEndian.PutUint64(value[8:], p.regs.Int[1])
	var counts recording.Counts
	p.engine.record, counts = p.capturer.AppendAny(p.engine.record[:0], recording.Root{Bytes: value[:]})
	raw.Data, raw.Truncated, raw.Unreadable = p.engine.record, counts.Truncated, counts.Unreadable
	return p.append(g, &raw)
}

// panicking returns the nearest caller of gopanic outside the runtime.
func (p *probes) panicking(r *seen) recording.FunctionID {
	back := binary.LittleEndian.Uint64(r.Words[8*3:]) // the return address is the fourth word
	frame := binary.LittleEndian.Uint64(r.Words[8*2:])
	before := uint64(1) // from a return address to the call
	for range maxRuntimeCallers {
		sym, ok := p.program.FunctionContaining(back - before)
		if !ok {
			return 0
		}
		if sym.Package != "runtime" {
			return p.capturer.Resolver.FunctionAt(sym.Entry)
		}
		before = 1
		if sym.Name == "runtime.sigpanic" {
			before = 0 // it looks as if called by the instruction that faulted
		}
		var err error
		if back, err = p.memory.word(frame + 8); err != nil {
			return 0
		}
		if frame, err = p.memory.word(frame); err != nil {
			return 0
		}
	}
	return 0
}

// maxPanics bounds the panics in each other that a recovery looks through.
const maxPanics = 4

// recoveryCapture records the g in RAX and its innermost panics.
func (p *probes) recoveryCapture(gSize int) *probeCapture {
	c := p.behind(asm.RAX, gSize)
	at := routine.Source{InCopy: true, Offset: int32(p.offsets.Panic)}
	const size = 104
	for range maxPanics {
		c.Copies = append(c.Copies, routine.Copy{Pointer: at, Count: routine.Source{Constant: true}, Scale: size, Max: size})
		at = routine.Source{InCopy: true, Index: len(c.Copies) - 1, Offset: int32(p.link)}
	}
	return c
}

// recovered handles the entry of runtime.recovery, on the system stack, as onRecovery does.
func (p *probes) recovered(r *seen) error {
	if !p.known {
		return nil
	}
	addr := p.regs.Int[0]
	state, ok := p.state(addr)
	if !ok {
		return nil
	}
	g, known := p.goroutines[state.id]
	if !known {
		return nil
	}
	var err error
	read := func(at uint64) uint64 {
		v, e := p.memory.word(at)
		if e != nil {
			err = e
		}
		return v
	}
	current := read(addr + p.offsets.Panic)
	sp, top := read(current+p.sp), read(current+p.frameTop)
	frame, goexit := state.hi-(top-8), false
	for err == nil && current != 0 && read(current+p.startSP) < sp {
		if read(current+p.panicLayout.goexit)&0xff != 0 {
			frame, goexit = state.hi-read(current+p.startSP), true
			break
		}
		if current = read(current + p.link); current == 0 {
			break
		}
	}
	if err != nil {
		return p.drop(g, "the frame that a recovered panic goes on in could not be read")
	}
	raw := recording.Raw{Kind: recording.KindRecovered, Goroutine: g.id, Time: r.now, Frame: frame}
	if goexit {
		raw.Flags |= recording.FlagGoexit
	}
	g.unwind(frame + 1)
	return p.append(g, &raw)
}

func (p *probes) crashed(*seen) error { return p.beginCrash(0) }

// panickedFatally handles the entry of runtime.fatalpanic, on the goroutine whose panic nobody recovered.
func (p *probes) panickedFatally(r *seen) error {
	g, err := p.goroutine(r)
	if g == nil || err != nil {
		return errors.Join(err, p.beginCrash(0))
	}
	return p.beginCrash(g.id)
}

// writeCapture records func write(fd int, p []byte) for the descriptors of the program's output.
func writeCapture() *probeCapture {
	return &probeCapture{Capture: routine.Capture{
		Only:  []int32{1, 2},
		Words: []routine.Word{{Reg: asm.RAX}, {Reg: asm.RBX}, {Reg: asm.RCX}},
		Copies: []routine.Copy{{
			Pointer: routine.Source{Index: 1}, Count: routine.Source{Index: 2}, Scale: 1, Max: maxOutput,
		}},
	}}
}

func (p *probes) writing(r *seen) error {
	g, err := p.goroutine(r)
	if g == nil || err != nil {
		return err
	}
	asked := p.regs.Int[2]
	var text []byte
	if len(p.memory.pieces) > 0 {
		text = p.memory.pieces[0].bytes
	} else if asked > 0 {
		return p.drop(g, "output could not be read")
	}
	data := append(make([]byte, 0, 1+len(text)), byte(p.regs.Int[0]))
	g.write = pendingWrite{frame: uint64(r.Frame), data: append(data, text...), asked: asked}
	return nil
}

func (p *probes) written(r *seen) error {
	g, err := p.goroutine(r)
	if g == nil || err != nil || g.write.frame != uint64(r.Frame) {
		return err
	}
	return p.wrote(g, int64(p.regs.Int[0]), r.now)
}

// copyingTo returns the handler of functions that let the system copy from one descriptor to another, as onCopy does.
func (p *probes) copyingTo(register int) func(*seen) error {
	return func(r *seen) error {
		if fd := p.regs.Int[register]; fd != 1 && fd != 2 {
			return nil
		}
		g, err := p.goroutine(r)
		if g == nil || err != nil {
			return err
		}
		g.write = pendingWrite{frame: uint64(r.Frame)}
		return nil
	}
}

// maxPath bounds the path of a program that replaces this one.
const maxPath = 4096

// execCapture records the first argument of func Exec(argv0 string, argv []string, envv []string) (err error).
func execCapture() *probeCapture {
	return &probeCapture{Capture: routine.Capture{
		Words:  []routine.Word{{Reg: asm.RAX}, {Reg: asm.RBX}},
		Copies: []routine.Copy{{Count: routine.Source{Index: 1}, Scale: 1, Max: maxPath}},
	}}
}

// replacing handles the entry of syscall.Exec. Nobody sees the return of one that works.
func (p *probes) replacing(*seen) error {
	p.replacement = "another program"
	if len(p.memory.pieces) > 0 {
		p.replacement = string(p.memory.pieces[0].bytes)
	}
	return nil
}

func (p *probes) notReplaced(*seen) error {
	p.replacement = ""
	return nil
}

// printCapture records the end of func write1(fd uintptr, p unsafe.Pointer, n int32) int32, which is assembly: its
// arguments and its result lie on the stack.
func (p *probes) printCapture() *probeCapture {
	c := &probeCapture{}
	for _, offset := range []int32{8, 16, 24, 32} {
		c.word(routine.Word{Kind: routine.Stack, Offset: offset})
	}
	c.Copies = []routine.Copy{{
		Pointer: routine.Source{Index: 1}, Count: routine.Source{Index: 3}, Count32: true, Scale: 1, Max: maxOutput,
	}}
	// On a system stack the g is not the one that prints: g.m.curg is.
	at := routine.Source{Index: c.word(routine.Word{Reg: asm.R14})}
	for _, offset := range []uint64{p.offsets.M, p.offsets.MCurG, p.offsets.GoID} {
		c.Copies = append(c.Copies, routine.Copy{
			Pointer: at, Count: routine.Source{Constant: true}, Scale: uint32(offset + 8), Max: uint32(offset + 8),
		})
		at = routine.Source{InCopy: true, Index: len(c.Copies) - 1, Offset: int32(offset)}
	}
	return c
}

// printer returns the goroutine that a record of printCapture belongs to; 0 when there is none.
func (p *probes) printer(r *seen) int64 {
	id := uint64(r.Goroutine)
	if id == 0 {
		g := binary.LittleEndian.Uint64(r.Words[8*4:])
		for _, offset := range []uint64{p.offsets.M, p.offsets.MCurG, p.offsets.GoID} {
			var err error
			if g, err = p.memory.word(g + offset); err != nil {
				return 0
			}
		}
		id = g
	}
	if _, ok := p.goroutines[int64(id)]; !ok {
		return 0
	}
	return int64(id)
}

func (p *probes) printed(r *seen) error {
	fd := binary.LittleEndian.Uint64(r.Words)
	written := int32(binary.LittleEndian.Uint32(r.Words[24:]))
	if fd != 1 && fd != 2 || written <= 0 {
		return nil
	}
	n := int64(binary.LittleEndian.Uint64(r.Copies))
	if n <= 0 || n > int64(written) {
		return p.out.drop(1, 0, "output could not be read")
	}
	return p.addPrinted(fd, p.printer(r), r.now, r.Copies[8:8+n])
}

// addPrinted gathers pieces of text as onPrinted does.
func (p *probes) addPrinted(fd uint64, goroutine, now int64, text []byte) error {
	if p.crash.begun && fd == 2 {
		p.crash.add(text)
	}
	if q := &p.prints; len(q.data) > 0 && (q.goroutine != goroutine || uint64(q.data[0]) != fd || len(q.data) > maxOutput) {
		if err := p.flushPrinted(); err != nil {
			return err
		}
	}
	if len(p.prints.data) == 0 {
		p.prints = printed{goroutine: goroutine, time: now, data: append(p.prints.data[:0], byte(fd))}
	}
	p.prints.data = append(p.prints.data, text...)
	if !p.crash.begun && text[len(text)-1] == '\n' {
		return p.flushPrinted()
	}
	return nil
}
