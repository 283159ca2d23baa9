package tracer

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"

	"smiley/recording"
)

// DWARF has the types that functions mention. Those of values in the data of a package, as in a table that is a variable, can be missing there. What
// the runtime keeps of them for reflection lies in the file.

// describedAs is a type as the runtime describes it. Types that it mentions are offsets of the runtime's types.
type describedAs struct {
	at     uint64
	typ    recording.Type // without what it mentions
	key    uint64
	elem   uint64
	fields []uint64 // their types
}

// What lies where in a description: package internal/abi has the structures, whose parts that are read here are the same since Go 1.20.
const (
	describedWords    = 6 // that all kinds have
	describedBytes    = 8 * describedWords
	flagUncommon      = 1 << 0
	flagExtraStar     = 1 << 1
	flagNamed         = 1 << 2
	describedKind     = 1<<5 - 1
	nameEmbedded      = 1 << 3
	maxDescribed      = 4096 // types that one leads to
	maxDescribedParts = 4096 // fields
	maxDescribedName  = 4096 // bytes
)

// described returns the type that the runtime describes at an offset of its types, which DWARF does not have, and adds it with all that it mentions
// when it is new; 0 when there is no such type.
func (t *typeTable) described(offset uint64) recording.TypeID {
	if id, ok := t.undeclared[offset]; ok {
		return id
	}
	var list []describedAs
	seen, todo := map[uint64]bool{}, []uint64{offset}
	for next := 0; next < len(todo); next++ {
		at := todo[next]
		if _, ok := t.undeclared[at]; ok || seen[at] {
			continue
		}
		if entry, ok := t.debug.runtimeTypes()[at]; ok {
			t.id(entry)
			continue
		}
		d, ok := t.readDescribed(at)
		if !ok || len(list) == maxDescribed {
			t.undeclared[offset] = 0
			return 0
		}
		seen[at] = true
		list = append(list, d)
		todo = append(todo, d.mentions()...)
	}
	for i := range list {
		t.undeclared[list[i].at] = recording.TypeID(t.all.Len() + i + 1)
	}
	for i := range list {
		d := &list[i]
		typ := d.typ
		typ.ID = t.undeclared[d.at]
		typ.Key, typ.Elem = t.mentioned(d.key), t.mentioned(d.elem)
		for k := range typ.Fields {
			typ.Fields[k].Type = t.mentioned(d.fields[k])
		}
		t.all.Add(typ)
		t.added = append(t.added, typ)
	}
	return t.undeclared[offset]
}

// maxData bounds the data that is looked through.
const maxData = 4 << 20

// typesInData returns the types that the program's data mentions and DWARF does not have.
func (p *Program) typesInData() (list []describedAs) {
	s := p.file.Section(".data")
	if s == nil || s.Size > maxData {
		return nil
	}
	words, err := p.image.words(s.Addr, int(s.Size/8))
	if err != nil {
		return nil
	}
	declared, seen := p.types.debug.runtimeTypes(), map[uint64]bool{}
	for _, w := range words {
		at := w - p.module.types
		if !p.describes(w) || seen[at] {
			continue
		}
		seen[at] = true
		if _, ok := declared[at]; ok {
			continue
		}
		if d, ok := p.types.readDescribed(at); ok {
			list = append(list, d)
		}
	}
	return list
}

// mentions returns the types that a description mentions.
func (d *describedAs) mentions() []uint64 {
	list := slices.Clone(d.fields)
	for _, at := range []uint64{d.key, d.elem} {
		if at != 0 {
			list = append(list, at)
		}
	}
	return list
}

// mentioned returns the id of a type that has one; 0 for offset 0, where there is none.
func (t *typeTable) mentioned(offset uint64) recording.TypeID {
	if offset == 0 {
		return 0
	}
	if entry, ok := t.debug.runtimeTypes()[offset]; ok {
		return t.id(entry)
	}
	return t.undeclared[offset]
}

// readDescribed reads a description.
func (t *typeTable) readDescribed(offset uint64) (d describedAs, ok bool) {
	m := &t.module
	if offset == 0 || offset%8 != 0 || offset >= m.etypes-m.types {
		return d, false
	}
	words, err := t.image.unmoved(m.types+offset, describedWords)
	if err != nil || words[0] > 1<<32-1 || words[1] > words[0] { // behind the size is how much of it can have pointers
		return d, false
	}
	size, flags, kind := words[0], byte(words[2]>>32), kindOf(int64(byte(words[2]>>56)&describedKind))
	if !hasSize(kind, size) {
		return d, false
	}
	name, _, ok := t.describedName(uint64(uint32(words[5])))
	if !ok {
		return d, false
	}
	if flags&flagExtraStar != 0 {
		name = name[1:]
	}
	d = describedAs{at: offset, typ: recording.Type{Name: t.debug.shorten(name), Kind: kind, Size: uint32(size)}}
	extra, parts, ok := t.describedParts(&d, m.types+offset+describedBytes)
	if !ok {
		return d, false
	}
	if flags&flagNamed != 0 && flags&flagUncommon != 0 && extra >= 0 {
		if words, err = t.image.unmoved(m.types+offset+describedBytes+uint64(extra), 1); err != nil {
			return d, false
		}
		if at := uint64(uint32(words[0])); at != 0 {
			d.typ.Package, _, _ = t.describedName(at)
		}
	}
	d.fields, ok = t.describedFields(&d, parts)
	return d, ok
}

