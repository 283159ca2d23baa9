package recording

import "encoding/binary"

// references appends the chunks of what the image of a value refers to. The image lies at image in dst, the value's
// memory at at in raw. It stops at the first missing chunk of a record without marks, which will be written again with
// marks.
func (w *walk) references(dst []byte, lay *layout, image, at int, b budget) []byte {
	for i := range lay.referring {
		o := &lay.referring[i]
		img, raw := image+o.image, at+o.raw
		switch o.code {
		case opString:
			dst = w.stringChunk(dst, binary.LittleEndian.Uint64(w.raw[raw:]), binary.LittleEndian.Uint64(w.raw[raw+8:]),
				w.c.layouts.stringBytes(b))
		case opSlice:
			dst = w.sliceChunk(dst, o.typ, raw, b)
		case opInterface:
			dst = w.interfaceChunk(dst, o.typ, img, raw, b)
		default:
			dst = w.wordChunk(dst, o, binary.LittleEndian.Uint64(w.raw[raw:]), b)
		}
		if w.failed {
			return dst
		}
	}
	return dst
}

// missing notes that a chunk is not there, and why.
func (w *walk) missing(dst []byte, mark byte) []byte {
	if !w.marked {
		w.failed = true
		return dst
	}
	w.counts.Unreadable = add16(w.counts.Unreadable, 1)
	return append(dst, mark)
}

// open begins a chunk of n bytes, which are to be written; false, with the mark written, when it does not fit.
func (w *walk) open(dst []byte, n int) ([]byte, bool) {
	if len(dst)+n-w.base > w.limit {
		return w.missing(dst, markTooLarge), false
	}
	if w.marked {
		dst = append(dst, markPresent)
	}
	return extend(dst, n), true
}

// bytesChunk appends n bytes of the memory at addr.
func (w *walk) bytesChunk(dst []byte, addr uint64, n int) ([]byte, bool) {
	start := len(dst)
	dst, ok := w.open(dst, n)
	if !ok {
		return dst, false
	}
	if n > 0 {
		if err := w.c.Memory.ReadMemory(dst[len(dst)-n:], addr); err != nil {
			return w.missing(dst[:start], missingMark(err)), false
		}
	}
	return dst, true
}

func (w *walk) stringChunk(dst []byte, addr, length, bound uint64) []byte {
	n := int(min(length, bound))
	if n == 0 {
		w.cutShort(length > 0)
		return dst
	}
	if length >= implausible {
		return w.missing(dst, markImplausible)
	}
	dst, ok := w.bytesChunk(dst, addr, n)
	w.cutShort(ok && uint64(n) < length)
	return dst
}

func (w *walk) cutShort(cut bool) {
	if cut {
		w.counts.Truncated = add16(w.counts.Truncated, 1)
	}
}

func (w *walk) sliceChunk(dst []byte, t *Type, raw int, b budget) []byte {
	addr := binary.LittleEndian.Uint64(w.raw[raw:])
	length := binary.LittleEndian.Uint64(w.raw[raw+8:])
	if addr == 0 {
		return dst
	}
	if w.c.layouts.types.isBytes(t) {
		return w.stringChunk(dst, addr, length, uint64(w.c.layouts.bounds.StringBytes))
	}
	n := w.c.layouts.elements(t, length)
	if n == 0 || b.nesting <= 0 {
		w.cutShort(length > 0)
		return dst
	}
	if length >= implausible {
		return w.missing(dst, markImplausible)
	}
	dst, ok := w.values(dst, w.c.layouts.of(t.Elem), addr, n, b.deeper())
	w.cutShort(ok && uint64(n) < length)
	return dst
}

// values appends a chunk with the images of n values that lie behind each other, and the chunks of what these refer to.
func (w *walk) values(dst []byte, lay *layout, addr uint64, n int, b budget) ([]byte, bool) {
	start := len(dst)
	dst, ok := w.open(dst, n*lay.size)
	if !ok {
		return dst, false
	}
	images := len(dst) - n*lay.size
	raw := len(w.raw)
	stride, mark := w.readValues(lay, addr, n)
	if mark != markPresent {
		w.raw = w.raw[:raw]
		return w.missing(dst[:start], mark), false
	}
	for i := range n {
		w.image(lay, dst[images+i*lay.size:], raw+i*stride)
	}
	if lay.refs > 0 {
		for i := range n {
			dst = w.references(dst, lay, images+i*lay.size, raw+i*stride, b)
			if w.failed {
				break
			}
		}
	}
	w.raw = w.raw[:raw]
	return dst, true
}

