package recording

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// A Template is a capture record that was made once, and what memory must have in common with that for its record to be made by
// moving bytes: calls of one function mostly differ in their numbers and texts, and hardly ever in which pointers are nil, how long
// strings are, and what interfaces hold. It stands to a Capturer as an inline cache stands to a lookup.
//
// It is about memory in one piece: the words of values, and copies of what these lead to, in places that words in the same memory
// decide upon. It does not change, and can be used concurrently.
type Template struct {
	length int
	same   []sameWord
	set    []int32 // where words lie that were not zero
	apart  []wordPair
	record []byte
	words  []wordMove
	moves  []templateMove
	counts Counts
}

// sameWord is a word that must be what it was.
type sameWord struct {
	at   int32
	word uint64
}

// wordPair are two words that must differ by as much as they did: a pointer, and the address of the copy that it leads to.
type wordPair struct {
	a, b       int32
	difference uint64
}

// wordMove says which eight bytes of the record are those of memory.
type wordMove struct{ record, memory int32 }

// templateMove is the same of other than eight bytes.
type templateMove struct{ record, memory, n int32 }

// fewWords is how many bytes are moved as words, of which the last two may overlap, rather than by a call.
const fewWords = 32

// Len returns how many bytes of memory the template is about.
func (t *Template) Len() int { return t.length }

// Size returns about how many bytes the template takes.
func (t *Template) Size() int {
	return 128 + 16*len(t.same) + 4*len(t.set) + 16*len(t.apart) + len(t.record) + 8*len(t.words) + 12*len(t.moves)
}

// Matches reports whether the record of what lies at the begin of memory can be made by Append.
func (t *Template) Matches(memory []byte) bool {
	if len(memory) < t.length {
		return false
	}
	for i := range t.same {
		if s := &t.same[i]; binary.LittleEndian.Uint64(memory[s.at:]) != s.word {
			return false
		}
	}
	for _, at := range t.set {
		if binary.LittleEndian.Uint64(memory[at:]) == 0 {
			return false
		}
	}
	for _, p := range t.apart {
		if binary.LittleEndian.Uint64(memory[p.a:])-binary.LittleEndian.Uint64(memory[p.b:]) != p.difference {
			return false
		}
	}
	return true
}

// Counts returns what is missing in the records that are made by the template.
func (t *Template) Counts() Counts { return t.counts }

// Append appends the capture record of memory that matches to dst.
func (t *Template) Append(dst, memory []byte) []byte {
	start := len(dst)
	dst = append(dst, t.record...)
	record := dst[start:]
	for _, m := range t.words {
		binary.LittleEndian.PutUint64(record[m.record:], binary.LittleEndian.Uint64(memory[m.memory:]))
	}
	for _, m := range t.moves {
		copy(record[m.record:], memory[m.memory:m.memory+m.n])
	}
	return dst
}

// Tracked is a Lender of copies that lie in one piece of memory, each copied from an address that lies in the same memory.
type Tracked interface {
	Lender
	// Origin returns where that address lies for what was lent last; −1: nowhere.
	Origin() int
}

// Template returns what captures of values that lie in memory where o says have in common with that of those that lie there now. The
// Capturer's Memory must be Tracked, and lend of memory. decisive are the places of the words that decide where the copies lie. It is
// false when the values cannot be told from bytes and words alone: something was missing, unknown, or had to be searched for.
func (c *Capturer) Template(o *Outline, memory []byte, decisive []int32) (*Template, bool) {
	tracked, ok := c.Memory.(Tracked)
	if !ok {
		return nil, false
	}
	m := &model{tracked: tracked, memory: memory}
	for _, at := range decisive {
		m.same(int(at))
	}
	w := &c.walk
	w.model = m
	record, counts := c.AppendOutlined(nil, o, memory)
	w.model = nil
	if m.failed || w.marked || len(w.bad) > 0 {
		return nil, false
	}
	return m.template(record, counts), true
}

// model notes what a walk does.
type model struct {
	Template
	tracked Tracked
	memory  []byte
	pointer int // where the word lies that is being followed
	failed  bool
}

// place returns where bytes of the memory lie in it. It fails for others, such as those that were put together from several places.
func (m *model) place(bytes []byte) int {
	if len(bytes) == 0 {
		return 0
	}
	at := cap(m.memory) - cap(bytes)
	if at < 0 || at+len(bytes) > len(m.memory) || &m.memory[at] != &bytes[0] {
		m.failed = true
		return 0
	}
	return at
}

