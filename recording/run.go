package recording

import (
	"time"

	"github.com/google/uuid"
)

// RunID names a run. It is a UUIDv7, so ids sort by the time the run began.
type RunID = uuid.UUID

// NewRunID returns a fresh id.
func NewRunID() (RunID, error) { return uuid.NewV7() }

// Status says how far a run has come.
type Status string

const (
	StatusRecording   Status = "recording"   // its recorder lives and may add blocks
	StatusComplete    Status = "complete"    // the program ended and everything captured was handed over
	StatusInterrupted Status = "interrupted" // the recorder or tracer died before the program's end was recorded
)

// Run is what is known of a run when it begins. It travels in the run's first block.
type Run struct {
	ID        RunID
	Program   string   // absolute path of the binary
	Args      []string // without the program itself
	Cwd       string
	Host      string
	PID       int
	GoVersion string // of the program, e.g. "go1.26.8"
	GoOS      string
	GoArch    string
	Module    string // path of the main module; "" when the binary does not say
	Revision  string // VCS revision from the build info, "+dirty" appended when modified; "" when unknown
	Start     time.Time
	Settings  Settings
}

// Settings are the capture settings of a run: readers show them, and need Bounds to understand the bytes of a value.
type Settings struct {
	Include       []string `json:",omitempty"`
	Exclude       []string `json:",omitempty"`
	IncludeDeps   bool     `json:",omitempty"`
	IncludeStdlib bool     `json:",omitempty"`
	MaxDepth      int      `json:",omitempty"` // 0: no limit
	Bounds        Bounds
	Engine        string // "breakpoint", "probe" or "auto"

	// A recording says these four or, when OnFull is "", does not say them: those of an earlier smiley do not.
	OnFull      string   `json:",omitempty"` // what becomes of events that find no room: "wait" or "drop"
	Lines       []string `json:",omitempty"` // the functions that were recorded line by line
	MaxOverhead float64  `json:",omitempty"` // share of the program's own processor time that probes may cost; 0: any
	RingBytes   int      `json:",omitempty"` // room of each thread of the program for what nobody has read yet; 0: not said, or no probes
}

// Bounds limit what is copied of a value. They are part of the layout: a value can only be decoded with the bounds it
// was captured with.
type Bounds struct {
	StringBytes int // bytes copied of one string
	Elements    int // elements copied of one slice or array
	Follow      int // pointers followed one behind the other; 0: none
}

// DefaultBounds are the bounds when nobody sets others.
func DefaultBounds() Bounds { return Bounds{StringBytes: 64, Elements: 8, Follow: 1} }

// ExitUnknown stands for the exit code of a program that ran on after its recording, or that was not smiley's to wait for.
const ExitUnknown = -1

// RunEnd is what is known when the program has ended. It travels in the run's last block.
type RunEnd struct {
	End      time.Time
	Duration int64  // ns from Run.Start by the event clock
	ExitCode int    // meaningful when Signal is ""; ExitUnknown when nobody saw the program end
	Signal   string // "SIGKILL"; "" when the program exited by itself
	Error    string // text of the panic or fatal error that ended it, first line; "" when none
	Stack    string // goroutine stack of that error as Go prints it; may be long
}

// Ledger is the loss ledger. Captured = Stored + Dropped holds for every run, whatever died.
type Ledger struct {
	Captured   uint64 `json:"captured"`   // events the engine saw
	Stored     uint64 `json:"stored"`     // events in committed blocks
	Dropped    uint64 `json:"dropped"`    // events given up, each counted
	Truncated  uint64 `json:"truncated"`  // values that a bound cut short
	Unreadable uint64 `json:"unreadable"` // values that could not be read
	Untraced   uint64 `json:"untraced"`   // functions asked for that could not be traced
}

// Balances reports whether the ledger adds up.
func (l Ledger) Balances() bool { return l.Captured == l.Stored+l.Dropped }
