package tracer

import (
	"debug/dwarf"
	"slices"
	"sort"

	"smiley/recording"
	"smiley/tracer/debuginfo"
)

// attrGoClosureOffset marks a variable that a closure has captured.
const attrGoClosureOffset dwarf.Attr = 0x2907

// scope is what DWARF says of the inside of a function: its variables, and where its lines begin. Addresses are those of
// the file.
type scope struct {
	variables []scoped
	lines     []lineStart
}

// scoped is a variable of a function.
type scoped struct {
	entry   *dwarf.Entry // has the location
	name    string
	typ     debuginfo.Offset
	line    int         // it can be seen on lines behind this one; 0: everywhere
	depth   int         // of its block: an inner one hides those of its name further out
	block   [][2]uint64 // code of its block
	escaped bool        // it lives on the heap: the location is that of a pointer to it
}

// lineStart is an instruction that a line begins with. A line has several when the compiler has moved its parts.
type lineStart struct {
	addr uint64
	line int
}

// scopeReader reads the insides of functions. What it needs of DWARF, few runs do, so that it reads with the standard library.
type scopeReader struct{ data *dwarf.Data }

// scopeAt returns the inside of the function that begins at entry; false when DWARF does not know it. Lines that are not in the
// function's file were inlined, and left out; so are those of its declaration.
func (p *Program) scopeAt(entry, end uint64, file string, declared int) (scope, bool) {
	if p.debug == nil {
		return scope{}, false
	}
	u := p.debug.unitOf(entry)
	if u == nil {
		return scope{}, false
	}
	u.load(p.debug)
	offset, ok := u.functions[entry]
	if !ok {
		return scope{}, false
	}
	if p.scopes == nil {
		data, err := p.file.DWARF()
		if err != nil {
			return scope{}, false
		}
		p.scopes = &scopeReader{data}
	}
	s := scope{variables: p.scopes.variables(dwarf.Offset(offset), [][2]uint64{{entry, end}})}
	s.lines = p.scopes.lineStarts(dwarf.Offset(u.Offset), entry, end, file, declared)
	return s, true
}

// variables collects the variables of a function, those of its blocks included and of inlined functions not.
func (d *scopeReader) variables(offset dwarf.Offset, whole [][2]uint64) []scoped {
	var list []scoped
	r := d.data.Reader()
	r.Seek(offset)
	if e, err := r.Next(); err != nil || e == nil || !e.Children {
		return nil
	}
	blocks := [][][2]uint64{whole}
	for len(blocks) > 0 {
		e, err := r.Next()
		if err != nil || e == nil {
			return list
		}
		switch e.Tag {
		case 0:
			blocks = blocks[:len(blocks)-1]
			continue
		case dwarf.TagLexDwarfBlock:
			ranges, err := d.data.Ranges(e)
			if err == nil && e.Children {
				blocks = append(blocks, ranges)
				continue
			}
		case dwarf.TagVariable, dwarf.TagFormalParameter:
			if v, ok := d.scoped(e); ok {
				v.block, v.depth = blocks[len(blocks)-1], len(blocks)
				list = append(list, v)
			}
		}
		if e.Children {
			r.SkipChildren()
		}
	}
	return list
}

// scoped describes a variable; false for those that people did not write.
func (d *scopeReader) scoped(e *dwarf.Entry) (scoped, bool) {
	declared := e
	if origin, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset); ok {
		r := d.data.Reader()
		r.Seek(origin)
		var err error
		if declared, err = r.Next(); err != nil || declared == nil {
			return scoped{}, false
		}
	}
	v := scoped{entry: e}
	v.name, _ = declared.Val(dwarf.AttrName).(string)
	if len(v.name) > 1 && v.name[0] == '&' {
		v.name, v.escaped = v.name[1:], true
	}
	typ, ok := declared.Val(dwarf.AttrType).(dwarf.Offset)
	v.typ = debuginfo.Offset(typ)
	if !ok || v.name == "" || v.name == "_" || v.name[0] == '.' || v.name[0] == '~' {
		return scoped{}, false
	}
	if line, ok := declared.Val(dwarf.AttrDeclLine).(int64); ok && e.Tag == dwarf.TagVariable {
		v.line = int(line)
		if declared.Val(attrGoClosureOffset) != nil || e.Val(attrGoClosureOffset) != nil {
			v.line = 0
		}
	}
	return v, true
}

// covers reports whether a variable's block holds pc.
func (v *scoped) covers(pc uint64) bool {
	return slices.ContainsFunc(v.block, func(r [2]uint64) bool { return r[0] <= pc && pc < r[1] })
}

// lineStarts finds where the lines of a function begin, by the rows of the line table that the compiler recommends to stop at.
func (d *scopeReader) lineStarts(unit dwarf.Offset, entry, end uint64, file string, declared int) []lineStart {
	r := d.data.Reader()
	r.Seek(unit)
	compiled, err := r.Next()
	if err != nil || compiled == nil {
		return nil
	}
	table, err := d.data.LineReader(compiled)
	if err != nil || table == nil {
		return nil
	}
	var rows []dwarf.LineEntry
	var row dwarf.LineEntry
	for table.Next(&row) == nil {
		if row.Address >= entry && row.Address < end && !row.EndSequence {
			rows = append(rows, row)
		}
	}
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].Address < rows[j].Address })
	var starts []lineStart
	before := 0
	for i := range rows {
		line := 0
		if rows[i].File != nil && rows[i].File.Name == file {
			line = rows[i].Line
		}
		if i+1 < len(rows) && rows[i+1].Address == rows[i].Address { // the last row of an address is the one that holds
			continue
		}
		if !rows[i].IsStmt && line == before {
			continue
		}
		if rows[i].IsStmt && line != before && line > 0 && line != declared {
			starts = append(starts, lineStart{rows[i].Address, line})
		}
		if rows[i].IsStmt || line != before {
			before = line
		}
	}
	return starts
}

// overlaps reports whether a value of a type has anything but padding in the bytes from..to.
func overlaps(types *recording.Types, id recording.TypeID, from, to uint64) bool {
	t, known := types.Get(id)
	if !known || from >= to {
		return from < to
	}
	switch t.Kind {
	case recording.KindStruct:
		for i := range t.Fields {
			f := &t.Fields[i]
			at := uint64(f.Offset)
			size := uint64(0)
			if ft, known := types.Get(f.Type); known {
				size = uint64(ft.Size)
			}
			low, high := max(from, at), min(to, at+size)
			if low < high && overlaps(types, f.Type, low-at, high-at) {
				return true
			}
		}
		return false
	case recording.KindArray:
		elem, known := types.Get(t.Elem)
		if !known || elem.Size == 0 {
			return !known
		}
		for i := from / uint64(elem.Size); i < t.Len && i*uint64(elem.Size) < to; i++ {
			at := i * uint64(elem.Size)
			low, high := max(from, at), min(to, at+uint64(elem.Size))
			if low < high && overlaps(types, t.Elem, low-at, high-at) {
				return true
			}
		}
		return false
	}
	return true
}
