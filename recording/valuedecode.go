package recording

import (
	"encoding/binary"
	"math"
)

// decoding is the state of decoding one record: the capture walk once more, reading what that wrote.
type decoding struct {
	d       *ValueDecoder
	data    []byte
	at      int // where the next chunk begins
	marked  bool
	damaged bool
	stack   []followed
	parts   int // values that may still be made
}

// blank returns a value of the layout's type, nothing known.
func (lay *layout) blank() Value {
	v := Value{Type: lay.typ.ID, TypeName: lay.typ.Name, Kind: lay.typ.Kind}
	if lay.typ.Package == "time" {
		switch {
		case lay.typ.Name == "time.Duration" && lay.typ.Kind == KindInt64:
			v.special = specialDuration
		case lay.typ.Name == "time.Time" && lay.typ.Kind == KindStruct:
			v.special = specialTime
		}
	}
	return v
}

// decode fills values from data. lays are nil for those that are never readable.
func (d *ValueDecoder) decode(lays []*layout, values []Value, data []byte) {
	if reason := statusReason(data); reason != "" {
		for i := range values {
			if lays[i] != nil {
				values[i].Unreadable = reason
			}
		}
		return
	}
	s := decoding{d: d, data: data, at: 1, marked: data[0]&statusMarked != 0, parts: 4096 + len(data)}
	images := make([]int, len(lays))
	for i, lay := range lays {
		images[i] = s.at
		if lay != nil {
			s.at += lay.size
		}
	}
	if data[0]&statusUnreadable != 0 {
		s.unreadableRoots(values)
	}
	lost := s.damaged // which of the images are values is not known
	for i, lay := range lays {
		if lay == nil || values[i].Unreadable != "" {
			continue
		}
		if end := images[i] + lay.size; end <= len(data) && !lost {
			s.image(&values[i], lay, data[images[i]:end])
			s.references(&values[i], s.d.layouts.budget())
		} else {
			values[i].Unreadable = reasonDamaged
		}
	}
	for i := range values {
		s.findMessages(&values[i])
	}
}

// statusReason returns why a record holds no values, "" when it does.
func statusReason(data []byte) string {
	switch {
	case len(data) == 0:
		return reasonNoValues
	case data[0]&statusNoValues != 0 && len(data) > 1:
		return string(data[1:min(len(data), 1<<10)])
	case data[0]&statusNoValues != 0:
		return reasonNoValues
	case data[0]&^byte(statusAll) != 0:
		return reasonDamaged
	}
	return ""
}

// unreadableRoots reads the list of roots that could not be read.
func (s *decoding) unreadableRoots(values []Value) {
	for n := s.uvarint(); n > 0 && !s.damaged; n-- {
		index, length := s.uvarint(), s.uvarint()
		if s.damaged || index >= uint64(len(values)) || length > uint64(len(s.data)-s.at) {
			s.damaged = true
			return
		}
		reason := string(s.data[s.at : s.at+int(length)])
		if reason == "" {
			reason = reasonDamaged
		}
		s.at += int(length)
		if values[index].Unreadable == "" {
			values[index].Unreadable = reason
		}
	}
}

func (s *decoding) uvarint() uint64 {
	if s.damaged || s.at >= len(s.data) {
		s.damaged = true
		return 0
	}
	v, n := binary.Uvarint(s.data[s.at:])
	if n <= 0 {
		s.damaged = true
		return 0
	}
	s.at += n
	return v
}

// chunk takes n bytes; the reason when they are missing.
func (s *decoding) chunk(n int) ([]byte, string) {
	switch mark := s.mark(); mark {
	case markPresent:
		return s.take(n)
	case markPartial: // there is nothing of which there could be a part
		s.damaged = true
		return nil, reasonDamaged
	default:
		return nil, markReason(mark)
	}
}

// images takes the images of n values, or of fewer when the record has no more; the reason when they are missing.
func (s *decoding) images(n, size int) (images []byte, some int, missing string) {
	switch mark := s.mark(); mark {
	case markPresent:
	case markPartial:
		fewer := s.uvarint()
		if fewer == 0 || fewer >= uint64(n) || s.data[0]&statusPartial == 0 {
			s.damaged = true
			break
		}
		n = int(fewer)
	default:
		return nil, 0, markReason(mark)
	}
	images, missing = s.take(n * size)
	return images, n, missing
}

// mark takes the mark of a chunk, if the record has marks.
func (s *decoding) mark() byte {
	if !s.marked || s.damaged {
		return markPresent
	}
	if s.at >= len(s.data) {
		s.damaged = true
		return markPresent
	}
	s.at++
	return s.data[s.at-1]
}

