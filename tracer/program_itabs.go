package tracer

import "slices"

// itab is a table that the linker made because a type is put into an interface with methods somewhere.
type itab struct {
	addr       uint64 // in the file, as the next two
	inter, typ uint64 // where the runtime describes the interface and the type
}

// maxItabBytes bounds where itabs are looked for: they lie side by side, or among other data.
const maxItabBytes = 4 << 20

// itabs returns the itabs that the file holds; none when they are not where they were in the versions of Go that are known.
func (p *Program) itabs() []itab {
	l := p.module.itabs
	if l.length > maxItabBytes {
		return nil
	}
	if l.packed {
		return p.itabsIn(l.addr, int(l.length/8))
	}
	pointers, err := p.image.words(l.addr, int(l.length/8))
	if err != nil || len(pointers) == 0 {
		return nil
	}
	return p.itabsAt(pointers)
}

// itabsAt reads the itabs at these addresses.
func (p *Program) itabsAt(pointers []uint64) []itab {
	low, high := slices.Min(pointers), slices.Max(pointers)+2*8
	if high <= low || high-low > maxItabBytes {
		return nil
	}
	words, err := p.image.words(low, int((high-low)/8))
	if err != nil {
		return nil
	}
	list := make([]itab, 0, len(pointers))
	for _, at := range pointers {
		i := (at - low) / 8
		if t := (itab{at, words[i], words[i+1]}); p.describes(t.inter) && p.describes(t.typ) {
			list = append(list, t)
		}
	}
	return list
}

// describes reports whether the runtime's descriptions of types lie at an address of the file.
func (p *Program) describes(addr uint64) bool {
	return addr >= p.module.types && addr < p.module.etypes
}

// itabHolds returns where the runtime describes the type of the itab at an address of the file; 0 when the linker put none there.
func (p *Program) itabHolds(addr uint64) uint64 {
	if p.linked == nil {
		p.linked = map[uint64]uint64{}
		for _, t := range p.itabs() {
			p.linked[t.addr] = t.typ
		}
	}
	return p.linked[addr]
}

// itabsIn looks for itabs in n words. In each the addresses of two types follow each other, and behind them come a hash and the
// addresses of functions.
func (p *Program) itabsIn(addr uint64, n int) (list []itab) {
	words, err := p.image.words(addr, n)
	if err != nil {
		return nil
	}
	for i := 0; i+1 < len(words); i++ {
		if p.describes(words[i]) && p.describes(words[i+1]) {
			list = append(list, itab{addr + 8*uint64(i), words[i], words[i+1]})
			i++
		}
	}
	return list
}
