package site

import (
	"bytes"
	"slices"
)

// Plan looks for the sites of functions. All functions that are to be probed together must be planned together, because
// they share the padding between them.
func (img *Image) Plan(functions []*Function) []Sites {
	p := planner{img: img, used: map[uint64]bool{}}
	out := make([]Sites, len(functions))
	passing := img.Passing()
	for i, f := range functions {
		passing(f.Addr)
		out[i] = p.function(f)
	}
	passing = img.Passing()
	for i := range out {
		s := &out[i]
		passing(s.Function.Addr)
		for j := range s.Returns {
			p.island(&s.Returns[j])
		}
		for j := range s.Returns {
			p.host(s, &s.Returns[j])
		}
	}
	for i := range out { // last, so that they take no other function's padding
		p.paddedEntry(&out[i])
	}
	return out
}

type planner struct {
	img  *Image
	used map[uint64]bool // bytes of padding that are taken
	head [headMax]Inst   // scratch of function
	code []Inst          // scratch of block
	gone []Inst          // scratch of displaced
}

// body is a function and its first instructions.
type body struct {
	f    *Function
	head []Inst
}

// headMax is how many instructions a stack check and a jump behind it can cover.
const headMax = 16

// body returns a function from an address on. It is valid until the next call.
func (p *planner) body(f *Function, addr uint64) body {
	b := body{f: f, head: p.head[:0]}
	for in := range p.img.Instructions(addr, f.End) {
		if b.head = append(b.head, in); len(b.head) == headMax {
			break
		}
	}
	return b
}

func (p *planner) function(f *Function) Sites {
	shape := &p.img.shapes[f.index]
	b := p.body(f, f.Addr)
	s := Sites{Function: f}
	s.Entry = p.entry(&b)
	if s.Entry.Form == FormNone {
		p.shortEntry(&s, &b)
	}
	for i := range b.head {
		if in := &b.head[i]; in.Flow == FlowTrap && in.Len == 1 && in.Addr >= s.Entry.Addr && in.Addr < s.Entry.Resume() {
			p.used[in.Addr] = true // padding behind a function shorter than a jump
		}
	}
	if n := len(shape.returns); n > 0 {
		s.Returns = make([]Site, 0, n)
	}
	for _, addr := range shape.returns {
		s.Returns = append(s.Returns, p.ret(f, addr, &s.Entry))
	}
	if s.Entry.Form != FormNone && len(b.head) > 0 && !shape.whole {
		s.Entry = Site{Kind: Entry, Reason: reasonBytes}
	}
	return s
}

// entry is rule R2: behind the stack check, so that growing the stack and cooperative preemption stay what they were and
// no entry is seen twice. Where the bytes behind the check are taken, the check itself gives way.
func (p *planner) entry(b *body) Site {
	check := checkEnd(b.head)
	s := p.displace(b, check)
	s.Kind = Entry
	switch {
	case s.Form != FormNone && check == 0 && p.img.shapes[b.f.index].loops:
		return Site{Kind: Entry, Reason: reasonLoop}
	case s.Form != FormNone && check > 0 && p.isTarget(s.Addr):
		s = Site{Kind: Entry, Reason: reasonBehindCheck}
	}
	if s.Form != FormNone || check == 0 {
		return s
	}
	over := p.displace(b, 0)
	if over.Form == FormNone || over.Resume() != b.head[check-1].End() {
		return s
	}
	over.Kind, over.Form = Entry, FormOverCheck
	return over
}

// checkEnd returns the position in code behind the stack check, 0 when there is none: a comparison of RSP or R12 with
// g.stackguard0 among the first instructions, and a conditional jump.
func checkEnd(code []Inst) int {
	for i := 0; i+1 < len(code) && i < 7; i++ {
		in := &code[i]
		if in.Opcode == 0x3B && in.Map == 0 && in.ModRM == 0x66 && (in.Rex == 0x49 || in.Rex == 0x4D) && in.Len == 4 &&
			code[i+1].Flow == FlowCond {
			return i + 2
		}
	}
	return 0
}

// displace is rule R3: whole instructions from position i on that together have room for a jump.
func (p *planner) displace(b *body, i int) Site {
	if i >= len(b.head) {
		return Site{Reason: reasonNoInstructions}
	}
	s := Site{Addr: b.head[i].Addr, Patch: JumpLen}
	for n := 0; n < JumpLen; i++ {
		if i >= len(b.head) {
			return Site{Reason: reasonShort}
		}
		in := b.head[i]
		if n > 0 && p.isTarget(in.Addr) {
			return Site{Reason: reasonBranch}
		}
		if why := immovable(&in); why != reasonNone {
			return Site{Reason: why}
		}
		s.displace(in)
		n += int(in.Len)
	}
	s.Form = FormJump
	return s
}