// readValues puts the memory of n values behind raw: in one piece where they are dense enough. mark is markPresent, or why it could not.
func (w *walk) readValues(lay *layout, addr uint64, n int) (stride int, mark byte) {
	if lay.raw == 0 {
		return 0, markPresent
	}
	if size := int(lay.typ.Size); len(lay.spans) == 1 && (n == 1 || size-lay.raw <= maxGap) {
		at, length := len(w.raw), (n-1)*size+lay.raw
		w.raw = extend(w.raw, length)
		if err := w.c.Memory.ReadMemory(w.raw[at:], addr+uint64(lay.spans[0].offset)); err != nil {
			return 0, missingMark(err)
		}
		return size, markPresent
	}
	for i := range n {
		if mark := w.read(lay, addr+uint64(i)*uint64(lay.typ.Size)); mark != markPresent {
			return 0, mark
		}
	}
	return lay.raw, markPresent
}

// interfaceChunk appends what an interface holds.
func (w *walk) interfaceChunk(dst []byte, t *Type, img, raw int, b budget) []byte {
	word := binary.LittleEndian.Uint64(dst[img:])
	if word == 0 {
		return dst
	}
	if word == unknownTypeWord {
		w.counts.Unreadable = add16(w.counts.Unreadable, 1)
		return dst
	}
	if t.isError() {
		b = b.forError()
	}
	dynamic, ok := w.c.layouts.types.Get(TypeID(word))
	if !ok {
		return dst
	}
	lay := w.c.layouts.of(dynamic.ID)
	if w.c.layouts.direct(lay) {
		w.counts.Truncated = add16(w.counts.Truncated, lay.cut)
		w.counts.Unreadable = add16(w.counts.Unreadable, lay.opaque)
		return w.references(dst, lay, img+8, raw+8, b)
	}
	if b.nesting <= 0 {
		return dst
	}
	dst, _ = w.values(dst, lay, binary.LittleEndian.Uint64(w.raw[raw+8:]), 1, b.deeper())
	return dst
}

// wordChunk appends what a pointer, map, channel or func value refers to.
func (w *walk) wordChunk(dst []byte, o *op, addr uint64, b budget) []byte {
	if addr == 0 {
		return dst
	}
	switch o.code {
	case opMap: // the number of entries comes first in both of Go's map headers
		dst, _ = w.bytesChunk(dst, addr, 8)
	case opChan: // so do the number of elements and the size of the buffer in a channel's
		dst, _ = w.bytesChunk(dst, addr, 16)
	case opFunc:
		dst = w.funcChunk(dst, addr)
	case opPointer:
		if !w.c.layouts.follows(o.typ, b) {
			return dst
		}
		f := followed{addr, o.typ.Elem}
		for _, above := range w.stack {
			if above == f {
				return dst
			}
		}
		w.stack = append(w.stack, f)
		b = b.deeper()
		b.pointers--
		dst, _ = w.values(dst, w.c.layouts.of(o.typ.Elem), addr, 1, b)
		w.stack = w.stack[:len(w.stack)-1]
	}
	return dst
}

// funcChunk appends the id of the function whose closure lies at addr.
func (w *walk) funcChunk(dst []byte, addr uint64) []byte {
	at := len(w.raw)
	w.raw = extend(w.raw, 8)
	err := w.c.Memory.ReadMemory(w.raw[at:], addr)
	pc := binary.LittleEndian.Uint64(w.raw[at:])
	w.raw = w.raw[:at]
	if err != nil {
		return w.missing(dst, missingMark(err))
	}
	dst, ok := w.open(dst, 4)
	if ok {
		binary.LittleEndian.PutUint32(dst[len(dst)-4:], uint32(w.c.Resolver.FunctionAt(pc)))
	}
	return dst
}
