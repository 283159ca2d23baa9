package recording

// Kind is the kind of an event. The values are part of the format.
type Kind uint8

const (
	KindCall Kind = iota + 1
	KindReturn
	KindPanic     // a panic began in the innermost call
	KindRecovered // a panic of this goroutine was recovered
	// KindLine says that a line is about to run. Its Function is an entry of the function that has the variables as Params; those
	// that cannot be seen there are unreadable, because of NotInScope.
	KindLine
	KindOutput // the program wrote to descriptor 1 or 2
	KindGap    // events are missing here
	KindGoroutineStart
	KindGoroutineEnd
)

// String returns the name of the kind as the JSON contract has it.
func (k Kind) String() string {
	switch k {
	case KindCall:
		return "call"
	case KindReturn:
		return "return"
	case KindPanic:
		return "panic"
	case KindRecovered:
		return "recovered"
	case KindLine:
		return "line"
	case KindOutput:
		return "output"
	case KindGap:
		return "gap"
	case KindGoroutineStart:
		return "goroutine_start"
	case KindGoroutineEnd:
		return "goroutine_end"
	}
	return "unknown"
}

// Raw is one thing an engine saw. Engines hand Raws to [Builder.Append] in the order of their time.
type Raw struct {
	Kind      Kind
	Flags     RawFlags
	Function  FunctionID // call, return: the function. panic: the function that panicked, when known.
	Goroutine int64
	Time      int64 // ns since the run's start
	// Frame is g.stack.hi − SP with SP pointing at the return address, the same at a function's entry and at its
	// RET. It grows with depth and survives stack copies. Calls, returns; recovered: the frame that goes on.
	Frame uint64
	Line  uint32 // line events; else 0
	// Truncated and Unreadable count the values in Data that a bound cut and that could not be read.
	Truncated  uint16
	Unreadable uint16
	// Data is the capture record (see docs/reference/capture.md): arguments for a call, results for a return, the
	// panic value for a panic, the written bytes for output behind one byte with the descriptor, text for a gap
	// behind an 8-byte count. With a Template, it is the memory that this makes the capture record of. It is valid during Append only.
	Data     []byte
	Template *Template
}

// size returns how many bytes the data of the event takes.
func (r *Raw) size() int {
	if r.Template != nil {
		return len(r.Template.record)
	}
	return len(r.Data)
}

// NotInScope is why a line event has no value of a variable that cannot be seen on that line. It is no loss.
const NotInScope = "not in scope"

// RawFlags are details of a Raw.
type RawFlags uint8

const (
	// FlagGoexit on a goroutine's end or on a recovered event says that runtime.Goexit, not a panic, unwound it.
	FlagGoexit RawFlags = 1 << iota
)

// Outcome says how a call ended.
type Outcome uint8

const (
	OutcomeOpen     Outcome = iota // it has not ended, or nobody saw how
	OutcomeReturned                // by its return
	OutcomePanicked                // unwound by a panic
	OutcomeExited                  // unwound by runtime.Goexit
	OutcomeLost                    // its return was not seen and nothing explains why
)

// String returns the name of the outcome.
func (o Outcome) String() string {
	switch o {
	case OutcomeOpen:
		return "open"
	case OutcomeReturned:
		return "returned"
	case OutcomePanicked:
		return "panicked"
	case OutcomeExited:
		return "exited"
	case OutcomeLost:
		return "lost"
	}
	return "unknown"
}

// Event is one event as a reader sees it: paired, with its place in the call tree.
type Event struct {
	Seq       uint64 // position in the run, from 1
	Time      int64  // ns since the run's start
	Goroutine int64
	Kind      Kind
	Function  FunctionID
	// Call is the call (its seq) this event belongs to: a call's own seq, the call a return ends, the innermost open
	// call of its goroutine for the others. 0: none was recorded.
	Call     uint64
	Parent   uint64 // the call that Call was made from; 0: none recorded
	Depth    int    // recorded calls of the goroutine above Call: 0 for the outermost
	Duration int64  // returns: ns between call and return; −1 otherwise, and when the call was not recorded
	Self     int64  // returns: Duration less the durations of the direct callees; −1 otherwise
	Failed   bool   // returns: an error result is not nil
	Line     uint32 // line events
	Unwound  int    // calls of this goroutine that ended without a return just before this event
	// UnwoundLost of them, the innermost, ended for no known reason; UnwoundBy (panicked or exited) ended the others.
	UnwoundLost int
	UnwoundBy   Outcome
	Data        []byte // the capture record; shares memory with the decoded block, read only
}

// Call is a call with its end.
type Call struct {
	Seq       uint64
	Goroutine int64
	Function  FunctionID
	Parent    uint64
	Depth     int
	Start     int64  // ns since the run's start
	End       int64  // −1 while open
	EndSeq    uint64 // seq of its return, or of the event that unwound it; 0 while open
	Self      int64  // −1 while open
	Outcome   Outcome
	Failed    bool // an error result was not nil
}
