package recording

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// encoder is the memory that encoding a block takes besides its result.
type encoder struct {
	z        *zstd.Encoder
	scratch  []byte
	planes   []byte
	tails    []byte
	lengths  []byte
	numbers  []uint64
	counts   []uint32
	order    []uint32
	offsets  []uint32
	sorted   []int64
	sections int
}

var encoders = sync.Pool{New: func() any { return &encoder{} }}

// Encode appends the encoded block to dst and releases the draft, which must not be used again.
func (d *Draft) Encode(dst []byte) ([]byte, error) {
	if d.draftState == nil {
		return dst, Errorf(CodeInternal, "a draft was encoded twice")
	}
	e := encoders.Get().(*encoder)
	e.z = compressors.Get().(*zstd.Encoder)
	e.sections = 0
	begin := len(dst)
	dst = appendHeader(dst, &d.header, 0)
	dst = e.definitions(dst, d.draftState)
	dst = e.section(dst, sectionSummary, appendSummary(e.scratch[:0], e.summary(d.draftState)))
	if len(d.records) > 0 {
		dst = e.structure(dst, d.draftState)
		dst = e.data(dst, d.draftState)
	}
	binary.LittleEndian.PutUint32(dst[begin+72:], uint32(e.sections))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[begin:], castagnoli))
	compressors.Put(e.z)
	e.z = nil
	encoders.Put(e)
	d.release()
	d.draftState = nil
	return dst, nil
}

// section appends a section. raw may be, and becomes, the scratch buffer.
func (e *encoder) section(dst []byte, kind sectionKind, raw []byte) []byte {
	e.scratch = raw
	e.sections++
	return appendSection(dst, e.z, kind, 0, raw)
}

func (e *encoder) definitions(dst []byte, d *draftState) []byte {
	if d.start != nil {
		dst = e.section(dst, sectionRun, appendRun(e.scratch[:0], d.start))
	}
	if d.end != nil {
		dst = e.section(dst, sectionEnd, appendRunEnd(e.scratch[:0], d.end))
	}
	if t := d.definitions.Types; len(t) > 0 {
		dst = e.section(dst, sectionTypes, appendTypes(e.scratch[:0], t))
	}
	if f := d.definitions.Functions; len(f) > 0 {
		dst = e.section(dst, sectionFunctions, appendFunctions(e.scratch[:0], f))
	}
	if f := d.definitions.Files; len(f) > 0 {
		dst = e.section(dst, sectionFiles, appendFiles(e.scratch[:0], f))
	}
	if g := d.definitions.Goroutines; len(g) > 0 {
		dst = e.section(dst, sectionGoroutines, appendGoroutines(e.scratch[:0], g))
	}
	return dst
}

// summary completes the draft's summary from its tables.
func (e *encoder) summary(d *draftState) *Summary {
	s := &d.summary
	histograms := e.histograms(d)
	for i := range d.slots {
		f := &d.slots[i]
		if f.calls == 0 && f.ended == 0 && f.errors == 0 {
			continue
		}
		s.Functions = append(s.Functions, FunctionDelta{
			Function: f.function, Calls: uint64(f.calls), Ended: uint64(f.ended), Errors: uint64(f.errors),
			Panics: uint64(f.panics), Total: f.total, Self: f.self, Duration: histograms[i],
		})
	}
	slices.SortFunc(s.Functions, func(a, b FunctionDelta) int { return cmp.Compare(a.Function, b.Function) })
	s.Edges = d.edges.list
	slices.SortFunc(s.Edges, func(a, b EdgeDelta) int {
		return cmp.Or(cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Callee, b.Callee))
	})
	for i := range d.actors {
		s.Goroutines = append(s.Goroutines, d.actors[i].activity)
	}
	slices.SortFunc(s.Goroutines, func(a, b GoroutineActivity) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Opened, func(a, b OpenCall) int { return cmp.Compare(a.Seq, b.Seq) })
	return s
}

// histograms returns the histogram of each slot.
func (e *encoder) histograms(d *draftState) []Histogram {
	list := make([]Histogram, len(d.slots))
	for _, end := range d.ends {
		list[end.slot].Add(end.duration)
	}
	return list
}