func immovable(in *Inst) Reason {
	switch in.Flow {
	case FlowCall, FlowIndirectCall:
		return reasonCall
	case FlowLoop, FlowOther:
		return reasonImmovable
	}
	return reasonNone
}

// displaced returns the displaced instructions of a site. They are valid until the next call.
func (p *planner) displaced(s *Site) []Inst {
	p.gone = p.img.Displaced(p.gone[:0], s)
	return p.gone
}

func (p *planner) isTarget(addr uint64) bool {
	from, to := p.img.Bounds()
	if addr < from || addr >= to {
		return true
	}
	return p.img.targets.get(int(addr - from))
}

// ret looks for room at the RET at an address, from the best form to the worst.
func (p *planner) ret(f *Function, addr uint64, entry *Site) Site {
	s := Site{Kind: Return, Ret: addr}
	floor := f.Addr
	if entry.Form != FormNone {
		floor = entry.Resume()
		if s.Ret < floor {
			s.Form = FormInside
			return s
		}
	} else {
		s.Reason = reasonEntry
	}
	// The last instructions of the block, up to the first that leave room.
	code := p.block(f, addr, floor, JumpLen)
	if room(code) >= JumpLen {
		p.take(&s, code, FormJump)
		return s
	}
	pad := p.padding(f, addr+1)
	for j := len(code) - 1; j >= 0; j-- {
		if n := JumpLen - room(code[j:]); n <= pad {
			for k := range n {
				p.used[s.Ret+1+uint64(k)] = true
			}
			p.take(&s, code[j:], FormPadding)
			return s
		}
	}
	if p.extendEntry(code, floor, entry) {
		s.Form = FormInside
		return s
	}
	s.Reason = reasonReturn
	for j := len(code) - 1; j >= 0; j-- {
		if room(code[j:])+pad >= ShortLen {
			s.Addr = code[j].Addr
			s.displace(code[j:]...)
			break
		}
	}
	return s
}

// room is how many bytes instructions have.
func room(code []Inst) int {
	return int(code[len(code)-1].End() - code[0].Addr)
}

// block returns the instructions from which execution always runs on into the RET at an address, the RET last: as many as it takes
// to have a number of bytes, if there are. All but the first can be moved. They are valid until the next call.
func (p *planner) block(f *Function, addr, floor, bytes uint64) []Inst {
	ret, err := Decode(p.img.Text(addr, f.End), addr)
	if err != nil {
		return nil
	}
	code := append(p.code[:0], ret)
	for first := addr; ret.End()-first < bytes && !p.isTarget(first); first = code[len(code)-1].Addr {
		before, ok := p.img.before(f, first)
		if !ok || before.Addr < floor || immovable(&before) != reasonNone || before.Flow == FlowRet || before.Flow == FlowJump ||
			before.Flow == FlowIndirectJump || before.Flow == FlowTrap {
			break
		}
		code = append(code, before)
	}
	slices.Reverse(code)
	p.code = code
	return code
}

func (p *planner) take(s *Site, code []Inst, form Form) {
	s.Form, s.Reason = form, reasonNone
	s.Addr, s.Patch = code[0].Addr, JumpLen
	s.displace(code...)
	s.Early, s.Adjust = frameOnly(code[:len(code)-1], p.img)
}

// padding returns how many int3 lie at an address, up to the next code.
func (p *planner) padding(f *Function, addr uint64) int {
	n := 0
	for _, b := range p.img.Text(addr, f.End) {
		if b != 0xCC || p.isTarget(addr+uint64(n)) {
			break
		}
		n++
	}
	return n
}

// extendEntry lets the bytes displaced at the entry grow up to the RET, when nothing leads in between.
func (p *planner) extendEntry(code []Inst, floor uint64, entry *Site) bool {
	if entry.Form != FormJump || code[0].Addr != floor || p.isTarget(floor) {
		return false
	}
	gone := p.displaced(entry)
	last := &gone[len(gone)-1]
	if last.Flow == FlowJump || last.Flow == FlowRet || last.Flow == FlowIndirectJump || last.Flow == FlowTrap {
		return false
	}
	entry.displace(code...)
	return true
}

