package recording

import (
	"bytes"
	"hash/maphash"
	"math"
)

// What functions are given is often one of few things again and again. Where the tails of a group's records are few different ones, each
// is stored once, and of each record which one it has: that is smaller than the tails, and takes a tenth of the time.

const (
	maxRepeated   = math.MaxUint8 + 1 // different tails of a group
	repeatRecords = 16                // fewer records are left as they are
	repeatSample  = 64                // records of which half may have new tails
	repeatTable   = 4 * maxRepeated   // a power of two
)

// repeats finds the different tails of a group.
type repeats struct {
	seed  maphash.Seed
	table [repeatTable]uint16 // index + 1 into tails, by hash, linear probing; 0: free
	slots []uint16            // of the table that are used
	tails []extent
	which []byte // of each record
}

func newRepeats() *repeats { return &repeats{seed: maphash.MakeSeed()} }

// find reports whether the tails of records, behind fixed bytes, are few different ones; then tails and which say what they are.
func (r *repeats) find(data []byte, fixed int, members []extent) bool {
	for _, slot := range r.slots {
		r.table[slot] = 0
	}
	r.slots, r.tails, r.which = r.slots[:0], r.tails[:0], r.which[:0]
	if len(members) < repeatRecords {
		return false
	}
	for i, m := range members {
		if int(m.end-m.begin) < fixed {
			return false
		}
		tail := extent{m.begin + uint32(fixed), m.end}
		index, ok := r.add(data, tail)
		if !ok || len(r.tails) > max(repeatSample, i)/2 {
			return false
		}
		r.which = append(r.which, index)
	}
	return true
}

// add returns the index of a tail; false when there are too many.
func (r *repeats) add(data []byte, tail extent) (index byte, ok bool) {
	text := data[tail.begin:tail.end]
	for at := uint16(maphash.Bytes(r.seed, text) % repeatTable); ; at = (at + 1) % repeatTable {
		known := r.table[at]
		if known == 0 {
			if len(r.tails) == maxRepeated {
				return 0, false
			}
			r.tails = append(r.tails, tail)
			r.table[at] = uint16(len(r.tails))
			r.slots = append(r.slots, at)
			return byte(len(r.tails) - 1), true
		}
		if t := r.tails[known-1]; bytes.Equal(data[t.begin:t.end], text) {
			return byte(known - 1), true
		}
	}
}

// append appends what was found of a group to the section.
func (r *repeats) append(dst, data []byte, group int) []byte {
	dst = appendUint(dst, uint64(group))
	dst = appendUint(dst, uint64(len(r.tails)))
	for _, t := range r.tails {
		dst = appendUint(dst, uint64(t.end-t.begin))
	}
	for _, t := range r.tails {
		dst = append(dst, data[t.begin:t.end]...)
	}
	return append(dst, r.which...)
}

// repeatedTails are the tails of a group that lie there once each.
type repeatedTails struct {
	tails [][]byte
	which []byte
}

// readRepeats reads which groups have such tails. It returns by how many bytes the data grows, false when it cannot be.
func (d *blockData) readRepeats(raw []byte) (grown int, ok bool) {
	s := scanner{rest: raw}
	for len(s.rest) > 0 {
		i := s.uint()
		if i >= uint64(len(d.groups)) {
			return 0, false
		}
		g := &d.groups[i]
		if g.records == 0 || g.tail != 0 || g.repeated != nil {
			return 0, false
		}
		r := &repeatedTails{tails: make([][]byte, s.within(maxRepeated))}
		lengths := s
		for range r.tails {
			s.uint()
		}
		for k := range r.tails {
			r.tails[k] = s.bytes(int(lengths.within(maxBlockData)))
		}
		r.which = s.bytes(g.records)
		if s.failed || lengths.failed {
			return 0, false
		}
		size := g.size
		for _, k := range r.which {
			if int(k) >= len(r.tails) {
				return 0, false
			}
			if size += len(r.tails[k]); size > maxBlockData {
				return 0, false
			}
		}
		grown += size - g.size
		g.size, g.repeated = size, r
	}
	return grown, !s.failed
}

// buildRepeated puts the records together.
func (g *dataGroup) buildRepeated() bool {
	g.ends = make([]uint32, g.records)
	begins, at := make([]uint32, g.records), 0
	for i, k := range g.repeated.which {
		begins[i] = uint32(at)
		at += g.fixed
		at += copy(g.content[at:], g.repeated.tails[k])
		g.ends[i] = uint32(at)
	}
	g.buildFixed(begins)
	return true
}
