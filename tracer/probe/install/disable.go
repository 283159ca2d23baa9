//go:build linux && amd64

package install

import (
	"slices"

	"smiley/tracer/probe/routine"
)

// Part is a part of a function's probes.
type Part int

const (
	AtEntry   Part = iota // its entry, and a RET whose bytes the entry's jump covers
	AtReturns             // its other RETs
)

// Disable takes part of the probes of the given functions, positions in Process.Probes, out of the running program, as Remove
// does for all; islands, which nothing leads to then, stay. held says that the caller has stopped every thread.
func (p *Process) Disable(functions []int, part Part, held bool) error {
	var undo, rest []routine.Patch
	for i := range p.program.Patches {
		patch := &p.program.Patches[i]
		if patch.Owner < 0 || patch.Stays || !slices.Contains(functions, int(patch.Owner)) || partOf(patch) != part {
			rest = append(rest, *patch)
			continue
		}
		undo = append(undo, patch.Undo())
	}
	if len(undo) == 0 {
		return nil
	}
	put := func(*stopped) error {
		if err := takeOut(p.memory, undo); err != nil {
			return err
		}
		p.program.Patches = rest
		return nil
	}
	if held {
		return put(nil)
	}
	return whileStopped(p.Pid, put)
}

func partOf(patch *routine.Patch) Part {
	if patch.AtEntry {
		return AtEntry
	}
	return AtReturns
}
