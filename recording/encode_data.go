package recording

import (
	"encoding/binary"
	"math/bits"
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
	if d.bytes == 0 {
		return dst
	}
	e.sortGroups(d)
	e.planes, e.tails, e.lengths, e.repeated = e.planes[:0], e.tails[:0], e.lengths[:0], e.repeated[:0]
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
	}{{sectionPlanes, e.planes}, {sectionLengths, e.lengths}, {sectionTails, e.tails}, {sectionRepeats, e.repeated}} {
		if len(s.raw) > 0 {
			e.sections++
			dst = appendSection(dst, e.z, s.kind, 0, s.raw)
		}
	}
	return dst
}

// sortGroups puts the extents of the records into order, group by group; afterwards counts holds the end of each group in
// it.
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
		r := &d.records[i]
		at := &e.counts[groupOf(r)]
		e.order[*at] = r.data
		*at++
	}
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// group appends a group's entry in the directory: group, records, fixed size, then how the lengths and the planes are
// stored. Groups without any data are left out.
func (e *encoder) group(dst []byte, d *draftState, group int, members []extent) []byte {
	length := members[0].end - members[0].begin
	even, total := true, uint32(0)
	for _, m := range members {
		even = even && m.end-m.begin == length
		total += m.end - m.begin
	}
	if total == 0 {
		return dst
	}
	fixed := e.widen(d.data, d.fixedSize(group), members)
	dst = appendUint(dst, uint64(group))
	dst = appendUint(dst, uint64(len(members)))
	dst = appendUint(dst, uint64(fixed))
	if (!even || int(length) > fixed) && e.repeats.find(d.data, fixed, members) {
		e.repeated = e.repeats.append(e.repeated, d.data, group)
		dst = appendUint(dst, 1)
		return e.groupPlanes(dst, d.data, fixed, members)
	}
	if !even || int(length) < fixed {
		return e.uneven(dst, d, members, fixed)
	}
	dst = appendUint(dst, uint64(int(length)-fixed)+1)
	if int(length) > fixed {
		for _, m := range members {
			e.tails = append(e.tails, d.data[int(m.begin)+fixed:m.end]...)
		}
	}
	return e.groupPlanes(dst, d.data, fixed, members)
}

