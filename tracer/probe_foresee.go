//go:build linux && amd64

package tracer

import (
	"bytes"
	"cmp"
	"slices"

	"smiley/recording"
	"smiley/tracer/probe/install"
)

// What an interface holds can be copied whole only when the program has a list for its type. Types that interfaces of recorded
// functions can hold are looked for in the program's file, so that most have their list before they are first met.

// foreseen are the types that interfaces can turn out to hold.
type foreseen struct {
	looked  bool
	own     map[string]bool     // import paths of what is recorded
	served  int                 // how many of the interfaces that nodes want have had their types queued
	holders map[uint64][]uint64 // by where an interface is described: descriptions of the types that the linker saw in it, until they are queued
	queue   []uint64            // descriptions of the types that the interfaces with methods can hold
	any     []uint64            // the same of the types that can be in interfaces without methods
	taught  int
	first   []install.HeldType // those that the program knows when it gets its probes
}

const (
	// maxForeseen bounds the types that lists are made for before anybody has met them.
	maxForeseen = 8192
	// Of these the first have their lists when the program gets its probes, the others some at each reading. Where many functions are recorded
	// more are first: large programs meet many types while their packages are initialised, and a type takes an eighth of the time of a function.
	foreseenFirst    = 1024
	functionsPerType = 4
	foreseenStep     = 64
)

// foresee prepares for the types that values of the functions in list can turn out to have, before there are probes: a program that is attached to
// does not wait meanwhile, and may be about to write thousands of records.
func (p *probes) foresee(list []watched) {
	f := &p.foreseen
	f.own = map[string]bool{}
	for i := range list {
		if w := &list[i]; w.traced != nil {
			f.own[w.symbol.Package] = true
		}
	}
	p.teach(max(foreseenFirst, len(list)/functionsPerType))
}

// look lists the types of the program's file that interfaces can hold.
func (p *probes) look() {
	f := &p.foreseen
	f.looked = true
	types, module := p.program.types, &p.program.module
	if len(p.nodes.wanted) == 0 || types.debug == nil {
		return
	}
	f.holders = map[uint64][]uint64{}
	for _, t := range p.program.itabs() {
		at := t.inter - module.types
		f.holders[at] = append(f.holders[at], t.typ)
	}
	types.debug.runtimeTypes()
	var errors, main, plain []uint64
	origins := p.program.origins()
	take := func(pkg string, at uint64) {
		switch {
		case !f.own[pkg]:
		case origins(pkg) == OriginMain:
			main = append(main, module.types+at)
		default:
			f.any = append(f.any, module.types+at)
		}
	}
	for _, d := range p.program.typesInData() { // few, and nearly all in interfaces
		if d.typ.Package == "" {
			plain = append(plain, module.types+d.at)
		} else {
			take(d.typ.Package, d.at)
		}
	}
	for _, d := range types.debug.described {
		switch pkg, ok := packageOfType(d.name); {
		case string(d.name) == "error": // whether or not the run knows it: an error is what a panic is likely to be about
			errors = f.holders[d.at]
		case !ok:
		case pkg == nil && d.name[0] == '*': // what it points to is copied in any case
		case pkg == nil:
			plain = append(plain, module.types+d.at)
		default:
			take(string(pkg), d.at)
		}
	}
	f.any = slices.Concat(errors, main, plain, f.any) // the types of other modules can be tens of thousands
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
	most := cmp.Or(p.opt.foreseen, maxForeseen)
	for n > 0 && f.taught < most && p.nodes.HasRoom() {
		at, ok := p.next()
		if !ok {
			break
		}
		word := at + p.program.bias
		if p.memory.held.known[word] || p.copiedAnyway(at) {
			continue
		}
		p.memory.held.note(word)
		f.taught++
		n--
		p.learnType(word)
	}
}

// fewElements is so many that a record has room for as many slices of as many values of unknown types, and for what is beside them.
const fewElements = 10

// copiedAnyway reports whether all that is shown of the values of a type is copied, too, when nothing is known of it, see addUnknown: there is room,
// and time, for lists of so many types. That is more than the values are: where many elements of slices are shown, records would be full of it.
func (p *probes) copiedAnyway(at uint64) bool {
	if p.opt.Bounds.Elements > fewElements {
		return false
	}
	im := p.program.image
	flat := func(described []uint64) bool { // its size, and how much of it can hold pointers
		return described[0] <= interfaceBytes && described[1] == 0
	}
	t, err := im.unmoved(at, describedWords)
	if err != nil {
		return false
	}
	switch kindOf(int64(byte(t[2]>>56) & describedKind)) {
	case recording.KindMap, recording.KindChan, recording.KindFunc:
		return true
	case recording.KindString:
		return errorFactor*p.opt.Bounds.StringBytes <= errorBytes
	case recording.KindPointer:
		elem, err := im.words(at+describedBytes, 1)
		if err != nil {
			return false
		}
		t, err = im.unmoved(elem[0], describedWords)
		return err == nil && flat(t)
	}
	return flat(t)
}

// next returns where the type is described that is to be learned next. What can be in any interface comes last: where all is recorded, that are
// more types than are learned, and most are never seen in one.
func (p *probes) next() (at uint64, ok bool) {
	f, wanted := &p.foreseen, p.nodes.wanted
	if len(f.queue) == 0 && f.served < len(wanted) {
		f.served = len(wanted)
		p.serve()
	}
	from := &f.queue
	if len(f.queue) == 0 && wanted[0] {
		from = &f.any
	}
	if len(*from) == 0 {
		return 0, false
	}
	at, *from = (*from)[0], (*from)[1:]
	return at, true
}

// serve queues the types that interfaces with methods can hold. Those that can hold few come first: so as many interfaces as possible hold
// nothing that is unknown.
func (p *probes) serve() {
	f := &p.foreseen
	var lists [][]uint64
	for at, list := range f.holders {
		if id := p.program.types.known(at); id != 0 && p.nodes.wanted[id] {
			lists = append(lists, list)
			delete(f.holders, at)
		}
	}
	slices.SortFunc(lists, func(a, b []uint64) int { return cmp.Or(cmp.Compare(len(a), len(b)), slices.Compare(a, b)) })
	f.queue = slices.Concat(lists...)
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
	switch {
	case !ok:
	case p.installed == nil:
		p.foreseen.first = append(p.foreseen.first, install.HeldType{Word: word, List: p.nodes.held(t)})
	case p.installed.HasRoomFor(word):
		p.installed.AddType(word, p.nodes.held(t))
	}
}
