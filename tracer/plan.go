package tracer

import "smiley/recording"

// Registers are a thread's registers at an entry or return site.
type Registers struct {
	Int [9]uint64    // RAX RBX RCX RDI RSI R8 R9 R10 R11
	X   [15][16]byte // X0–X14, little endian
	SP  uint64       // points at the return address at every site of a plan
	PC  uint64
	G   uint64 // R14: the goroutine
	DX  uint64 // RDX: the closure context at entry
}

// Plan says where to stop in a function and where its values lie there.
type Plan struct {
	// Function describes it; ID and Trace are for the caller to set, see Program.AddFunction.
	Function recording.Function
	Symbol   Symbol
	// Entry is the first instruction after the stack check: no call is seen twice there, and SP still points at the
	// return address.
	Entry uint64
	// Returns are the addresses of the RET instructions, ascending. One may equal Entry. Empty for a function that
	// never returns.
	Returns []uint64

	args, results []location
}

type location struct{}

// ArgRoots appends where each of Function.Params lies to dst. regs are those at Entry. The roots share memory with
// the Plan until the next call of ArgRoots or ResultRoots.
func (pl *Plan) ArgRoots(dst []recording.Root, regs *Registers) []recording.Root {
	panic("not written")
}

// ResultRoots does for Function.Results at one of Returns what ArgRoots does for the arguments.
func (pl *Plan) ResultRoots(dst []recording.Root, regs *Registers) []recording.Root {
	panic("not written")
}
