//go:build linux && amd64

package install

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// Attach puts probes into a running program. img must have been loaded from the program's file, and what a tracer that died left
// must have been taken out, see Clean. Everything that takes long happens before the program is stopped; Report.Stopped says for
// how long it was.
func Attach(pid int, img *site.Image, probes []Probe, o Options) (*Process, error) {
	a, err := newAttachment(pid, img, probes, o)
	if err != nil {
		return nil, err
	}
	if err := a.installOutside(pid); err != nil {
		return nil, err
	}
	// A preemption request that a thread lost to being stopped would be waited for.
	if ids, err := threadsOf(pid); err == nil {
		for _, id := range ids {
			_ = unix.Tgkill(pid, id, unix.SIGURG)
		}
	}
	return a.process, nil
}

// routinesPatience bounds the waiting for threads to leave the routines of a tracer that died: they wait no longer than
// DefaultPatience for room in its rings.
const routinesPatience = 2*DefaultPatience + time.Second

// installOutside installs while no thread runs in the routines of a tracer before us. One that does could take a ring of that
// tracer after it was made to forget its own, and would then wait for room that nobody makes.
func (a *attachment) installOutside(pid int) error {
	old, err := sharedRegions(pid)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(routinesPatience); ; {
		busy := false
		err := whileStopped(pid, func(s *stopped) error {
			if busy = s.inRoutines(old); busy {
				return nil
			}
			begin := time.Now()
			err := a.install(s)
			a.process.Report.Stopped = time.Since(begin)
			return err
		})
		if err != nil || !busy {
			return err
		}
		if time.Now().After(deadline) {
			return recording.Errorf(recording.CodeLocked, "process %d is still busy with what an earlier tracer left", pid).WithHint("try again")
		}
		time.Sleep(time.Millisecond) // a routine takes less than a microsecond; nothing tells when it is left
	}
}

// inRoutines reports whether a thread runs in the code of a tracer.
func (s *stopped) inRoutines(code []sharedMapping) bool {
	for _, t := range s.threads {
		for _, m := range code {
			if t.regs.Rip >= m.from && t.regs.Rip < m.to {
				return true
			}
		}
	}
	return false
}

// attachment is an attach in the making.
type attachment struct {
	process *Process
	img     *site.Image
	plan    plan
	options Options
	layout  ring.Layout
	code    uint64
	size    uint64 // of the code
	estate  []byte
	bias    uint64
	changes *textChanges
	allgs   uint64          // address of runtime.allgs
	allm    uint64          // address of runtime.allm
	host    []routine.Patch // the stub
}

func newAttachment(pid int, img *site.Image, probes []Probe, o Options) (*attachment, error) {
	begin := time.Now()
	path := fmt.Sprintf("/proc/%d/exe", pid)
	a := &attachment{img: img, plan: planned(img, probes, o.Survey), options: o}
	a.process = &Process{Pid: pid, Probes: a.plan.probes, Skipped: a.plan.skipped}
	a.process.Report.Planned = time.Since(begin)
	var err error
	if a.bias, err = Bias(pid, img); err != nil {
		return nil, err
	}
	if err := a.symbols(path); err != nil {
		return nil, err
	}
	if err := a.compare(); err != nil {
		return nil, err
	}
	a.layout = o.layout(pid, img)
	a.size = a.plan.codeSize()
	a.estate = estate(&a.plan, o.Note)
	if a.code, err = placed(pid, img, a.bias, a.mapped(), &a.layout); err != nil {
		return nil, err
	}
	return a, a.process.generate(img, a.plan, routine.Config{
		Image: img, Bias: a.bias, Code: a.code, Size: a.size, Rings: a.layout, Offsets: a.options.Runtime.Offsets,
		Moves: true, Kinds: a.plan.kinds,
	})
}

// behind is where the estate begins: behind the code, and the nodes that follow it.
func (a *attachment) behind() uint64 { return a.size + a.options.Nodes.Size() }

