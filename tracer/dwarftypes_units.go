package tracer

import (
	"debug/dwarf"
	"sort"
	"strconv"
	"strings"

	"smiley/tracer/debuginfo"
)

// debugInfo is a binary's DWARF, read piece by piece: units when it is opened, a unit's functions when one of them is
// planned, types one at a time.
type debugInfo struct {
	data     *debuginfo.Data
	units    []*unit
	ranges   []unitRange       // by address
	packages map[string]string // import path → package name, where it is not the last element
	names    map[string]string // of parameters
	runtime  map[uint64]debuginfo.Offset
	// described are the types of runtime, in the order of the file.
	described []describedType
}

// unit is what was compiled together: a package, or a part of it.
type unit struct {
	*debuginfo.Unit
	functions map[uint64]debuginfo.Offset // by entry; nil until needed
	abstract  map[debuginfo.Offset]bool   // functions that were inlined somewhere
	origins   map[debuginfo.Offset]bool   // those of them that also have code of their own
}

type unitRange struct {
	low, high uint64
	unit      *unit
}

// newDebugInfo returns nil when the binary has no usable DWARF.
func newDebugInfo(data *debuginfo.Data) *debugInfo {
	if data == nil || len(data.Units) == 0 {
		return nil
	}
	d := &debugInfo{data: data, packages: map[string]string{}, names: map[string]string{}}
	for _, of := range data.Units {
		if of.PackageName != "" {
			d.packages[of.Path] = of.PackageName
		}
		u := &unit{Unit: of}
		d.units = append(d.units, u)
		for _, r := range of.Ranges {
			d.ranges = append(d.ranges, unitRange{r[0], r[1], u})
		}
	}
	sort.Slice(d.ranges, func(i, j int) bool { return d.ranges[i].low < d.ranges[j].low })
	return d
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
	u.functions, u.abstract, u.origins = map[uint64]debuginfo.Offset{}, map[debuginfo.Offset]bool{}, map[debuginfo.Offset]bool{}
	e, ok := d.data.Entry(u.Offset)
	if !ok {
		return
	}
	for c := range d.data.Children(&e) {
		switch {
		case c.Tag != dwarf.TagSubprogram:
		case c.HasLowPC:
			u.functions[c.LowPC] = c.Offset
			if c.Origin != 0 {
				u.origins[c.Origin] = true
			}
		case c.Inline:
			u.abstract[c.Offset] = true
		}
	}
}

// forget gives back what only functions need: types are met until the program ends, and those that an interface can hold are all in the unit of
// the runtime.
func (d *debugInfo) forget() {
	if d == nil {
		return
	}
	d.data.Forget(func(u *debuginfo.Unit) bool { return u.Path == runtimePath })
	clear(d.names)
	for _, u := range d.units {
		u.functions, u.abstract, u.origins = nil, nil, nil
	}
}

// runtimePath is the import path of the runtime.
const runtimePath = "runtime"

// signature is a function's parameters and results as DWARF declares them.
type signature struct {
	params, results []variable
	dictionary      int // position of the hidden parameter of a generic function's instance when it is listed, else −1
}

type variable struct {
	name string
	typ  debuginfo.Offset
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
func (d *debugInfo) signatureAt(offset debuginfo.Offset) (signature, bool) {
	s := signature{dictionary: -1}
	e, ok := d.data.Entry(offset)
	if !ok {
		return s, false
	}
	for c := range d.data.Children(&e) {
		if c.Tag != dwarf.TagFormalParameter {
			continue
		}
		if c.Origin != 0 {
			declared, ok := d.data.Entry(c.Origin)
			if !ok {
				return s, false
			}
			c = &declared
		}
		if c.Type == 0 {
			continue
		}
		name := d.named(c.RawName())
		v := variable{name, c.Type}
		if c.Result {
			if name != "" && name != "_" && s.hasResult(name) {
				continue
			}
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

// named returns a name of a parameter. There are many, and few that are not of another one, too.
func (d *debugInfo) named(name []byte) string {
	known, ok := d.names[string(name)]
	if !ok {
		known = string(name)
		d.names[known] = known
	}
	return known
}

func (s *signature) hasResult(name string) bool {
	for i := range s.results {
		if s.results[i].name == name {
			return true
		}
	}
	return false
}

// inlined returns the functions of the main module that were inlined and have no code of their own where they are, by name.
func (p *Program) inlined() map[string]Symbol {
	found := map[string]Symbol{}
	if p.debug == nil {
		return found
	}
	origins := p.origins()
	for _, u := range p.debug.units {
		if origins(u.Path) != OriginMain {
			continue
		}
		u.load(p.debug)
		for offset := range u.abstract {
			if u.origins[offset] {
				continue
			}
			e, ok := p.debug.data.Entry(offset)
			if !ok {
				continue
			}
			full := e.Name()
			s := Symbol{Name: plainName(full), Package: packageOf(full), Reason: "inlined everywhere", index: -1}
			s.Line, s.Origin = int(e.Line), origins(s.Package)
			if _, known := found[s.Name]; !known && s.Origin == OriginMain {
				found[s.Name] = s
			}
		}
	}
	return found
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
		if origins(u.Path) != OriginMain {
			continue
		}
		u.load(p.debug)
		for offset := range u.abstract {
			if !u.origins[offset] {
				continue
			}
			if e, ok := p.debug.data.Entry(offset); ok {
				names[plainName(e.Name())] = true
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
