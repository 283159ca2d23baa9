//go:build linux && amd64

package install

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"slices"

	"smiley/recording"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// textChanges are the bytes of a running program's text that are not those of its file. Tracers leave some, and they are not the only ones: the
// kernel writes breakpoints for programs that watch others (uprobes), and some programs put jumps into functions of their own.
type textChanges struct {
	ours   []routine.Patch // what tracers have written, and how it becomes what it was
	others []uint64        // where the rest is, in the running program
}

// changesOf compares the text of a program with its file. code is what tracers have mapped there.
func changesOf(memory *os.File, img *site.Image, bias uint64, code []sharedMapping) (*textChanges, error) {
	all, err := differences(memory, img, bias)
	if err != nil || len(all) == 0 {
		return &textChanges{}, err
	}
	var always []*site.Function // where tracers write that have mapped nothing yet
	for _, name := range []string{stubHost, handlerName} {
		if f := img.Lookup(name); f != nil {
			always = append(always, f)
		}
	}
	c := &textChanges{}
	for i := range all {
		at := all[i].Addr - bias
		ours := slices.ContainsFunc(always, func(f *site.Function) bool { return at >= f.Addr && at < f.End })
		if ours || len(code) > 0 && byTracer(all, i, img, bias, code) {
			c.ours = append(c.ours, all[i])
		} else {
			c.others = append(c.others, all[i].Addr)
		}
	}
	return c, nil
}

// byTracer reports whether a tracer has written one of the bytes that differ: as part of a jump into code, or of one of two bytes to such
// a jump. It can have been killed while it wrote, page by page: of a jump that lies where pages meet, one part may be there.
func byTracer(all []routine.Patch, i int, img *site.Image, bias uint64, code []sharedMapping) bool {
	const before = site.JumpLen - 1
	addr := all[i].Addr
	var now [before + site.JumpLen]byte // the text around it
	first := addr - before
	copy(now[:], img.Text(first-bias, first-bias+uint64(len(now))))
	file := now
	asItIs(now[:], first, all, i-before)
	begin := addr // no jump reaches from one function into the next
	if f := img.FunctionAt(addr - bias); f != nil {
		begin = f.Addr + bias
	}
	for start := range site.JumpLen {
		from := first + uint64(start)
		if from >= begin && inPart(from, now[start:], file[start:], code) || leadsInto(code, now[start:], from) {
			return true
		}
	}
	short := func(start int) bool {
		if now[start] != 0xEB || file[start] != 0xEB {
			return now[start] == 0xEB
		}
		// A function that began with a jump of two bytes begins with one to an island now, in the same page.
		var island [site.JumpLen]byte
		at := first + uint64(start) + site.ShortLen + uint64(int64(int8(now[start+1])))
		if copy(island[:], img.Text(at-bias, at-bias+site.JumpLen)) < len(island) {
			return false
		}
		near, _ := slices.BinarySearchFunc(all, at, func(p routine.Patch, at uint64) int { return cmp.Compare(p.Addr, at) })
		asItIs(island[:], at, all, near)
		return leadsInto(code, island[:], at)
	}
	if short(before) || short(before-1) {
		return true
	}
	if addr%pageSize != 0 || addr == begin || now[before-1] != file[before-1] || !img.IsInstruction(addr-1-bias) {
		return false
	}
	// The second of two bytes, of which the first has been put back. So have the jumps before them, to which they may have led. Where there is an
	// instruction, which somebody could have written a breakpoint over, they are those of a return: an entry's are in one page.
	if img.IsInstruction(addr-bias) && file[before] != retOpcode && (file[before-1] != retOpcode || file[before] != padding) {
		return false
	}
	to := addr + 1 + uint64(int64(int8(now[before])))
	if !islandAt(img, to-bias, addr-bias) {
		return false
	}
	island, there := slices.BinarySearchFunc(all, to, func(p routine.Patch, to uint64) int { return cmp.Compare(p.Addr, to) })
	return to < addr || there && all[island].Old()[0] == 0xE9
}

const (
	retOpcode = 0xC3
	padding   = 0xCC
)

