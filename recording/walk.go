package recording

import (
	"encoding/binary"
	"sort"
)

// references appends the chunks of what a value refers to, of which dst has the image from image on. It stops at the first missing
// chunk of a record without marks, which will be written again with marks.
func (w *walk) references(dst []byte, lay *layout, image int, value []byte, b budget) []byte {
	for i := range lay.referring {
		o := &lay.referring[i]
		word := binary.LittleEndian.Uint64(value[o.raw:])
		if word == 0 && o.code != opString { // nil
			continue
		}
		switch o.code {
		case opString:
			if length := binary.LittleEndian.Uint64(value[o.raw+8:]); length > 0 {
				dst = w.stringChunk(dst, word, length, w.c.layouts.stringBytes(b))
			}
		case opSlice:
			dst = w.sliceChunk(dst, o.typ, word, binary.LittleEndian.Uint64(value[o.raw+8:]), b)
		case opInterface:
			dst = w.interfaceChunk(dst, o.typ, image+o.image, value[o.raw:], b)
		case opPointer:
			if b.pointers > 0 {
				dst = w.pointerChunk(dst, o.typ, word, b)
			}
		case opMap: // the number of entries comes first in both of Go's map headers
			dst, _ = w.bytesChunk(dst, word, 8)
		case opChan: // so do the number of elements and the size of the buffer in a channel's
			dst, _ = w.bytesChunk(dst, word, 16)
		case opFunc:
			dst = w.funcChunk(dst, word)
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

func (w *walk) sliceChunk(dst []byte, t *Type, addr, length uint64, b budget) []byte {
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
	lay := w.c.layouts.of(t.Elem)
	b, fit := b.deeper(), n
	more, mark := w.elements(dst, lay, addr, n, n, b)
	if w.marked && (mark == markTooLarge || mark == markNotCopied) {
		if fit = w.fit(dst, lay, addr, n); fit > 0 {
			more, mark = w.elements(dst, lay, addr, fit, n, b)
		}
	}
	if mark != markPresent {
		return w.missing(dst, mark)
	}
	w.cutShort(uint64(fit) < length)
	return more
}

// fit returns how many of the first n values at addr there is room for, and memory of.
func (w *walk) fit(dst []byte, lay *layout, addr uint64, n int) int {
	if lay.size > 0 {
		n = min(n, (w.limit-len(dst)+w.base)/lay.size)
	}
	raw := len(w.raw)
	return sort.Search(n, func(i int) bool {
		_, _, mark := w.readElements(lay, addr, i+1)
		w.raw = w.raw[:raw]
		return mark != markPresent
	})
}

// elements appends a chunk with the images of n values that lie behind each other, of those that there should be, and the chunks of what
// these refer to. mark is markPresent, or why it could not.
func (w *walk) elements(dst []byte, lay *layout, addr uint64, n, of int, b budget) (_ []byte, mark byte) {
	if len(dst)+n*lay.size-w.base > w.limit {
		return dst, markTooLarge
	}
	raw := len(w.raw)
	values, stride, mark := w.readElements(lay, addr, n)
	if mark != markPresent {
		w.raw = w.raw[:raw]
		return dst, mark
	}
	switch {
	case n < of:
		dst[w.start] |= statusPartial
		dst = binary.AppendUvarint(append(dst, markPartial), uint64(n))
	case w.marked:
		dst = append(dst, markPresent)
	}
	images := len(dst)
	dst = extend(dst, n*lay.size)
	for i := range n {
		w.image(lay, dst[images+i*lay.size:], values[i*stride:])
	}
	if len(lay.referring) > 0 {
		for i := range n {
			dst = w.references(dst, lay, images+i*lay.size, values[i*stride:], b)
			if w.failed {
				break
			}
		}
	}
	w.raw = w.raw[:raw]
	return dst, markPresent
}

// readElements returns the memory of n values, one each stride bytes: in one piece where they are dense enough. mark is markPresent, or
// why there is none.
func (w *walk) readElements(lay *layout, addr uint64, n int) (values []byte, stride int, mark byte) {
	if lay.raw == 0 {
		return nil, 0, markPresent
	}
	if size := int(lay.typ.Size); len(lay.spans) == 1 && (n == 1 || size-lay.raw <= maxGap) {
		values, mark = w.memory(addr+uint64(lay.spans[0].offset), (n-1)*size+lay.raw)
		return values, size, mark
	}
	at := len(w.raw)
	for i := range n {
		value, mark := w.read(lay, addr+uint64(i)*uint64(lay.typ.Size))
		if mark != markPresent {
			return nil, 0, mark
		}
		if w.lender != nil && len(lay.spans) == 1 { // else it is there
			w.raw = append(w.raw, value...)
		}
	}
	return w.raw[at:], lay.raw, markPresent
}

// target appends a chunk with the image of the value that something leads to, and the chunks of what it refers to.
func (w *walk) target(dst []byte, lay *layout, addr uint64, b budget) []byte {
	start := len(dst)
	dst, ok := w.open(dst, lay.size)
	if !ok {
		return dst
	}
	raw := len(w.raw)
	var value []byte
	mark := byte(markPresent)
	if lay.raw > 0 {
		value, mark = w.read(lay, addr)
	}
	if mark != markPresent {
		w.raw = w.raw[:raw]
		return w.missing(dst[:start], mark)
	}
	image := len(dst) - lay.size
	w.image(lay, dst[image:], value)
	if len(lay.referring) > 0 {
		dst = w.references(dst, lay, image, value, b)
	}
	w.raw = w.raw[:raw]
	return dst
}

// interfaceChunk appends what an interface holds, whose image lies at image in dst and whose words are value.
func (w *walk) interfaceChunk(dst []byte, t *Type, image int, value []byte, b budget) []byte {
	word := binary.LittleEndian.Uint64(dst[image:])
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
		if len(lay.referring) > 0 {
			dst = w.references(dst, lay, image+8, value[8:], b)
		}
		return dst
	}
	if b.nesting <= 0 {
		return dst
	}
	return w.target(dst, lay, binary.LittleEndian.Uint64(value[8:]), b.deeper())
}

// pointerChunk appends what a pointer leads to.
func (w *walk) pointerChunk(dst []byte, t *Type, addr uint64, b budget) []byte {
	if !w.c.layouts.follows(t, b) {
		return dst
	}
	f := followed{addr, t.Elem}
	for i := range w.stack {
		if w.stack[i] == f {
			return dst
		}
	}
	w.stack = append(w.stack, f)
	b = b.deeper()
	b.pointers--
	dst = w.target(dst, w.c.layouts.of(t.Elem), addr, b)
	w.stack = w.stack[:len(w.stack)-1]
	return dst
}

// funcChunk appends the id of the function whose closure lies at addr.
func (w *walk) funcChunk(dst []byte, addr uint64) []byte {
	raw := len(w.raw)
	code, mark := w.memory(addr, 8)
	w.raw = w.raw[:raw]
	if mark != markPresent {
		return w.missing(dst, mark)
	}
	pc := binary.LittleEndian.Uint64(code)
	dst, ok := w.open(dst, 4)
	if ok {
		binary.LittleEndian.PutUint32(dst[len(dst)-4:], uint32(w.c.Resolver.FunctionAt(pc)))
	}
	return dst
}
