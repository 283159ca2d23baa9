//go:build linux && amd64

package install

import (
	"encoding/binary"
	"fmt"
	"os"
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

// forgetRings makes threads forget the rings of a tracer before us.
func (a *attachment) forgetRings() error {
	return a.machines(func(m uint64) error {
		if _, err := a.process.memory.WriteAt(make([]byte, 8), int64(m)+int64(a.options.Runtime.ThreadSlot)); err != nil {
			return recording.Errorf(recording.CodeInternal, "the program's threads cannot be prepared: %w", err)
		}
		return nil
	})
}

// machines shows where the runtime's descriptions of all threads are.
func (a *attachment) machines(see func(m uint64) error) error {
	var word [8]byte
	at := a.allm
	seen := map[uint64]bool{}
	for {
		if _, err := a.process.memory.ReadAt(word[:], int64(at)); err != nil {
			return recording.Errorf(recording.CodeInternal, "the program's threads cannot be read: %w", err)
		}
		m := binary.LittleEndian.Uint64(word[:])
		if m == 0 {
			return nil
		}
		if seen[m] { // the program stands still meanwhile
			return recording.Errorf(recording.CodeUnsupported, "the program's list of threads is damaged: it leads round in a circle")
		}
		seen[m] = true
		if err := see(m); err != nil {
			return err
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