// mapped is the size of what lies before the shared page.
func (a *attachment) mapped() uint64 { return a.behind() + estateSize(a.estate) }

// symbols reads what the program's file says about the runtime.
func (a *attachment) symbols(path string) error {
	if a.options.Runtime == nil {
		var err error
		if a.options.Runtime, err = readRuntime(path); err != nil {
			return err
		}
	}
	if a.options.Runtime.SchedSP == 0 {
		return recording.Errorf(recording.CodeUnsupported, "the program has no debug information").
			WithHint("attaching needs a program made by go build or go test -c without -ldflags=-s or -w; go run and go test leave debug information out")
	}
	if a.img.Goroutines != 0 && a.img.Threads != 0 {
		a.allgs, a.allm = a.img.Goroutines+a.bias, a.img.Threads+a.bias
		return nil
	}
	return recording.Errorf(recording.CodeUnsupported, "the program has no symbols").
		WithHint("attaching needs a program made by go build or go test -c without -ldflags=-s or -w; go run and go test leave debug information out")
}

// Bias returns the distance between where the program runs and where its file says (rule R13).
func Bias(pid int, img *site.Image) (uint64, error) {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return 0, recording.Errorf(recording.CodeNotFound, "there is no process %d: %w", pid, err)
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, recording.Errorf(recording.CodePermission, "reading the mappings of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(maps)) {
		var lo, hi, offset uint64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s %x", &lo, &hi, &mode, &offset); err != nil {
			continue
		}
		if strings.HasSuffix(strings.TrimSpace(line), exe) && offset == 0 {
			return lo - img.Base, nil
		}
	}
	return 0, recording.Errorf(recording.CodeUnsupported, "%s is not mapped in process %d", exe, pid)
}

// install does what needs the program stopped.
func (a *attachment) install(s *stopped) error {
	begin := time.Now()
	p := a.process
	if err := s.runs(a.img, a.bias); err != nil {
		return err
	}
	if err := p.open(); err != nil {
		return err
	}
	region, err := a.mapRegion(s)
	if err != nil {
		return err
	}
	p.share(region, a.mapped())
	p.place(a.size, a.mapped(), a.options.Nodes)
	p.placeEstate(a.estate, region[a.behind():a.mapped()], a.code+a.behind(), a.layout)
	p.Report.Mapped = time.Since(begin)
	if err := a.avoid(s); err != nil {
		return err
	}
	if err := a.forgetRings(); err != nil {
		return err
	}
	// Threads move before the bytes under them change: whenever we die, each of them is somewhere it can go on from.
	if err := a.moveThreads(s, p.program.Patches); err != nil {
		return err
	}
	if err := p.prepareRings(a.layout, &a.options); err != nil {
		return err
	}
	p.makeReader(&a.plan, &a.options)
	if err := p.start(&a.plan, &a.options); err != nil {
		return err
	}
	return a.restoreHost()
}

// avoid leaves out functions in whose patched bytes a goroutine will go on some day (rule R12): a preempted goroutine's
// place lies somewhere on its stack, and so does that of a thread in a signal handler. Any word that could be such an
// address counts.
func (a *attachment) avoid(s *stopped) error {
	p := a.process
	a.leaveChanged()
	free, blocked, err := a.divide(s, p.program.Patches)
	if err != nil || len(blocked) == 0 {
		return err
	}
	p.program.Patches, p.late, p.attachment = free, blocked, a
	for owner := range owners(blocked) {
		p.Skipped = append(p.Skipped, Skipped{
			Function: a.plan.sites[owner].Function, Reason: "a goroutine was stopped in the bytes of a jump", Numbered: true, Later: true,
		})
	}
	slices.SortFunc(p.Skipped, func(x, y Skipped) int { return cmp.Compare(x.Function.Addr, y.Function.Addr) })
	return nil
}

func owners(patches []routine.Patch) map[int]bool {
	set := map[int]bool{}
	for i := range patches {
		set[int(patches[i].Owner)] = true
	}
	return set
}

