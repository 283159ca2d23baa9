package recording

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"slices"
	"sync"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"
)

// encoder is the memory that encoding a block takes besides its result.
type encoder struct {
	z        *zstd.Encoder
	huffman  huff0.Scratch
	sections int // so far
	scratch  []byte
	plane    []byte

	codes   []byte
	actors  []uint16
	times   []uint64
	callees []uint32

	planes  []byte
	tails   []byte
	lengths []byte

	repeats  *repeats
	repeated []byte
	counts   []uint32 // by slot or group
	order    []extent
	varies   []uint64 // by word of the records of a group, see widen
	varying  []varyingByte

	durations     []int64
	row           [histogramBuckets]uint32 // zeros between histograms
	buckets       []histogramBucket
	histogramList []Histogram
	functions     []FunctionDelta
	activities    []GoroutineActivity
}

var encoders = sync.Pool{New: func() any { return &encoder{repeats: newRepeats()} }}

// Encode appends the encoded block to dst and releases the draft, which must not be used again.
func (d *Draft) Encode(dst []byte) ([]byte, error) { return d.encode(dst, false) }

// EncodeNear is Encode for a receiver in the same process: it leaves the bodies of source files as they are, which take most of the
// time to compress, and which a store compresses one by one.
func (d *Draft) EncodeNear(dst []byte) ([]byte, error) { return d.encode(dst, true) }