// uneven appends the rest of the entry of a group whose records have different lengths. Those that are shorter than the
// fixed part go to the tails whole.
func (e *encoder) uneven(dst []byte, d *draftState, members []extent, fixed int) []byte {
	regular := 0
	lengths, tails := len(e.lengths), len(e.tails)
	for _, m := range members {
		n := int(m.end-m.begin) - fixed
		if n < 0 {
			e.lengths = appendUint(appendUint(e.lengths, 0), uint64(m.end-m.begin))
			e.tails = append(e.tails, d.data[m.begin:m.end]...)
			continue
		}
		// Nobody needs the members before this one any more.
		members[regular] = m
		regular++
		e.lengths = appendUint(e.lengths, uint64(n)+1)
		e.tails = append(e.tails, d.data[int(m.begin)+fixed:m.end]...)
	}
	dst = appendUint(dst, 0)
	dst = appendUint(dst, uint64(regular))
	dst = appendUint(dst, uint64(len(e.lengths)-lengths))
	dst = appendUint(dst, uint64(len(e.tails)-tails))
	return e.groupPlanes(dst, d.data, fixed, members[:regular])
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

const (
	widenRecords = 16 // fewer records are left as they are
	widenSample  = 32 // records that are looked at first
	widenCost    = 3  // of a byte that varies, in bytes that do not
)

// widen returns how much of the records of a group to treat as their fixed part, of which fixed bytes have the same meaning in
// all. What lies behind, in functions that are given the same things again and again, is often the same, too, over hundreds of
// bytes: then planes are smaller than tails, and take a tenth of the time. It goes on up to where most bytes vary: most of all
// where something of another length shifts them. e.varies has the bits that differ as far as that is known.
func (e *encoder) widen(data []byte, fixed int, members []extent) int {
	e.varies = e.varies[:0]
	if len(members) < widenRecords {
		return fixed
	}
	shortest := members[0].end - members[0].begin
	for _, m := range members {
		shortest = min(shortest, m.end-m.begin)
	}
	words := int(shortest) / 8
	if words*8 <= fixed {
		return fixed
	}
	e.varies = resize(e.varies, words)
	clear(e.varies)
	e.compare(data, members[:min(widenSample, len(members))], members[0])
	e.varies = e.varies[:(e.worthwhile(fixed)+7)/8]
	e.compare(data, members, members[0])
	return e.worthwhile(fixed)
}

// compare adds the bits in which records differ from first, as far as e.varies reaches.
func (e *encoder) compare(data []byte, members []extent, first extent) {
	size := 8 * len(e.varies)
	for _, m := range members {
		// Four words at a time, at places that the compiler knows to be there.
		varies, have, want := e.varies, data[m.begin:][:size], data[first.begin:][:size]
		for len(varies) >= 4 && len(have) >= 32 && len(want) >= 32 {
			varies[0] |= binary.LittleEndian.Uint64(have) ^ binary.LittleEndian.Uint64(want)
			varies[1] |= binary.LittleEndian.Uint64(have[8:]) ^ binary.LittleEndian.Uint64(want[8:])
			varies[2] |= binary.LittleEndian.Uint64(have[16:]) ^ binary.LittleEndian.Uint64(want[16:])
			varies[3] |= binary.LittleEndian.Uint64(have[24:]) ^ binary.LittleEndian.Uint64(want[24:])
			varies, have, want = varies[4:], have[32:], want[32:]
		}
		for i := range varies {
			varies[i] |= binary.LittleEndian.Uint64(have[8*i:]) ^ binary.LittleEndian.Uint64(want[8*i:])
		}
	}
}

// worthwhile returns up to where the bytes behind the fixed ones, as far as e.varies reaches, are better stored as planes.
func (e *encoder) worthwhile(fixed int) int {
	best, score, most := fixed, 0, 0
	for j := fixed; j < 8*len(e.varies); j++ {
		switch mask := byte(e.varies[j/8] >> (j % 8 * 8)); {
		case mask == 0:
			score++
		case !narrow(mask):
			score -= widenCost
		}
		if score > most {
			best, most = j+1, score
		}
	}
	return best
}

// groupPlanes appends the first fixed part, and for each of its bytes a bit: whether it differs in another one. For each
// that does, the bits that differ follow. The planes of these bytes go to the planes section: whole bytes, or only the
// bits, eight to a byte, when there are one or two.
func (e *encoder) groupPlanes(dst, data []byte, fixed int, members []extent) []byte {
	if fixed == 0 || len(members) == 0 {
		return dst
	}
	first := data[members[0].begin : int(members[0].begin)+fixed]
	dst = append(dst, first...)
	bitsAt := len(dst)
	dst = append(dst, make([]byte, (fixed+7)/8)...)
	e.varying = e.varying[:0]
	end := len(e.planes)
	for at := 0; at < fixed; at += 8 {
		var varies uint64
		switch rest := fixed - at; {
		case at/8 >= len(e.varies):
			varies = differences(data, members, first, at)
		case rest < 8:
			varies = e.varies[at/8] & (1<<(8*rest) - 1)
		default:
			varies = e.varies[at/8]
		}
		for j := at; varies != 0; j++ {
			if mask := byte(varies); mask != 0 {
				dst[bitsAt+j/8] |= 1 << (j % 8)
				dst = append(dst, mask)
				e.varying = append(e.varying, varyingByte{j, end, mask})
				end += planeSize(mask, len(members))
			}
			varies >>= 8
		}
	}
	e.planes = slices.Grow(e.planes, end-len(e.planes))[:end]
	for from := 0; from < len(members); from += planeRecords {
		for i := range e.varying {
			e.varying[i].write(e.planes, data, members, from)
		}
	}
	return dst
}

// varyingByte is a byte of the fixed parts of a group that is not the same in all records.
type varyingByte struct {
	at    int // where it lies in these
	plane int // where its plane begins
	mask  byte
}

// planeRecords is of how many records all planes are written before those of the next ones: they stay in the nearest cache
// meanwhile. It is a multiple of eight.
const planeRecords = 64

// narrow reports whether a byte of which the bits in mask vary is stored by bits.
func narrow(mask byte) bool { return bits.OnesCount8(mask) <= 2 }

// planeSize returns the size of the plane of a byte, in that many records, of which the bits in mask vary.
func planeSize(mask byte, records int) int {
	if narrow(mask) {
		return bits.OnesCount8(mask) * ((records + 7) / 8)
	}
	return records
}

// write writes the plane of up to planeRecords records.
func (v *varyingByte) write(planes, data []byte, members []extent, from int) {
	size := (len(members) + 7) / 8 // of the plane of a bit
	members = members[from:min(from+planeRecords, len(members))]
	if !narrow(v.mask) {
		plane := planes[v.plane+from:][:len(members)]
		for i, m := range members {
			plane[i] = data[int(m.begin)+v.at]
		}
		return
	}
	for at := v.plane + from/8; len(members) > 0; at++ {
		var eight uint64
		n := min(8, len(members))
		for i, m := range members[:n] {
			eight |= uint64(data[int(m.begin)+v.at]) << (8 * i)
		}
		members = members[n:]
		plane := at
		for mask := v.mask; mask != 0; mask &= mask - 1 {
			planes[plane] = oneBit(eight, bits.TrailingZeros8(mask))
			plane += size
		}
	}
}

// oneBit returns that bit of each of eight bytes, that of the lowest byte lowest.
func oneBit(eight uint64, bit int) byte {
	// The product moves the lowest bit of byte k to bit 56+k; no two bits meet on the way.
	return byte(eight >> bit & 0x0101010101010101 * 0x0102040810204080 >> 56)
}

// differences returns, for the up to eight bytes of the fixed parts from at, the bits in which any record differs from
// first.
func differences(data []byte, members []extent, first []byte, at int) uint64 {
	if len(first)-at >= 8 {
		want, varies := binary.LittleEndian.Uint64(first[at:]), uint64(0)
		for _, m := range members {
			varies |= binary.LittleEndian.Uint64(data[int(m.begin)+at:]) ^ want
		}
		return varies
	}
	varies := uint64(0)
	for j := at; j < len(first); j++ {
		d := byte(0)
		for _, m := range members {
			d |= data[int(m.begin)+j] ^ first[j]
		}
		varies |= uint64(d) << (8 * (j - at))
	}
	return varies
}