// Late reports whether functions are still without probes because a goroutine was in their bytes.
func (p *Process) Late() bool { return len(p.late) > 0 }

// TryAgain puts probes into functions that were left out because a goroutine was in their bytes, if it has left them, and returns
// these functions. Functions that are not wanted any longer, or that something else has changed meanwhile, are given up. The program stands still as
// when it was attached to. Records of the functions may come at once.
func (p *Process) TryAgain(wanted func(*site.Function) bool) (placed []*site.Function, err error) {
	a := p.attachment
	p.late = slices.DeleteFunc(p.late, func(patch routine.Patch) bool { return !wanted(a.plan.sites[patch.Owner].Function) })
	if len(p.late) == 0 {
		return nil, nil
	}
	err = whileStopped(p.Pid, func(s *stopped) error {
		free, blocked, err := a.divide(s, p.late)
		if err != nil {
			return err
		}
		if free, err = unchanged(p.memory, free); err != nil {
			return err
		}
		if len(free) == 0 {
			p.late = blocked
			return nil
		}
		if err := a.moveThreads(s, free); err != nil {
			return err
		}
		if err := write(p.memory, free); err != nil {
			return err
		}
		p.program.Patches, p.late = append(p.program.Patches, free...), blocked
		for _, owner := range slices.Sorted(maps.Keys(owners(free))) {
			placed = append(placed, a.plan.sites[owner].Function)
		}
		return nil
	})
	return placed, err
}

// divide tells patches of functions that can be patched now from those that cannot.
func (a *attachment) divide(s *stopped, patches []routine.Patch) (free, blocked []routine.Patch, err error) {
	in, err := a.blocked(s, patches)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range patches {
		if in[int(p.Owner)] {
			blocked = append(blocked, p)
		} else {
			free = append(free, p)
		}
	}
	return free, blocked, nil
}

// blocked returns the owners of patches in whose bytes a goroutine will go on.
func (a *attachment) blocked(s *stopped, patches []routine.Patch) (map[int]bool, error) {
	covered := map[uint64]int{} // addresses that are no instructions any more, to owners
	for i := range patches {
		p := &patches[i]
		for _, m := range a.process.program.Moves(p) {
			if overwrites(p, m) {
				covered[m.From] = int(p.Owner)
			}
		}
	}
	from, to := a.img.Bounds()
	from, to = from+a.bias, to+a.bias
	blocked := map[int]bool{}
	look := func(stack []byte) {
		for i := 0; i+8 <= len(stack); i += 8 {
			word := binary.LittleEndian.Uint64(stack[i:])
			if word < from || word >= to {
				continue
			}
			if owner, ok := covered[word]; ok {
				blocked[owner] = true
			}
		}
	}
	return blocked, a.stacks(s, look)
}

// overwrites reports whether a displaced instruction is no more where it was: a RET behind a jump of five bytes is, and a loop is
// preempted there more often than anywhere else. Of islands and their hosts, which overwrite each other's, all are taken to be gone.
func overwrites(p *routine.Patch, m routine.Move) bool {
	return p.Stays || m.From-p.Addr < uint64(len(p.New()))
}

// inUse returns where the part of a goroutine's stack begins that it will come back to: behind it lie places where it was
// preempted long ago, and those of a loop that is preempted again and again would never be free. A goroutine without a thread goes on at
// its saved stack pointer. One with a thread is where that is, unless the thread is on another stack, such as a signal handler's.
func inUse(lo, hi, saved uint64, parked bool, running []uint64) uint64 {
	within := func(sp uint64) bool { return sp > lo && sp < hi }
	if i := slices.IndexFunc(running, within); i >= 0 {
		return running[i] &^ 7
	}
	if within(saved) && (parked || hi-lo > wholeStack) {
		return saved &^ 7
	}
	return lo
}

// wholeStack is the size up to which the stack of a goroutine whose thread is on another stack is searched from end to end.
const wholeStack = 256 << 10

