package debuginfo

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// What a Go program's sections are compressed with is as old as zlib, and reading it is a large part of what a start waits for. Where
// all of the input is in memory and the length of the output is known, no window is kept and nothing is handed on in pieces: bits
// come eight bytes at a time, a table tells a symbol with all that belongs to it, and matches are copied in words.

var errDeflate = errors.New("the compressed data is damaged")

// An entry of a table of codes has in its lowest byte how many bits it takes together with those behind it, in the next one how many of
// these are the code, and in the upper half a literal, the least length or distance, or where a table for longer codes begins. That one's
// second byte says how many bits tell its entries apart.
type codeEntry uint32

const (
	codeLiteral codeEntry = 1 << 31
	codeSpecial codeEntry = 1 << 15 // one of the next three
	codeTable   codeEntry = 1 << 14
	codeEnd     codeEntry = 1 << 13
	codeInvalid codeEntry = 1 << 12
	codeValue             = 0x7fff
)

const (
	symbolBits   = 11
	distanceBits = 8
	lengthBits   = 7 // of codes for lengths of codes
	maxCodeBits  = 15

	// The most entries that the tables can have together with those for longer codes, by zlib's program enough: for 288, 32 and 19 symbols.
	symbolEntries   = 2342
	distanceEntries = 402
	lengthEntries   = 1 << lengthBits
)

// inflater reads one compressed stream.
type inflater struct {
	in      []byte
	at      int    // in in
	bits    uint64 // that were read, the next one lowest
	count   uint   // how many of these are known
	past    uint   // bytes that were made up behind the end
	symbols [symbolEntries]codeEntry
	far     [distanceEntries]codeEntry
	short   [lengthEntries]codeEntry
	lengths [286 + 34]uint8
}

// inflate decompresses a raw stream of RFC 1951 until out is full, and says whether there was enough of it.
func inflate(out, in []byte) error {
	z := &inflater{in: in}
	for at := 0; at < len(out); {
		z.fill()
		last, kind := z.take(1), z.take(2)
		var ok bool
		switch kind {
		case 0:
			at, ok = z.stored(out, at)
		case 1:
			ok = z.fixedCodes()
		case 2:
			ok = z.dynamicCodes()
		}
		if ok && kind != 0 {
			at, ok = z.block(out, at)
		}
		if !ok || z.past > z.count/8 || last == 1 && at < len(out) {
			return errDeflate
		}
	}
	return nil
}

// fill makes at least 56 bits known. Behind the end of the input there are zeros.
func (z *inflater) fill() {
	if len(z.in)-z.at >= 8 {
		z.bits |= binary.LittleEndian.Uint64(z.in[z.at:]) << z.count
		z.at += int(63-z.count) >> 3
		z.count |= 56
		return
	}
	for z.count < 56 {
		if z.at < len(z.in) {
			z.bits |= uint64(z.in[z.at]) << z.count
			z.at++
		} else {
			z.past++
		}
		z.count += 8
	}
}

// take returns the next n bits, of those that are known.
func (z *inflater) take(n uint) uint {
	v := uint(z.bits & (1<<n - 1))
	z.bits >>= n
	z.count -= n
	return v
}

// stored copies a block that is not compressed.
func (z *inflater) stored(out []byte, at int) (int, bool) {
	if z.past > z.count/8 {
		return at, false
	}
	z.at -= int(z.count/8 - z.past) // the whole bytes that are known
	z.bits, z.count, z.past = 0, 0, 0
	if len(z.in)-z.at < 4 {
		return at, false
	}
	n, complement := binary.LittleEndian.Uint16(z.in[z.at:]), binary.LittleEndian.Uint16(z.in[z.at+2:])
	z.at += 4
	if n != ^complement {
		return at, false
	}
	want := min(int(n), len(out)-at)
	if len(z.in)-z.at < want {
		return at, false
	}
	copy(out[at:at+want], z.in[z.at:])
	z.at = min(z.at+int(n), len(z.in))
	return at + want, true
}

// block decodes a block until its end, or until out is full.
func (z *inflater) block(out []byte, at int) (int, bool) {
	const (
		surely = 16  // bytes of the input that one turn may take
		most   = 280 // bytes of the output that one turn may write, what is written too far included
	)
	for len(z.in)-z.at >= surely && len(out)-at >= most {
		next, end, ok := z.run(out, at, len(z.in)-surely, len(out)-most)
		if at = next; end || !ok {
			return at, ok
		}
	}
	for at < len(out) { // near the ends, and slowly
		z.fill()
		e := z.next(z.symbols[:], symbolBits)
		switch {
		case e&codeLiteral != 0:
			out[at] = byte(e >> 16)
			at++
			continue
		case e&codeEnd != 0:
			return at, z.past <= z.count/8
		case e&codeInvalid != 0:
			return at, false
		}
		length := int(e >> 16 & codeValue)
		length += int(z.extra(e))
		e = z.next(z.far[:], distanceBits)
		if e&codeInvalid != 0 {
			return at, false
		}
		distance := int(e>>16&codeValue) + int(z.extra(e))
		if distance > at || z.past > z.count/8 {
			return at, false
		}
		for range min(length, len(out)-at) {
			out[at] = out[at-distance]
			at++
		}
	}
	return at, z.past <= z.count/8
}

