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
	record []byte // its words and copies
	pieces []memoryPiece
	next   int         // the piece to look at first
	items  []ring.Item // of the copies that are being unpacked, by their place in the plan; scratch of loadCopies
	data   []byte      // data words of the interfaces whose values are being unpacked
	faults []uint64    // where the program tried and could not read
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

// memoryPiece is a piece of memory, and where it lies in the record.
type memoryPiece struct {
	addr uint64
	ring.Item
}

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

// Lend returns n bytes of the copies, which are valid as long as the record.
func (m *recordMemory) Lend(addr uint64, n int) ([]byte, error) {
	// What is asked for comes mostly in the order in which it was copied.
	for left, i := len(m.pieces), m.next; left > 0; left, i = left-1, i+1 {
		if i >= len(m.pieces) {
			i = 0
		}
		p := &m.pieces[i]
		if at := addr - p.addr; at <= uint64(p.Len) && uint64(n) <= uint64(p.Len)-at {
			m.next = i
			return m.record[uint64(p.At)+at:][:n:n], nil
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
	if last := len(m.pieces) - 1; last >= 0 {
		if p := &m.pieces[last]; p.addr+uint64(p.Len) == addr && p.At+p.Len == at {
			p.Len += n
			return
		}
	}
	m.pieces = append(m.pieces, memoryPiece{addr, ring.Item{At: at, Len: n}})
}

func (c *probeCapture) loadCopies(rec *ring.Record, m *recordMemory) {
	m.items = m.items[:0]
	c.unpack(rec.Items, rec.Words, m)
}

// unpack makes memory of the first of items, and returns what is behind them. The reader has found and checked them.
func (c *probeCapture) unpack(items []ring.Item, words []byte, m *recordMemory) []ring.Item {
	first := len(m.items)
	m.items = slices.Grow(m.items, len(c.Copies))[:first+len(c.Copies)]
	found := m.items[first:]
	clear(found) // of what is left out there are no bytes
	for i := 0; i < len(c.Copies); i++ {
		k, item := &c.Copies[i], items[0]
		items = items[1:]
		switch {
		case k.Dynamic && item.Len == 0:
			m.held.meet(m.source(&k.Count, words, found), k.Class)
		case k.Dynamic:
			level := len(m.data)
			m.data = binary.LittleEndian.AppendUint64(m.data, m.source(&k.Pointer, words, found))
			items = m.held.captures[item.Len-1].unpack(items, m.data[level:], m)
			m.data = m.data[:level]
			i += int(k.Nested)
		case item.Len > 0:
			found[i] = item
			m.pieces = append(m.pieces, memoryPiece{m.source(&k.Pointer, words, found) + uint64(k.Skip), item})
		default:
			if item.Len < 0 {
				m.faults = append(m.faults, m.source(&k.Pointer, words, found)+uint64(k.Skip))
			}
			i += int(k.Nested)
		}
	}
	m.items = m.items[:first]
	return items
}

// source returns a word of a record, 0 when it was not copied.
func (m *recordMemory) source(s *routine.Source, words []byte, found []ring.Item) uint64 {
	if !s.InCopy {
		return binary.LittleEndian.Uint64(words[8*s.Index:])
	}
	item := found[s.Index]
	if s.Offset+8 > item.Len {
		return 0
	}
	return binary.LittleEndian.Uint64(m.record[item.At+s.Offset:])
}
