package recording

import "encoding/binary"

// references decodes the chunks of what v, whose image is decoded, refers to, in the order in which they were captured.
func (s *decoding) references(v *Value, b budget) {
	if v.Unreadable != "" {
		return
	}
	switch v.Kind {
	case KindString:
		s.text(v, s.d.layouts.stringBytes(b))
	case KindSlice:
		s.slice(v, b)
	case KindStruct, KindArray:
		for i := range v.Children {
			s.references(&v.Children[i], b)
		}
	case KindInterface:
		s.dynamic(v, b)
	case KindPointer:
		s.pointer(v, b)
	case KindMap, KindChan:
		s.lengths(v)
	case KindFunc:
		s.function(v)
	}
}

// text decodes the bytes of a string or byte slice.
func (s *decoding) text(v *Value, bound uint64) {
	n := min(v.Len, bound)
	if n == 0 {
		v.Truncated = v.Len > 0
		return
	}
	text, missing := s.chunk(int(n))
	v.Text, v.Unreadable, v.Truncated = string(text), missing, n < v.Len
}

func (s *decoding) slice(v *Value, b budget) {
	if v.Nil {
		return
	}
	if v.Bytes {
		s.text(v, uint64(s.d.layouts.bounds.StringBytes))
		return
	}
	t, ok := s.d.layouts.types.Get(v.Type)
	if !ok {
		return
	}
	n := s.d.layouts.elements(t, v.Len)
	if n == 0 || b.nesting <= 0 {
		v.Truncated = v.Len > 0
		return
	}
	lay := s.d.layouts.of(t.Elem)
	images, n, missing := s.images(n, lay.size)
	if missing == "" && n > s.parts {
		s.tooMany(v)
		return
	}
	if missing != "" {
		v.Unreadable = missing
		return
	}
	v.Truncated = uint64(n) < v.Len
	v.Children = s.elements(lay, n, images)
	for i := range v.Children {
		s.references(&v.Children[i], b.deeper())
	}
}

// target decodes a chunk with one value into child.
func (s *decoding) target(child *Value, b budget) {
	lay := s.d.layouts.of(child.Type)
	image, missing := s.chunk(lay.size)
	if missing != "" {
		child.Unreadable = missing
		return
	}
	s.image(child, lay, image)
	s.references(child, b)
}

func (s *decoding) dynamic(v *Value, b budget) {
	if v.Nil || v.Children[0].Unreadable != "" {
		return
	}
	if t, ok := s.d.layouts.types.Get(v.Type); ok && t.isError() {
		b = b.forError()
	}
	if !v.NotShown { // the data word is the value
		s.references(&v.Children[0], b)
		return
	}
	if b.nesting <= 0 {
		return
	}
	v.NotShown = false
	s.target(&v.Children[0], b.deeper())
}

func (s *decoding) pointer(v *Value, b budget) {
	if v.Nil {
		return
	}
	var to *layout
	t, ok := s.d.layouts.types.Get(v.Type)
	if ok && b.pointers > 0 && b.nesting > 0 {
		to = s.d.layouts.target(t)
	}
	if to == nil {
		v.NotShown = true
		return
	}
	f := followed{v.Bits, t.Elem}
	for _, above := range s.stack {
		if above == f {
			v.Cyclic = true
			return
		}
	}
	s.stack = append(s.stack, f)
	b = b.deeper()
	b.pointers--
	v.Children = []Value{to.blank()}
	s.target(&v.Children[0], b)
	s.stack = s.stack[:len(s.stack)-1]
}

// lengths decodes how much a map or channel holds.
func (s *decoding) lengths(v *Value) {
	if v.Nil {
		return
	}
	n := 8
	if v.Kind == KindChan {
		n = 16
	}
	words, missing := s.chunk(n)
	if missing != "" {
		v.Unreadable = missing
		return
	}
	v.Len = binary.LittleEndian.Uint64(words)
	if v.Kind == KindChan {
		v.Cap = binary.LittleEndian.Uint64(words[8:])
	}
}

// function decodes which function a func value calls; its name stays "" when nobody knows.
func (s *decoding) function(v *Value) {
	if v.Nil {
		return
	}
	word, missing := s.chunk(4)
	if missing != "" {
		v.Unreadable = missing
		return
	}
	if id := FunctionID(binary.LittleEndian.Uint32(word)); id != 0 && s.d.FunctionName != nil {
		v.Text = s.d.FunctionName(id)
	}
}
