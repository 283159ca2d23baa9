package tracer

import (
	"encoding/binary"
	"slices"

	"smiley/recording"
	"smiley/tracer/pclntab"
)

// definitions numbers the run's functions and files and keeps what was added since somebody asked.
type definitions struct {
	byEntry   map[uint64]recording.FunctionID // addresses of the file
	functions recording.FunctionID            // the last id given
	files     map[string]recording.FileID
	added     recording.Definitions
}

// AddFunction gives f an id (its ID is ignored; its File too when it is 0 and the binary knows better) and remembers that it
// begins at entry, 0 for one without code. A function that was added for this entry before keeps its id and is not defined
// again.
func (p *Program) AddFunction(entry uint64, f recording.Function) recording.FunctionID {
	d := &p.defined
	if entry != 0 {
		if id, ok := d.byEntry[entry-p.bias]; ok {
			return id
		}
	}
	d.functions++
	f.ID = d.functions
	if d.byEntry == nil {
		d.byEntry = map[uint64]recording.FunctionID{}
	}
	if entry != 0 {
		d.byEntry[entry-p.bias] = f.ID
	}
	d.added.Functions = append(d.added.Functions, f)
	return f.ID
}

// expectFunctions makes room for functions that are about to be added: all of them, and some that are asked for together.
func (p *Program) expectFunctions(all, together int) {
	d := &p.defined
	if d.byEntry == nil {
		d.byEntry = make(map[uint64]recording.FunctionID, all)
	}
	d.added.Functions = slices.Grow(d.added.Functions, together)
}

// defines reports whether the function that begins at entry has been added.
func (p *Program) defines(entry uint64) bool {
	_, ok := p.defined.byEntry[entry-p.bias]
	return ok
}

// FunctionID returns the id of the function that begins at entry, adding it as one that is only referred to; 0 when no
// function begins there.
func (p *Program) FunctionID(entry uint64) recording.FunctionID {
	file := entry - p.bias
	if id, ok := p.defined.byEntry[file]; ok {
		return id
	}
	i, ok := pclntab.Find(p.list, file)
	if !ok || p.list[i].Entry != file {
		return 0
	}
	s := p.symbolOf(i)
	return p.AddFunction(entry, p.function(&s))
}

// function describes a function without its parameters.
func (p *Program) function(s *Symbol) recording.Function {
	return recording.Function{Name: s.Name, Package: s.Package, File: p.fileID(s.File), Line: s.Line}
}

// Definitions returns the types, functions and files that were added since the last call, files with their bodies.
// Every event must be preceded by the definitions its record needs: call it after each capture, it is cheap when there
// is nothing new.
func (p *Program) Definitions() recording.Definitions {
	d := p.defined.added
	d.Types = p.types.added
	for i := range d.Files {
		p.readSource(&d.Files[i], nil)
	}
	p.defined.added, p.types.added = recording.Definitions{}, nil
	return d
}

// hasDefinitions reports whether Definitions would return any.
func (p *Program) hasDefinitions() bool {
	d := &p.defined.added
	return len(p.types.added)+len(d.Functions)+len(d.Files)+len(d.Goroutines) > 0
}

// Resolver returns the Resolver of the program's pointers to code and types; it reads itabs through mem.
func (p *Program) Resolver(mem recording.Memory) recording.Resolver {
	return &resolver{
		program: p, memory: mem,
		itabs: foundTypes{all: map[uint64]recording.TypeID{}}, words: foundTypes{all: map[uint64]recording.TypeID{}},
	}
}

// resolver remembers what it found: a program uses few types in its interfaces, again and again.
type resolver struct {
	program *Program
	memory  recording.Memory
	itabs   foundTypes // itabs are never freed
	words   foundTypes
}

// foundTypes are types by the address of what stands for them, with a direct-mapped cache before the map.
type foundTypes struct {
	all    map[uint64]recording.TypeID
	recent [256]struct {
		addr uint64
		id   recording.TypeID
	}
}

func (f *foundTypes) get(addr uint64) (recording.TypeID, bool) {
	recent := &f.recent[addr>>5%uint64(len(f.recent))] // descriptions and itabs are at least 32 bytes long
	if recent.addr == addr && addr != 0 {
		return recent.id, true
	}
	id, ok := f.all[addr]
	if ok {
		recent.addr, recent.id = addr, id
	}
	return id, ok
}

// DynamicType returns the type that the runtime's description at an address describes.
func (r *resolver) DynamicType(word uint64) recording.TypeID {
	if id, ok := r.words.get(word); ok {
		return id
	}
	m := &r.program.module
	at := word - r.program.bias
	if at < m.types || at >= m.etypes {
		return 0 // made by reflect, or nonsense
	}
	id := r.program.types.dynamic(at - m.types)
	if r.program.boxes(id) {
		id = 0 // better not known than taken for what it is not
	}
	r.words.all[word] = id
	return id
}

// boxes reports whether interfaces of the program point to values of a type that recordings take for one whose values are in the interface
// itself, because a field without a size lies beside a pointer: before Go 1.26 that made a difference.
func (p *Program) boxes(id recording.TypeID) bool {
	if minor := goMinor(p.info.GoVersion); minor == 0 || minor >= 26 {
		return false
	}
	t, ok := p.types.all.Get(id)
	if !ok || !p.types.all.PointerShaped(t) {
		return false
	}
	for ok && (t.Kind == recording.KindStruct || t.Kind == recording.KindArray) {
		if t.Kind == recording.KindArray {
			t, ok = p.types.all.Get(t.Elem)
			continue
		}
		if len(t.Fields) != 1 {
			return true
		}
		t, ok = p.types.all.Get(t.Fields[0].Type)
	}
	return false
}

// itabType is the offset of the dynamic type in an itab.
const itabType = 8

// ItabType returns the dynamic type of an interface with methods.
func (r *resolver) ItabType(itab uint64) recording.TypeID {
	if id, ok := r.itabs.get(itab); ok {
		return id
	}
	word, ok := r.itabWord(itab)
	if !ok {
		return 0
	}
	id := r.DynamicType(word)
	if id != 0 {
		r.itabs.all[itab] = id
	}
	return id
}

// itabWord returns where the type is described that an itab is for. Of an itab that was not copied the program's file may know it.
func (r *resolver) itabWord(itab uint64) (word uint64, ok bool) {
	var read [8]byte
	if err := r.memory.ReadMemory(read[:], itab+itabType); err == nil {
		return binary.LittleEndian.Uint64(read[:]), true
	}
	if at := r.program.itabHolds(itab - r.program.bias); at != 0 {
		return at + r.program.bias, true
	}
	return 0, false
}

// FunctionAt returns the function that begins at pc.
func (r *resolver) FunctionAt(pc uint64) recording.FunctionID { return r.program.FunctionID(pc) }
