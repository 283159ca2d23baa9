package tracer

import (
	"debug/buildinfo"

	"smiley/recording"
)

// Program is what a Go binary says about itself: its functions, types and the places where values lie. Addresses are
// those of the running program once SetBias was called; before that, those of the file. It owns the numbering of the
// run's types, functions and files. A Program is not safe for concurrent use.
type Program struct{ programState }

// OpenProgram reads the binary at path. Errors are recording.Errors with hints: the file is not there, not executable,
// not a Go program, for another system or architecture, or too old. The caller closes the Program.
func OpenProgram(path string) (*Program, error) { panic("not written") }

// Close releases the file.
func (p *Program) Close() error { panic("not written") }

// Path returns the absolute path of the binary.
func (p *Program) Path() string { panic("not written") }

// BuildInfo returns what the linker noted: Go version, modules, settings. It is never nil.
func (p *Program) BuildInfo() *buildinfo.BuildInfo { panic("not written") }

// Stripped reports whether the binary has no DWARF: its functions can be traced, their values cannot be read.
func (p *Program) Stripped() bool { panic("not written") }

// SetBias sets what the loader added to the addresses of a position-independent binary: address in memory − address in
// the file. 0 for others. Symbols and plans handed out before keep the old bias.
func (p *Program) SetBias(bias uint64) { panic("not written") }

// Functions returns every function, by entry address; those inlined everywhere, which have none, come last.
func (p *Program) Functions() []Symbol { panic("not written") }

// Plan says how to trace a function. A function whose values cannot be placed still gets a plan: its params carry the
// reason. An error means that it cannot be traced at all.
func (p *Program) Plan(sym Symbol) (*Plan, error) { panic("not written") }

// Types returns the run's type table. It grows as plans are made and values of new types are met.
func (p *Program) Types() *recording.Types { panic("not written") }

// Resolver returns the Resolver of the program's pointers to code and types; it reads itabs through mem.
func (p *Program) Resolver(mem recording.Memory) recording.Resolver { panic("not written") }

// AddFunction gives f an id (its ID is ignored) and remembers that it begins at entry, 0 for one without code. A
// function that was added for this entry before keeps its id and is not defined again.
func (p *Program) AddFunction(entry uint64, f recording.Function) recording.FunctionID {
	panic("not written")
}

// Definitions returns the types, functions and files that were added since the last call, files with their bodies.
// Every event must be preceded by the definitions its record needs: call it after each capture, it is cheap when there
// is nothing new.
func (p *Program) Definitions() recording.Definitions { panic("not written") }

// FunctionContaining returns the function whose code holds pc; false outside Go code.
func (p *Program) FunctionContaining(pc uint64) (Symbol, bool) { panic("not written") }

// LineAt returns the source position of the instruction at pc; line 0 outside Go code.
func (p *Program) LineAt(pc uint64) (file string, line int) { panic("not written") }

// Lookup returns the address of a function or variable by its linker symbol or Go name, e.g. "runtime.gopanic"; false
// when the binary does not have it or does not say.
func (p *Program) Lookup(name string) (uint64, bool) { panic("not written") }

// Offsets returns where the runtime keeps what a tracer needs to know.
func (p *Program) Offsets() (Offsets, error) { panic("not written") }

// Offsets are byte offsets of fields in the runtime's structures.
type Offsets struct {
	StackLo    uint64 // g.stack.lo
	StackHi    uint64 // g.stack.hi
	GoID       uint64 // g.goid
	ParentGoID uint64 // g.parentGoid
	GoPC       uint64 // g.gopc: return address behind the go statement
	StartPC    uint64 // g.startpc
	M          uint64 // g.m
	Panic      uint64 // g._panic
	MTLS       uint64 // m.tls
	MProcID    uint64 // m.procid
	MCurG      uint64 // m.curg
}

type programState struct{}
