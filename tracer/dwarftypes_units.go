package tracer

import (
	"debug/dwarf"
	"debug/elf"
	"sort"
	"strconv"
	"strings"
)

// Attributes that Go adds to DWARF.
const (
	attrGoKind        dwarf.Attr = 0x2900
	attrGoKey         dwarf.Attr = 0x2901
	attrGoElem        dwarf.Attr = 0x2902
	attrGoEmbedded    dwarf.Attr = 0x2903
	attrGoRuntimeType dwarf.Attr = 0x2904
	attrGoPackageName dwarf.Attr = 0x2905
)

// debugInfo is a binary's DWARF, read piece by piece: units when it is opened, a unit's functions when one of them is
// planned, types one at a time.
type debugInfo struct {
	data     *dwarf.Data
	reader   *dwarf.Reader
	units    []*unit
	ranges   []unitRange       // by address
	packages map[string]string // import path → package name, where it is not the last element
	runtime  map[uint64]dwarf.Offset
}

// unit is what was compiled together: a package, or a part of it.
type unit struct {
	path      string
	offset    dwarf.Offset
	functions map[uint64]dwarf.Offset // by entry; nil until needed
	abstract  map[dwarf.Offset]bool   // functions that were inlined somewhere
	origins   map[dwarf.Offset]bool   // those of them that also have code of their own
}

type unitRange struct {
	low, high uint64
	unit      *unit
}

// openDebugInfo returns nil when the binary has no usable DWARF.
func openDebugInfo(f *elf.File) *debugInfo {
	if f.Section(".debug_info") == nil && f.Section(".zdebug_info") == nil {
		return nil
	}
	data, err := f.DWARF()
	if err != nil {
		return nil
	}
	d := &debugInfo{data: data, reader: data.Reader(), packages: map[string]string{}}
	r := data.Reader()
	for {
		e, err := r.Next()
		if err != nil || e == nil {
			break
		}
		if e.Tag == dwarf.TagCompileUnit {
			d.addUnit(e)
		}
		r.SkipChildren()
	}
	if len(d.units) == 0 {
		return nil
	}
	sort.Slice(d.ranges, func(i, j int) bool { return d.ranges[i].low < d.ranges[j].low })
	return d
}

func (d *debugInfo) addUnit(e *dwarf.Entry) {
	path, _ := e.Val(dwarf.AttrName).(string)
	if name, ok := e.Val(attrGoPackageName).(string); ok {
		d.packages[path] = name
	} else if language, _ := e.Val(dwarf.AttrLanguage).(int64); language != 22 {
		return // C
	}
	u := &unit{path: path, offset: e.Offset}
	d.units = append(d.units, u)
	ranges, err := d.data.Ranges(e)
	if err != nil {
		return
	}
	for _, r := range ranges {
		d.ranges = append(d.ranges, unitRange{r[0], r[1], u})
	}
}

// unitOf returns the unit that holds the code at pc.
func (d *debugInfo) unitOf(pc uint64) *unit {
	i := sort.Search(len(d.ranges), func(i int) bool { return d.ranges[i].low > pc }) - 1
	if i < 0 || pc >= d.ranges[i].high {
		return nil
	}
	return d.ranges[i].unit
}

// load lists the functions of a unit, once.
func (u *unit) load(d *debugInfo) {
	if u.functions != nil {
		return
	}
	u.functions, u.abstract, u.origins = map[uint64]dwarf.Offset{}, map[dwarf.Offset]bool{}, map[dwarf.Offset]bool{}
	r := d.data.Reader()
	r.Seek(u.offset)
	if e, err := r.Next(); err != nil || e == nil || !e.Children {
		return
	}
	for {
		e, err := r.Next()
		if err != nil || e == nil || e.Tag == 0 {
			return
		}
		if e.Tag == dwarf.TagSubprogram {
			if entry, ok := e.Val(dwarf.AttrLowpc).(uint64); ok {
				u.functions[entry] = e.Offset
				if origin, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset); ok {
					u.origins[origin] = true
				}
			} else if e.Val(dwarf.AttrInline) != nil {
				u.abstract[e.Offset] = true
			}
		}
		if e.Children {
			r.SkipChildren()
		}
	}
}

// signature is a function's parameters and results as DWARF declares them.
type signature struct {
	params, results []variable
	dictionary      int // position of the hidden parameter of a generic function's instance when it is listed, else −1
}

type variable struct {
	name string
	typ  dwarf.Offset
}

