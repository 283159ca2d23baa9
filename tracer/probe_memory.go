//go:build linux && amd64

package tracer

import (
	"encoding/binary"
	"slices"

	"smiley/recording"
	"smiley/tracer/probe/ring"
)

// recordMemory is the program's memory as far as a record holds it.
type recordMemory struct {
	record []byte      // its words and copies
	pieces []ring.Item // where what lies
	own    []ring.Item // memory for these
	next   int         // the piece to look at first
	faults []uint64    // where the program tried and could not read
	held   heldTypes
}

// heldTypes are the types that interfaces turned out to hold, by where they are described.
type heldTypes struct {
	known map[uint64]bool // those that nothing more can be done for
	met   []uint64        // those that were met for the first time, in no order
}

// meet notes a type of which the program knows nothing.
func (h *heldTypes) meet(word uint64) {
	if !h.known[word] && len(h.met) < maxMet {
		h.note(word)
		h.met = append(h.met, word)
	}
}

// note says that all that can be done for a type is about to be.
func (h *heldTypes) note(word uint64) {
	if h.known == nil {
		h.known = map[uint64]bool{}
	}
	h.known[word] = true
}

// maxMet bounds the types that are met between two looks.
const maxMet = 256

// bytes returns the memory of piece i.
func (m *recordMemory) bytes(i int) []byte {
	p := &m.pieces[i]
	return m.record[p.At : p.At+p.Len : p.At+p.Len]
}

// ReadMemory fills dst from the copies of the record.
func (m *recordMemory) ReadMemory(dst []byte, addr uint64) error {
	lent, err := m.Lend(addr, len(dst))
	if err != nil {
		return err
	}
	copy(dst, lent)
	return nil
}

// Origin returns where in the record the address lies of the copy that was lent from last.
func (m *recordMemory) Origin() int { return int(m.pieces[m.next].At) - ring.CopyHead }

// Lend returns n bytes of the copies, which are valid as long as the record.
func (m *recordMemory) Lend(addr uint64, n int) ([]byte, error) {
	// What is asked for comes mostly in the order in which it was copied.
	for left, i := len(m.pieces), m.next; left > 0; left, i = left-1, i+1 {
		if i >= len(m.pieces) {
			i = 0
		}
		p := &m.pieces[i]
		if at := addr - p.Addr; at <= uint64(p.Len) && uint64(n) <= uint64(p.Len)-at {
			m.next = i
			return m.record[uint64(p.At)+at:][:n], nil
		}
	}
	if slices.Contains(m.faults, addr) {
		return nil, errFault
	}
	return nil, recording.ErrNotCopied
}

var errFault = recording.Errorf(recording.CodeNotFound, "the program could not read this memory")

// word reads eight bytes of what the record holds.
func (m *recordMemory) word(addr uint64) (uint64, error) {
	var b [8]byte
	if err := m.ReadMemory(b[:], addr); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// add appends n bytes that lie at an offset of the record; neighbours grow together.
func (m *recordMemory) add(addr uint64, at, n int32) {
	if last := len(m.own) - 1; last >= 0 {
		if p := &m.own[last]; p.Addr+uint64(p.Len) == addr && p.At+p.Len == at {
			p.Len += n
			return
		}
	}
	m.own = append(m.own, ring.Item{Addr: addr, At: at, Len: n})
}
