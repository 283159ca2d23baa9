package tracer

import (
	"os"
	"time"

	"smiley/recording"
)

// Options say what to run and what of it to record.
type Options struct {
	// Target is a binary, a package (a directory, an import path) or a .go file. Packages and files are built first.
	Target string
	// Tests says that Target is a package whose tests are the program. They run in its directory when Dir is "".
	Tests bool
	Args  []string // arguments of the program, without its name
	Dir   string   // working directory of the program; "" is the current one
	Env   []string // environment of the program; nil is the current one

	BuildFlags []string // further arguments of go build
	Tags       []string // build tags

	// Include and Exclude are patterns over import paths and full function names, "..." matching any text. Without
	// Include the functions of the main module are recorded, with it those it matches. Exclude takes away.
	Include       []string
	Exclude       []string
	IncludeDeps   bool             // record the functions of other modules too
	IncludeStdlib bool             // record the functions of the standard library too
	MaxTime       time.Duration    // Attach leaves the program so long after it has begun to record; 0 is no limit
	MaxCalls      uint64           // Attach leaves the program when it has recorded so many; 0 is no limit
	MaxDepth      int              // recorded calls of a goroutine open at a time; 0 is no limit
	Bounds        recording.Bounds // taken as they are; see recording.DefaultBounds
	Engine        Engine           // "" is EngineAuto

	// RingBytes is the room that each thread of the program has for what its probes write and nobody has read yet; 0 is a
	// good size. When it is full, the thread waits, or with DropWhenFull what it would write is dropped and counted.
	RingBytes    int64 // 0, or MinRingBytes to MaxRingBytes
	DropWhenFull bool

	// MaxOverhead is the share of the program's own processor time that probes may cost: 0.3 is 30 %, 0 any. Functions whose probes
	// cost more are switched off while the program runs, the hottest first.
	MaxOverhead float64

	// Lines are patterns of functions of which each line is recorded as it begins to run, with the variables that can be seen there.
	// Every line stops the program. They are recorded whatever Include says.
	Lines []string

	unprobed func(function string) bool // tests say here what probes are to refuse
	// templated is told of each record that a template has made; a template is made of every record that matches none then. For tests.
	templated func()
	foreseen  int // how many types are foreseen, where tests say so

	// Stdin, Stdout and Stderr become the program's own descriptors; nil is this process's. There is never a pipe in
	// between, and they are not closed.
	Stdin, Stdout, Stderr *os.File

	// Signals are forwarded to the program. A second SIGINT or SIGTERM kills it; what was captured is kept.
	Signals <-chan os.Signal
	// Ignored are signals that this process was started to ignore. The program was so, too, and may handle them all the same: once it runs,
	// they are handled here and forwarded, however often, and do not kill it.
	Ignored []os.Signal
	// Start, when not nil, is called when the program is about to be started. An error keeps it from that, and Run returns it. What can
	// be made ready meanwhile need not be waited for before Run.
	Start func() error
	// Store says where the run is kept, in words that mean something to whoever cleans up when this process was killed.
	Store string
	// Guardian, when not nil, starts a process that outlives this one and calls Guard with the other end of the socket that is returned, of
	// which messages keep their bounds (SOCK_SEQPACKET). It is called at most once, soon after a program was launched that is recorded by
	// probes alone. The process may be a child of this one: Delve, which waits for all children, is not at work then.
	Guardian func() (*os.File, error)
	// Attaching: Heir is given each run of a tracer that died in the program, before that is recorded anew: what it does not settle, by
	// returning an error, is offered again the next time, if the program still has it. nil leaves all as it is.
	Heir func(*Inheritance) error

	// Progress, when not nil, is called about four times a second, never concurrently, and must be quick.
	Progress func(Progress)
	// Warn, when not nil, is told what deserves a person's attention but stops nothing.
	Warn func(*recording.Error)
}

// The bounds of Options.RingBytes.
const (
	MinRingBytes = 256 << 10
	MaxRingBytes = 1 << 30
)

// Progress is how far a run has come.
type Progress struct {
	Run    recording.RunID
	Calls  uint64
	Events uint64
	Ledger recording.Ledger // Stored is what the sink has taken so far, so it need not balance yet

	Probes      bool     // probes record, and the following is known
	Overhead    float64  // what they have cost lately, as a share of the program's own processor time
	SwitchedOff []string // functions that cost more than MaxOverhead allows
}

// Result is how a run ended.
type Result struct {
	Run      recording.RunID
	ExitCode int    // meaningful when Signal is ""
	Signal   string // "SIGKILL"; "" when the program exited by itself
	Error    string // text of the panic or fatal error that ended it; "" when none
	Calls    uint64
	Traced   int // functions that had probes or breakpoints
	Ledger   recording.Ledger
	// Untraced are the functions that were asked for and could not be traced, each with its reason.
	Untraced []recording.Function

	unmatched, repeated, idle uint64 // of the engine, for tests
	living                    int
}

// Status returns the exit status a shell would report: 128 + n for signal n.
func (r Result) Status() int {
	if r.Signal == "" {
		return r.ExitCode
	}
	return 128 + signalNumber(r.Signal)
}

// settings are what a run says of how it was recorded.
func (o *Options) settings(engine Engine) recording.Settings {
	s := recording.Settings{
		Include: o.Include, Exclude: o.Exclude, IncludeDeps: o.IncludeDeps, IncludeStdlib: o.IncludeStdlib, MaxDepth: o.MaxDepth,
		Bounds: o.Bounds, Engine: string(engine), OnFull: "wait", Lines: o.Lines, MaxOverhead: o.MaxOverhead,
	}
	if o.DropWhenFull {
		s.OnFull = "drop"
	}
	if engine != EngineBreakpoint {
		s.RingBytes = int(o.RingBytes)
	}
	return s
}

func (o *Options) engine() Engine {
	if o.Engine == "" {
		return EngineAuto
	}
	return o.Engine
}

// Engine says how calls are seen.
type Engine string

// The engines.
const (
	EngineAuto       Engine = "auto"       // probes where they fit, breakpoints for functions named in Include where they do not
	EngineBreakpoint Engine = "breakpoint" // stops the program at every event
	EngineProbe      Engine = "probe"      // code in the program writes events into shared memory
)