// stacks shows the stacks of all goroutines and of all threads.
func (a *attachment) stacks(s *stopped, look func([]byte)) error {
	read := func(addr, n uint64) []byte {
		b := make([]byte, n)
		k, _ := a.process.memory.ReadAt(b, int64(addr))
		return b[:k]
	}
	running := make([]uint64, 0, len(s.threads))
	for _, t := range s.threads {
		running = append(running, t.regs.Rsp)
	}
	header := read(a.allgs, 16)
	if len(header) < 16 {
		return recording.Errorf(recording.CodeInternal, "the program's goroutines cannot be read")
	}
	list := read(binary.LittleEndian.Uint64(header), 8*binary.LittleEndian.Uint64(header[8:]))
	size := max(a.options.Runtime.SchedSP, uint64(a.options.Runtime.GoroutineM)) + 8
	for ; len(list) >= 8; list = list[8:] {
		g := read(binary.LittleEndian.Uint64(list), size)
		if uint64(len(g)) < size {
			continue
		}
		lo, hi := binary.LittleEndian.Uint64(g), binary.LittleEndian.Uint64(g[a.options.Runtime.StackHi:])
		if hi <= lo {
			continue
		}
		parked := binary.LittleEndian.Uint64(g[a.options.Runtime.GoroutineM:]) == 0
		own := slices.IndexFunc(running, func(sp uint64) bool { return sp > lo && sp < hi })
		lo = inUse(lo, hi, binary.LittleEndian.Uint64(g[a.options.Runtime.SchedSP:]), parked, running)
		look(read(lo, min(hi-lo, 64<<20)))
		if own >= 0 {
			running = slices.Delete(running, own, own+1)
		}
	}
	for _, sp := range running { // what is left is on stacks of the system's
		look(read(sp&^7, threadStack))
	}
	return nil
}

// forgetRings makes threads forget the rings of a tracer before us.
func (a *attachment) forgetRings() error {
	var word [8]byte
	at := a.allm
	for {
		if _, err := a.process.memory.ReadAt(word[:], int64(at)); err != nil {
			return recording.Errorf(recording.CodeInternal, "the program's threads cannot be read: %w", err)
		}
		m := binary.LittleEndian.Uint64(word[:])
		if m == 0 {
			return nil
		}
		if _, err := a.process.memory.WriteAt(make([]byte, 8), int64(m)+int64(a.options.Runtime.ThreadSlot)); err != nil {
			return recording.Errorf(recording.CodeInternal, "the program's threads cannot be prepared: %w", err)
		}
		at = m + a.options.Runtime.AllLink
	}
}

// moveThreads takes threads out of bytes that are about to become jumps: they go on in the routine's copies.
func (a *attachment) moveThreads(s *stopped, patches []routine.Patch) error {
	moves := map[uint64]uint64{}
	for i := range patches {
		for _, m := range a.process.program.Moves(&patches[i]) {
			moves[m.From] = m.To
		}
	}
	for _, t := range s.threads {
		to, ok := moves[t.regs.Rip]
		if !ok {
			continue
		}
		t.regs.Rip = to
		if err := unix.PtraceSetRegs(t.id, &t.regs); err != nil {
			return recording.Errorf(recording.CodeInternal, "setting registers of thread %d: %w", t.id, err)
		}
		a.process.Report.Moved++
	}
	return nil
}