func (m *model) same(at int) {
	if at+8 > len(m.memory) {
		m.failed = true
		return
	}
	m.Template.same = append(m.Template.same, sameWord{int32(at), binary.LittleEndian.Uint64(m.memory[at:])})
}

func (m *model) set(at int) { m.Template.set = append(m.Template.set, int32(at)) }

func (m *model) move(record, memory, n int) {
	m.moves = append(m.moves, templateMove{int32(record), int32(memory), int32(n)})
}

// image notes the image of a value that lies at an offset of the record.
func (m *model) image(w *walk, lay *layout, record int, value []byte) {
	at := m.place(value)
	if m.failed {
		return
	}
	for i := range lay.moves {
		k := &lay.moves[i]
		m.move(record+int(k.image), at+int(k.raw), int(k.n))
	}
	for i := range lay.composed {
		o := &lay.composed[i]
		image, raw := record+int(o.image), at+int(o.raw)
		word := binary.LittleEndian.Uint64(value[o.raw:])
		switch {
		case o.code == opInterface:
			m.same(raw)
			id := TypeID(binary.LittleEndian.Uint64(w.dst[w.start+image:]))
			if word == 0 {
				break
			}
			if _, ok := w.c.Types.Get(id); !ok {
				m.failed = true // it may become known
				return
			}
			if w.c.layouts.of(id).direct {
				m.move(image+8, raw+8, 8)
			}
		case word == 0:
			m.same(raw)
			m.same(raw + 8)
		default:
			m.set(raw)
			m.same(raw + 8)
			m.move(image+8, raw+16, 8)
		}
	}
}

// reference notes that a word of a value decides what follows in the record, and is followed.
func (m *model) reference(o *reference, value []byte, followed bool) {
	at := m.place(value[o.raw:])
	if m.failed {
		return
	}
	m.pointer = at
	switch o.code {
	case opString:
		m.same(at + 8)
	case opInterface:
		m.pointer = at + 8
	case opSlice: // its image has noted it
	case opPointer:
		if !followed {
			return
		}
		fallthrough
	default:
		if binary.LittleEndian.Uint64(value[o.raw:]) == 0 {
			m.same(at)
		} else {
			m.set(at)
		}
	}
}

// function notes the function that a closure's code turned out to be.
func (m *model) function(code []byte, id FunctionID) {
	m.same(m.place(code))
	m.failed = m.failed || id == 0 // it may become known
}

// lent notes that bytes were lent by the word that is being followed.
func (m *model) lent(bytes []byte) (at int) {
	at, origin := m.place(bytes), m.tracked.Origin()
	switch {
	case m.failed:
	case origin < 0:
		m.failed = true
	case origin != m.pointer: // the copy tells itself what it is of
		a := binary.LittleEndian.Uint64(m.memory[m.pointer:])
		b := binary.LittleEndian.Uint64(m.memory[origin:])
		m.apart = append(m.apart, wordPair{int32(m.pointer), int32(origin), a - b})
	}
	return at
}

// template completes what was noted.
func (m *model) template(record []byte, counts Counts) *Template {
	t := &m.Template
	t.length, t.record, t.counts = len(m.memory), record, counts
	slices.SortStableFunc(t.same, func(a, b sameWord) int { return cmp.Compare(a.at, b.at) })
	t.same = slices.Compact(t.same)
	slices.Sort(t.set)
	t.set = slices.DeleteFunc(slices.Compact(t.set), func(at int32) bool {
		_, known := slices.BinarySearchFunc(t.same, at, func(s sameWord, at int32) int { return cmp.Compare(s.at, at) })
		return known
	})
	// What the walk has moved piece by piece often lies together on both sides.
	slices.SortFunc(t.moves, func(a, b templateMove) int { return cmp.Compare(a.record, b.record) })
	moves := t.moves[:0]
	for _, k := range t.moves {
		if last := len(moves) - 1; last >= 0 && moves[last].record+moves[last].n == k.record && moves[last].memory+moves[last].n == k.memory {
			moves[last].n += k.n
			continue
		}
		moves = append(moves, k)
	}
	t.moves = nil
	for _, k := range moves {
		if k.n < 8 || k.n > fewWords {
			t.moves = append(t.moves, k)
			continue
		}
		for at := int32(0); at < k.n; at += 8 {
			at := min(at, k.n-8)
			t.words = append(t.words, wordMove{k.record + at, k.memory + at})
		}
	}
	return t
}
