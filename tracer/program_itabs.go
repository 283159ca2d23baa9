package tracer

// itab is a table that the linker made because a type is put into an interface with methods somewhere.
type itab struct {
	addr       uint64 // in the file, as the next two
	inter, typ uint64 // where the runtime describes the interface and the type
}

// maxItabBytes bounds what is searched for itabs: they lie side by side.
const maxItabBytes = 4 << 20

// itabs returns the itabs that the file holds; none when they are not where they were in the versions of Go that are known.
func (p *Program) itabs() []itab {
	l := p.module.itabs
	low, high := l.addr, l.addr+l.length
	if !l.packed {
		n := l.length / 8
		if n == 0 || n > maxItabBytes/8 {
			return nil
		}
		pointers, err := p.image.words(l.addr, int(n))
		if err != nil {
			return nil
		}
		low, high = pointers[0], pointers[0]
		for _, at := range pointers {
			low, high = min(low, at), max(high, at)
		}
		high += 2 * 8
	}
	if high <= low || high-low > maxItabBytes {
		return nil
	}
	return p.itabsIn(low, int((high-low)/8))
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
	isType := func(word uint64) bool { return word >= p.module.types && word < p.module.etypes }
	for i := 0; i+1 < len(words); i++ {
		if isType(words[i]) && isType(words[i+1]) {
			list = append(list, itab{addr + 8*uint64(i), words[i], words[i+1]})
			i++
		}
	}
	return list
}
