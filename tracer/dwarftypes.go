package tracer

import (
	"debug/dwarf"
	"strings"

	"smiley/recording"
)

// typeTable turns DWARF types into the run's types, when they are first needed, with all types that they mention.
type typeTable struct {
	debug   *debugInfo
	all     *recording.Types
	ids     map[dwarf.Offset]recording.TypeID // of canonical entries
	targets map[dwarf.Offset]dwarf.Offset     // canonical entries of typedefs
	added   []recording.Type                  // since the last definitions
}

func newTypeTable(d *debugInfo) *typeTable {
	return &typeTable{
		debug: d, all: recording.NewTypes(nil), ids: map[dwarf.Offset]recording.TypeID{},
		targets: map[dwarf.Offset]dwarf.Offset{},
	}
}

// dwarfType is a canonical entry of a type: the one that says its kind.
type dwarfType struct {
	offset   dwarf.Offset
	entry    *dwarf.Entry
	children []*dwarf.Entry
	kind     recording.TypeKind
}

// id returns the id of the type at an offset, adding it when it is new; 0 when there is no such type.
func (t *typeTable) id(offset dwarf.Offset) recording.TypeID {
	offset = t.canonical(offset)
	if id, ok := t.ids[offset]; ok {
		return id
	}
	var batch []dwarfType
	t.number(offset, &batch)
	for i := range batch {
		added := t.describe(&batch[i])
		t.all.Add(added)
		t.added = append(t.added, added)
	}
	return t.ids[offset]
}

// canonical follows typedefs that only name another entry.
func (t *typeTable) canonical(offset dwarf.Offset) dwarf.Offset {
	if target, ok := t.targets[offset]; ok {
		return target
	}
	at := offset
	for range 16 {
		e, _ := t.debug.entry(at)
		if e == nil || e.Tag != dwarf.TagTypedef || e.Val(attrGoKind) != nil {
			break
		}
		next, ok := e.Val(dwarf.AttrType).(dwarf.Offset)
		if !ok {
			break
		}
		at = next
	}
	t.targets[offset] = at
	return at
}

// number gives ids to a type and all that it mentions.
func (t *typeTable) number(offset dwarf.Offset, batch *[]dwarfType) {
	todo := []dwarf.Offset{offset}
	for len(todo) > 0 {
		offset := todo[0]
		todo = todo[1:]
		if _, ok := t.ids[offset]; ok {
			continue
		}
		d := t.load(offset)
		t.ids[offset] = recording.TypeID(t.all.Len() + len(*batch) + 1)
		*batch = append(*batch, d)
		for _, mentioned := range d.mentions() {
			todo = append(todo, t.canonical(mentioned))
		}
	}
}

// load reads a canonical entry and finds its kind.
func (t *typeTable) load(offset dwarf.Offset) dwarfType {
	d := dwarfType{offset: offset, kind: recording.KindOpaque}
	d.entry, d.children = t.debug.entry(offset)
	if d.entry == nil {
		return d
	}
	name, _ := d.entry.Val(dwarf.AttrName).(string)
	if kind, ok := d.entry.Val(attrGoKind).(int64); ok {
		d.kind = kindOf(kind)
	} else if name == "unsafe.Pointer" {
		d.kind = recording.KindUnsafePointer
	}
	return d
}

// kindOf translates the numbers of Go's reflect package.
func kindOf(kind int64) recording.TypeKind {
	switch kind {
	case 17:
		return recording.KindArray
	case 18:
		return recording.KindChan
	case 19:
		return recording.KindFunc
	case 20:
		return recording.KindInterface
	case 21:
		return recording.KindMap
	case 22:
		return recording.KindPointer
	case 23:
		return recording.KindSlice
	case 24:
		return recording.KindString
	case 25:
		return recording.KindStruct
	case 26:
		return recording.KindUnsafePointer
	}
	if kind >= 1 && kind <= 16 {
		return recording.TypeKind(kind) // bool … complex128 have the same numbers
	}
	return recording.KindOpaque
}

// mentions returns the types that a description needs.
func (d *dwarfType) mentions() []dwarf.Offset {
	var list []dwarf.Offset
	add := func(e *dwarf.Entry, attr dwarf.Attr) {
		if offset, ok := e.Val(attr).(dwarf.Offset); ok {
			list = append(list, offset)
		}
	}
	switch d.kind {
	case recording.KindArray, recording.KindPointer:
		add(d.entry, dwarf.AttrType)
	case recording.KindSlice, recording.KindChan:
		add(d.entry, attrGoElem)
	case recording.KindMap:
		add(d.entry, attrGoKey)
		add(d.entry, attrGoElem)
	case recording.KindStruct:
		for _, c := range d.children {
			if c.Tag == dwarf.TagMember {
				add(c, dwarf.AttrType)
			}
		}
	}
	return list
}

