package debuginfo

import (
	"debug/dwarf"
	"strings"
)

// Field names a field by the structure of package runtime that holds it, and by its path in there: "sched.sp" is the field sp of
// the structure that is the field sched.
type Field struct{ Structure, Path string }

// FieldOffsets returns the byte offsets of fields of the runtime's structures. When one does not exist, it says which.
func (d *Data) FieldOffsets(fields []Field) (offsets []uint64, missing *Field) {
	structures := d.structures(fields)
	for i := range fields {
		at, ok := d.fieldOffset(structures[fields[i].Structure], fields[i].Path)
		if !ok {
			return nil, &fields[i]
		}
		offsets = append(offsets, at)
	}
	return offsets, nil
}

// structures finds the structures that hold fields.
func (d *Data) structures(fields []Field) map[string]Offset {
	found := map[string]Offset{}
	for i := range fields {
		found[fields[i].Structure] = 0
	}
	left := len(found)
	for _, u := range d.Units {
		if u.Path != "runtime" {
			continue
		}
		e, ok := d.Entry(u.Offset)
		if !ok {
			continue
		}
		for c := range d.Children(&e) {
			if c.Tag != dwarf.TagStructType {
				continue
			}
			if at, wanted := found[string(c.name)]; wanted && at == 0 {
				found[c.Name()] = c.Offset
				left--
			}
			if left == 0 {
				return found
			}
		}
	}
	return found
}

// fieldOffset returns the offset of a field of the structure at an entry.
func (d *Data) fieldOffset(structure Offset, path string) (uint64, bool) {
	first, rest, nested := strings.Cut(path, ".")
	e, ok := d.Entry(structure)
	if !ok {
		return 0, false
	}
	for c := range d.Children(&e) {
		if c.Tag != dwarf.TagMember || string(c.name) != first {
			continue
		}
		if !nested {
			return uint64(c.Location), true
		}
		typ := c.Type
		if e, ok := d.Entry(typ); ok && e.Tag == dwarf.TagTypedef {
			typ = e.Type
		}
		inner, ok := d.fieldOffset(typ, rest)
		return uint64(c.Location) + inner, ok
	}
	return 0, false
}
