//go:build linux && amd64

package tracer

import (
	"bytes"
	"slices"

	"smiley/recording"
)

// What an interface holds can be copied whole only when the program has a list for its type. Types that interfaces of recorded
// functions can hold are looked for in the program's file, so that most have their list before they are first met.

// foreseen are the types that interfaces can turn out to hold.
type foreseen struct {
	looked  bool
	own     map[string]bool             // import paths of what is recorded
	served  int                         // of what nodes want
	holders map[uint64][]uint64         // by where an interface is described: descriptions of the types that the linker saw in it
	ids     map[recording.TypeID]uint64 // where the interfaces are described that the run knew when it had so many types
	types   int
	any     []uint64 // descriptions of the types that can be in interfaces without methods
	queue   []uint64 // of these, those that are not known to the program yet
	taught  int
}

const (
	// maxForeseen bounds the types that routines are made for before anybody has met them.
	maxForeseen = 1024
	// Of these the first have their routines before the program begins, unless it is one of many functions, which takes long enough to
	// start; the others some at each reading.
	foreseenFirst = 384
	foreseenStep  = 64
	manyFunctions = 8000
)

// foresee notes which packages are recorded.
func (p *probes) foresee(list []watched) {
	f := &p.foreseen
	f.own = map[string]bool{}
	for i := range list {
		if w := &list[i]; w.traced != nil {
			f.own[w.symbol.Package] = true
		}
	}
}

// look lists the types of the program's file that interfaces can hold.
func (p *probes) look() {
	f := &p.foreseen
	f.looked = true
	types, module := p.program.types, &p.program.module
	if len(p.nodes.wants) == 0 || types.debug == nil {
		return
	}
	f.holders = map[uint64][]uint64{}
	for _, t := range p.program.itabs() {
		at := t.inter - module.types
		f.holders[at] = append(f.holders[at], t.typ)
	}
	types.debug.runtimeTypes()
	var errors, plain []uint64
	for _, d := range types.debug.described {
		switch pkg, ok := packageOfType(d.name); {
		case string(d.name) == "error": // whether or not the run knows it: an error is what a panic is likely to be about
			errors = f.holders[d.at]
		case !ok:
		case pkg == nil && d.name[0] == '*': // what it points to is copied in any case
		case pkg == nil:
			plain = append(plain, module.types+d.at)
		case f.own[string(pkg)]:
			f.any = append(f.any, module.types+d.at)
		}
	}
	f.any = slices.Concat(errors, f.any, plain)
}

// heldBy returns the types that the linker saw in an interface. The run may have learned of the interface a moment ago.
func (p *probes) heldBy(holder recording.TypeID) []uint64 {
	f, types := &p.foreseen, p.program.types
	if f.types != types.all.Len() {
		f.types, f.ids = types.all.Len(), make(map[recording.TypeID]uint64, len(f.holders))
		for at := range f.holders {
			if id := types.known(at); id != 0 {
				f.ids[id] = at
			}
		}
	}
	at, ok := f.ids[holder]
	if !ok {
		return nil
	}
	return f.holders[at]
}

// packageOfType returns the import path in the name of a type, or of what it points to or has many of; nil for one that every
// program has. It is false for literal types, which are seldom put into interfaces.
func packageOfType(name []byte) (path []byte, ok bool) {
	for {
		switch {
		case bytes.HasPrefix(name, []byte("*")):
			name = name[1:]
			continue
		case bytes.HasPrefix(name, []byte("[")):
			end := bytes.IndexByte(name, ']')
			if end < 0 {
				return nil, false
			}
			name = name[end+1:]
			continue
		}
		break
	}
	if i := bytes.IndexByte(name, '['); i >= 0 {
		name = name[:i]
	}
	if string(name) == "interface {}" {
		return nil, true
	}
	if bytes.ContainsAny(name, " ({") {
		return nil, false
	}
	slash := bytes.LastIndexByte(name, '/') + 1
	dot := bytes.IndexByte(name[slash:], '.')
	if dot < 0 {
		return nil, true
	}
	return name[:slash+dot], true
}

// teach has the program copy the values of up to n types that nobody has met yet.
func (p *probes) teach(n int) {
	f := &p.foreseen
	if !f.looked {
		p.look()
	}
	for n > 0 && f.taught < maxForeseen && p.nodes.HasRoom() {
		if len(f.queue) == 0 {
			if f.served == len(p.nodes.wants) {
				break
			}
			p.serve(p.nodes.wants[f.served])
			f.served++
			continue
		}
		word := f.queue[0]
		f.queue = f.queue[1:]
		if p.memory.held.known[word] {
			continue
		}
		p.memory.held.note(word)
		f.taught++
		n--
		p.learnType(word)
	}
}

// serve lists the types that an interface can hold; 0 is one without methods.
func (p *probes) serve(holder recording.TypeID) {
	f := &p.foreseen
	list := f.any
	if holder != 0 {
		list = p.heldBy(holder)
	}
	for _, at := range list {
		if word := at + p.program.bias; !p.memory.held.known[word] {
			f.queue = append(f.queue, word)
		}
	}
}

// learn has the program copy the values of types that interfaces were found to hold, and of some that they could hold.
func (p *probes) learn() {
	held := &p.memory.held
	for _, word := range held.met {
		p.learnType(word)
	}
	held.met = held.met[:0]
	p.teach(foreseenStep)
}

// learnType has the program copy the values of the type that is described at word.
func (p *probes) learnType(word uint64) {
	t, ok := p.capturer.Types.Get(p.capturer.Resolver.DynamicType(word))
	if ok && p.installed.HasRoomFor(word) {
		p.installed.AddType(word, p.nodes.held(t))
	}
}