// describe makes the run's type of an entry; the types that it mentions have their ids.
func (t *typeTable) describe(d *dwarfType) recording.Type {
	typ := recording.Type{ID: t.ids[d.offset], Name: "unknown", Kind: d.kind}
	if d.entry == nil {
		return typ
	}
	full, _ := d.entry.Val(dwarf.AttrName).(string)
	typ.Name, typ.Package = t.debug.typeName(full)
	size, sized := d.entry.Val(dwarf.AttrByteSize).(int64)
	typ.Size = uint32(size)
	mentioned := func(attr dwarf.Attr) recording.TypeID {
		if offset, ok := d.entry.Val(attr).(dwarf.Offset); ok {
			return t.ids[t.canonical(offset)]
		}
		return 0
	}
	switch d.kind {
	case recording.KindPointer, recording.KindMap, recording.KindChan, recording.KindFunc, recording.KindUnsafePointer:
		typ.Size = 8
	case recording.KindString, recording.KindInterface:
		typ.Size = 16
	case recording.KindSlice:
		typ.Size = 24
	default:
		if !sized || size < 0 || size > 1<<32-1 {
			typ.Kind = recording.KindOpaque
		}
	}
	switch typ.Kind {
	case recording.KindPointer:
		typ.Elem = mentioned(dwarf.AttrType)
	case recording.KindArray:
		typ.Elem, typ.Len = mentioned(dwarf.AttrType), d.count()
	case recording.KindSlice, recording.KindChan:
		typ.Elem = mentioned(attrGoElem)
	case recording.KindMap:
		typ.Key, typ.Elem = mentioned(attrGoKey), mentioned(attrGoElem)
	case recording.KindStruct:
		typ.Fields = t.fields(d)
	case recording.KindInterface:
		typ.Methods = t.hasMethods(d)
	}
	return typ
}

func (t *typeTable) fields(d *dwarfType) []recording.Field {
	var fields []recording.Field
	for _, c := range d.children {
		if c.Tag != dwarf.TagMember {
			continue
		}
		f := recording.Field{}
		f.Name, _ = c.Val(dwarf.AttrName).(string)
		f.Embedded, _ = c.Val(attrGoEmbedded).(bool)
		offset, _ := c.Val(dwarf.AttrDataMemberLoc).(int64)
		f.Offset = uint32(offset)
		if typ, ok := c.Val(dwarf.AttrType).(dwarf.Offset); ok {
			f.Type = t.ids[t.canonical(typ)]
		}
		fields = append(fields, f)
	}
	return fields
}

func (d *dwarfType) count() uint64 {
	for _, c := range d.children {
		if c.Tag == dwarf.TagSubrangeType {
			n, _ := c.Val(dwarf.AttrCount).(int64)
			return uint64(n)
		}
	}
	return 0
}

// hasMethods tells the two layouts of interfaces apart by what their entries name.
func (t *typeTable) hasMethods(d *dwarfType) bool {
	target, ok := d.entry.Val(dwarf.AttrType).(dwarf.Offset)
	for ok {
		e, _ := t.debug.entry(target)
		if e == nil {
			break
		}
		if name, _ := e.Val(dwarf.AttrName).(string); strings.HasPrefix(name, "runtime.") {
			return name != "runtime.eface"
		}
		target, ok = e.Val(dwarf.AttrType).(dwarf.Offset)
	}
	return false
}

// dynamic returns the type that the runtime describes at an offset of its types; 0 when DWARF does not have it.
func (t *typeTable) dynamic(offset uint64) recording.TypeID {
	if t.debug == nil {
		return 0
	}
	entry, ok := t.debug.runtimeTypes()[offset]
	if !ok {
		return 0
	}
	return t.id(entry)
}

// runtimeTypes returns the entries of types by where the runtime describes them. They all lie in the runtime's unit.
func (d *debugInfo) runtimeTypes() map[uint64]dwarf.Offset {
	if d.runtime != nil {
		return d.runtime
	}
	d.runtime = map[uint64]dwarf.Offset{}
	r := d.data.Reader()
	for _, u := range d.units {
		if u.path != "runtime" {
			continue
		}
		r.Seek(u.offset)
		e, err := r.Next()
		for err == nil && e != nil && e.Tag != 0 {
			if e.Tag != dwarf.TagCompileUnit {
				if at, ok := runtimeOffset(e); ok && at != 0 {
					d.runtime[at] = e.Offset
				}
				r.SkipChildren()
			}
			e, err = r.Next()
		}
	}
	return d.runtime
}

func runtimeOffset(e *dwarf.Entry) (uint64, bool) {
	switch v := e.Val(attrGoRuntimeType).(type) {
	case uint64:
		return v, true
	case int64:
		return uint64(v), true
	}
	return 0, false
}