// signature returns what DWARF says of the function that begins at entry; false when it says nothing.
func (d *debugInfo) signature(entry uint64) (signature, bool) {
	u := d.unitOf(entry)
	if u == nil {
		return signature{dictionary: -1}, false
	}
	u.load(d)
	offset, ok := u.functions[entry]
	if !ok {
		return signature{dictionary: -1}, false
	}
	return d.signatureAt(offset)
}

// signatureAt collects the parameters of a function that has code. They are in the order of the source, and those without a
// name are there as ~p1 or ~r1, while the abstract entry of a function that was also inlined leaves them out. A result
// that lives in memory for a deferred function is listed twice. It is false when the numbers do not fit.
func (d *debugInfo) signatureAt(offset dwarf.Offset) (signature, bool) {
	_, children := d.entry(offset)
	s := signature{dictionary: -1}
	seen := map[string]bool{}
	for _, c := range children {
		if c.Tag != dwarf.TagFormalParameter {
			continue
		}
		if origin, ok := c.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset); ok {
			if c, _ = d.entry(origin); c == nil {
				return s, false
			}
		}
		name, _ := c.Val(dwarf.AttrName).(string)
		typ, ok := c.Val(dwarf.AttrType).(dwarf.Offset)
		if !ok {
			continue
		}
		v := variable{name, typ}
		if isResult, _ := c.Val(dwarf.AttrVarParam).(bool); isResult {
			if name != "" && name != "_" && seen[name] {
				continue
			}
			seen[name] = true
			if n, ok := strings.CutPrefix(name, "~r"); ok && n != strconv.Itoa(len(s.results)) {
				return s, false
			}
			s.results = append(s.results, v)
			continue
		}
		if name == ".dict" { // unoptimized code lists it
			s.dictionary = len(s.params)
			continue
		}
		if n, ok := strings.CutPrefix(name, "~p"); ok {
			number, err := strconv.Atoi(n) // which counts a dictionary, listed or not
			if hidden := number - len(s.params); err != nil || hidden != 0 && hidden != 1 {
				return s, false
			}
			v.name = "_"
		}
		s.params = append(s.params, v)
	}
	return s, true
}

// entry reads an entry and its direct children.
func (d *debugInfo) entry(offset dwarf.Offset) (*dwarf.Entry, []*dwarf.Entry) {
	r := d.reader
	r.Seek(offset)
	e, err := r.Next()
	if err != nil || e == nil {
		return nil, nil
	}
	children := []*dwarf.Entry{}
	if !e.Children {
		return e, children
	}
	for {
		c, err := r.Next()
		if err != nil || c == nil || c.Tag == 0 {
			return e, children
		}
		children = append(children, c)
		if c.Children {
			r.SkipChildren()
		}
	}
}

// inlined returns the functions of the main module that have no code of their own.
func (p *Program) inlined() []Symbol {
	if p.debug == nil {
		return nil
	}
	p.loadSymbols()
	origins := p.origins()
	present := map[string]bool{}
	for i := range p.symbols {
		present[p.symbols[i].Name] = true
	}
	var list []Symbol
	for _, u := range p.debug.units {
		if origins(u.path) != OriginMain {
			continue
		}
		u.load(p.debug)
		for offset := range u.abstract {
			if u.origins[offset] {
				continue
			}
			e, _ := p.debug.entry(offset)
			if e == nil {
				continue
			}
			full, _ := e.Val(dwarf.AttrName).(string)
			s := Symbol{Name: plainName(full), Package: packageOf(full), Reason: "inlined everywhere", index: -1}
			line, _ := e.Val(dwarf.AttrDeclLine).(int64)
			s.Line, s.Origin = int(line), origins(s.Package)
			if s.Origin != OriginMain || present[s.Name] {
				continue
			}
			present[s.Name] = true
			list = append(list, s)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// inlinedInPart returns the names of the main module's functions that have code of their own and were also inlined into
// callers, where no call of them can be seen.
func (p *Program) inlinedInPart() map[string]bool {
	names := map[string]bool{}
	if p.debug == nil {
		return names
	}
	origins := p.origins()
	for _, u := range p.debug.units {
		if origins(u.path) != OriginMain {
			continue
		}
		u.load(p.debug)
		for offset := range u.abstract {
			if !u.origins[offset] {
				continue
			}
			if e, _ := p.debug.entry(offset); e != nil {
				full, _ := e.Val(dwarf.AttrName).(string)
				names[plainName(full)] = true
			}
		}
	}
	return names
}

// plainName writes a function's name as the function table does: without the shapes of type arguments.
func plainName(name string) string {
	first, last := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']')
	if first >= 0 && last > first {
		name = name[:first] + "[...]" + name[last+1:]
	}
	return unescape(name)
}
