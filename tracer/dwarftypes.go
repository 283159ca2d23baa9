package tracer

import (
	"debug/dwarf"
	"strings"

	"smiley/recording"
	"smiley/tracer/debuginfo"
)

// typeTable turns DWARF types into the run's types, when they are first needed, with all types that they mention.
type typeTable struct {
	debug   *debugInfo
	all     *recording.Types
	ids     map[debuginfo.Offset]recording.TypeID // of canonical entries
	targets map[debuginfo.Offset]debuginfo.Offset // canonical entries of typedefs
	added   []recording.Type                      // since the last definitions
	todo    []debuginfo.Offset                    // scratch of number, as the next two
	batch   []dwarfType
	parts   []part

	image      *image // where the runtime describes types
	module     moduledata
	undeclared map[uint64]recording.TypeID // types that DWARF does not have, by where they are described; 0: they make no sense
}

func newTypeTable(d *debugInfo, im *image, module moduledata) *typeTable {
	return &typeTable{
		debug: d, image: im, module: module, undeclared: map[uint64]recording.TypeID{}, all: recording.NewTypes(nil), ids: make(map[debuginfo.Offset]recording.TypeID, usualTypes),
		targets: make(map[debuginfo.Offset]debuginfo.Offset, usualTypes),
	}
}

// usualTypes is how many types there is room for at first.
const usualTypes = 1024

// dwarfType is a canonical entry of a type: the one that says its kind.
type dwarfType struct {
	offset debuginfo.Offset
	entry  debuginfo.Entry
	parts  []part
	count  uint64 // of an array
	exists bool
	kind   recording.TypeKind
}

// part is a field of a structure.
type part struct {
	name     string
	typ      debuginfo.Offset
	location uint32
	embedded bool
}

// id returns the id of the type at an offset, adding it when it is new; 0 when there is no such type.
func (t *typeTable) id(offset debuginfo.Offset) recording.TypeID {
	offset = t.canonical(offset)
	if id, ok := t.ids[offset]; ok {
		return id
	}
	t.number(offset)
	for i := range t.batch {
		added := t.describe(&t.batch[i])
		t.all.Add(added)
		t.added = append(t.added, added)
	}
	clear(t.parts) // names hold on to what they were read from
	clear(t.batch)
	t.batch, t.parts = t.batch[:0], t.parts[:0]
	return t.ids[offset]
}

// canonical follows typedefs that only name another entry.
func (t *typeTable) canonical(offset debuginfo.Offset) debuginfo.Offset {
	if target, ok := t.targets[offset]; ok {
		return target
	}
	at := offset
	for range 16 {
		e, ok := t.debug.data.Entry(at)
		if !ok || e.Tag != dwarf.TagTypedef || e.HasKind || e.Type == 0 {
			break
		}
		at = e.Type
	}
	t.targets[offset] = at
	return at
}

// number gives ids to a type and all that it mentions, and puts those that had none into batch.
func (t *typeTable) number(offset debuginfo.Offset) {
	t.todo = append(t.todo[:0], offset)
	for next := 0; next < len(t.todo); next++ {
		offset := t.todo[next]
		if _, ok := t.ids[offset]; ok {
			continue
		}
		t.ids[offset] = recording.TypeID(t.all.Len() + len(t.batch) + 1)
		t.batch = append(t.batch, t.load(offset))
		t.mention(&t.batch[len(t.batch)-1])
	}
}