// Remove takes the probes out of the running program: every byte of its text but the signal handler's is what it was, see Settle.
// Threads that are inside of routines run out of them by themselves, so routines and rings stay mapped. Some may still wait for room in
// their rings: the caller reads until they have found it, and then calls Reader.Abandon.
func (p *Process) Remove() error {
	return whileStopped(p.Pid, func(s *stopped) error {
		if p.Gone() {
			return nil
		}
		undo := make([]routine.Patch, len(p.program.Patches))
		for i := range undo {
			undo[i] = p.program.Patches[i].Undo()
		}
		if err := s.leaveIslands(p.program.Patches); err != nil {
			return err
		}
		return takeOut(p.memory, undo)
	})
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

// unchanged leaves out patches of functions that something else has changed: a function gets all of its probes or none.
func unchanged(memory *os.File, patches []routine.Patch) ([]routine.Patch, error) {
	changed := map[int32]bool{}
	for i := range patches {
		ok, err := finds(memory, &patches[i])
		if err != nil {
			return nil, err
		}
		if !ok {
			changed[patches[i].Owner] = true
		}
	}
	return slices.DeleteFunc(patches, func(p routine.Patch) bool { return changed[p.Owner] }), nil
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
			if err := leaveUnknownIslands(s, p.memory, img, bias); err != nil {
				return err
			}
			return write(p.memory, changes.ours)
		})
		if err != nil || !busy {
			return n, err
		}
	}
	return 0, recording.Errorf(recording.CodeLocked, "process %d is still busy with what an earlier tracer left", pid).WithHint("try again")
}

// leaveUnknownIslands sends threads that stand at islands of a tracer that died to where these lead: a jump at a place where the
// file has no instruction, or padding.
func leaveUnknownIslands(s *stopped, memory *os.File, img *site.Image, bias uint64) error {
	for _, t := range s.threads {
		at := t.regs.Rip - bias
		file := img.Text(at, at+site.JumpLen)
		now := make([]byte, site.JumpLen)
		if file == nil {
			continue
		}
		if _, err := memory.ReadAt(now, int64(t.regs.Rip)); err != nil || now[0] != 0xE9 {
			continue
		}
		if file[0] != 0xCC && (file[0] == 0xE9 || img.IsInstruction(at)) {
			continue
		}
		t.regs.Rip += site.JumpLen + uint64(int64(int32(binary.LittleEndian.Uint32(now[1:]))))
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

const (
	threadStack = 64 << 10 // what is looked at of a thread's stack, more than Go's for signals
	userCode    = 0x33     // the segment in which 64-bit programs run
)

// comparedAtOnce is how much of the program's text is read at once where all of it is compared.
const comparedAtOnce = 1 << 20

// differences lists the bytes of the program's text that are not those of its file.
func differences(memory *os.File, img *site.Image, bias uint64) ([]routine.Patch, error) {
	keep, at, err := keptHead(memory, img, bias)
	if err != nil {
		return nil, err
	}
	var patches []routine.Patch
	passing := img.Passing()
	from, to := img.Bounds()
	now := make([]byte, min(comparedAtOnce, to-from))
	for ; from < to; from += uint64(len(now)) {
		passing(from)
		now = now[:min(uint64(len(now)), to-from)]
		if _, err := memory.ReadAt(now, int64(from+bias)); err != nil {
			return nil, unreadableCode(err)
		}
		file := img.Text(from, from+uint64(len(now)))
		if bytes.Equal(now, file) { // nearly always
			continue
		}
		for i := range now {
			addr := from + uint64(i)
			if now[i] == file[i] || keep && addr >= at && addr < at+site.JumpLen {
				continue
			}
			patches = append(patches, routine.NewPatch(addr+bias, now[i:i+1], file[i:i+1]))
		}
	}
	return patches, nil
}

// keptHead returns where the head of the signal handler is, and whether that stays as it is, since it leads to a shim. One that leads into the
// text leads to the hook of a tracer that died while it was attaching.
func keptHead(memory *os.File, img *site.Image, bias uint64) (keep bool, at uint64, err error) {
	handler := img.Lookup(handlerName)
	if handler == nil {
		return false, 0, nil
	}
	head := make([]byte, site.JumpLen)
	if _, err := memory.ReadAt(head, int64(handler.Addr+bias)); err != nil {
		return false, 0, unreadableCode(err)
	}
	to := handler.Addr + site.JumpLen + uint64(int64(int32(binary.LittleEndian.Uint32(head[1:]))))
	return head[0] == 0xE9 && img.Text(to, to+1) == nil, handler.Addr, nil
}

func unreadableCode(err error) error {
	return recording.Errorf(recording.CodePermission, "reading the program's code: %w", err)
}