func (d *Draft) encode(dst []byte, near bool) ([]byte, error) {
	if d.draftState == nil {
		return dst, Errorf(CodeInternal, "a draft was encoded twice")
	}
	e := encoders.Get().(*encoder)
	e.z = compressors.Get().(*zstd.Encoder)
	e.sections = 0
	begin := len(dst)
	size := headerSize + 3*len(d.records) + d.bytes/8 // about what usual blocks take
	if near {
		size += d.definitionBytes
	}
	dst = slices.Grow(dst, size)
	dst = appendHeader(dst, &d.header, 0)
	dst = e.definitions(dst, d.draftState, near)
	dst = e.section(dst, sectionSummary, appendSummary(e.scratch[:0], e.summary(d.draftState)))
	if d.summary.Quiet > 0 {
		e.sections++
		dst = appendQuiet(dst, d.summary.Quiet)
	}
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

func (e *encoder) definitions(dst []byte, d *draftState, near bool) []byte {
	if d.start != nil {
		dst = e.section(dst, sectionRun, appendRun(e.scratch[:0], d.start))
		if d.start.Settings.OnFull != "" {
			e.sections++
			dst = appendSettings(dst, &d.start.Settings)
		}
	}
	if d.end != nil {
		dst = e.section(dst, sectionEnd, appendRunEnd(e.scratch[:0], d.end))
	}
	if t := d.definitions.Types; len(t) > 0 {
		dst = e.section(dst, sectionTypes, appendTypes(e.scratch[:0], t))
	}
	if f := d.definitions.Functions; len(f) > 0 {
		size := 0
		for i := range f {
			size += f[i].encodedSize()
		}
		dst = e.section(dst, sectionFunctions, appendFunctions(slices.Grow(e.scratch[:0], size), f))
	}
	switch f := d.definitions.Files; {
	case len(f) > 0 && near:
		e.sections++
		head := len(dst)
		dst = appendFiles(appendSectionHead(dst, sectionFiles, 0, 0, 0, 0), f)
		length := uint32(len(dst) - head - sectionSize)
		binary.LittleEndian.PutUint32(dst[head+4:], length)
		binary.LittleEndian.PutUint32(dst[head+8:], length)
	case len(f) > 0:
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
	s.Functions, s.Goroutines = e.functions[:0], e.activities[:0]
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
	e.functions, e.activities = s.Functions, s.Goroutines
	slices.SortFunc(s.Opened, func(a, b OpenCall) int { return cmp.Compare(a.Seq, b.Seq) })
	return s
}

// histograms returns the histogram of each slot. The durations are sorted by slot first, so that one dense row of counts
// serves one function after the other. The buckets belong to e and are valid until the next call.
func (e *encoder) histograms(d *draftState) []Histogram {
	e.counts = resize(e.counts, len(d.slots)+1)
	counts := e.counts
	clear(counts)
	for i := range d.ends {
		counts[d.ends[i].slot+1]++
	}
	for i := 1; i < len(counts); i++ {
		counts[i] += counts[i-1]
	}
	e.durations = resize(e.durations, len(d.ends))
	for i := range d.ends {
		at := &counts[d.ends[i].slot]
		e.durations[*at] = d.ends[i].duration
		*at++
	}
	e.histogramList = resize(e.histogramList, len(d.slots))
	e.buckets = slices.Grow(e.buckets[:0], len(d.ends))
	begin := uint32(0)
	for i := range e.histogramList {
		end := counts[i]
		e.histogramList[i] = e.histogram(e.durations[begin:end])
		begin = end
	}
	return e.histogramList
}

// histogram counts durations. Its buckets lie in e.buckets, which has room for one a duration.
func (e *encoder) histogram(durations []int64) Histogram {
	if len(durations) == 0 {
		return Histogram{}
	}
	h := Histogram{Count: uint64(len(durations)), Min: durations[0], Max: durations[0]}
	for _, ns := range durations {
		h.Min, h.Max = min(h.Min, ns), max(h.Max, ns)
		e.row[bucketOf(ns)]++
	}
	first := len(e.buckets)
	for i := bucketOf(h.Min); i <= bucketOf(h.Max); i++ {
		if count := e.row[i]; count != 0 {
			e.buckets = append(e.buckets, histogramBucket{i, uint64(count)})
			e.row[i] = 0
		}
	}
	h.buckets = e.buckets[first:len(e.buckets):len(e.buckets)]
	return h
}

// structure appends the sections that hold everything of the events but their data.
func (e *encoder) structure(dst []byte, d *draftState) []byte {
	dst = e.section(dst, sectionTables, appendTables(e.scratch[:0], d))
	n := len(d.records)
	e.codes, e.times = resize(e.codes, n), resize(e.times, n)
	e.actors, e.callees = resize(e.actors, n), resize(e.callees, n)
	codes, times, actors, callees := e.codes, e.times, e.actors[:0], e.callees[:0]
	last := d.header.First
	for i := range d.records {
		r := &d.records[i]
		code := r.code
		if i == 0 || r.actor != actors[len(actors)-1] {
			code |= codeSwitch
			actors = append(actors, r.actor)
		}
		if named(code) {
			callees = append(callees, r.slot)
		}
		codes[i] = code
		times[i] = uint64(r.time - last)
		last = r.time
	}
	if d.backwards {
		for i, n := range times {
			times[i] = n<<1 ^ uint64(int64(n)>>63)
		}
	}
	dst = appendColumn(dst, e, sectionCodes, codes)
	dst = appendColumn(dst, e, sectionActors, actors)
	dst = appendColumn(dst, e, sectionTimes, times)
	dst = appendColumn(dst, e, sectionCallees, callees)
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

// appendColumn appends numbers as planes. Where only one or two bits of a byte vary, and for codes, whose bits mean
// different things, planes of bits are smaller and faster.
func appendColumn[T uint8 | uint16 | uint32 | uint64](dst []byte, e *encoder, kind sectionKind, numbers []T) []byte {
	var varies, any T
	for _, n := range numbers {
		varies |= n ^ numbers[0]
		any |= n
	}
	for plane := uint8(0); plane < 8 && any>>(plane*8) != 0; plane++ {
		shift := plane * 8
		any, varies := byte(any>>shift), byte(varies>>shift)
		if any == 0 {
			continue
		}
		if varies == 0 && kind != sectionCodes {
			e.sections++
			dst = appendFill(dst, kind, plane, any, len(numbers))
			continue
		}
		e.plane = resize(e.plane, len(numbers)+8)
		raw := e.plane[:len(numbers)]
		for i, n := range numbers {
			raw[i] = byte(n >> shift)
		}
		if kind == sectionCodes || bits.OnesCount8(varies) <= 2 {
			dst = e.bitColumn(dst, kind, bitPlanes+shift, any, varies)
			continue
		}
		e.sections++
		if kind == sectionTimes && plane < 2 {
			dst = e.noise(dst, kind, plane, raw)
			continue
		}
		dst = appendSection(dst, e.z, kind, plane, raw)
	}
	return dst
}

// bitColumn appends the bits of e.plane, eight bytes longer than its content, as planes of their own.
func (e *encoder) bitColumn(dst []byte, kind sectionKind, plane, any, varies uint8) []byte {
	clear(e.plane[len(e.plane)-8:])
	size := (len(e.plane) - 8 + 7) / 8
	for bit := uint8(0); bit < 8; bit++ {
		if any>>bit&1 == 0 {
			continue
		}
		e.sections++
		if varies>>bit&1 == 0 {
			dst = appendFill(dst, kind, plane+bit, 0xff, size)
			continue
		}
		e.scratch = resize(e.scratch, size)
		for i := range e.scratch {
			e.scratch[i] = oneBit(binary.LittleEndian.Uint64(e.plane[8*i:]), int(bit))
		}
		dst = appendSection(dst, e.z, kind, plane+bit, e.scratch)
	}
	return dst
}

const tablesBackwards = 1 // the time deltas are signed, zigzag

// appendTables appends the block's functions, goroutines and entry stacks.
func appendTables(dst []byte, d *draftState) []byte {
	var flags byte
	if d.backwards {
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