// island gives a return without room two bytes of its own and five of padding nearby.
func (p *planner) island(s *Site) {
	if s.Form != FormNone || s.Bytes == 0 {
		return
	}
	size := int(s.Ret + 1 - s.Addr)
	if size < ShortLen && !p.free(s.Ret+1, ShortLen-size) {
		return
	}
	from, to := p.img.Bounds()
	at, ok := p.takePadding(s.Addr, size, from, to)
	if !ok {
		return
	}
	for k := size; k < ShortLen; k++ {
		p.used[s.Addr+uint64(k)] = true
	}
	s.Form, s.Reason, s.Island, s.Patch = FormIsland, reasonNone, at, ShortLen
	p.early(s)
}

// replacedLen is more than programs write over the beginning of a function when they replace it by another, as libraries for tests do. In a short
// one that is padding in part: an island there would be lost, and what jumps to it would run into what was written.
const replacedLen = 16

// takePadding takes five bytes of padding between two addresses that a jump of two bytes at a site of some bytes reaches.
func (p *planner) takePadding(site uint64, size int, from, to uint64) (at uint64, ok bool) {
	lo, hi := site+ShortLen-120, site+ShortLen+120
	for at := max(lo, from); at+JumpLen <= min(hi, to); at++ {
		if at+JumpLen > site && at < site+uint64(max(size, ShortLen)) || !p.free(at, JumpLen) ||
			at < p.img.FunctionAt(at).Addr+replacedLen {
			continue
		}
		for k := range uint64(JumpLen) {
			p.used[at+k] = true
		}
		return at, true
	}
	return 0, false
}

// free reports whether n bytes are padding between functions that nothing uses, and that nobody checks.
func (p *planner) free(at uint64, n int) bool {
	f := p.img.FunctionAt(at)
	if f == nil || at+uint64(n) > p.img.checkedFrom && at < p.img.checkedTo {
		return false
	}
	tail := p.img.Text(at, f.End)
	if len(tail) < n || len(bytes.TrimLeft(tail, "\xcc")) > 0 || at < p.img.codeEnd(f) {
		return false
	}
	for k := range uint64(n) {
		if p.used[at+k] || p.isTarget(at+k) && at+k != f.End {
			return false
		}
	}
	return true
}

// functionAt returns the function whose range holds addr.
func (img *Image) FunctionAt(addr uint64) *Function {
	i, found := slices.BinarySearchFunc(img.Functions, addr, func(f Function, a uint64) int {
		switch {
		case f.Addr > a:
			return 1
		case f.Addr < a:
			return -1
		}
		return 0
	})
	if !found {
		i--
	}
	if i < 0 || addr >= img.Functions[i].End {
		return nil
	}
	return &img.Functions[i]
}

// codeEnd returns the address behind the last instruction of f that is no padding. A trailing int3 may be the last
// instruction of a function that must not go on; leaving one byte of it is enough, for an int3 ends what runs into it.
func (img *Image) codeEnd(f *Function) uint64 { return img.shapes[f.index].end }

// early finds out whether a return can be recorded before its displaced instructions run.
func (p *planner) early(s *Site) {
	code := p.displaced(s)
	s.Early, s.Adjust = frameOnly(code[:len(code)-1], p.img)
}

// frameOnly reports whether instructions do nothing but take down a frame, and how far they move the stack pointer.
func frameOnly(code []Inst, img *Image) (early bool, adjust int32) {
	for i := range code {
		in := &code[i]
		b := img.Text(in.Addr, in.End())
		switch {
		case in.Opcode == 0x5D && in.Len == 1: // pop rbp
			adjust += 8
		case in.Rex == 0x48 && in.Opcode == 0x83 && in.ModRM == 0xC4 && in.Map == 0: // add rsp, imm8
			adjust += int32(int8(b[in.Len-1]))
		case in.Rex == 0x48 && in.Opcode == 0x81 && in.ModRM == 0xC4 && in.Map == 0: // add rsp, imm32
			adjust += little32(b[in.Len-4:])
		case in.Rex == 0x48 && in.Opcode == 0x83 && in.ModRM == 0xEC && in.Map == 0: // sub rsp, imm8
			adjust -= int32(int8(b[in.Len-1]))
		default:
			return false, 0
		}
	}
	return true, adjust
}

// Displace returns the site of a jump at exactly addr; its Kind is not set.
func (img *Image) Displace(addr uint64) Site {
	f := img.FunctionAt(addr)
	if f == nil {
		return Site{Reason: reasonNoFunction}
	}
	p := planner{img: img, used: map[uint64]bool{}}
	b := p.body(f, addr)
	s := p.displace(&b, 0)
	s.Addr = addr
	return s
}
