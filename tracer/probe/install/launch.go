//go:build linux && amd64

package install

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// Probe is a function to be probed and what its records hold.
type Probe struct {
	Function      *site.Function
	Args, Results *routine.Capture // many functions share theirs
	Events        bool             // its records are events, for who counts those that a tracer that died has not read
}

// Options say what to launch and how.
type Options struct {
	Command      []string // the program's path first
	Dir          string
	Env          []string      // nil: the tracer's own
	Stdin        string        // path; "" is the tracer's own
	Stdout       *os.File      // nil: the tracer's own; else taken over and closed
	Stderr       *os.File      // nil: the tracer's own; else taken over and closed
	Rings        int           // 0: DefaultRings, fewer if they are very large
	RingBytes    uint64        // bytes for records in each ring, rounded up to a page; 0: DefaultRingBytes
	Patience     time.Duration // for how long without a heartbeat threads wait for room; 0: DefaultPatience
	DropWhenFull bool
	Lasting      bool           // launching: no probe is taken out before the program ends, so that nothing is kept for that
	KeepHandler  bool           // leave the signal handler as it is: for measuring what the shim does
	Runtime      *Runtime       // nil: to be read from the program's file
	Survey       *Survey        // nil: to be made
	Nodes        *routine.Nodes // what the captures refer to; nil: nothing
	Types        []HeldType     // what the program knows from the first record on of what interfaces hold
	Ready        func() error   // launching: called when the program can have its probes, beside generating them; nil: nothing
	Placing      func(*Process) // launching: called with all that is known, while the patches are being written; nil: nothing
	Note         []byte         // for who comes when this tracer has died, see Estates; nil: a program that was launched keeps nothing; 1 MiB at most
}

// The defaults of Options.
const (
	DefaultRings     = ring.OfferedMax // memory is taken only by rings that are used
	DefaultRingBytes = 4 << 20
	DefaultPatience  = 2 * time.Second
)

// ringAddresses bounds the addresses that rings take by default.
const ringAddresses = 64 << 30

// Process is a program with probes in it.
type Process struct {
	Pid     int
	Reader  *ring.Reader
	Clock   *ring.Clock
	Start   time.Time
	Probes  []Probe // those that are in the program
	Skipped []Skipped
	Report  Report

	program  *routine.Program
	nodes    *routine.Nodes
	nodesAt  uint64 // where they lie, from the start of what is shared
	bias     uint64
	layout   ring.Layout
	code     uint64   // address of the routines, when the program was launched
	file     *os.File // what is shared, when the program was launched
	region   []byte   // all that is shared
	shared   []byte   // of it, the shared page and the rings
	sharedAt int64    // where that begins
	memory   *os.File

	attachment *attachment     // how to try again
	late       []routine.Patch // that wait for goroutines to leave their bytes
	estate     *placedEstate
}

// Skipped is a function that got no probe.
type Skipped struct {
	Function *site.Function
	Reason   string
	Numbered bool // it is among Process.Probes all the same
	Later    bool // so it is, and it may get its probe yet: see Process.TryAgain
}

// Report says what installing cost.
type Report struct {
	Functions, Patches int
	CodeBytes          int
	Planned            time.Duration // sites
	Generated          time.Duration
	Mapped             time.Duration
	Patched            time.Duration
	Stopped            time.Duration // attaching: how long the program stood still
	Moved              int           // attaching: threads that stood in bytes to be patched
}

// Launch starts a program with probes in the given functions. img must have been loaded from Command[0].
func Launch(img *site.Image, probes []Probe, o Options) (p *Process, err error) {
	runtime.LockOSThread() // which traces the program until it goes
	defer runtime.UnlockOSThread()
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	if o.Stdin != "" {
		if files[0], err = os.Open(o.Stdin); err != nil {
			return nil, recording.Errorf(recording.CodeInvalid, "opening the input of %s: %w", o.Command[0], err)
		}
		defer files[0].Close()
	}
	for i, f := range []*os.File{o.Stdout, o.Stderr} {
		if f != nil {
			files[1+i] = f
			defer f.Close()
		}
	}
	child, err := os.StartProcess(o.Command[0], o.Command, &os.ProcAttr{
		Dir: o.Dir, Env: o.Env, Files: files, Sys: &syscall.SysProcAttr{Ptrace: true, Setpgid: true},
	})
	if err != nil {
		return nil, recording.Errorf(recording.CodeInvalid, "starting %s: %w", o.Command[0], err)
	}
	defer func() {
		if err != nil {
			_ = child.Kill()
			_, _ = child.Wait()
			return
		}
		_ = child.Release()
	}()
	h, err := Hold(child.Pid)
	if err != nil {
		return nil, err
	}
	if p, err = h.Install(img, probes, o); err != nil {
		return nil, err
	}
	return p, h.Release()
}