// hasSize reports whether values of a kind can have a size. Words in the data of a program lead to much that is no description of a type.
func hasSize(kind recording.TypeKind, size uint64) bool {
	switch kind {
	case recording.KindArray, recording.KindStruct:
		return true
	case recording.KindPointer, recording.KindMap, recording.KindChan, recording.KindFunc:
		return size == 8
	case recording.KindString, recording.KindInterface:
		return size == 16
	case recording.KindSlice:
		return size == 24
	}
	return (&recording.Type{Kind: kind}).Scalar(int(size))
}

// describedParts reads what lies behind that which all descriptions have: extra bytes, −1 when their number differs from version to version. Of
// a structure it returns the address and number of the fields.
func (t *typeTable) describedParts(d *describedAs, addr uint64) (extra int, fields [2]uint64, ok bool) {
	var words []uint64
	read := func(n int) bool {
		var err error
		words, err = t.image.words(addr, n)
		extra = 8 * n
		return err == nil
	}
	offset := func(word uint64) uint64 { // 0, which no description has, stays 0 and is refused
		if word < t.module.types || word >= t.module.etypes {
			ok = false
			return 0
		}
		return word - t.module.types
	}
	ok = true
	switch d.typ.Kind {
	case recording.KindOpaque:
		return 0, fields, false
	case recording.KindPointer, recording.KindSlice:
		if !read(1) {
			return 0, fields, false
		}
		d.elem = offset(words[0])
	case recording.KindChan:
		if !read(2) {
			return 0, fields, false
		}
		d.elem = offset(words[0])
	case recording.KindArray:
		if !read(3) {
			return 0, fields, false
		}
		d.elem, d.typ.Len = offset(words[0]), words[2]
		elem, err := t.image.unmoved(words[0], 1) // its size
		if err != nil {
			return 0, fields, false
		}
		if more, size := bits.Mul64(elem[0], d.typ.Len); more != 0 || size != uint64(d.typ.Size) {
			return 0, fields, false
		}
	case recording.KindMap:
		if !read(2) {
			return 0, fields, false
		}
		d.key, d.elem, extra = offset(words[0]), offset(words[1]), -1
	case recording.KindFunc:
		extra = 8
	case recording.KindInterface:
		if !read(4) {
			return 0, fields, false
		}
		d.typ.Methods = words[2] > 0
	case recording.KindStruct:
		if !read(4) || words[2] > maxDescribedParts {
			return 0, fields, false
		}
		fields = [2]uint64{words[1], words[2]}
	}
	return extra, fields, ok
}

// describedFields reads the fields of a structure.
func (t *typeTable) describedFields(d *describedAs, fields [2]uint64) (types []uint64, ok bool) {
	addr, n := fields[0], int(fields[1])
	if n == 0 {
		return nil, true
	}
	const fieldWords = 3 // name, type, offset
	words, err := t.image.words(addr, fieldWords*n)
	if err != nil {
		return nil, false
	}
	for ; len(words) > 0; words = words[fieldWords:] {
		if words[1] < t.module.types || words[1] >= t.module.etypes || words[2] > uint64(d.typ.Size) {
			return nil, false
		}
		name, flags, ok := t.describedName(words[0] - t.module.types)
		if !ok {
			return nil, false
		}
		d.typ.Fields = append(d.typ.Fields, recording.Field{Name: name, Embedded: flags&nameEmbedded != 0, Offset: uint32(words[2])})
		types = append(types, words[1]-t.module.types)
	}
	return types, true
}

// describedName reads the name at an offset of the runtime's types: a byte of flags, the length as a varint, and the text.
func (t *typeTable) describedName(offset uint64) (name string, flags byte, ok bool) {
	var head [3]byte
	if offset == 0 || offset >= t.module.etypes-t.module.types || t.image.read(head[:], t.module.types+offset) != nil {
		return "", 0, false
	}
	length, n := binary.Uvarint(head[1:])
	if n <= 0 || length == 0 || length > maxDescribedName {
		return "", 0, false
	}
	text := make([]byte, length)
	if t.image.read(text, t.module.types+offset+1+uint64(n)) != nil || bytes.ContainsFunc(text, unwritten) {
		return "", 0, false
	}
	return string(text), head[0], true
}

// unwritten reports whether no name has a character.
func unwritten(r rune) bool { return r < ' ' || r == utf8.RuneError }
