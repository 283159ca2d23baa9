//go:build linux && amd64

package tracer

import "smiley/recording"

// maxRuntimeFrames bounds the frames between runtime.gopanic and the function that panicked.
const maxRuntimeFrames = 16

// wordMemory is a program's memory as an engine sees it, at a stop or in a record.
type wordMemory interface {
	word(addr uint64) (uint64, error)
}

// panicking returns the function that panicked: the nearest caller of gopanic outside the runtime, which does it on behalf
// of an index out of range or a nil pointer. back is the address that gopanic returns to, frame the frame pointer of its caller. It returns
// 0 when memory does not reach that far.
func panicking(program *Program, memory wordMemory, back, frame uint64) recording.FunctionID {
	before := uint64(1) // from a return address to the call
	for range maxRuntimeFrames {
		sym, ok := program.FunctionContaining(back - before)
		if !ok {
			return 0
		}
		if sym.Package != "runtime" {
			return program.FunctionID(sym.Entry)
		}
		before = 1
		if sym.Name == "runtime.sigpanic" {
			before = 0 // it looks as if called by the instruction that faulted
		}
		var err error
		if back, err = memory.word(frame + 8); err != nil {
			return 0
		}
		if frame, err = memory.word(frame); err != nil {
			return 0
		}
	}
	return 0
}
