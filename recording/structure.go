package recording

import "encoding/binary"

// structure is everything of a block's events but their data, column by column.
type structure struct {
	codes     []byte
	actors    []uint16
	times     []int64
	callees   []uint32
	lines     []uint32
	unwinds   []unwind
	functions []FunctionID // by slot; 0 for none
	threads   []thread     // goroutines of the block
}

// thread is a goroutine of a decoded block as it was at the block's start.
type thread struct {
	id      int64
	depth   int    // open calls
	below   uint64 // seq of the call under the outermost of entries
	entries []openFrame
}

// openFrame is an open call while events are derived.
type openFrame struct {
	seq      uint64
	start    int64
	children int64
	function FunctionID
	slot     uint32
	begun    uint32 // its place in eventWalk.begun + 1; 0: it is not there
}

// loadStructure decodes the columns the first time.
func (b *Block) loadStructure() (*structure, error) {
	if b.structure != nil {
		return b.structure, nil
	}
	s := &structure{}
	if b.Header.Events == 0 {
		b.structure = s
		return s, nil
	}
	raw, err := b.find(sectionTables, 0)
	if err != nil {
		return nil, err
	}
	backwards, ok := s.tables(raw, &b.Header)
	if !ok {
		return nil, b.damaged("tables")
	}
	if err := b.loadColumns(s, backwards); err != nil {
		return nil, err
	}
	if err := b.loadRare(s); err != nil {
		return nil, err
	}
	b.structure = s
	return s, nil
}

// tables reads the tables section.
func (t *structure) tables(raw []byte, h *Header) (backwards, ok bool) {
	s := scanner{rest: raw}
	backwards = s.byte()&tablesBackwards != 0
	t.functions = make([]FunctionID, 1+s.count(1))
	for i := 1; i < len(t.functions); i++ {
		t.functions[i] = FunctionID(s.uint32())
	}
	slots := make(map[FunctionID]uint32)
	for i, f := range t.functions {
		slots[f] = uint32(i)
	}
	t.threads = make([]thread, s.count(4))
	for i := range t.threads {
		g := &t.threads[i]
		g.id = s.int()
		g.depth = s.small()
		g.below = s.uint()
		g.entries = make([]openFrame, s.count(4))
		last := h.FirstSeq
		// They are stored from the innermost outwards.
		for j := len(g.entries) - 1; j >= 0; j-- {
			f := &g.entries[j]
			f.seq = last - s.within(last-1)
			f.start = h.First - s.int()
			f.children = int64(s.uint())
			f.function = FunctionID(s.uint32())
			f.slot = slots[f.function]
			last = f.seq
		}
		if len(g.entries) > g.depth || g.below >= h.FirstSeq {
			s.fail()
		}
	}
	return backwards, s.done()
}

// loadColumns decodes the columns of small numbers.
func (b *Block) loadColumns(s *structure, backwards bool) error {
	n := int(b.Header.Events)
	var err error
	if s.codes, err = loadColumn[uint8](b, sectionCodes, n); err != nil {
		return err
	}
	var sum codeCounts
	for _, code := range s.codes {
		sum += countsOfCode[code]
	}
	if sum.unknown() > 0 || s.codes[0]&codeSwitch == 0 {
		return b.damaged("events")
	}
	if s.actors, err = loadColumn[uint16](b, sectionActors, sum.switches()); err != nil {
		return err
	}
	if s.callees, err = loadColumn[uint32](b, sectionCallees, sum.named()); err != nil {
		return err
	}
	if s.times, err = loadColumn[int64](b, sectionTimes, n); err != nil {
		return err
	}
	last := b.First
	for i, d := range s.times {
		if backwards {
			d = int64(uint64(d)>>1) ^ -(d & 1)
		}
		last += d
		s.times[i] = last
	}
	for _, a := range s.actors {
		if int(a) >= len(s.threads) {
			return b.damaged("events")
		}
	}
	for _, c := range s.callees {
		if int(c) >= len(s.functions) || c == 0 {
			return b.damaged("events")
		}
	}
	return nil
}