// take takes n bytes; the reason when they are not there.
func (s *decoding) take(n int) ([]byte, string) {
	if s.damaged || n > len(s.data)-s.at {
		s.damaged = true
		return nil, reasonDamaged
	}
	s.at += n
	return s.data[s.at-n : s.at], ""
}

// image fills v, a blank value of the layout's type, from its image. What the image refers to is left to references.
func (s *decoding) image(v *Value, lay *layout, img []byte) {
	if s.parts--; s.parts < 0 {
		s.tooMany(v)
		return
	}
	t := lay.typ
	switch t.Kind {
	case KindStruct:
		s.structImage(v, lay, img)
	case KindArray:
		s.arrayImage(v, lay, img)
	case KindString:
		v.Len = binary.LittleEndian.Uint64(img)
	case KindSlice:
		v.Len, v.Cap = binary.LittleEndian.Uint64(img), binary.LittleEndian.Uint64(img[8:])
		v.Bytes = s.d.layouts.types.isBytes(t)
		if v.Cap == math.MaxUint64 {
			v.Nil, v.Len, v.Cap = true, 0, 0
		}
	case KindInterface:
		s.interfaceImage(v, img)
	case KindPointer, KindMap, KindChan, KindFunc, KindUnsafePointer:
		v.Bits = binary.LittleEndian.Uint64(img)
		v.Nil = v.Bits == 0
	default:
		if lay.opaque > 0 {
			v.Unreadable = reasonUnknown
			return
		}
		v.scalar(img)
	}
}

// tooMany gives up on v and on everything behind it: a record with so many parts without bytes is not worth the memory.
func (s *decoding) tooMany(v *Value) { v.Unreadable, s.damaged = reasonTooMany, true }

// scalar fills v from the image of a number or bool.
func (v *Value) scalar(img []byte) {
	var word [8]byte
	copy(word[:], img)
	u := binary.LittleEndian.Uint64(word[:])
	switch v.Kind {
	case KindInt8:
		u = uint64(int8(u))
	case KindInt16:
		u = uint64(int16(u))
	case KindInt32:
		u = uint64(int32(u))
	case KindFloat32:
		u = math.Float64bits(float64(math.Float32frombits(uint32(u))))
	case KindComplex64:
		v.Complex = complex(float64(math.Float32frombits(uint32(u))), float64(math.Float32frombits(uint32(u>>32))))
		return
	case KindComplex128:
		v.Complex = complex(math.Float64frombits(u), math.Float64frombits(binary.LittleEndian.Uint64(img[8:])))
		return
	}
	v.Bits = u
}

func (s *decoding) structImage(v *Value, lay *layout, img []byte) {
	fields := lay.typ.Fields
	v.Len = uint64(len(fields))
	v.Truncated = lay.parts < len(fields)
	if lay.parts > s.parts {
		s.tooMany(v)
		return
	}
	v.Children = make([]Value, lay.parts)
	for i := range v.Children {
		part := lay.fields[i]
		v.Children[i] = part.blank()
		v.Children[i].Name = fields[i].Name
		s.image(&v.Children[i], part, img[:part.size])
		img = img[part.size:]
	}
}

func (s *decoding) arrayImage(v *Value, lay *layout, img []byte) {
	v.Len = lay.typ.Len
	v.Truncated = uint64(lay.parts) < v.Len
	if s.d.layouts.types.isBytes(lay.typ) {
		v.Bytes, v.Text = true, string(img[:lay.parts])
		return
	}
	if lay.parts > s.parts {
		s.tooMany(v)
		return
	}
	v.Children = s.elements(lay.elem, lay.parts, img)
}

// elements returns n values whose images lie behind each other.
func (s *decoding) elements(part *layout, n int, img []byte) []Value {
	children := make([]Value, n)
	for i := range children {
		children[i] = part.blank()
		s.image(&children[i], part, img[i*part.size:(i+1)*part.size])
	}
	return children
}

// interfaceImage makes the dynamic value the only child: filled when the data word is the value, blank otherwise.
func (s *decoding) interfaceImage(v *Value, img []byte) {
	word := binary.LittleEndian.Uint64(img)
	if word == 0 {
		v.Nil = true
		return
	}
	lay := &layout{typ: opaqueType, opaque: 1}
	if word <= math.MaxUint32 {
		lay = s.d.layouts.of(TypeID(word))
	}
	child := lay.blank()
	switch {
	case lay.typ == opaqueType:
		child.Unreadable = reasonUnknown
	case lay.direct:
		s.image(&child, lay, img[8:8+lay.size])
	default:
		v.NotShown = true // until references finds it
	}
	v.Children = []Value{child}
}
