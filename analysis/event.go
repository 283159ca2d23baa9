package analysis

import "smiley/recording"

// Event is one event of a run with everything named: what readers print, and one line of the JSON contract.
type Event struct {
	Seq       uint64 `json:"seq"`       // position in the run, from 1
	Time      int64  `json:"time_ns"`   // since the run's start
	Goroutine int64  `json:"goroutine"` // 0: none in particular (a gap of the whole run)
	Kind      string `json:"event"`
	Call      uint64 `json:"call"`   // the call this event belongs to; 0: none was recorded
	Parent    uint64 `json:"parent"` // the call that Call was made from; 0: none was recorded
	Depth     int    `json:"depth"`  // recorded calls above Call

	Function string `json:"function"` // "" when unknown
	Package  string `json:"package"`
	File     string `json:"file"`
	Line     int    `json:"line"` // 0 when unknown
	Source   string `json:"source,omitempty"`

	Args     []Value `json:"args,omitzero"`        // calls: never nil
	Locals   []Value `json:"locals,omitzero"`      // lines: the variables that can be seen there, never nil
	Results  []Value `json:"results,omitzero"`     // returns: never nil; calls of a tree: nil when it did not return
	Duration *int64  `json:"duration_ns,omitzero"` // returns and calls of a tree; nil when unknown
	Self     *int64  `json:"self_ns,omitzero"`     // Duration less that of the recorded callees
	Failed   bool    `json:"failed,omitempty"`     // an error result is not nil
	Outcome  string  `json:"outcome,omitempty"`    // calls of a tree: "returned", "panicked", "exited", "open", "lost"

	// Text is what an output event wrote, the value of a panic, or the reason of a gap. Bytes is set beside it when
	// what was written is not UTF-8; JSON has it in base64.
	Text       string `json:"text,omitempty"`
	Bytes      []byte `json:"bytes,omitempty"`
	Descriptor int    `json:"descriptor,omitempty"` // output: 1 or 2
	Missing    uint64 `json:"missing,omitempty"`    // gap, skipped: how many events

	ParentGoroutine int64  `json:"parent_goroutine,omitempty"` // goroutine_start: 0 when unknown
	CreatedBy       uint64 `json:"created_by,omitempty"`       // goroutine_start: the call that started it
	CreatedIn       string `json:"created_in,omitempty"`       // goroutine_start: the function with the go statement
	CreatedLine     int    `json:"created_line,omitempty"`
}

// Value is a captured Go value in Go syntax.
type Value struct {
	Name  string `json:"name"` // "" when unnamed
	Type  string `json:"type"`
	Value string `json:"value"`
}

// The kinds of events as the contract names them.
const (
	EventCall           = "call"
	EventReturn         = "return"
	EventPanic          = "panic"
	EventRecovered      = "recovered"
	EventLine           = "line"
	EventOutput         = "output"
	EventGap            = "gap"
	EventGoroutineStart = "goroutine_start"
	EventGoroutineEnd   = "goroutine_end"
	EventSkipped        = "skipped" // of a live view alone: events that it left out
)

// How a call ended, as the contract names it.
const (
	OutcomeReturned = "returned"
	OutcomePanicked = "panicked" // unwound by a panic
	OutcomeExited   = "exited"   // unwound by runtime.Goexit
	OutcomeOpen     = "open"     // it has not ended, or nobody saw how
	OutcomeLost     = "lost"     // its return was not seen and nothing explains why
)

func outcome(o recording.Outcome) string {
	switch o {
	case recording.OutcomeReturned:
		return OutcomeReturned
	case recording.OutcomePanicked:
		return OutcomePanicked
	case recording.OutcomeExited:
		return OutcomeExited
	case recording.OutcomeLost:
		return OutcomeLost
	}
	return OutcomeOpen
}
