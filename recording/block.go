package recording

// Header is the uncompressed head of a block: all that a transport or a store needs to number, acknowledge and place it.
type Header struct {
	Version  uint16
	Run      RunID
	Number   uint32 // position in the run, from 0
	FirstSeq uint64 // seq of its first event; of the next event when it has none
	Events   uint32
	First    int64 // ns since the run's start of its earliest and latest event; the time of building when it has none
	Last     int64
	Captured uint64 // events the engine saw from the run's start to this block's end
	Dropped  uint64 // events given up from the run's start to this block's end
	Final    bool   // the run's last block; it holds a RunEnd
}

// Summary is what a block adds to the totals and indexes of its run. The builder computes it, so that a store never
// decodes events.
type Summary struct {
	Calls      uint64 // call events
	Errors     uint64 // returns with an error result that is not nil
	Panics     uint64 // panic events
	Truncated  uint64 // values
	Unreadable uint64 // values
	Quiet      uint64 // goroutines that came and went without an event: they are not recorded
	Functions  []FunctionDelta
	Edges      []EdgeDelta
	Opened     []OpenCall          // calls begun in this block that are open at its end
	Closed     []Call              // calls begun in an earlier block that ended in this one
	Goroutines []GoroutineActivity // every goroutine with an event in this block, by ID
}

// FunctionDelta is what a block adds to a function's statistics. Durations belong to calls that ended in the block.
type FunctionDelta struct {
	Function FunctionID
	Calls    uint64 // call events
	Ended    uint64 // calls with a known duration
	Errors   uint64
	Panics   uint64 // calls unwound by a panic
	Total    int64  // ns, calls inside a call of the same function on the same goroutine not counted again
	Self     int64  // ns
	Duration Histogram
}

// EdgeDelta is what a block adds to a caller-callee pair. Caller 0: the call had no recorded caller.
type EdgeDelta struct {
	Caller, Callee FunctionID
	Calls          uint64
	Total          int64 // ns of the calls that ended in the block
}

// OpenCall is a call that is open at its block's end.
type OpenCall struct {
	Seq       uint64
	Goroutine int64
	Function  FunctionID
	Parent    uint64
	// Position is how many calls its parent made before it; for a call without a parent, how many such calls its
	// goroutine made before it.
	Position uint64
	Depth    int
	Start    int64
}

// GoroutineActivity is what a goroutine did in a block.
type GoroutineActivity struct {
	ID       int64
	Events   uint32
	Calls    uint32
	FirstSeq uint64
	LastSeq  uint64
	First    int64
	Last     int64
	Ended    bool // it holds the goroutine's end
}

// Block is a decoded block. Its sections are decompressed on first use; a Block is not safe for concurrent use.
type Block struct {
	Header
	Start       *Run    // in block 0
	End         *RunEnd // in the final block
	Definitions Definitions
	Summary     Summary

	blockState
}

// Parts chooses what of an event is decoded; the rest stays zero.
type Parts uint8

const (
	Structure Parts = 0 // seq, time, goroutine, kind, function, call, parent, depth, duration …
	WithData  Parts = 1 // and Data
)

// Sink takes the encoded blocks of one run, in order of their number. Send returns when it has taken charge of the block:
// stored, or kept until it is; the caller must not change encoded afterwards. An error means that no later block will be
// taken either. Close waits for what was sent to be acknowledged or spooled.
type Sink interface {
	Send(encoded []byte) error
	Close() error
}

// NearSink is a Sink whose blocks do not leave the process, and are decoded at once: Draft.EncodeNear is for it.
type NearSink interface {
	Sink
	// Spare returns memory of a block that was acknowledged, for the next one to be encoded into; nil when there is none.
	Spare() []byte
	// Await waits until at most n blocks are not acknowledged, or none will be any more. Who sends much at once leaves memory to be used
	// again by it.
	Await(n int)
}

// FullSink is a Sink that can say that it has no room for more. What is captured meanwhile is to be dropped and counted before
// a block is built of it, so that blocks stay numbered without holes. Any goroutine may call Full at any time.
type FullSink interface {
	Sink
	Full() bool
}