// islandAt reports whether an island can lie at an address of the file to which a site's bytes at another may lead: in padding, or behind the jump
// of a host, which is in the same function.
func islandAt(img *site.Image, at, from uint64) bool {
	if text := img.Text(at, at+site.JumpLen); text != nil && bytes.Count(text, []byte{padding}) == site.JumpLen {
		return true
	}
	f := img.FunctionAt(from)
	return f != nil && at >= f.Addr+site.JumpLen && at < f.End && img.IsInstruction(at-site.JumpLen)
}

// target returns where a jump of five bytes at an address leads.
func target(jump []byte, at uint64) uint64 {
	return at + site.JumpLen + uint64(int64(int32(binary.LittleEndian.Uint32(jump[1:]))))
}

// leadsInto reports whether what is at an address is a jump into code.
func leadsInto(code []sharedMapping, jump []byte, at uint64) bool {
	to := target(jump, at)
	return jump[0] == 0xE9 && slices.ContainsFunc(code, func(m sharedMapping) bool { return to >= m.from && to < m.to })
}

// asItIs makes of text that the file has from an address on what it is now. The differences from position i on concern it.
func asItIs(text []byte, from uint64, all []routine.Patch, i int) {
	for j := max(0, i); j < len(all) && all[j].Addr < from+uint64(len(text)); j++ {
		if all[j].Addr >= from {
			text[all[j].Addr-from] = all[j].Old()[0]
		}
	}
}

// inPart reports whether what is at an address can be one part of a jump into code, of which the other part is in another page. Pages are written
// one after the other, so that it is the first part of a jump that was put in, or the last of one that was taken out.
func inPart(at uint64, now, file []byte, code []sharedMapping) bool {
	n := pageSize - at%pageSize // bytes in the first page
	if n >= site.JumpLen {
		return false
	}
	there, from := 8*(n-1), at+site.JumpLen // bits of the distance that are in the first page, and whence it counts
	distance := uint64(binary.LittleEndian.Uint32(now[1:]))
	return slices.ContainsFunc(code, func(m sharedMapping) bool {
		if m.from < from {
			return false // code is always behind the text
		}
		nearest, end := m.from-from, m.to-from
		switch {
		case now[0] == 0xE9 && bytes.Equal(now[n:site.JumpLen], file[n:site.JumpLen]): // with any last part
			return nearest+(distance-nearest)&(1<<there-1) < end
		case bytes.Equal(now[:n], file[:n]): // with any first part
			return distance>>there >= nearest>>there && distance>>there<<there < end
		}
		return false
	})
}

// in reports whether anybody else has changed a function, or padding behind another where an island of its would be.
func (c *textChanges) in(s *site.Sites, bias uint64) bool {
	between := func(from, to uint64) bool {
		i, _ := slices.BinarySearch(c.others, from+bias)
		return i < len(c.others) && c.others[i] < to+bias
	}
	island := func(s site.Site) bool { return s.Form == site.FormIsland && between(s.Island, s.Island+site.JumpLen) }
	return between(s.Function.Addr, s.Function.End) || island(s.Entry) || slices.ContainsFunc(s.Returns, island)
}

