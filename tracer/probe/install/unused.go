//go:build linux && amd64

package install

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// unusedMax bounds the mappings that one attach takes out: the stub that does it has little room. An attach leaves as many as it makes, and only
// those that are together are known for what they are.
const unusedMax = 2 * sharedParts

// unused returns what earlier tracers mapped into the program and nothing in it refers to any more: no thread runs in their
// routines, and no stack, those of signal handlers included, holds an address of them. Their jumps were taken out before, and the signal
// handler no longer leads to their shim when the stub runs.
func (a *attachment) unused(s *stopped) ([]sharedMapping, error) {
	all, err := sharedMappings(a.process.Pid)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	used := map[string]bool{}
	var code []sharedMapping
	for _, m := range all {
		if m.executable {
			code = append(code, m)
		}
	}
	look := func(word uint64) {
		for i := range code {
			if word >= code[i].from && word < code[i].to {
				used[code[i].file] = true
			}
		}
	}
	for _, t := range s.threads {
		for _, register := range []uint64{t.regs.Rip, t.regs.R12, t.regs.R15} {
			look(register)
		}
	}
	if err := a.stacks(s, func(stack []byte) {
		for ; len(stack) >= 8; stack = stack[8:] {
			look(binary.LittleEndian.Uint64(stack))
		}
	}); err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(m sharedMapping) bool { return used[m.file] })
	slices.SortStableFunc(all, func(a, b sharedMapping) int { return cmp.Compare(a.file, b.file) })
	return all[:min(len(all), unusedMax)], nil
}