type plan struct {
	handler site.Site // see Survey
	probes  []Probe
	sites   []*site.Sites // of the same functions
	skipped []Skipped
	made    []ring.Shape   // see shapes
	kinds   *routine.Kinds // of records, once codeSize has looked
}

// Survey holds the sites of functions. No more is needed of the image than its text when there is one, see site.Image.Planned.
type Survey struct {
	sites   map[*site.Function]*site.Sites
	handler site.Site               // where every signal handler of Go begins; at no address where there is no such place
	changed map[*site.Function]bool // see compare
}

// NewSurvey looks for the sites of all functions that are to be probed, and perhaps of more. It knows nothing of what will be
// recorded, so that it can be made while others find that out.
func NewSurvey(img *site.Image, functions []*site.Function) *Survey {
	sites := img.Plan(functions)
	s := &Survey{sites: make(map[*site.Function]*site.Sites, len(sites))}
	for i := range sites {
		s.sites[sites[i].Function] = &sites[i]
	}
	if handler := img.Lookup(handlerName); handler != nil {
		s.handler = img.Displace(handler.Addr)
	}
	return s
}

// surveyOf looks for the sites of all probes.
func surveyOf(img *site.Image, probes []Probe) *Survey { return NewSurvey(img, functionsOf(probes)) }

func functionsOf(probes []Probe) []*site.Function {
	functions := make([]*site.Function, len(probes))
	for i := range probes {
		functions[i] = probes[i].Function
	}
	return functions
}

// Complete reports whether a function has all sites that it needs, and these are what they were.
func (s *Survey) Complete(f *site.Function) bool {
	sites := s.sites[f]
	if sites == nil || s.changed[f] {
		return false
	}
	_, ok := sites.Complete()
	return ok
}

// planned takes the sites of all probes and leaves out functions that lack one.
func planned(img *site.Image, probes []Probe, survey *Survey) plan {
	var p plan
	if survey == nil {
		survey = surveyOf(img, probes)
	}
	p.handler = survey.handler
	p.probes = make([]Probe, 0, len(probes))
	p.sites = make([]*site.Sites, 0, len(probes))
	for i := range probes {
		s := survey.sites[probes[i].Function]
		if s == nil {
			p.skipped = append(p.skipped, Skipped{Function: probes[i].Function, Reason: "nobody looked for its sites"})
			continue
		}
		if why, ok := s.Complete(); !ok {
			p.skipped = append(p.skipped, Skipped{Function: s.Function, Reason: why})
			continue
		}
		if survey.changed[s.Function] {
			p.skipped = append(p.skipped, Skipped{Function: s.Function, Reason: ChangedByOthers})
			continue
		}
		p.probes = append(p.probes, probes[i])
		p.sites = append(p.sites, s)
	}
	return p
}

// generate makes the code for all sites.
func (p *Process) generate(img *site.Image, plan plan, cfg routine.Config) error {
	if err := plan.displaceable(); err != nil {
		return err
	}
	begin := time.Now()
	p.bias = cfg.Bias
	gen := routine.NewGenerator(cfg)
	expected := 0
	for _, s := range plan.sites {
		expected += 1 + len(s.Returns) + 2*len(s.Hosts) // there is an island for each host
	}
	gen.Expect(expected)
	passing := img.Passing()
	for i := range plan.sites {
		passing(plan.sites[i].Function.Addr)
		if err := gen.Add(plan.sites[i], EntryNumber(i), ReturnNumber(i), *plan.probes[i].Args, *plan.probes[i].Results); err != nil {
			return err
		}
	}
	var err error
	p.program, err = gen.Finish(&plan.handler)
	p.Report.Generated = time.Since(begin)
	return err
}

// displaceable says why the signal handler takes no jump; nil when it does.
func (p *plan) displaceable() error {
	if p.handler.Addr == 0 {
		return recording.Errorf(recording.CodeUnsupported, "the program has no %s", handlerName)
	}
	return routine.Displaceable(&p.handler)
}

// share takes over the mapped region. Its first size bytes are for code and what belongs to it, the rings are behind that.
func (p *Process) share(region []byte, size uint64) {
	p.region, p.shared, p.sharedAt = region, region[size:], int64(size)
}

