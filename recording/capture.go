package recording

// Types is a run's type table.
type Types struct{ byID []Type }

// NewTypes returns a table of the given types.
func NewTypes(types []Type) *Types { t := &Types{}; t.Add(types...); return t }

// Add adds types; ids are dense, from 1.
func (t *Types) Add(types ...Type) { panic("not written") }

// Get returns a type; false for an id that is not defined.
func (t *Types) Get(id TypeID) (*Type, bool) { panic("not written") }

// Memory reads the program's memory. An error means not one byte is valid.
type Memory interface {
	ReadMemory(dst []byte, addr uint64) error
}

// Resolver knows what the program's pointers to code and types mean. It may add to the run's tables while the program runs.
type Resolver interface {
	DynamicType(typeWord uint64) TypeID // address of a runtime type; 0: unknown
	ItabType(itab uint64) TypeID        // address of an itab; 0: unknown
	FunctionAt(pc uint64) FunctionID    // function that begins at pc; 0: unknown
}

// Root is where a parameter or result lies when it is captured: its bytes as they are in the program's memory (Bytes), or
// their address. Both empty: zero size.
type Root struct {
	Bytes      []byte
	Addr       uint64
	Unreadable string // why there is nothing to read here this time; "" normally
}

// Capturer copies values into capture records. It is not safe for concurrent use.
type Capturer struct {
	Types    *Types
	Bounds   Bounds
	Memory   Memory
	Resolver Resolver
}

// Counts are the losses of one capture.
type Counts struct{ Truncated, Unreadable uint16 }

// Append appends the capture record of params, whose values lie at roots, to dst.
func (c *Capturer) Append(dst []byte, params []Param, roots []Root) ([]byte, Counts) {
	panic("not written")
}

// ImageSize returns the bytes of the fixed part of a capture record of params: status byte and images. It is the same for
// every event of a function and kind.
func ImageSize(types *Types, bounds Bounds, params []Param) int { panic("not written") }

// ErrorWord returns the offset in the fixed part of the word that is zero when the last result of type error is nil, −1
// when no result is an error.
func ErrorWord(types *Types, bounds Bounds, results []Param) int { panic("not written") }
