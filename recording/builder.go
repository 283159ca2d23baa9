package recording

// BlockEvents is how many events a block holds at most, BlockNanoseconds how much time it spans before it is cut.
const (
	BlockEvents      = 64 << 10
	BlockNanoseconds = 250e6
)

// Builder turns Raws into blocks. It pairs returns with calls by goroutine and frame, keeps the open calls of every live
// goroutine, and sums up. It is not safe for concurrent use; the Drafts it hands out are independent of it.
type Builder struct{ builderState }

// NewBuilder begins a run. emit is called with every full block, in order, from within Append, Cut and Finish; encoding
// (Draft.Encode) is left to the receiver so that it can happen on another goroutine.
func NewBuilder(run Run, emit func(*Draft) error) *Builder { panic("not written") }

// Define adds to the run's tables. It must come before the first event that uses an id.
func (b *Builder) Define(d Definitions) error { panic("not written") }

// Append adds an event. Time that runs backwards within a goroutine is raised to the last one seen there.
func (b *Builder) Append(r *Raw) error { panic("not written") }

// Drop counts n captured events that were given up. reason becomes a gap event on goroutine (0: no particular one).
func (b *Builder) Drop(n uint64, goroutine, time int64, reason string) error { panic("not written") }

// OpenCall returns the seq of the innermost open call of a goroutine, 0 when there is none.
func (b *Builder) OpenCall(goroutine int64) uint64 { panic("not written") }

// Depth returns how many recorded calls of a goroutine are open.
func (b *Builder) Depth(goroutine int64) int { panic("not written") }

// Cut emits what is pending as a block, if anything is.
func (b *Builder) Cut(now int64) error { panic("not written") }

// Finish emits the final block with the run's end.
func (b *Builder) Finish(end RunEnd) error { panic("not written") }

// Draft is a block that is not encoded yet.
type Draft struct{ draftState }

// Encode appends the encoded block to dst and releases the draft, which must not be used again.
func (d *Draft) Encode(dst []byte) ([]byte, error) { panic("not written") }

type (
	builderState struct{}
	draftState   struct{}
)
