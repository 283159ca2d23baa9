package recording

// FunctionID numbers the functions of a run from 1, dense. 0 means none or unknown.
type FunctionID uint32

// TypeID numbers the types of a run from 1, dense. 0 means none or unknown.
type TypeID uint32

// FileID numbers the source files of a run from 1, dense. 0 means none.
type FileID uint32

// Trace says how a function is traced.
type Trace uint8

const (
	TraceReferenced Trace = iota // only mentioned by a value or a goroutine; nobody asked to trace it
	TraceProbe
	TraceBreakpoint
	TraceNot // asked for, but could not be traced: Function.Reason says why
)

// Function is a function of the recorded program.
type Function struct {
	ID       FunctionID
	Name     string // full Go name: "main.(*Cart).Add", "example.com/m/pkg.F"
	Package  string // import path; "main" for the main package
	File     FileID
	Line     int
	Params   []Param // receiver first
	Results  []Param
	Trace    Trace
	Reason   string // why TraceNot
	Variadic bool
}

// Param is a parameter, receiver or result of a function.
type Param struct {
	Name       string // "" or "_" when unnamed; results may be "~r0"
	Type       TypeID
	Unreadable string // why no event can hold this value, "" when events do. Such a param has no bytes in the image.
}

// File is a source file as it was when the program ran.
type File struct {
	ID   FileID
	Name string   // as the binary names it
	Hash [32]byte // SHA-256 of Body; zero when Missing
	Body []byte
	// Missing says why there is no body ("not found", "newer than the binary"); "" when there is one.
	Missing string
}

// Goroutine is what is known of a goroutine when it is first seen.
type Goroutine struct {
	ID            int64
	Parent        int64      // 0: unknown or none
	Creator       uint64     // the call (its seq) that started it; 0: unknown
	CreatedIn     FunctionID // function holding the go statement; 0: unknown
	CreatedLine   int
	StartFunction FunctionID
	Start         int64 // ns since the run's start
}

// Definitions are what a block adds to the tables of its run. Every id an event uses is defined in its block or in one
// before it.
type Definitions struct {
	Types      []Type
	Functions  []Function
	Files      []File
	Goroutines []Goroutine
}
