package store

import (
	"encoding/binary"
	"slices"
	"time"

	"smiley/recording"
)

// The presence index says in which blocks a goroutine has events. Level 0 lists the goroutines of one block, level 1
// those of presenceFan blocks, level 2 those of presenceFan² blocks. The lists are ascending, so that a run with many
// goroutines costs one or two bytes for each goroutine and block.
const (
	presenceFan    = 64
	presenceLevels = 3
)

// tuning holds what decides when roll-ups are written. Tests make it small to see every case in a short run.
type tuning struct {
	fan          uint32 // presenceFan; part of what is stored
	rollUpBlocks uint32
	stackLevels  int // StackLevels
	stackNodes   int // StackNodes
	digestBlocks uint32
	fineBlocks   int
	ownTrees     int
	readBlocks   uint32
	// goroutineScan is how many goroutines are looked at for one page of GoroutinesWithin.
	goroutineScan int
	linger        time.Duration // taskLinger
}

var defaultTuning = tuning{
	fan: presenceFan, rollUpBlocks: rollUpBlocks, stackLevels: StackLevels, stackNodes: StackNodes,
	digestBlocks: digestBlocks, fineBlocks: fineBlocks, ownTrees: ownTrees, readBlocks: readBlocks,
	goroutineScan: goroutineScan, linger: taskLinger,
}

// span is the number of blocks that one list of a level covers.
func (t tuning) span(level int) uint32 {
	span := uint32(1)
	for range level {
		span *= t.fan
	}
	return span
}

// presenceFlags say more about a goroutine in the blocks of a list.
type presenceFlags uint8

const (
	presenceCalls presenceFlags = 1 << iota // it has call events there
	presenceBegan                           // it was first seen there
	presenceEnded                           // its end is there

	presenceBits = 3
)

// within reports whether a goroutine lies wholly in the blocks of a list. Such a one is left out of the list: its row in
// goroutines already says where it lies, and a program that starts a million short goroutines would fill the lists.
func (f presenceFlags) within() bool {
	return f&(presenceBegan|presenceEnded) == presenceBegan|presenceEnded
}

// presence maps goroutines to what they do in some blocks.
type presence map[int64]presenceFlags

// merge adds the members of a later list, and leaves out those that then lie within.
func (p presence) merge(id int64, flags presenceFlags) {
	flags |= p[id]
	if flags.within() {
		delete(p, id)
		return
	}
	p[id] = flags
}

// blockPresence returns the level-0 list of a block.
func blockPresence(b *recording.Block) presence {
	p := make(presence, len(b.Summary.Goroutines))
	for i := range b.Summary.Goroutines {
		g := &b.Summary.Goroutines[i]
		if g.ID == 0 {
			continue // events of no goroutine
		}
		var flags presenceFlags
		if g.Calls > 0 {
			flags |= presenceCalls
		}
		if g.Ended {
			flags |= presenceEnded
		}
		p[g.ID] = flags
	}
	for i := range b.Definitions.Goroutines {
		id := b.Definitions.Goroutines[i].ID
		if flags, seen := p[id]; seen {
			p[id] = flags | presenceBegan
		}
	}
	for id, flags := range p {
		if flags.within() {
			delete(p, id)
		}
	}
	return p
}

// appendPresence appends the stored form of p.
func appendPresence(dst []byte, p presence) []byte {
	ids := make([]int64, 0, len(p))
	for id := range p {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	previous := int64(0)
	for _, id := range ids {
		dst = binary.AppendUvarint(dst, uint64(id-previous)<<presenceBits|uint64(p[id]))
		previous = id
	}
	return dst
}

// eachPresence calls visit with the members of a stored list until visit returns false. It reports false when the list
// is damaged.
func eachPresence(stored []byte, visit func(id int64, flags presenceFlags) bool) bool {
	id := int64(0)
	for len(stored) > 0 {
		member, n := binary.Uvarint(stored)
		if n <= 0 {
			return false
		}
		stored = stored[n:]
		delta := int64(member >> presenceBits)
		if delta <= 0 || id+delta < id {
			return false
		}
		id += delta
		if !visit(id, presenceFlags(member&(1<<presenceBits-1))) {
			return true
		}
	}
	return true
}

// findPresence returns what a stored list says about a goroutine; found is false when it is not in the list, ok when the
// list is damaged.
func findPresence(stored []byte, goroutine int64) (flags presenceFlags, found, ok bool) {
	ok = eachPresence(stored, func(id int64, f presenceFlags) bool {
		if id == goroutine {
			flags, found = f, true
		}
		return id < goroutine
	})
	return flags, found, ok
}
