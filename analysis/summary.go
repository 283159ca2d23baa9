package analysis

import (
	"time"

	"smiley/recording"
	"smiley/store"
)

// Summary is what is known of a run as a whole: one line of the JSON contract. Pointers are nil while something is
// unknown, as the end of a run that is still being recorded or was interrupted.
type Summary struct {
	ID        string     `json:"id"`
	Program   string     `json:"program"`
	Args      []string   `json:"args"`
	Cwd       string     `json:"cwd"`
	Host      string     `json:"host"`
	PID       int        `json:"pid"`
	GoVersion string     `json:"go_version"`
	GoOS      string     `json:"go_os"`
	GoArch    string     `json:"go_arch"`
	Module    string     `json:"module"`
	Revision  string     `json:"revision"`
	Start     time.Time  `json:"start"`
	End       *time.Time `json:"end"`
	Duration  *int64     `json:"duration_ns"`
	ExitCode  *int       `json:"exit_code"` // nil also when a signal ended the program
	Signal    string     `json:"signal"`
	Error     string     `json:"error"`
	Stack     string     `json:"stack,omitempty"`
	Status    string     `json:"status"`

	Calls      uint64 `json:"calls"`
	Events     uint64 `json:"events"`
	Goroutines uint64 `json:"goroutines"`
	Quiet      uint64 `json:"quiet_goroutines"` // further ones, without an event
	Errors     uint64 `json:"errors"`           // returns with an error result that is not nil
	Panics     uint64 `json:"panics"`

	Loss     recording.Ledger `json:"loss"`
	Settings Settings         `json:"settings"`
}

// Summarize says what is known of a run.
func Summarize(r *store.RunInfo) Summary {
	s := Summary{
		ID: r.ID.String(), Program: r.Program, Args: r.Args, Cwd: r.Cwd, Host: r.Host, PID: r.PID,
		GoVersion: r.GoVersion, GoOS: r.GoOS, GoArch: r.GoArch, Module: r.Module, Revision: r.Revision,
		Start: r.Start, Status: string(r.Status),
		Calls: r.Calls, Events: r.Events, Goroutines: r.Goroutines, Quiet: r.Quiet, Errors: r.Errors, Panics: r.Panics,
		Loss: r.Ledger, Settings: settings(&r.Settings),
	}
	if s.Args == nil {
		s.Args = []string{}
	}
	if end := r.End; end != nil {
		s.End, s.Duration = &end.End, &end.Duration
		s.Signal, s.Error, s.Stack = end.Signal, end.Error, end.Stack
		if end.Signal == "" && end.ExitCode != recording.ExitUnknown {
			s.ExitCode = &end.ExitCode
		}
	}
	return s
}

// Settings are the capture settings of a run.
type Settings struct {
	Include       []string `json:"include"`
	Exclude       []string `json:"exclude"`
	IncludeDeps   bool     `json:"include_deps"`
	IncludeStdlib bool     `json:"include_stdlib"`
	MaxDepth      int      `json:"max_depth"` // 0: no limit
	StringBytes   int      `json:"string_bytes"`
	Elements      int      `json:"elements"`
	Follow        int      `json:"follow"`
	Engine        string   `json:"engine"`

	// A recording by an earlier smiley does not say these, which are missing then.
	OnFull      string   `json:"on_full,omitempty"`
	Lines       []string `json:"lines,omitzero"`
	MaxOverhead *float64 `json:"max_overhead,omitempty"` // 0: any
	RingBytes   int      `json:"ring_bytes,omitempty"`   // missing also without probes
}

func settings(s *recording.Settings) Settings {
	set := Settings{
		Include: append([]string{}, s.Include...), Exclude: append([]string{}, s.Exclude...),
		IncludeDeps: s.IncludeDeps, IncludeStdlib: s.IncludeStdlib, MaxDepth: s.MaxDepth,
		StringBytes: s.Bounds.StringBytes, Elements: s.Bounds.Elements, Follow: s.Bounds.Follow, Engine: s.Engine,
		OnFull: s.OnFull, RingBytes: s.RingBytes,
	}
	if s.OnFull != "" {
		overhead := s.MaxOverhead
		set.Lines, set.MaxOverhead = append([]string{}, s.Lines...), &overhead
	}
	return set
}
