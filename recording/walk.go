package recording

import (
	"encoding/binary"
	"slices"
	"sort"
)

// references appends the chunks of what a value refers to, whose image begins at image. It stops at the first missing chunk of a record
// without marks, which will be written again with marks.
func (w *walk) references(lay *layout, image int, value []byte, b budget) {
	for i := range lay.referring {
		o := &lay.referring[i]
		word := binary.LittleEndian.Uint64(value[o.raw:])
		if w.model != nil {
			w.model.reference(o, value, b.follows())
		}
		if word == 0 && o.code != opString { // nil
			continue
		}
		switch o.code {
		case opString:
			if length := binary.LittleEndian.Uint64(value[o.raw+8:]); length > 0 {
				w.stringChunk(word, length, w.c.layouts.stringBytes(b))
			}
		case opSlice:
			w.sliceChunk(o, word, binary.LittleEndian.Uint64(value[o.raw+8:]), b)
		case opInterface:
			w.interfaceChunk(o.typ, image+int(o.image), value[o.raw:], b)
		case opPointer:
			w.pointerChunk(o, word, b)
		case opMap: // the number of entries comes first in both of Go's map headers
			w.bytesChunk(word, 8)
		case opChan: // so do the number of elements and the size of the buffer in a channel's
			w.bytesChunk(word, 16)
		case opFunc:
			w.funcChunk(word)
		}
		if w.failed {
			return
		}
	}
}

// missing notes that a chunk is not there, and why.
func (w *walk) missing(mark byte) {
	if !w.marked {
		w.failed = true
		return
	}
	w.counts.Unreadable = add16(w.counts.Unreadable, 1)
	w.dst = append(w.dst, mark)
}

// open begins a chunk of n bytes, which are to be written; false, with the mark written, when it does not fit.
func (w *walk) open(n int) ([]byte, bool) {
	if len(w.dst)+n-w.base > w.limit {
		w.missing(markTooLarge)
		return nil, false
	}
	if w.marked {
		w.dst = append(w.dst, markPresent)
	}
	return w.extend(n), true
}

// close takes back the chunk that began at start, because it is not there.
func (w *walk) close(start int, mark byte) {
	w.dst = w.dst[:start]
	w.missing(mark)
}

// bytesChunk appends n bytes of the memory at addr.
func (w *walk) bytesChunk(addr uint64, n int) bool {
	start := len(w.dst)
	chunk, ok := w.open(n)
	if !ok || n == 0 {
		return ok
	}
	var err error
	if w.lender != nil {
		var lent []byte
		lent, err = w.lender.Lend(addr, n)
		copy(chunk, lent)
		if w.model != nil && err == nil {
			w.model.move(start-w.start, w.model.lent(lent), n)
		}
	} else {
		err = w.c.Memory.ReadMemory(chunk, addr)
	}
	if err != nil {
		w.close(start, missingMark(err))
		return false
	}
	return true
}

func (w *walk) stringChunk(addr, length, bound uint64) {
	n := int(min(length, bound))
	if n == 0 {
		w.cutShort(length > 0)
		return
	}
	if length >= implausible {
		w.missing(markImplausible)
		return
	}
	ok := w.bytesChunk(addr, n)
	w.cutShort(ok && uint64(n) < length)
}

func (w *walk) cutShort(cut bool) {
	if cut {
		w.counts.Truncated = add16(w.counts.Truncated, 1)
	}
}

func (w *walk) sliceChunk(o *reference, addr, length uint64, b budget) {
	t := o.typ
	if w.c.layouts.types.isBytes(t) {
		w.stringChunk(addr, length, uint64(w.c.layouts.bounds.StringBytes))
		return
	}
	n := w.c.layouts.elements(t, length)
	if n == 0 || b.nesting <= 0 {
		w.cutShort(length > 0)
		return
	}
	if length >= implausible {
		w.missing(markImplausible)
		return
	}
	lay, deeper, fit := w.c.layouts.of(t.Elem), b.deeper(), n
	mark := w.elements(lay, addr, n, n, deeper)
	if w.marked && (mark == markTooLarge || mark == markNotCopied) {
		if fit = w.fit(lay, addr, n); fit > 0 {
			mark = w.elements(lay, addr, fit, n, deeper)
		}
	}
	if mark != markPresent {
		w.missing(mark)
		return
	}
	w.cutShort(uint64(fit) < length)
}

