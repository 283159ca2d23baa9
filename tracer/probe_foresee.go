//go:build linux && amd64

package tracer

import (
	"bytes"

	"smiley/recording"
	"smiley/tracer/probe/routine"
)

// What an interface holds can be copied whole only by a routine that was made for its type. Types that interfaces of recorded
// functions can hold are looked for in the program's file, so that most have their routine before they are first met.

// foreseen are the types that interfaces can turn out to hold.
type foreseen struct {
	looked  bool
	own     map[string]bool // import paths of what is recorded
	wants   []want          // in the order in which they are served
	wanted  map[want]bool
	served  int                           // of wants
	holders map[recording.TypeID][]uint64 // descriptions of the types that the linker saw in an interface
	any     []uint64                      // and those that can be in interfaces without methods
	queue   []uint64                      // keys that no routine was made for yet
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

// foresee notes what the interfaces of the recorded functions are.
func (p *probes) foresee(list []watched) {
	f := &p.foreseen
	f.own, f.wanted = map[string]bool{}, map[want]bool{}
	for i := range list {
		w := &list[i]
		if w.traced != nil {
			f.own[w.symbol.Package] = true
		}
		f.add(w.entry.capture.wants)
		f.add(w.exit.capture.wants)
	}
}

func (f *foreseen) add(wants []want) {
	for _, w := range wants {
		if !f.wanted[w] {
			f.wanted[w] = true
			f.wants = append(f.wants, w)
		}
	}
}

// look lists the types of the program's file that interfaces can hold.
func (p *probes) look() {
	f := &p.foreseen
	f.looked = true
	types, module := p.program.types, &p.program.module
	if len(f.wants) == 0 || types.debug == nil {
		return
	}
	f.holders = map[recording.TypeID][]uint64{}
	for _, t := range p.program.itabs() {
		if id := types.known(t.inter - module.types); id != 0 {
			f.holders[id] = append(f.holders[id], t.typ)
			if holder, ok := types.all.Get(id); ok && holder.Name == "error" {
				f.any = append(f.any, t.typ)
			}
		}
	}
	types.debug.runtimeTypes()
	var plain []uint64
	for _, d := range types.debug.described {
		switch pkg, ok := packageOfType(d.name); {
		case !ok:
		case pkg == nil && d.name[0] == '*': // what it points to is copied in any case
		case pkg == nil:
			plain = append(plain, module.types+d.at)
		case f.own[string(pkg)]:
			f.any = append(f.any, module.types+d.at)
		}
	}
	f.any = append(f.any, plain...)
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
func (p *probes) teach(n int) error {
	f := &p.foreseen
	if !f.looked {
		p.look()
	}
	for n > 0 && f.taught < maxForeseen && p.installed.HasTypeRoom() {
		if len(f.queue) == 0 {
			if f.served == len(f.wants) {
				break
			}
			p.serve(f.wants[f.served])
			f.served++
			continue
		}
		key := f.queue[0]
		f.queue = f.queue[1:]
		if p.memory.held.known[key] {
			continue
		}
		p.memory.held.note(key)
		f.taught++
		n--
		if err := p.learnType(key); err != nil {
			return err
		}
	}
	return nil
}

// serve lists the keys of the types that a want can be about.
func (p *probes) serve(w want) {
	f := &p.foreseen
	list := f.any
	if w.holder != 0 {
		list = f.holders[w.holder]
	}
	for _, at := range list {
		if key, ok := w.class.Key(at + p.program.bias); ok && !p.memory.held.known[key] {
			f.queue = append(f.queue, key)
		}
	}
}

// learn has the program copy the values of types that interfaces were found to hold, and of some that they could hold.
func (p *probes) learn() error {
	held := &p.memory.held
	for _, key := range held.met {
		if err := p.learnType(key); err != nil {
			return err
		}
	}
	held.met = held.met[:0]
	return p.teach(foreseenStep)
}

// learnType has the program copy the values of a type.
func (p *probes) learnType(key uint64) error {
	word, class := routine.TypeOf(key)
	t, ok := p.capturer.Types.Get(p.capturer.Resolver.DynamicType(word))
	if !ok {
		return nil
	}
	c := compileHeld(p.capturer.Types, p.opt.Bounds, t, class)
	added, err := p.installed.AddType(key, c.Capture)
	if added {
		p.memory.held.captures = append(p.memory.held.captures, c)
		p.foreseen.add(c.wants)
	}
	if err != nil && recording.CodeOf(err) != recording.CodeUnsupported {
		return err
	}
	return nil
}
