//go:build linux && amd64

package tracer

import (
	"encoding/binary"
	"slices"

	"smiley/recording"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
)

// recordMemory is the program's memory as far as a record holds it.
type recordMemory struct {
	pieces []memoryPiece
	next   int      // the piece to look at first
	items  [][]byte // scratch of loadCopies
	data   []byte   // data words of the interfaces whose values are being unpacked
	faults []uint64 // where the program tried and could not read
	held   heldTypes
}

// heldTypes are the types that interfaces turned out to hold.
type heldTypes struct {
	captures []*probeCapture // by number − 1
	known    map[uint64]bool // keys of the types that nothing more can be done for
	met      []uint64        // those that were met for the first time, in no order
}

// meet notes a type of which the program has no routine.
func (h *heldTypes) meet(word uint64, class routine.Class) {
	key, ok := class.Key(word)
	if ok && !h.known[key] && len(h.met) < maxMet {
		h.note(key)
		h.met = append(h.met, key)
	}
}

// note says that all that can be done for a type is about to be.
func (h *heldTypes) note(key uint64) {
	if h.known == nil {
		h.known = map[uint64]bool{}
	}
	h.known[key] = true
}

// maxMet bounds the types that are met between two looks.
const maxMet = 256

type memoryPiece struct {
	addr  uint64
	bytes []byte
}

// ReadMemory fills dst from the copies of the record.
func (m *recordMemory) ReadMemory(dst []byte, addr uint64) error {
	// What is asked for comes mostly in the order in which it was copied.
	for n, i := len(m.pieces), m.next; n > 0; n, i = n-1, i+1 {
		if i >= len(m.pieces) {
			i = 0
		}
		p := &m.pieces[i]
		if addr >= p.addr && addr-p.addr <= uint64(len(p.bytes)) && uint64(len(dst)) <= uint64(len(p.bytes))-(addr-p.addr) {
			copy(dst, p.bytes[addr-p.addr:])
			m.next = i
			return nil
		}
	}
	if slices.Contains(m.faults, addr) {
		return errFault
	}
	return recording.ErrNotCopied
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

// add appends a piece of memory; neighbours grow together.
func (m *recordMemory) add(addr uint64, b []byte) {
	if n := len(m.pieces); n > 0 {
		last := &m.pieces[n-1]
		if last.addr+uint64(len(last.bytes)) == addr && cap(last.bytes)-len(last.bytes) >= len(b) &&
			&last.bytes[:len(last.bytes)+1][len(last.bytes)] == &b[0] {
			last.bytes = last.bytes[:len(last.bytes)+len(b)]
			return
		}
	}
	m.pieces = append(m.pieces, memoryPiece{addr, b})
}

func (c *probeCapture) loadCopies(rec *ring.Record, m *recordMemory) {
	m.items = m.items[:0]
	c.unpack(rec.Words, rec.Copies, m)
}

// unpack makes memory of the copies at the start of rest, and returns what is behind them. The reader has checked the lengths.
func (c *probeCapture) unpack(words, rest []byte, m *recordMemory) []byte {
	first := len(m.items)
	m.items = slices.Grow(m.items, len(c.Copies))[:first+len(c.Copies)]
	items := m.items[first:]
	clear(items) // of what is left out there are no bytes
	for i := 0; i < len(c.Copies); i++ {
		k := &c.Copies[i]
		n := int64(binary.LittleEndian.Uint64(rest))
		rest = rest[8:]
		switch {
		case n <= 0:
			if k.Dynamic {
				m.held.meet(sourceWord(k.Count, words, items), k.Class)
			} else {
				if n < 0 {
					m.faults = append(m.faults, sourceWord(k.Pointer, words, items)+uint64(k.Skip))
				}
				i += int(k.Nested)
			}
		case k.Dynamic:
			level := len(m.data)
			m.data = binary.LittleEndian.AppendUint64(m.data, sourceWord(k.Pointer, words, items))
			rest = m.held.captures[n-1].unpack(m.data[level:], rest, m)
			m.data = m.data[:level]
			i += int(k.Nested)
		default:
			bytes := rest[:n:n]
			rest = rest[(n+7)&^7:]
			m.pieces = append(m.pieces, memoryPiece{sourceWord(k.Pointer, words, items) + uint64(k.Skip), bytes})
			items[i] = bytes
		}
	}
	m.items = m.items[:first]
	return rest
}

// sourceWord returns a word of a record, 0 when it was not copied.
func sourceWord(s routine.Source, words []byte, items [][]byte) uint64 {
	at := uint(8 * s.Index)
	if s.InCopy {
		words, at = items[s.Index], uint(s.Offset)
		if at+8 > uint(len(words)) {
			return 0
		}
	}
	return binary.LittleEndian.Uint64(words[at:])
}
