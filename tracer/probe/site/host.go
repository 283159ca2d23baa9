package site

import "slices"

// Where no padding is near, other code of the same function makes room for an island: instructions that take ten bytes or more,
// which nothing leads into, run in the routines' memory instead. The jump to them takes the first five bytes, the island the
// next. They can be any that go on behind themselves, so that a loop keeps a branch outside, where Go can preempt it.

// host gives a site without room two bytes of its own and an island in a host.
func (p *planner) host(sites *Sites, s *Site) {
	if s.Form != FormNone || s.Bytes == 0 || sites.Entry.Form == FormNone {
		return
	}
	size := int(s.Bytes)
	if size < ShortLen && !p.free(s.Addr+uint64(size), ShortLen-size) {
		return
	}
	host, ok := p.findHost(sites, s)
	if !ok {
		return
	}
	for k := size; k < ShortLen; k++ {
		p.used[s.Addr+uint64(k)] = true
	}
	sites.Hosts = append(sites.Hosts, host)
	s.Form, s.Reason, s.Island, s.Patch = FormIsland, reasonNone, host.Addr+JumpLen, ShortLen
	if s.Kind == Return {
		p.early(s)
	}
}

// shortEntry gives an entry with too few bytes before a branch's target two bytes of its own and an island in a host. Where there is no
// host, as in most functions that are little more than a loop, the island is left open for paddedEntry.
func (p *planner) shortEntry(sites *Sites, b *body) {
	check := checkEnd(b.head)
	if check >= len(b.head) {
		return
	}
	first := b.head[check].Addr
	if check == 0 && p.img.shapes[b.f.index].loops || check > 0 && p.isTarget(first) {
		return // it would be seen more than once
	}
	s := Site{Kind: Entry, Addr: first, Patch: ShortLen, Reason: sites.Entry.Reason}
	for i, n := check, 0; n < ShortLen; i++ {
		if i >= len(b.head) || n > 0 && p.isTarget(b.head[i].Addr) || immovable(&b.head[i]) != reasonNone || b.head[i].Flow == FlowRet {
			return
		}
		s.displace(b.head[i])
		n += int(b.head[i].Len)
	}
	s.Form = FormIsland
	around := Sites{Function: b.f, Entry: s, Hosts: sites.Hosts}
	for _, addr := range p.img.shapes[b.f.index].returns { // they come later, to the same places
		around.Returns = append(around.Returns, p.ret(b.f, addr, &s))
	}
	if host, ok := p.findHost(&around, &s); ok && inPage(&s, host.Addr+JumpLen) {
		sites.Hosts = append(sites.Hosts, host)
		s.Island, s.Reason = host.Addr+JumpLen, reasonNone
	}
	sites.Entry = s
}

const pageSize = 4096

// inPage reports whether an entry's two bytes and its island lie in one page: text is written page by page, and a tracer that dies meanwhile must
// leave none of the two without the other.
func inPage(s *Site, island uint64) bool {
	page := s.Addr &^ (pageSize - 1)
	return s.Addr+ShortLen <= page+pageSize && island >= page && island+JumpLen <= page+pageSize
}

// paddedEntry gives an entry whose island was left open one in padding, in its page, unless its function lacks room elsewhere.
func (p *planner) paddedEntry(sites *Sites) {
	s := &sites.Entry
	if s.Form != FormIsland || s.Island != 0 {
		return
	}
	page := s.Addr &^ (pageSize - 1)
	if !slices.ContainsFunc(sites.Returns, func(r Site) bool { return r.Form == FormNone }) {
		if at, ok := p.takePadding(s.Addr, int(s.Bytes), page, page+pageSize); ok && inPage(s, at) {
			s.Island, s.Reason = at, reasonNone
			return
		}
	}
	*s = Site{Kind: Entry, Reason: s.Reason}
}

// reach is how far a jump of two bytes leads, from its end.
const (
	reachBack  = 128
	reachAhead = 127
)

// findHost looks for a host behind the entry of a function whose island a jump of two bytes at s reaches.
func (p *planner) findHost(sites *Sites, s *Site) (Site, bool) {
	f := sites.Function
	next := s.Addr + ShortLen
	lo := max(sites.Entry.Resume(), next-min(next, reachBack+JumpLen))
	hi := min(next+reachAhead-JumpLen, p.img.codeEnd(f))
	for at := lo; at < hi; at++ {
		if !p.img.starts.get(int(at - p.img.addr)) {
			continue
		}
		host, ok := p.hostAt(f, at)
		if ok && !overlaps(sites, host.Addr, host.Resume()) {
			return host, true
		}
	}
	return Site{}, false
}

// hostAt returns the host that begins at an instruction; false when it cannot be one.
func (p *planner) hostAt(f *Function, at uint64) (Site, bool) {
	s := Site{Kind: Host, Form: FormJump, Addr: at, Patch: JumpLen}
	for in := range p.img.Instructions(at, f.End) {
		if in.Flow != FlowNext || in.Addr > at && p.isTarget(in.Addr) || p.used[in.Addr] {
			return s, false
		}
		if s.displace(in); in.End()-at >= 2*JumpLen {
			return s, in.End() <= p.img.codeEnd(f)
		}
	}
	return s, false
}

// overlaps reports whether bytes are displaced already.
func overlaps(sites *Sites, from, to uint64) bool {
	meets := func(s *Site) bool {
		switch {
		case s.Bytes > 0:
			return from < max(s.Resume(), s.Addr+uint64(s.Patch)) && to > s.Addr
		case s.Kind == Return:
			return from <= s.Ret && to > s.Ret
		}
		return false
	}
	if meets(&sites.Entry) {
		return true
	}
	for i := range sites.Returns {
		if meets(&sites.Returns[i]) {
			return true
		}
	}
	for i := range sites.Hosts {
		if meets(&sites.Hosts[i]) {
			return true
		}
	}
	return false
}