// place copies the code into the mapped region, where it is not there already, and the nodes behind it. The region's first size bytes are for
// these, and for the estate behind them.
func (p *Process) place(code, size uint64, nodes *routine.Nodes) {
	region := p.region
	nodes.Move(region[code : code+nodes.Size()])
	p.nodes, p.nodesAt = nodes, code
	for _, part := range p.program.Parts {
		if len(part.Bytes) > 0 && &part.Bytes[0] != &region[part.Offset] {
			copy(region[part.Offset:size], part.Bytes)
		}
		p.Report.CodeBytes += len(part.Bytes)
	}
	p.program.Parts = nil                               // the region may be gone before the program is forgotten
	_ = unix.Madvise(region[:code], unix.MADV_DONTNEED) // it is the program's from now on: only memory is lost without it
}

// open opens the program's memory.
func (p *Process) open() error {
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", p.Pid), os.O_RDWR, 0)
	if err != nil {
		return recording.Errorf(recording.CodePermission, "opening the program's memory: %w", err)
	}
	p.memory = memory
	return nil
}

// prepareRings starts the clock and fills in the shared page and the rings.
func (p *Process) prepareRings(layout ring.Layout, o *Options) error {
	patience := o.Patience
	if patience == 0 {
		patience = DefaultPatience
	}
	p.Start = time.Now()
	p.Clock = ring.NewClock(p.Start, ring.Ticks())
	p.layout = layout
	if p.file == nil {
		ring.Init(p.shared, layout, p.Clock.Ticks(patience))
		return nil
	}
	return ring.InitThrough(p.shared, p.file, p.sharedAt, layout, p.Clock.Ticks(patience))
}

// makeReader begins to read the rings, which are prepared.
func (p *Process) makeReader(plan *plan, o *Options) {
	shapes := plan.shapes()
	p.Reader = ring.NewReader(p.shared, p.layout, func(n uint32) (ring.Shape, bool) {
		if int(n) >= len(shapes) {
			return ring.Shape{}, false
		}
		return shapes[n], true
	})
	if o.DropWhenFull {
		p.Reader.Abandon()
	}
	if p.estate != nil {
		p.Reader.Leave(p.estate.addr, p.estate.size)
	}
	for _, t := range o.Types {
		p.AddType(t.Word, t.List)
	}
}

// start writes the patches: from then on there are records.
func (p *Process) start(plan *plan, o *Options) error {
	begin := time.Now()
	if !o.KeepHandler {
		// Before any jump to a routine, what makes routines safe.
		if err := write(p.memory, []routine.Patch{p.program.Shim}); err != nil {
			return err
		}
	}
	if err := write(p.memory, p.program.Patches); err != nil {
		return err
	}
	p.Report.Patched = time.Since(begin)
	p.Report.Functions, p.Report.Patches = len(plan.sites), len(p.program.Patches)
	return nil
}

// EntryNumber and ReturnNumber are the numbers that the records of the i-th of Process.Probes carry.
func EntryNumber(i int) uint32  { return uint32(2 * i) }
func ReturnNumber(i int) uint32 { return uint32(2*i + 1) }

// shapes returns the shapes of records by their number.
func (p *plan) shapes() []ring.Shape {
	if p.made != nil {
		return p.made
	}
	p.made = make([]ring.Shape, 0, 2*len(p.probes))
	for i := range p.probes {
		p.made = append(p.made, shape(p.probes[i].Args), shape(p.probes[i].Results))
	}
	return p.made
}

func shape(c *routine.Capture) ring.Shape {
	return ring.Shape{Words: len(c.Words), Copies: c.Node != 0}
}

// Wait waits for a program that was launched to end.
func (p *Process) Wait() (syscall.WaitStatus, error) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.Pid, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return 0, recording.Errorf(recording.CodeInternal, "waiting for the program: %w", err)
		}
		return status, nil
	}
}

// TakeBack offers the rings of threads that have ended to new ones, and returns how many. Call it now and then on the
// goroutine that drains.
func (p *Process) TakeBack() int {
	return p.Reader.TakeBack(func(thread int) bool {
		return unix.Tgkill(p.Pid, thread, 0) == nil
	})
}

// Close releases the tracer's side and the memory of the rings. The control pages stay: a thread may still be about to
// write a record that nobody will read. A second Close does nothing.
func (p *Process) Close() error {
	if p.Reader == nil {
		return nil // it is closed
	}
	p.Reader.StopWaiting()
	if p.region == nil {
		return nil
	}
	for i := range p.Reader.Used() {
		at := p.layout.Offset(p.layout.Ring(i)) + ring.ControlLen
		_ = unix.Madvise(p.shared[at:at+p.layout.DataSize], unix.MADV_REMOVE) // only memory is lost without it
	}
	region, file := p.region, p.file
	p.Reader, p.shared, p.region, p.file = nil, nil, nil, nil
	var err error
	if file != nil {
		err = file.Close()
	}
	return errors.Join(unix.Munmap(region), p.memory.Close(), err)
}
