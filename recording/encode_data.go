package recording

import (
	"encoding/binary"
	"slices"
)

// The data of a block's events is grouped, because the records of one function and kind look alike: group 2·slot holds the
// calls of the function in that slot, 2·slot+1 its returns, and group 0 all other events. Within a group the fixed parts
// (which have the same size) are taken apart into byte planes: planes that never change cost one byte, whatever the number
// of records. What is behind the fixed part, the tail, is stored record by record.

// groupOf returns the group of a record.
func groupOf(r *record) uint32 {
	switch kindOf(r.code) {
	case KindCall:
		return 2 * r.slot
	case KindReturn:
		return 2*r.slot + 1
	}
	return 0
}

// data appends the data sections.
func (e *encoder) data(dst []byte, d *draftState) []byte {
	if len(d.data) == 0 {
		return dst
	}
	e.sortGroups(d)
	e.planes, e.tails, e.lengths = e.planes[:0], e.tails[:0], e.lengths[:0]
	groups := e.scratch[:0]
	begin := uint32(0)
	for group, end := range e.counts[:2*len(d.slots)] {
		if end > begin {
			groups = e.group(groups, d, group, e.order[begin:end])
		}
		begin = end
	}
	dst = e.section(dst, sectionGroups, groups)
	for _, s := range []struct {
		kind sectionKind
		raw  []byte
	}{{sectionPlanes, e.planes}, {sectionLengths, e.lengths}, {sectionTails, e.tails}} {
		if len(s.raw) > 0 {
			e.sections++
			dst = appendSection(dst, e.z, s.kind, 0, s.raw)
		}
	}
	return dst
}

// sortGroups orders the records by group into order; afterwards counts holds the end of each group in it.
func (e *encoder) sortGroups(d *draftState) {
	e.counts = resize(e.counts, 2*len(d.slots)+1)
	clear(e.counts)
	for i := range d.records {
		e.counts[groupOf(&d.records[i])+1]++
	}
	for i := 1; i < len(e.counts); i++ {
		e.counts[i] += e.counts[i-1]
	}
	e.order = resize(e.order, len(d.records))
	for i := range d.records {
		at := &e.counts[groupOf(&d.records[i])]
		e.order[*at] = uint32(i)
		*at++
	}
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// span returns where a record's data lies.
func (d *draftState) span(i uint32) (begin, end uint32) {
	if i > 0 {
		begin = d.records[i-1].dataEnd
	}
	return begin, d.records[i].dataEnd
}

// group appends a group's entry in the directory: group, records, fixed size, then how the lengths and the planes are
// stored. Groups without any data are left out.
func (e *encoder) group(dst []byte, d *draftState, group int, members []uint32) []byte {
	e.offsets = resize(e.offsets, len(members))
	offsets := e.offsets
	begin, end := d.span(members[0])
	length := end - begin
	even, total := true, uint32(0)
	for k, i := range members {
		begin, end := d.span(i)
		offsets[k] = begin
		even = even && end-begin == length
		total += end - begin
	}
	if total == 0 {
		return dst
	}
	fixed := d.fixedSize(group)
	dst = appendUint(dst, uint64(group))
	dst = appendUint(dst, uint64(len(members)))
	dst = appendUint(dst, uint64(fixed))
	if !even || int(length) < fixed {
		return e.uneven(dst, d, members, fixed)
	}
	dst = appendUint(dst, uint64(int(length)-fixed)+1)
	if int(length) > fixed {
		for _, offset := range offsets {
			e.tails = append(e.tails, d.data[int(offset)+fixed:offset+length]...)
		}
	}
	return e.groupPlanes(dst, d.data, fixed, offsets)
}

// uneven appends the rest of the entry of a group whose records have different lengths. Those that are shorter than the
// fixed part go to the tails whole.
func (e *encoder) uneven(dst []byte, d *draftState, members []uint32, fixed int) []byte {
	offsets := e.offsets[:0]
	lengths, tails := len(e.lengths), len(e.tails)
	for _, i := range members {
		begin, end := d.span(i)
		n := int(end-begin) - fixed
		if n < 0 {
			e.lengths = appendUint(appendUint(e.lengths, 0), uint64(end-begin))
			e.tails = append(e.tails, d.data[begin:end]...)
			continue
		}
		offsets = append(offsets, begin)
		e.lengths = appendUint(e.lengths, uint64(n)+1)
		e.tails = append(e.tails, d.data[int(begin)+fixed:end]...)
	}
	dst = appendUint(dst, 0)
	dst = appendUint(dst, uint64(len(offsets)))
	dst = appendUint(dst, uint64(len(e.lengths)-lengths))
	dst = appendUint(dst, uint64(len(e.tails)-tails))
	return e.groupPlanes(dst, d.data, fixed, offsets)
}

// fixedSize returns the size of the fixed part of a group's records.
func (d *draftState) fixedSize(group int) int {
	switch s := &d.slots[group/2]; {
	case group == 0:
		return 0
	case group%2 == 0:
		return int(s.callSize)
	default:
		return int(s.returnSize)
	}
}

// groupPlanes appends the fixed parts: a bit for each plane that varies, then the bytes of those that do not. The planes
// that vary go to the planes section.
func (e *encoder) groupPlanes(dst, data []byte, fixed int, offsets []uint32) []byte {
	if fixed == 0 || len(offsets) == 0 {
		return dst
	}
	first := data[offsets[0] : int(offsets[0])+fixed]
	bitsAt := len(dst)
	dst = append(dst, make([]byte, (fixed+7)/8)...)
	for at := 0; at < fixed; at += 8 {
		varies := differences(data, offsets, first, at)
		for j := at; j < min(at+8, fixed); j++ {
			if byte(varies>>(8*(j-at))) == 0 {
				dst = append(dst, first[j])
				continue
			}
			dst[bitsAt+j/8] |= 1 << (j % 8)
			begin := len(e.planes)
			e.planes = slices.Grow(e.planes, len(offsets))[:begin+len(offsets)]
			plane := e.planes[begin:]
			for i, offset := range offsets {
				plane[i] = data[int(offset)+j]
			}
		}
	}
	return dst
}

// differences returns, for the up to eight bytes of the fixed parts from at, the bits in which any record differs from
// first.
func differences(data []byte, offsets []uint32, first []byte, at int) uint64 {
	if len(first)-at >= 8 {
		want, varies := binary.LittleEndian.Uint64(first[at:]), uint64(0)
		for _, offset := range offsets {
			varies |= binary.LittleEndian.Uint64(data[int(offset)+at:]) ^ want
		}
		return varies
	}
	varies := uint64(0)
	for j := at; j < len(first); j++ {
		d := byte(0)
		for _, offset := range offsets {
			d |= data[int(offset)+j] ^ first[j]
		}
		varies |= uint64(d) << (8 * (j - at))
	}
	return varies
}