// next takes the next code.
func (z *inflater) next(table []codeEntry, width uint) codeEntry {
	e := table[z.bits&(1<<width-1)]
	if e&codeTable != 0 {
		z.take(width)
		e = table[uint(e>>16&codeValue)+uint(z.bits&(1<<(e>>8&15)-1))]
	}
	z.take(uint(e >> 8 & 15))
	return e
}

// extra takes the bits behind a code.
func (z *inflater) extra(e codeEntry) uint { return z.take(uint(e&0xff) - uint(e>>8&15)) }

// run decodes as long as the input and the output are not near their ends. The state is kept in local variables all the while.
func (z *inflater) run(out []byte, at, inEnd, outEnd int) (next int, end, ok bool) {
	in, from, have, count := z.in, z.at, z.bits, z.count
	symbols, far := &z.symbols, &z.far
	ok = true
	for from <= inEnd && at <= outEnd {
		have |= binary.LittleEndian.Uint64(in[from:]) << (count & 63)
		from += int(63-count) >> 3
		count |= 56
		e := symbols[have&(1<<symbolBits-1)]
		if e&codeLiteral != 0 { // three of them take 33 bits at most
			have >>= e & 15
			count -= uint(e & 15)
			out[at] = byte(e >> 16)
			at++
			if e = symbols[have&(1<<symbolBits-1)]; e&codeLiteral != 0 {
				have >>= e & 15
				count -= uint(e & 15)
				out[at] = byte(e >> 16)
				at++
				if e = symbols[have&(1<<symbolBits-1)]; e&codeLiteral != 0 {
					have >>= e & 15
					count -= uint(e & 15)
					out[at] = byte(e >> 16)
					at++
					continue
				}
			}
			have |= binary.LittleEndian.Uint64(in[from:]) << (count & 63)
			from += int(63-count) >> 3
			count |= 56
		}
		if e&codeSpecial != 0 {
			if e&codeTable != 0 {
				have >>= symbolBits
				count -= symbolBits
				i := uint(e>>16&codeValue) + uint(have&(1<<(e>>8&15)-1))
				if i >= symbolEntries {
					ok = false
					break
				}
				e = symbols[i]
			}
			if e&codeLiteral != 0 {
				have >>= e & 15
				count -= uint(e & 15)
				out[at] = byte(e >> 16)
				at++
				continue
			}
			if e&codeSpecial != 0 {
				have >>= e >> 8 & 15
				count -= uint(e >> 8 & 15)
				end, ok = true, e&codeEnd != 0
				break
			}
		}
		// A length takes 20 bits at most and a distance 28.
		length := int(e>>16&codeValue) + int(have&(1<<(e&63)-1)>>(e>>8&15))
		have >>= e & 63
		count -= uint(e & 63)
		if e = far[have&(1<<distanceBits-1)]; e&codeSpecial != 0 {
			if e&codeTable != 0 {
				have >>= distanceBits
				count -= distanceBits
				i := uint(e>>16&codeValue) + uint(have&(1<<(e>>8&15)-1))
				if i >= distanceEntries {
					ok = false
					break
				}
				e = far[i]
			}
			if e&codeSpecial != 0 {
				ok = false
				break
			}
		}
		distance := int(e>>16&codeValue) + int(have&(1<<(e&63)-1)>>(e>>8&15))
		have >>= e & 63
		count -= uint(e & 63)
		if distance > at {
			ok = false
			break
		}
		if distance >= 8 && length <= 16 { // most of them
			to, from := out[at:at+16], out[at-distance:at+16]
			binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(from))
			binary.LittleEndian.PutUint64(to[8:], binary.LittleEndian.Uint64(from[8:]))
		} else {
			repeat(out, at, distance, length)
		}
		at += length
	}
	z.at, z.bits, z.count = from, have, count
	return at, end, ok
}

// repeat repeats what lies a distance back. Up to fifteen bytes behind the length are written, too.
func repeat(out []byte, at, distance, length int) {
	to, from := out[at:at+length+15], out[at-distance:]
	switch {
	case distance >= 8:
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(to[i:], binary.LittleEndian.Uint64(from[i:]))
		}
	case distance == 1:
		word := uint64(from[0]) * 0x0101010101010101
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(to[i:], word)
		}
	default:
		for i := range length {
			to[i] = from[i]
		}
	}
}

