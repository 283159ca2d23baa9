package site

import (
	"runtime"
	"sync"
)

// walker goes over the instructions of functions once and notes all that is asked later, so that nothing but the neighbourhood of
// a site is decoded again.
type walker struct {
	img             *Image
	targets, starts bitmap
}

// walk goes over all functions, on as many processors as there are.
func (img *Image) walk() {
	img.shapes = make([]shape, len(img.Functions))
	n := min(runtime.GOMAXPROCS(0), 8)
	size := len(img.text)
	walkers := make([]walker, n)
	img.starts = newBitmap(size)
	var all sync.WaitGroup
	from := 0
	for i := range walkers {
		walkers[i] = walker{img, newBitmap(size), img.starts}
		to := (i + 1) * len(img.Functions) / n
		for to < len(img.Functions) && (img.Functions[to].Addr-img.addr)%64 != 0 {
			to++ // no two walkers write to one word of starts
		}
		functions, shapes := img.Functions[from:max(from, to)], img.shapes[from:max(from, to)]
		all.Go(func() {
			for f := range functions {
				walkers[i].function(&functions[f], &shapes[f])
			}
		})
		from = max(from, to)
	}
	all.Wait()
	img.targets = walkers[0].targets
	for _, w := range walkers[1:] {
		img.targets.or(w.targets)
	}
}

// function walks one function. A return that removes its arguments, which no Go compiler writes, counts as bytes that are
// none of its instructions.
func (w *walker) function(f *Function, s *shape) {
	img := w.img
	code := img.Text(f.Addr, f.End)
	base := int(f.Addr - img.addr)
	odd := false
	codeEnd, at := 0, 0 // offsets in code
	for at < len(code) {
		w.starts.set(base + at)
		var end int
		var flow Flow
		var distance int64
		// What lies behind the function is looked at, too, so that its last instructions need not be measured the slow way; nearly all of
		// them are padding.
		if end, flow, distance = hop(img.text, base+at); end != 0 {
			end -= base
		}
		if end == 0 || end > len(code) {
			in, ok := stepAt(code[at:])
			if !ok {
				w.starts.unset(base + at)
				break
			}
			end, flow, distance = at+in.length, in.flow, in.distance
			if flow == FlowTrap && in.opcode != 0xCC {
				flow = FlowNext // it is no padding
			}
			odd = odd || flow == FlowOther && in.first && in.opcode == 0xC2
		}
		switch flow {
		case FlowTrap:
			at = end
			continue
		case FlowRet:
			s.returns = append(s.returns, f.Addr+uint64(at))
		case FlowJump, FlowCond, FlowLoop:
			target := f.Addr + uint64(end) + uint64(distance)
			img.mark(w.targets, target)
			s.loops = s.loops || target == f.Addr
		case FlowCall:
			img.mark(w.targets, f.Addr+uint64(end)+uint64(distance))
			fallthrough
		case FlowIndirectCall:
			img.mark(w.targets, f.Addr+uint64(end))
			codeEnd, at = end+1, end // what a call returns to is not padding
			continue
		}
		codeEnd, at = end, end
	}
	s.end = f.Addr + uint64(codeEnd)
	s.whole = f.Addr+uint64(at) == f.End && !odd
}

// IsInstruction reports whether an instruction of a function begins at an address. It is seldom asked, and also when nobody looks for sites any
// more, see Planned.
func (img *Image) IsInstruction(addr uint64) bool {
	f := img.FunctionAt(addr)
	if f == nil {
		return false
	}
	for in := range img.Instructions(f.Addr, f.End) {
		if in.Addr >= addr {
			return in.Addr == addr
		}
	}
	return false
}

// before returns the instruction that ends where another of the same function begins; false when that is the first.
func (img *Image) before(f *Function, addr uint64) (Inst, bool) {
	for at := addr; at > f.Addr; {
		at--
		if img.starts.get(int(at - img.addr)) {
			in, err := Decode(img.Text(at, f.End), at)
			return in, err == nil && in.End() == addr
		}
	}
	return Inst{}, false
}