// fit returns how many of the first n values at addr there is room for, and memory of.
func (w *walk) fit(lay *layout, addr uint64, n int) int {
	if lay.size > 0 {
		n = min(n, (w.limit-len(w.dst)+w.base)/lay.size)
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
func (w *walk) elements(lay *layout, addr uint64, n, of int, b budget) (mark byte) {
	if len(w.dst)+n*lay.size-w.base > w.limit {
		return markTooLarge
	}
	raw := len(w.raw)
	values, stride, mark := w.readElements(lay, addr, n)
	if mark != markPresent {
		w.raw = w.raw[:raw]
		return mark
	}
	switch {
	case n < of:
		w.dst[w.start] |= statusPartial
		w.dst = binary.AppendUvarint(append(w.dst, markPartial), uint64(n))
	case w.marked:
		w.dst = append(w.dst, markPresent)
	}
	images := len(w.dst)
	w.extend(n * lay.size)
	for i := range n {
		w.image(lay, w.dst[images+i*lay.size:], values[i*stride:])
	}
	if len(lay.referring) > 0 {
		for i := range n {
			w.references(lay, images+i*lay.size, values[i*stride:], b)
			if w.failed {
				break
			}
		}
	}
	w.raw = w.raw[:raw]
	return markPresent
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
func (w *walk) target(lay *layout, addr uint64, b budget) {
	start := len(w.dst)
	img, ok := w.open(lay.size)
	if !ok {
		return
	}
	raw := len(w.raw)
	var value []byte
	if lay.raw > 0 {
		var mark byte
		if value, mark = w.read(lay, addr); mark != markPresent {
			w.raw = w.raw[:raw]
			w.close(start, mark)
			return
		}
	}
	w.image(lay, img, value)
	if len(lay.referring) > 0 {
		w.references(lay, len(w.dst)-lay.size, value, b)
	}
	w.raw = w.raw[:raw]
}

// interfaceChunk appends what an interface holds, whose image begins at image and whose words are value.
func (w *walk) interfaceChunk(t *Type, image int, value []byte, b budget) {
	word := binary.LittleEndian.Uint64(w.dst[image:])
	if word == unknownTypeWord {
		w.counts.Unreadable = add16(w.counts.Unreadable, 1)
		return
	}
	if t.isError() {
		b = b.forError()
	}
	lay := w.c.layouts.of(TypeID(word)) // interfaceImage has looked it up
	if lay.direct {
		w.counts.Truncated = add16(w.counts.Truncated, lay.cut)
		w.counts.Unreadable = add16(w.counts.Unreadable, lay.opaque)
		if len(lay.referring) > 0 {
			w.references(lay, image+8, value[8:], b)
		}
		return
	}
	if b.nesting > 0 {
		w.target(lay, binary.LittleEndian.Uint64(value[8:]), b.deeper())
	}
}

// pointerChunk appends what a pointer leads to.
func (w *walk) pointerChunk(o *reference, addr uint64, b budget) {
	if !b.follows() {
		return
	}
	if o.to == nil {
		if o.to = w.c.layouts.target(o.typ); o.to == nil {
			return
		}
	}
	f := followed{addr, o.typ.Elem}
	if w.model != nil && slices.ContainsFunc(w.stack, func(outer followed) bool { return outer.typ == f.typ }) {
		w.model.failed = true // whether they are the same is not told by one word
	}
	for i := range w.stack {
		if w.stack[i] == f {
			return
		}
	}
	w.stack = append(w.stack, f)
	b.pointers--
	w.target(o.to, addr, b.deeper())
	w.stack = w.stack[:len(w.stack)-1]
}

// funcChunk appends the id of the function whose closure lies at addr.
func (w *walk) funcChunk(addr uint64) {
	raw := len(w.raw)
	code, mark := w.memory(addr, 8)
	w.raw = w.raw[:raw]
	if mark != markPresent {
		w.missing(mark)
		return
	}
	pc := binary.LittleEndian.Uint64(code)
	id := w.c.Resolver.FunctionAt(pc)
	if w.model != nil {
		w.model.function(code, id)
	}
	if chunk, ok := w.open(4); ok {
		binary.LittleEndian.PutUint32(chunk, uint32(id))
	}
}
