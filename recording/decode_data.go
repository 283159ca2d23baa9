package recording

import "slices"

// blockData is the directory of a block's data. A group's records are put together when the first of them is needed.
type blockData struct {
	groups []dataGroup // by group; records is 0 where there is none
}

// dataGroup is the data of the records of one group.
type dataGroup struct {
	records int
	fixed   int
	tail    int    // length of every record's tail; −1 when lengths says
	regular int    // records with a fixed part
	varies  []byte // a bit for each plane: whether it is in planes
	fills   []byte // the bytes of the planes that are not
	planes  []byte
	lengths []byte
	tails   []byte
	size    int // of all records

	ready   bool
	content []byte
	ends    []uint32 // of each record in content; nil when all have the same length
}

// loadData reads the directory the first time.
func (b *Block) loadData() (*blockData, error) {
	if b.data != nil {
		return b.data, nil
	}
	var raw [4][]byte
	for i, kind := range []sectionKind{sectionGroups, sectionPlanes, sectionLengths, sectionTails} {
		var err error
		if raw[i], err = b.find(kind, 0); err != nil {
			return nil, err
		}
	}
	d := &blockData{groups: make([]dataGroup, 2*len(b.structure.functions))}
	s := scanner{rest: raw[0]}
	planes, lengths, tails := scanner{rest: raw[1]}, scanner{rest: raw[2]}, scanner{rest: raw[3]}
	total := 0
	for len(s.rest) > 0 {
		i := s.uint()
		if i >= uint64(len(d.groups)) || d.groups[i].records != 0 {
			return nil, b.damaged("values")
		}
		g := &d.groups[i]
		if !g.read(&s, &planes, &lengths, &tails) {
			return nil, b.damaged("values")
		}
		if total += g.size; total > maxBlockData {
			return nil, b.damaged("values")
		}
	}
	if s.failed || !planes.done() || !lengths.done() || !tails.done() {
		return nil, b.damaged("values")
	}
	b.data = d
	return d, nil
}

// read reads a group's entry in the directory and takes its share of the other sections.
func (g *dataGroup) read(s, planes, lengths, tails *scanner) bool {
	g.records = int(s.within(BlockEvents))
	g.fixed = int(s.within(maxBlockData))
	g.tail = int(s.within(maxBlockData)) - 1
	g.regular = g.records
	tailBytes := uint64(g.records) * uint64(max(0, g.tail))
	if g.tail < 0 {
		g.regular = int(s.within(uint64(g.records)))
		g.lengths = lengths.bytes(int(s.within(maxBlockData)))
		tailBytes = s.within(maxBlockData)
	}
	size := uint64(g.fixed)*uint64(g.regular) + tailBytes
	if g.records == 0 || size > maxBlockData {
		return false
	}
	g.size = int(size)
	g.tails = tails.bytes(int(tailBytes))
	if g.fixed > 0 && g.regular > 0 {
		g.varies = s.bytes((g.fixed + 7) / 8)
		varying := 0
		for j := 0; j < g.fixed && !s.failed; j++ {
			if g.varies[j/8]>>(j%8)&1 != 0 {
				varying++
			}
		}
		g.fills = s.bytes(g.fixed - varying)
		g.planes = planes.bytes(varying * g.regular)
	}
	return !s.failed && !planes.failed && !lengths.failed && !tails.failed
}

// build puts the records together.
func (g *dataGroup) build() bool {
	g.ready = true
	g.content = make([]byte, g.size)
	if g.tail >= 0 {
		stride := g.fixed + g.tail
		g.transpose(func(record int) int { return record * stride })
		for i := range g.records {
			copy(g.content[i*stride+g.fixed:(i+1)*stride], g.tails[i*g.tail:])
		}
		return true
	}
	return g.buildUneven()
}

// buildUneven puts records of different lengths together.
func (g *dataGroup) buildUneven() bool {
	g.ends = make([]uint32, g.records)
	begins := make([]uint32, 0, g.regular) // of the records with a fixed part
	s, tails, at := scanner{rest: g.lengths}, scanner{rest: g.tails}, 0
	for i := range g.ends {
		fixed, n := g.fixed, int(s.within(maxBlockData))-1
		if n < 0 {
			fixed, n = 0, int(s.within(maxBlockData))
		} else {
			begins = append(begins, uint32(at))
		}
		if at+fixed+n > g.size {
			return false
		}
		copy(g.content[at+fixed:], tails.bytes(n))
		at += fixed + n
		g.ends[i] = uint32(at)
	}
	if !s.done() || !tails.done() || len(begins) != g.regular {
		return false
	}
	g.transpose(func(record int) int { return int(begins[record]) })
	return true
}

// transpose puts the fixed parts back together; begin says where a record begins.
func (g *dataGroup) transpose(begin func(int) int) {
	if len(g.varies) == 0 {
		return
	}
	fills, planes := g.fills, g.planes
	for j := range g.fixed {
		if g.varies[j/8]>>(j%8)&1 == 0 {
			for i := range g.regular {
				g.content[begin(i)+j] = fills[0]
			}
			fills = fills[1:]
			continue
		}
		for i := range g.regular {
			g.content[begin(i)+j] = planes[i]
		}
		planes = planes[g.regular:]
	}
}

// record returns the data of the event being derived.
func (w *eventWalk) record(kind Kind, slot uint32) ([]byte, bool) {
	at := 0
	switch kind {
	case KindCall:
		at = int(2 * slot)
	case KindReturn:
		at = int(2*slot + 1)
	}
	g := &w.data.groups[at]
	if g.records == 0 {
		return nil, true
	}
	if !g.ready && !g.build() {
		return nil, false
	}
	i := w.cursors[at]
	w.cursors[at]++
	if i >= g.records {
		return nil, false
	}
	if g.ends == nil {
		stride := g.fixed + g.tail
		return slices.Clip(g.content[i*stride : (i+1)*stride]), true
	}
	begin := uint32(0)
	if i > 0 {
		begin = g.ends[i-1]
	}
	return slices.Clip(g.content[begin:g.ends[i]]), true
}
