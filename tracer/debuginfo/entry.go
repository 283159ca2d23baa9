package debuginfo

import (
	"debug/dwarf"
	"sort"
)

// Entry is what an entry says about the attributes that matter.
type Entry struct {
	Offset   Offset
	Tag      dwarf.Tag
	Children bool

	Type   Offset // 0: none
	Origin Offset // of a function that was inlined, its abstract entry
	Key    Offset // of a map
	Elem   Offset // of a map, slice or channel

	LowPC                       uint64
	Size, Count, Location, Line int64
	Kind                        int64  // as Go's reflect numbers kinds
	RuntimeType                 uint64 // where the runtime describes the type
	PackageName                 string
	HasLowPC, HasSize, HasKind  bool
	HasPackageName              bool
	Inline, Result, Embedded    bool

	name []byte
	next Offset // where its children begin, or what follows it

	// Of units.
	HasRanges                   bool
	ranges, highPC              uint64
	rangesIndexed, highAbsolute bool
	addressed                   bool
	addressBase, listBase       uint64
	language                    int64
}

// Name returns the entry's name.
func (e *Entry) Name() string { return string(e.name) }

// RawName returns the same without a copy: nobody may write to it.
func (e *Entry) RawName() []byte { return e.name }

// unitAt returns the unit that holds an entry.
func (d *Data) unitAt(at Offset) *Unit {
	i := sort.Search(len(d.Units), func(i int) bool { return d.Units[i].end > at })
	if i == len(d.Units) || at < d.Units[i].Offset {
		return nil
	}
	return d.Units[i]
}

// Entry reads an entry; false when there is none.
func (d *Data) Entry(at Offset) (Entry, bool) {
	var e Entry
	u := d.unitAt(at)
	ok := u != nil && d.read(u, at, &e)
	return e, ok
}

// Children yields the direct children of an entry. What it yields is valid until it goes on.
func (d *Data) Children(e *Entry) func(func(*Entry) bool) {
	return func(yield func(*Entry) bool) {
		u := d.unitAt(e.Offset)
		if u == nil || !e.Children {
			return
		}
		var child Entry
		for at := e.next; ; {
			if !d.read(u, at, &child) || child.Tag == 0 || !yield(&child) {
				return
			}
			if at = child.next; child.Children {
				var ok bool
				if at, ok = d.behind(u, at); !ok {
					return
				}
			}
		}
	}
}

// behind steps over the children that begin at an offset, and theirs, and returns what comes behind.
func (d *Data) behind(u *Unit, at Offset) (Offset, bool) {
	data, begin := d.of(u)
	c := cursor{data: data, at: uint64(at - begin)}
	for depth := 1; depth > 0; {
		a := u.abbreviation(c.uleb())
		if a == nil {
			if c.failed || c.last != 0 {
				return 0, false
			}
			depth--
			continue
		}
		if a.children {
			depth++
		}
		c.skipAll(u, a)
	}
	return begin + Offset(c.at), !c.failed
}

// read decodes the entry at an offset of a unit; false when there is none. Its tag is 0 where a list of children ends.
func (d *Data) read(u *Unit, at Offset, e *Entry) bool {
	*e = Entry{Offset: at}
	data, begin := d.of(u)
	c := cursor{data: data, at: uint64(at - begin)}
	a := u.abbreviation(c.uleb())
	if a == nil {
		e.next = begin + Offset(c.at)
		return !c.failed && c.last == 0
	}
	e.Tag, e.Children = a.tag, a.children
	for i := range a.fields {
		d.field(u, e, &c, &a.fields[i])
	}
	e.next = begin + Offset(c.at)
	return !c.failed
}

// Attributes that Go adds to DWARF.
const (
	attrGoKind        dwarf.Attr = 0x2900
	attrGoKey         dwarf.Attr = 0x2901
	attrGoElem        dwarf.Attr = 0x2902
	attrGoEmbedded    dwarf.Attr = 0x2903
	attrGoRuntimeType dwarf.Attr = 0x2904
	attrGoPackageName dwarf.Attr = 0x2905
)

// field decodes one attribute.
func (d *Data) field(u *Unit, e *Entry, c *cursor, f *field) {
	switch f.attr {
	case dwarf.AttrName:
		e.name = d.stringField(u, c, f)
	case attrGoPackageName:
		e.PackageName, e.HasPackageName = string(d.stringField(u, c, f)), true
	case dwarf.AttrType:
		e.Type = c.reference(u, f)
	case dwarf.AttrAbstractOrigin:
		e.Origin = c.reference(u, f)
	case attrGoKey:
		e.Key = c.reference(u, f)
	case attrGoElem:
		e.Elem = c.reference(u, f)
	case dwarf.AttrLowpc:
		e.LowPC, e.HasLowPC = d.addressField(u, c, f), true
		e.addressed = f.form != formAddr
	case dwarf.AttrHighpc:
		e.highAbsolute = f.form == formAddr || f.form == formAddrx
		e.highPC = d.addressField(u, c, f)
	case dwarf.AttrByteSize:
		e.Size, e.HasSize = c.number(u, f), true
	case dwarf.AttrCount:
		e.Count = c.number(u, f)
	case dwarf.AttrDataMemberLoc:
		e.Location = c.number(u, f)
	case dwarf.AttrDeclLine:
		e.Line = c.number(u, f)
	case dwarf.AttrLanguage:
		e.language = c.number(u, f)
	case attrGoKind:
		e.Kind, e.HasKind = c.number(u, f), true
	case attrGoRuntimeType:
		e.RuntimeType = d.addressField(u, c, f)
	case dwarf.AttrInline:
		c.skip(u, f)
		e.Inline = true
	case dwarf.AttrVarParam:
		e.Result = c.number(u, f) != 0
	case attrGoEmbedded:
		e.Embedded = c.number(u, f) != 0
	case dwarf.AttrRanges:
		e.HasRanges, e.rangesIndexed = true, f.form == formRnglistx
		e.ranges = uint64(c.number(u, f))
	case dwarf.AttrAddrBase:
		e.addressBase = uint64(c.number(u, f))
	case dwarf.AttrRnglistsBase:
		e.listBase = uint64(c.number(u, f))
	default:
		c.skip(u, f)
	}
}

// addressField reads an address, given as it is or by its number.
func (d *Data) addressField(u *Unit, c *cursor, f *field) uint64 {
	switch f.form {
	case formAddrx:
		return d.address(u, c.uleb())
	case formAddrx1, formAddrx2, formAddrx3, formAddrx4:
		return d.address(u, c.fixed(int(f.form-formAddrx1)+1))
	}
	return uint64(c.number(u, f))
}

// stringField reads a string, which may lie in a section of strings.
func (d *Data) stringField(u *Unit, c *cursor, f *field) []byte {
	switch f.form {
	case formString:
		return c.text()
	case formStrp, formLineStrp:
		in := cursor{data: d.text, at: c.offset(u.wide)}
		if f.form == formLineStrp {
			in.data = d.lineText
		}
		return in.text()
	}
	c.skip(u, f) // by number: no Go compiler does that
	return nil
}