// load reads a canonical entry and finds its kind.
func (t *typeTable) load(offset debuginfo.Offset) dwarfType {
	d := dwarfType{offset: offset, kind: recording.KindOpaque}
	if d.entry, d.exists = t.debug.data.Entry(offset); !d.exists {
		return d
	}
	switch {
	case d.entry.HasKind:
		if d.kind = kindOf(d.entry.Kind); d.kind == recording.KindPointer && string(d.entry.RawName()) == pointerShape {
			d.kind = recording.KindUnsafePointer
		}
	case d.entry.Tag == dwarf.TagPointerType && d.entry.Type == 0: // unsafe.Pointer, or a type declared as it
		d.kind = recording.KindUnsafePointer
	}
	switch d.kind {
	case recording.KindStruct:
		from := len(t.parts)
		for c := range t.debug.data.Children(&d.entry) {
			if c.Tag == dwarf.TagMember {
				t.parts = append(t.parts, part{c.Name(), c.Type, uint32(c.Location), c.Embedded})
			}
		}
		d.parts = t.parts[from:]
	case recording.KindArray:
		for c := range t.debug.data.Children(&d.entry) {
			if c.Tag == dwarf.TagSubrangeType {
				d.count = uint64(c.Count)
				break
			}
		}
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

// mention notes the types that a description needs.
func (t *typeTable) mention(d *dwarfType) {
	add := func(offset debuginfo.Offset) {
		if offset != 0 {
			t.todo = append(t.todo, t.canonical(offset))
		}
	}
	switch d.kind {
	case recording.KindArray, recording.KindPointer:
		add(d.entry.Type)
	case recording.KindSlice, recording.KindChan:
		add(d.entry.Elem)
	case recording.KindMap:
		add(d.entry.Key)
		add(d.entry.Elem)
	case recording.KindStruct:
		for i := range d.parts {
			add(d.parts[i].typ)
		}
	}
}

// describe makes the run's type of an entry; the types that it mentions have their ids.
func (t *typeTable) describe(d *dwarfType) recording.Type {
	typ := recording.Type{ID: t.ids[d.offset], Name: "unknown", Kind: d.kind}
	if !d.exists {
		return typ
	}
	typ.Name, typ.Package = t.debug.typeName(d.entry.Name())
	size := d.entry.Size
	typ.Size = uint32(size)
	mentioned := func(offset debuginfo.Offset) recording.TypeID {
		if offset == 0 {
			return 0
		}
		return t.ids[t.canonical(offset)]
	}
	switch d.kind {
	case recording.KindPointer, recording.KindMap, recording.KindChan, recording.KindFunc, recording.KindUnsafePointer:
		typ.Size = 8
	case recording.KindString, recording.KindInterface:
		typ.Size = 16
	case recording.KindSlice:
		typ.Size = 24
	default:
		if !d.entry.HasSize || size < 0 || size > 1<<32-1 {
			typ.Kind = recording.KindOpaque
		}
	}
	switch typ.Kind {
	case recording.KindPointer:
		typ.Elem = mentioned(d.entry.Type)
	case recording.KindArray:
		typ.Elem, typ.Len = mentioned(d.entry.Type), d.count
	case recording.KindSlice, recording.KindChan:
		typ.Elem = mentioned(d.entry.Elem)
	case recording.KindMap:
		typ.Key, typ.Elem = mentioned(d.entry.Key), mentioned(d.entry.Elem)
	case recording.KindStruct:
		typ.Fields = t.fields(d)
	case recording.KindInterface:
		typ.Methods = t.hasMethods(d)
	}
	return typ
}

func (t *typeTable) fields(d *dwarfType) []recording.Field {
	if len(d.parts) == 0 {
		return nil
	}
	fields := make([]recording.Field, len(d.parts))
	for i := range d.parts {
		p := &d.parts[i]
		fields[i] = recording.Field{Name: p.name, Embedded: p.embedded, Offset: p.location}
		if p.typ != 0 {
			fields[i].Type = t.ids[t.canonical(p.typ)]
		}
	}
	return fields
}

// hasMethods tells the two layouts of interfaces apart by what their entries name.
func (t *typeTable) hasMethods(d *dwarfType) bool {
	target := d.entry.Type
	for range 16 {
		e, ok := t.debug.data.Entry(target)
		if !ok {
			break
		}
		if name := e.Name(); strings.HasPrefix(name, "runtime.") {
			return name != "runtime.eface"
		}
		target = e.Type
	}
	return false
}

// dynamic returns the type that the runtime describes at an offset of its types; 0 when there is none.
func (t *typeTable) dynamic(offset uint64) recording.TypeID {
	if t.debug == nil {
		return 0
	}
	entry, ok := t.debug.runtimeTypes()[offset]
	if !ok {
		return t.described(offset)
	}
	return t.id(entry)
}

// known returns the type that the runtime describes at an offset of its types when the run has it already, and 0 when it does not.
func (t *typeTable) known(offset uint64) recording.TypeID {
	if t.debug == nil {
		return 0
	}
	entry, ok := t.debug.runtimeTypes()[offset]
	if !ok {
		return t.undeclared[offset]
	}
	return t.ids[t.canonical(entry)]
}

// describedType is a type that the runtime describes.
type describedType struct {
	at   uint64 // offset of the description in the runtime's types
	name []byte // as DWARF has it, with whole import paths
}

// runtimeTypes returns the entries of types by where the runtime describes them. They all lie in the runtime's unit.
func (d *debugInfo) runtimeTypes() map[uint64]debuginfo.Offset {
	if d.runtime != nil {
		return d.runtime
	}
	d.runtime = map[uint64]debuginfo.Offset{}
	for _, u := range d.units {
		if u.Path != runtimePath {
			continue
		}
		e, ok := d.data.Entry(u.Offset)
		if !ok {
			continue
		}
		for c := range d.data.Children(&e) {
			if c.RuntimeType != 0 {
				d.runtime[c.RuntimeType] = c.Offset
				d.described = append(d.described, describedType{c.RuntimeType, c.RawName()})
			}
		}
	}
	return d.runtime
}
