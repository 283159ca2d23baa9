//go:build linux && amd64

package tracer

import (
	"encoding/binary"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// runtimeHook is a function of the runtime or the standard library whose running means an event.
type runtimeHook struct {
	name    string
	entry   func(*engine) hook // nil: not of interest
	returns func(*engine) hook
	first   bool // before what other threads did at the same stop
}

// runtimeHooks lists them. One that a program does not have, or that its Go version names otherwise, is left out.
var runtimeHooks = []runtimeHook{
	{name: "runtime.newproc1", returns: func(e *engine) hook { return e.onNewGoroutine }, first: true},
	{name: "runtime.Goexit", entry: func(e *engine) hook { return e.onGoexit }},
	{name: "runtime.goexit1", entry: func(e *engine) hook { return e.onGoroutineEnd }},
	{name: "runtime.gopanic", entry: func(e *engine) hook { return e.onPanic }},
	{name: "runtime.recovery", entry: func(e *engine) hook { return e.onRecovery }},
	{name: "runtime.fatalpanic", entry: func(e *engine) hook { return e.onFatalPanic }},
	{name: "runtime.throw", entry: func(e *engine) hook { return e.onCrash }},
	{name: "runtime.fatal", entry: func(e *engine) hook { return e.onCrash }},
	{name: "runtime.fatalsignal", entry: func(e *engine) hook { return e.onCrash }},
	{name: "syscall.write", entry: func(e *engine) hook { return e.onWrite }, returns: func(e *engine) hook { return e.onWritten }},
	{name: "internal/syscall/unix.CopyFileRange", entry: func(e *engine) hook { return e.onCopy(2) }, returns: func(e *engine) hook { return e.onWritten }},
	{name: "syscall.Splice", entry: func(e *engine) hook { return e.onCopy(2) }, returns: func(e *engine) hook { return e.onWritten }},
	{name: "syscall.sendfile", entry: func(e *engine) hook { return e.onCopy(0) }, returns: func(e *engine) hook { return e.onWritten }},
	{name: "golang.org/x/sys/unix.write", entry: func(e *engine) hook { return e.onWrite }, returns: func(e *engine) hook { return e.onWritten }},
}

// execHooks are those that Delve needs, whoever records the calls.
var execHooks = []runtimeHook{{name: "syscall.Exec", entry: func(e *engine) hook { return e.onExec }}}

// named returns the functions by name. symbols are those of the program, at their addresses in memory.
func named(symbols []Symbol) map[string]Symbol {
	byName := map[string]Symbol{}
	for _, sym := range symbols {
		if sym.Entry != 0 && !sym.NotCode { // wrappers between calling conventions share the name
			byName[sym.Name] = sym
		}
	}
	return byName
}

// hook adds the sites of hooks.
func (e *engine) hook(byName map[string]Symbol, hooks []runtimeHook) {
	for _, rh := range hooks {
		sym, ok := byName[rh.name]
		if !ok {
			continue
		}
		if where, err := e.sitesOf(sym); err == nil {
			e.addHook(rh, sym.Entry, where)
		}
	}
}

// sitesOf finds the sites of a function that nobody may trace. No breakpoint is set yet.
func (e *engine) sitesOf(sym Symbol) (sites, error) {
	code := make([]byte, sym.End-sym.Entry)
	if err := e.memory.read(code, sym.Entry); err != nil {
		return sites{}, err
	}
	return findSites(code)
}

func (e *engine) addHook(rh runtimeHook, start uint64, where sites) {
	add := func(addr uint64, fn hook) {
		s := e.at(addr)
		if rh.first {
			s.first = append(s.first, fn)
		} else {
			s.hooks = append(s.hooks, fn)
		}
	}
	if rh.entry != nil {
		add(start+uint64(where.entry), rh.entry(e))
	}
	if rh.returns != nil {
		fn := rh.returns(e)
		for _, offset := range where.returns {
			add(start+uint64(offset), fn)
		}
	}
}

// onExec runs at the entry of func Exec(argv0 string, argv []string, envv []string) (err error). When the exec is going to
// work, the recording ends here.
func (e *engine) onExec(h *hit) error {
	path := make([]byte, min(h.regs.Int[1], unix.PathMax))
	if len(path) == 0 || e.memory.read(path, h.regs.Int[0]) != nil {
		return nil // it will fail
	}
	seen := string(path)
	if !filepath.IsAbs(seen) {
		seen = filepath.Join("cwd", seen)
	} else {
		seen = filepath.Join("root", seen)
	}
	if unix.Access(fmt.Sprintf("/proc/%d/%s", e.process.pid, seen), unix.X_OK) != nil {
		return nil
	}
	e.leaving = true
	return e.drop(nil, replacedBy(string(path)))
}

// replacedBy is the reason of the gap that ends the recording of a program that became another one.
func replacedBy(path string) string {
	return "the program became " + path + " by exec, which is not recorded"
}

// onPanic runs at the entry of func gopanic(e any).
func (e *engine) onPanic(h *hit) error {
	g, err := e.goroutineOf(h.regs.G, h.now)
	if g == nil || err != nil {
		return err
	}
	raw := recording.Raw{Kind: recording.KindPanic, Goroutine: g.id, Time: h.now}
	if back, err := e.memory.word(h.regs.SP); err == nil {
		raw.Function = panicking(e.program, e.memory, back, h.raw.Regs.Rbp) // of the caller: Go keeps frame pointers
	}
	var value [16]byte
	binary.LittleEndian.PutUint64(value[:8], h.regs.Int[0])
	binary.LittleEndian.PutUint64(value[8:], h.regs.Int[1])
	var counts recording.Counts
	e.record, counts = e.capturer.AppendAny(e.record[:0], recording.Root{Bytes: value[:]})
	raw.Data, raw.Truncated, raw.Unreadable = e.record, counts.Truncated, counts.Unreadable
	return e.append(g, &raw)
}

// panicLayout are the offsets in runtime._panic that recovery reads; known is false for Go versions whose
// recovery works otherwise.
type panicLayout struct {
	known                               bool
	link, startSP, sp, frameTop, goexit uint64
}

// layoutOfPanic returns the layout of runtime._panic in a Go version, minor being 26 for go1.26.
func layoutOfPanic(minor int) panicLayout {
	if minor < 22 {
		return panicLayout{}
	}
	l := panicLayout{known: true, link: 16, startSP: 32, sp: 40, frameTop: 56, goexit: 90}
	if minor >= 27 { // a program counter lies before sp, no longer behind it
		l.sp = 48
	}
	if minor < 26 { // a pointer to arguments lay at the beginning
		l.link, l.startSP, l.sp, l.frameTop, l.goexit = 24, 40, 48, 64, 98
	}
	if minor < 25 { // the field repanicked came in between
		l.goexit = 97
	}
	return l
}

// onRecovery runs at the entry of runtime.recovery, on the system stack: RAX is the g whose panic was recovered. It follows
// that function to learn which frame goes on.
func (e *engine) onRecovery(h *hit) error {
	if !e.known {
		return nil
	}
	g, err := e.goroutineOf(h.regs.Int[0], h.now)
	if g == nil || err != nil {
		return err
	}
	frame, goexit, err := e.resumedFrame(e.memory, h.regs.Int[0], g.hi)
	if err != nil {
		return e.drop(g, "the frame that a recovered panic goes on in could not be read")
	}
	raw := recording.Raw{Kind: recording.KindRecovered, Goroutine: g.id, Time: h.now, Frame: frame}
	if goexit {
		raw.Flags |= recording.FlagGoexit
	}
	g.unwind(frame + 1)
	return e.append(g, &raw)
}

// maxPanics bounds the panics in each other that a recovery is looked for in: memory that was written over can lead round in a circle.
const maxPanics = 1 << 20

// resumedFrame returns the frame that goes on after a recovery, and whether that is a pending runtime.Goexit.
func (e *engine) resumedFrame(memory wordMemory, gAddr, hi uint64) (frame uint64, goexit bool, err error) {
	read := func(addr uint64) uint64 {
		if err != nil {
			return 0
		}
		var word uint64
		word, err = memory.word(addr)
		return word
	}
	p := read(gAddr + e.offsets.Panic)
	sp, top := read(p+e.sp), read(p+e.frameTop)
	for n := 0; err == nil && p != 0 && read(p+e.startSP) < sp; n++ {
		if n == maxPanics {
			return 0, false, errCircle
		}
		if read(p+e.panicLayout.goexit)&0xff != 0 {
			// The Goexit goes on, and startSP lies in its frame: below its caller, above what it called.
			return hi - read(p+e.startSP), true, err
		}
		p = read(p + e.link)
	}
	return hi - (top - 8), false, err
}

var errCircle = recording.Errorf(recording.CodeDamaged, "the program's panics lead round in a circle")