// lengthBase and lengthExtra say what symbols from 257 on stand for, distanceBase and distanceExtra those of distances.
var (
	lengthBase    = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra   = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distanceBase  = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distanceExtra = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	lengthOrder   = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// What symbols stand for, but for the length of their codes.
func symbolMeaning(symbol int) codeEntry {
	switch {
	case symbol < 256:
		return codeLiteral | codeEntry(symbol)<<16
	case symbol == 256:
		return codeSpecial | codeEnd
	case symbol < 257+len(lengthBase):
		return codeEntry(lengthBase[symbol-257])<<16 | codeEntry(lengthExtra[symbol-257])
	}
	return codeSpecial | codeInvalid
}

func distanceMeaning(symbol int) codeEntry {
	if symbol < len(distanceBase) {
		return codeEntry(distanceBase[symbol])<<16 | codeEntry(distanceExtra[symbol])
	}
	return codeSpecial | codeInvalid
}

func plainMeaning(symbol int) codeEntry { return codeEntry(symbol) << 16 }

// fixedCodes makes the tables of blocks that bring none.
func (z *inflater) fixedCodes() bool {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144, i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	var distances [32]uint8
	for i := range distances {
		distances[i] = 5
	}
	return makeTable(z.symbols[:], symbolBits, lengths[:], symbolMeaning) && makeTable(z.far[:], distanceBits, distances[:], distanceMeaning)
}

// dynamicCodes reads the tables that a block brings.
func (z *inflater) dynamicCodes() bool {
	z.fill()
	symbols, distances, codes := int(z.take(5))+257, int(z.take(5))+1, int(z.take(4))+4
	if symbols > 286 || distances > 30 {
		return false
	}
	var lengths [19]uint8
	for i := range codes {
		if z.count < 3 {
			z.fill()
		}
		lengths[lengthOrder[i]] = uint8(z.take(3))
	}
	if !makeTable(z.short[:], lengthBits, lengths[:], plainMeaning) {
		return false
	}
	all := z.lengths[:symbols+distances]
	for i := 0; i < len(all); {
		z.fill()
		e := z.next(z.short[:], lengthBits)
		if e&codeSpecial != 0 || z.past > z.count/8 {
			return false
		}
		code := uint8(e >> 16)
		if code < 16 {
			all[i] = code
			i++
			continue
		}
		var repeated uint8
		var n int
		switch code {
		case 16:
			if i == 0 {
				return false
			}
			repeated, n = all[i-1], 3+int(z.take(2))
		case 17:
			n = 3 + int(z.take(3))
		default:
			n = 11 + int(z.take(7))
		}
		if n > len(all)-i {
			return false
		}
		for range n {
			all[i] = repeated
			i++
		}
	}
	return makeTable(z.symbols[:], symbolBits, all[:symbols], symbolMeaning) && makeTable(z.far[:], distanceBits, all[symbols:], distanceMeaning)
}

// makeTable makes the table of a canonical code by the lengths of its symbols' codes. It is false when these are no code.
func makeTable(table []codeEntry, width uint, lengths []uint8, meaning func(int) codeEntry) bool {
	var number [maxCodeBits + 1]int
	for _, n := range lengths {
		number[n]++
	}
	var first [maxCodeBits + 2]int // code of each length
	code, longest := 0, 0
	for n := 1; n <= maxCodeBits; n++ {
		first[n] = code
		if code += number[n]; code > 1<<n {
			return false
		}
		if number[n] > 0 {
			longest = n
		}
		code <<= 1
	}
	// A code that does not use all bits is none, but for one of a single symbol, or of none.
	if used := len(lengths) - number[0]; used > 0 && code != 1<<(maxCodeBits+1) && (used != 1 || longest != 1) {
		return false
	}
	for i := range 1 << width {
		table[i] = codeSpecial | codeInvalid | 1<<8 | 1
	}
	room := 1 << width // where tables for longer codes begin
	var open [maxCodeBits + 1]int
	copy(open[:], first[:])
	// Symbols in the order of their codes are those in the order of lengths: longer codes that begin alike follow one another.
	var order [288]uint16
	var position [maxCodeBits + 2]int
	for n := 1; n <= maxCodeBits; n++ {
		position[n+1] = position[n] + number[n]
	}
	for symbol, n := range lengths {
		if n > 0 {
			order[position[n]] = uint16(symbol)
			position[n]++
		}
	}
	prefix, base, deep := -1, 0, uint(0)
	left := number
	for _, symbol := range order[:len(lengths)-number[0]] {
		n := uint(lengths[symbol])
		code := uint(bits.Reverse16(uint16(open[n])) >> (16 - n))
		open[n]++
		e := meaning(int(symbol))
		if n <= width {
			e = withLength(e, n)
			for i := code; i < 1<<width; i += 1 << n {
				table[i] = e
			}
			left[n]--
			continue
		}
		if p := int(code & (1<<width - 1)); p != prefix {
			// Its table is as wide as the codes that begin like this one, of which those that are left fill it.
			prefix, base, deep = p, room, n-width
			for space := left[n]; space < 1<<deep && int(deep+width) < longest; {
				deep++
				space = space<<1 + left[deep+width]
			}
			if room += 1 << deep; room > len(table) {
				return false
			}
			table[p] = codeSpecial | codeTable | codeEntry(base)<<16 | codeEntry(deep)<<8 | codeEntry(width)
		}
		left[n]--
		e = withLength(e, n-width)
		for i := code >> width; i < 1<<deep; i += 1 << (n - width) {
			table[base+int(i)] = e
		}
	}
	return true
}

// withLength adds the length of a code to what its symbol stands for.
func withLength(e codeEntry, n uint) codeEntry { return e + codeEntry(n)<<8 + codeEntry(n) }
