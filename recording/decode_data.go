package recording

import (
	"math/bits"
	"slices"
)

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
	first   []byte // the first fixed part
	varies  []byte // a bit for each of its bytes: whether it is another one elsewhere
	masks   []byte // for each byte that is, the bits that are
	planes  []byte
	lengths []byte
	tails   []byte
	size    int // of all records

	repeated *repeatedTails // behind the fixed parts; nil: see tail

	ready   bool
	content []byte
	ends    []uint32 // of each record in content; nil when all have the same length
}

// loadData reads the directory the first time.
func (b *Block) loadData() (*blockData, error) {
	if b.data != nil {
		return b.data, nil
	}
	var raw [5][]byte
	for i, kind := range []sectionKind{sectionGroups, sectionPlanes, sectionLengths, sectionTails, sectionRepeats} {
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
	if grown, ok := d.readRepeats(raw[4]); !ok || total+grown > maxBlockData {
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
		g.first = s.bytes(g.fixed)
		g.varies = s.bytes((g.fixed + 7) / 8)
		varying := 0
		for _, v := range g.varies {
			varying += bits.OnesCount8(v)
		}
		g.masks = s.bytes(varying)
		size := 0
		for _, mask := range g.masks {
			if mask == 0 {
				return false
			}
			size += planeSize(mask, g.regular)
		}
		g.planes = planes.bytes(size)
		if n := g.fixed % 8; n > 0 && !s.failed && g.varies[len(g.varies)-1]>>n != 0 {
			return false
		}
	}
	return !s.failed && !planes.failed && !lengths.failed && !tails.failed
}

// build puts the records together.
func (g *dataGroup) build() bool {
	g.ready = true
	g.content = make([]byte, g.size)
	switch {
	case g.repeated != nil:
		return g.buildRepeated()
	case g.tail < 0:
		return g.buildUneven()
	}
	stride := g.fixed + g.tail
	for i := 0; i < g.size; i += stride {
		copy(g.content[i:], g.first)
	}
	g.eachPlane(func(j int, mask byte, plane []byte) {
		at := j
		if !narrow(mask) {
			for _, v := range plane {
				g.content[at] = v
				at += stride
			}
			return
		}
		bit, base := mask&-mask, g.first[j]&^mask
		other := mask &^ bit
		second := plane[len(plane)/bits.OnesCount8(mask):]
		for i := range g.regular {
			v := base | -(plane[i/8]>>(i%8)&1)&bit
			if other != 0 {
				v |= -(second[i/8] >> (i % 8) & 1) & other
			}
			g.content[at] = v
			at += stride
		}
	})
	for i := range g.records {
		if g.tail == 0 {
			break
		}
		copy(g.content[i*stride+g.fixed:(i+1)*stride], g.tails[i*g.tail:])
	}
	return true
}

// eachPlane calls f with each byte of the fixed parts that varies and its plane.
func (g *dataGroup) eachPlane(f func(j int, mask byte, plane []byte)) {
	masks, planes := g.masks, g.planes
	for j := range g.first {
		if g.varies[j/8]>>(j%8)&1 != 0 {
			n := planeSize(masks[0], g.regular)
			f(j, masks[0], planes[:n])
			masks, planes = masks[1:], planes[n:]
		}
	}
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
	g.buildFixed(begins)
	return true
}

// buildFixed puts the fixed parts where records begin.
func (g *dataGroup) buildFixed(begins []uint32) {
	for _, begin := range begins {
		copy(g.content[begin:], g.first)
	}
	g.eachPlane(func(j int, mask byte, plane []byte) {
		if !narrow(mask) {
			for i, begin := range begins {
				g.content[int(begin)+j] = plane[i]
			}
			return
		}
		size := (len(begins) + 7) / 8
		for m, p := mask, plane; m != 0; m, p = m&(m-1), p[size:] {
			bit := m & -m
			for i, begin := range begins {
				at := &g.content[int(begin)+j]
				*at = *at&^bit | -(p[i/8]>>(i%8)&1)&bit
			}
		}
	})
}

// groupIndex returns the group of an event's data.
func groupIndex(kind Kind, slot uint32) int {
	switch kind {
	case KindCall:
		return int(2 * slot)
	case KindReturn:
		return int(2*slot + 1)
	}
	return 0
}

// record returns the data of the event being derived.
func (w *eventWalk) record(kind Kind, slot uint32) ([]byte, bool) {
	at := groupIndex(kind, slot)
	g := &w.data.groups[at]
	if g.records == 0 {
		return nil, true
	}
	i := w.cursors[at]
	w.cursors[at]++
	if i >= g.records {
		return nil, false
	}
	if w.event.Seq < w.wanted {
		return nil, true
	}
	if !g.ready && !g.build() {
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