// compare looks for what others have changed in the program's text.
func (a *attachment) compare() error {
	if err := runs(a.process.Pid, a.img, a.bias); err != nil { // all of it would differ
		return err
	}
	code, err := sharedRegions(a.process.Pid)
	if err != nil {
		return err
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", a.process.Pid))
	if err != nil {
		return recording.Errorf(recording.CodePermission, "opening the program's memory: %w", err)
	}
	defer func() { _ = memory.Close() }()
	a.changes, err = changesOf(memory, a.img, a.bias, code)
	return err
}

// ChangedByOthers is why a function that anybody else has changed has no probes. It must not have breakpoints either: what was written there stays.
const ChangedByOthers = "something else has changed its code: it is not what the program's file says"

// leaveChanged leaves out functions that anybody else has changed: they are not what the probes were made for.
func (a *attachment) leaveChanged() {
	if len(a.changes.others) == 0 {
		return
	}
	changed := map[int]bool{}
	for i := range a.plan.sites {
		if s := a.plan.sites[i]; a.changes.in(s, a.bias) {
			changed[i] = true
			a.process.Skipped = append(a.process.Skipped, Skipped{
				Function: s.Function, Reason: ChangedByOthers, Numbered: true,
			})
		}
	}
	p := a.process
	p.program.Patches = slices.DeleteFunc(p.program.Patches, func(patch routine.Patch) bool { return changed[int(patch.Owner)] })
}

// compare finds the functions of a program that was just started whose code is not what its file says where a jump would be, or an instruction
// that gives way to one: the kernel has written its breakpoints by then. Breakpoints elsewhere in a function are no matter.
func (s *Survey) compare(memory *os.File, img *site.Image, bias uint64) error {
	const atOnce = 16 << 10
	sorted := slices.SortedFunc(maps.Values(s.sites), func(x, y *site.Sites) int { return cmp.Compare(x.Function.Addr, y.Function.Addr) })
	first, end := img.Bounds()
	passing := img.Passing()
	text, at := make([]byte, 0, atOnce), uint64(0) // what was read last, and where
	same := func(from, to uint64) (bool, error) {
		if from < at || to > at+uint64(len(text)) {
			at = max(from&^(pageSize-1), first)
			text = text[:min(atOnce, end-at)]
			if _, err := memory.ReadAt(text, int64(at+bias)); err != nil {
				return false, unreadableCode(err)
			}
		}
		return bytes.Equal(text[from-at:to-at], img.Text(from, to)), nil
	}
	s.changed = map[*site.Function]bool{}
	for _, sites := range sorted {
		if _, ok := sites.Complete(); !ok {
			continue
		}
		passing(sites.Function.Addr)
		for _, list := range [][]site.Site{{sites.Entry}, sites.Returns, sites.Hosts} {
			for i := range list {
				p := &list[i]
				if p.Form == site.FormInside {
					continue
				}
				ok, err := same(p.Addr, max(p.Resume(), p.Addr+uint64(p.Patch)))
				if err == nil && ok && p.Form == site.FormIsland {
					ok, err = same(p.Island, p.Island+site.JumpLen)
				}
				if err != nil {
					return err
				}
				if !ok {
					s.changed[sites.Function] = true
				}
			}
		}
	}
	return nil
}

// comparedAtOnce is how much of the program's text is read at once where all of it is compared.
const comparedAtOnce = 1 << 20

// differences lists the bytes of the program's text that are not those of its file.
func differences(memory *os.File, img *site.Image, bias uint64) ([]routine.Patch, error) {
	keep, at, err := keptHead(memory, img, bias)
	if err != nil {
		return nil, err
	}
	var patches []routine.Patch
	passing := img.Passing()
	from, to := img.Bounds()
	now := make([]byte, min(comparedAtOnce, to-from))
	for ; from < to; from += uint64(len(now)) {
		passing(from)
		now = now[:min(uint64(len(now)), to-from)]
		if _, err := memory.ReadAt(now, int64(from+bias)); err != nil {
			return nil, unreadableCode(err)
		}
		file := img.Text(from, from+uint64(len(now)))
		if bytes.Equal(now, file) { // nearly always
			continue
		}
		for i := range now {
			addr := from + uint64(i)
			if now[i] == file[i] || keep && addr >= at && addr < at+site.JumpLen {
				continue
			}
			patches = append(patches, routine.NewPatch(addr+bias, now[i:i+1], file[i:i+1]))
		}
	}
	return patches, nil
}

// keptHead returns where the head of the signal handler is, and whether that stays as it is, since it leads to a shim. One that leads into the
// text leads to the hook of a tracer that died while it was attaching.
func keptHead(memory *os.File, img *site.Image, bias uint64) (keep bool, at uint64, err error) {
	handler := img.Lookup(handlerName)
	if handler == nil {
		return false, 0, nil
	}
	head := make([]byte, site.JumpLen)
	if _, err := memory.ReadAt(head, int64(handler.Addr+bias)); err != nil {
		return false, 0, unreadableCode(err)
	}
	to := target(head, handler.Addr)
	return head[0] == 0xE9 && img.Text(to, to+1) == nil, handler.Addr, nil
}

func unreadableCode(err error) error {
	return recording.Errorf(recording.CodePermission, "reading the program's code: %w", err)
}