// codeCounts are three counts in one number, so that adding up the codes of a block is one addition an event.
type codeCounts uint64

const countBits = 20 // more than BlockEvents takes

// countsOfCode says what a code adds.
var countsOfCode = func() (table [256]codeCounts) {
	for i := range table {
		code := uint8(i)
		if named(code) {
			table[i]++
		}
		if code&codeSwitch != 0 {
			table[i] += 1 << countBits
		}
		if kindOf(code) > KindGoroutineEnd {
			table[i] += 1 << (2 * countBits)
		}
	}
	return table
}()

func (c codeCounts) named() int    { return int(c & (1<<countBits - 1)) }
func (c codeCounts) switches() int { return int(c >> countBits & (1<<countBits - 1)) }
func (c codeCounts) unknown() int  { return int(c >> (2 * countBits)) }

// loadColumn puts a column of n numbers together from its planes.
func loadColumn[T uint8 | uint16 | uint32 | int64](b *Block, kind sectionKind, n int) ([]T, error) {
	column := make([]T, n)
	for i := range b.sections {
		s := &b.sections[i]
		if s.kind != kind {
			continue
		}
		shift, size := 8*s.plane, n
		if s.plane >= bitPlanes {
			shift, size = s.plane-bitPlanes, (n+7)/8
		}
		if s.length != size || T(1)<<shift == 0 {
			return nil, b.damaged("events")
		}
		raw, err := s.bytes()
		if err != nil {
			return nil, err
		}
		if s.plane >= bitPlanes {
			if codes, ok := any(column).([]uint8); ok {
				addBitsToBytes(codes, raw, shift)
			} else {
				addBits(column, raw, shift)
			}
			continue
		}
		for i, v := range raw {
			column[i] |= T(v) << shift
		}
	}
	return column, nil
}

// addBits sets bit shift of each number whose bit is set in packed.
func addBits[T uint8 | uint16 | uint32 | int64](column []T, packed []byte, shift uint8) {
	for len(column) >= 8 {
		if v := packed[0]; v != 0 {
			eight := column[:8]
			for k := range eight {
				eight[k] |= T(v>>k&1) << shift
			}
		}
		column, packed = column[8:], packed[1:]
	}
	for k := range column {
		column[k] |= T(packed[0]>>k&1) << shift
	}
}

// bitsToBytes spreads the bits of a number over eight bytes, the lowest first.
var bitsToBytes = func() (table [256]uint64) {
	for i := range table {
		for bit := range 8 {
			table[i] |= uint64(i>>bit&1) << (8 * bit)
		}
	}
	return table
}()

// addBitsToBytes is addBits for bytes, eight at a time.
func addBitsToBytes(column, packed []byte, shift uint8) {
	for len(column) >= 8 {
		eight := binary.LittleEndian.Uint64(column) | bitsToBytes[packed[0]]<<shift
		binary.LittleEndian.PutUint64(column, eight)
		column, packed = column[8:], packed[1:]
	}
	addBits(column, packed, shift)
}

// loadRare decodes lines and unwinds.
func (b *Block) loadRare(s *structure) error {
	raw, err := b.find(sectionLines, 0)
	if err != nil {
		return err
	}
	lines := scanner{rest: raw}
	for len(lines.rest) > 0 {
		s.lines = append(s.lines, lines.uint32())
	}
	if raw, err = b.find(sectionUnwinds, 0); err != nil {
		return err
	}
	unwinds := scanner{rest: raw}
	for len(unwinds.rest) > 0 {
		u := unwind{lost: unwinds.uint32(), explained: unwinds.uint32(), cause: Outcome(unwinds.byte())}
		if u.cause > OutcomeLost {
			unwinds.fail()
		}
		s.unwinds = append(s.unwinds, u)
	}
	if lines.failed || unwinds.failed {
		return b.damaged("events")
	}
	return nil
}