// structure appends the sections that hold everything of the events but their data.
func (e *encoder) structure(dst []byte, d *draftState) []byte {
	dst = e.section(dst, sectionTables, appendTables(e.scratch[:0], d))
	codes := e.scratch[:0]
	for i := range d.records {
		codes = append(codes, d.records[i].code)
	}
	dst = e.section(dst, sectionCodes, codes)

	numbers := e.numbers[:0]
	for i := range d.records {
		numbers = append(numbers, uint64(d.records[i].actor))
	}
	dst = e.column(dst, sectionActors, numbers)

	numbers = numbers[:0]
	last := d.header.First
	for i := range d.records {
		numbers = append(numbers, uint64(d.records[i].time-last))
		last = d.records[i].time
	}
	if d.backwards() {
		for i, n := range numbers {
			numbers[i] = n<<1 ^ uint64(int64(n)>>63)
		}
	}
	dst = e.column(dst, sectionTimes, numbers)

	numbers = numbers[:0]
	for i := range d.records {
		if r := &d.records[i]; r.code&codeFunction != 0 {
			numbers = append(numbers, uint64(r.slot))
		}
	}
	dst = e.column(dst, sectionCallees, numbers)
	e.numbers = numbers
	return e.rare(dst, d)
}

// rare appends the sections that most blocks do without.
func (e *encoder) rare(dst []byte, d *draftState) []byte {
	if len(d.lines) > 0 {
		lines := e.scratch[:0]
		for _, line := range d.lines {
			lines = appendUint(lines, uint64(line))
		}
		dst = e.section(dst, sectionLines, lines)
	}
	if len(d.unwinds) > 0 {
		unwinds := e.scratch[:0]
		for _, u := range d.unwinds {
			unwinds = appendUint(unwinds, uint64(u.lost))
			unwinds = appendUint(unwinds, uint64(u.explained))
			unwinds = append(unwinds, byte(u.cause))
		}
		dst = e.section(dst, sectionUnwinds, unwinds)
	}
	return dst
}

// backwards reports whether an event is earlier than the one before it, of another goroutine.
func (d *draftState) backwards() bool {
	last := d.header.First
	for i := range d.records {
		if d.records[i].time < last {
			return true
		}
		last = d.records[i].time
	}
	return false
}

// column appends numbers as byte planes, lowest first. A plane of zeros is left out.
func (e *encoder) column(dst []byte, kind sectionKind, numbers []uint64) []byte {
	var varies, any uint64
	for _, n := range numbers {
		varies |= n ^ numbers[0]
		any |= n
	}
	for plane := uint8(0); plane < 8; plane++ {
		shift := plane * 8
		switch {
		case byte(any>>shift) == 0:
		case byte(varies>>shift) == 0:
			e.sections++
			dst = appendFill(dst, kind, plane, byte(any>>shift), len(numbers))
		default:
			raw := e.scratch[:0]
			for _, n := range numbers {
				raw = append(raw, byte(n>>shift))
			}
			e.scratch = raw
			e.sections++
			dst = appendSection(dst, e.z, kind, plane, raw)
		}
	}
	return dst
}

const tablesBackwards = 1 // the time deltas are signed, zigzag

// appendTables appends the block's functions, goroutines and entry stacks.
func appendTables(dst []byte, d *draftState) []byte {
	var flags byte
	if d.backwards() {
		flags |= tablesBackwards
	}
	dst = append(dst, flags)
	dst = appendUint(dst, uint64(len(d.slots)-1))
	for i := range d.slots[1:] {
		dst = appendUint(dst, uint64(d.slots[i+1].function))
	}
	dst = appendUint(dst, uint64(len(d.actors)))
	for i := range d.actors {
		a := &d.actors[i]
		dst = appendInt(dst, a.activity.ID)
		dst = appendUint(dst, uint64(a.entryDepth))
		dst = appendUint(dst, a.below)
		n := 0
		for at := a.firstEntry; at != 0; at = d.entries[at-1].next {
			n++
		}
		dst = appendUint(dst, uint64(n))
		last := d.header.FirstSeq
		for at := a.firstEntry; at != 0; at = d.entries[at-1].next {
			f := &d.entries[at-1]
			dst = appendUint(dst, last-f.seq)
			dst = appendInt(dst, d.header.First-f.start)
			dst = appendUint(dst, uint64(f.children))
			dst = appendUint(dst, uint64(f.function))
			last = f.seq
		}
	}
	return dst
}
