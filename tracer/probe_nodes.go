//go:build linux && amd64

package tracer

import (
	"slices"

	"smiley/recording"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
)

// What a probe copies of the memory behind a value is listed for each type once, in nodes that the program reads: see routine.Nodes. How far is
// followed, and how much is copied, is counted while it runs; so a node holds what the Capturer could ask for, whether or not there is room
// for all of it.

const (
	maxCopied      = 32 << 10          // bytes of what the values of one call refer to, with copyHead for each copy
	maxHooked      = maxOutput + 4<<10 // the same of a hook
	copyHead       = ring.CopyHead     // bytes that a copy takes beyond its own
	maxReferences  = 128               // of one value in one piece of memory: the rest is not shown
	maxWhole       = 1024              // bytes of a value that are copied in one piece, whatever of them is shown
	fewStackBytes  = 64                // the same of a value on the stack
	errorFactor    = 4                 // how much longer strings are in errors
	interfaceBytes = 128               // of what an interface holds when that is not known
	errorBytes     = 256               // of a string in an error that is not known
	chanBytes      = 16                // of a channel: number of elements, size of the buffer
	mapBytes       = 8                 // of a map: number of entries; of a function: its code
)

// nodeEntry is an entry of a node, and what lies behind it.
type nodeEntry struct {
	routine.Entry
	behind nodePlace
}

// nodePlace is a piece of values of a type.
type nodePlace struct {
	typ    recording.TypeID // 0: nothing is referred to from there
	offset uint32           // of the piece
	length uint32
}

// counted reports whether the entry has a second word, a number or the data of an interface.
func (e *nodeEntry) counted() bool {
	switch e.Kind {
	case routine.Pointer, routine.Fixed, routine.Nested:
		return false
	}
	return true
}

// shapes knows what values of types refer to.
type shapes struct {
	types   *recording.Types
	bounds  recording.Bounds
	extents *recording.Extents
}

func newShapes(types *recording.Types, bounds recording.Bounds) shapes {
	return shapes{types: types, bounds: bounds, extents: recording.NewExtents(types, bounds)}
}

// entries appends what a value of type t refers to.
func (s *shapes) entries(list []nodeEntry, t *recording.Type) []nodeEntry {
	return s.within(list, t, 0, len(list)+maxReferences)
}

// within is entries for a value at an offset of another one; it stops when the list has so many.
func (s *shapes) within(list []nodeEntry, t *recording.Type, at uint32, limit int) []nodeEntry {
	if len(list) >= limit {
		return list
	}
	e := nodeEntry{Entry: routine.Entry{At: at, Count: at + 8}}
	switch t.Kind {
	case recording.KindString:
		e.Kind, e.Max = routine.Text, text(s.bounds.StringBytes)
		e.Error = text(errorFactor * s.bounds.StringBytes)
	case recording.KindSlice:
		elem, ok := s.types.Get(t.Elem)
		if !ok || elem.Size == 0 || elem.Size > maxCopied {
			return list
		}
		if elem.Kind == recording.KindUint8 {
			e.Kind, e.Max = routine.Text, text(s.bounds.StringBytes)
			e.Error = e.Max
			break
		}
		e.Kind, e.Max, e.Scale = routine.Slice, uint32(min(s.bounds.Elements, maxCopied/int(elem.Size))), elem.Size
		e.behind = nodePlace{elem.ID, 0, elem.Size}
		if !refers(elem) {
			e.behind.typ = 0
		}
	case recording.KindInterface:
		switch {
		case t.Name == "error" && t.Package == "":
			e.Kind = routine.Error
		case t.Methods:
			e.Kind = routine.Methods
		default:
			e.Kind = routine.Any
		}
		e.behind.typ = t.ID // which types it holds
	case recording.KindPointer:
		elem, ok := s.types.Get(t.Elem)
		if !ok || elem.Name == "time.Location" {
			return list
		}
		return s.pieces(list, routine.Pointer, elem, at)
	case recording.KindMap, recording.KindFunc:
		e.Kind, e.Max = routine.Fixed, mapBytes
	case recording.KindChan:
		e.Kind, e.Max = routine.Fixed, chanBytes
	case recording.KindStruct:
		for i := range t.Fields {
			if part, ok := s.types.Get(t.Fields[i].Type); ok && part.Size > 0 && refers(part) {
				list = s.within(list, part, at+t.Fields[i].Offset, limit)
			}
		}
		return list
	case recording.KindArray:
		if elem, ok := s.types.Get(t.Elem); ok && refers(elem) {
			for i := range min(t.Len, uint64(s.bounds.Elements)) {
				list = s.within(list, elem, at+uint32(i)*elem.Size, limit)
			}
		}
		return list
	default:
		return list
	}
	return append(list, e)
}

// text returns how many bytes of a string are copied at most.
func text(bound int) uint32 { return uint32(min(bound, maxCopied-2*copyHead)) }

// pieces appends the copies of a value of type t that the pointer at an offset leads to: all of it, or when it is large the pieces that are
// shown.
func (s *shapes) pieces(list []nodeEntry, kind routine.EntryKind, t *recording.Type, at uint32) []nodeEntry {
	one := func(offset, length int) nodeEntry {
		e := nodeEntry{Entry: routine.Entry{Kind: kind, At: at, Max: uint32(length), Skip: uint32(offset)}}
		if refers(t) {
			e.behind = nodePlace{t.ID, uint32(offset), uint32(length)}
		}
		return e
	}
	switch {
	case t.Size == 0:
	case t.Size <= maxWhole:
		list = append(list, one(0, int(t.Size)))
	default:
		for _, e := range s.extents.Of(t.ID) {
			list = append(list, one(e.Offset, e.Length))
		}
	}
	return list
}

// nodes builds the nodes of types.
type nodes struct {
	routine.Nodes
	shapes
	known   map[nodePlace]*node
	wanted  map[recording.TypeID]bool // interfaces whose values can be met; 0: any type fits
	any     uint32                    // lists for the data words of interfaces of which nothing is known
	error   uint32
	scratch []nodeEntry
}

// node is a list for a place, and how far values are followed that have it.
type node struct {
	list              uint32 // 0: nothing is referred to from there
	entries           []nodeEntry
	pointers, nesting int
}

func newNodes(types *recording.Types, bounds recording.Bounds) *nodes {
	n := &nodes{shapes: newShapes(types, bounds), known: map[nodePlace]*node{}, wanted: map[recording.TypeID]bool{}}
	n.addUnknown()
	return n
}

// depth is how far values are followed of which nothing was followed yet, as the Capturer does.
func (n *nodes) depth() routine.Depth {
	const errors = 4
	return routine.Depth{Pointers: n.bounds.Follow, Nesting: max(3, n.bounds.Follow+2), Errors: errors}
}

// addUnknown adds what is copied of an interface that holds a value of a type that nobody knows: its first bytes, what these point to if they
// are a pointer, and strings and errors where common errors have them.
func (n *nodes) addUnknown() {
	fixed := func(node uint32) routine.Entry {
		return routine.Entry{Kind: routine.Fixed, Max: interfaceBytes, Node: node}
	}
	text := func(at uint32, most int) routine.Entry {
		return routine.Entry{Kind: routine.Text, At: at, Count: at + 8, Max: uint32(most), Error: errorBytes}
	}
	held := func(list ...routine.Entry) uint32 {
		return n.AddHeld([]routine.Entry{fixed(n.Add(list, interfaceBytes))})
	}
	n.any = held(fixed(0), text(0, min(n.bounds.StringBytes, errorBytes)))
	inner := held(fixed(0), text(0, errorBytes))
	// *fs.PathError and its like: two strings, an error
	n.error = held(fixed(0), text(0, errorBytes), text(16, errorBytes), routine.Entry{Kind: routine.Error, At: 32, Count: 40, Node: inner})
}

// of returns the list for a place whose values are followed so far; 0 when nothing is.
func (n *nodes) of(p nodePlace, pointers, nesting int) uint32 {
	if p.typ == 0 {
		return 0
	}
	k := n.known[p]
	if k == nil {
		k = n.add(p)
	}
	if k.list == 0 || k.pointers >= pointers && k.nesting >= nesting {
		return k.list
	}
	k.pointers, k.nesting = max(k.pointers, pointers), max(k.nesting, nesting)
	for i := range k.entries {
		e := &k.entries[i]
		if e.Node == 0 {
			if e.Node = n.behind(e, k.pointers, k.nesting); e.Node != 0 {
				n.SetNode(k.list, i, e.Kind, e.Node)
			}
		} else {
			n.behind(e, k.pointers, k.nesting)
		}
	}
	return k.list
}

// add adds the list for a place, which leads nowhere yet.
func (n *nodes) add(p nodePlace) *node {
	k := &node{pointers: -1, nesting: -1}
	n.known[p] = k
	t, ok := n.types.Get(p.typ)
	if !ok {
		return k
	}
	n.scratch = n.entries(n.scratch[:0], t)
	list := make([]routine.Entry, 0, len(n.scratch))
	for _, e := range n.scratch {
		second := e.At
		if e.counted() {
			second = e.Count
		}
		if e.At < p.offset || max(e.At, second)+8 > p.offset+p.length {
			continue
		}
		e.At -= p.offset
		e.Count -= p.offset
		k.entries = append(k.entries, e)
		list = append(list, e.Entry)
	}
	if len(list) > 0 {
		k.list = n.Add(list, p.length)
	}
	return k
}

// behind returns the list for what an entry leads to.
func (n *nodes) behind(e *nodeEntry, pointers, nesting int) uint32 {
	switch e.Kind {
	case routine.Pointer:
		if pointers > 0 && nesting > 0 {
			return n.of(e.behind, pointers-1, nesting-1)
		}
	case routine.Slice, routine.Nested:
		if nesting > 0 {
			return n.of(e.behind, pointers, nesting-1)
		}
	case routine.Error:
		n.wanted[e.behind.typ] = true
		return n.error
	case routine.Methods:
		n.wanted[e.behind.typ] = true
		return n.any
	case routine.Any:
		n.wanted[0] = true
		return n.any
	}
	return 0
}

// held returns the list for the data word of interfaces that hold values of type t.
func (n *nodes) held(t *recording.Type) uint32 {
	var entries []nodeEntry
	if n.types.PointerShaped(t) {
		entries = n.entries(nil, t)
	} else {
		entries = n.pieces(nil, routine.Nested, t, 0)
	}
	d := n.depth() // an error's is not less
	return n.AddHeld(n.link(entries, max(d.Pointers, 1), max(d.Nesting, 3)))
}

// link returns entries with what lies behind them.
func (n *nodes) link(entries []nodeEntry, pointers, nesting int) []routine.Entry {
	list := make([]routine.Entry, len(entries))
	for i := range entries {
		list[i] = entries[i].Entry
		list[i].Node = n.behind(&entries[i], pointers, nesting)
	}
	return list
}

// maxTests bounds the words that are looked at before anything is done for what a record refers to.
const maxTests = 4

// root has c lead to what its words refer to.
func (n *nodes) root(c *probeCapture) {
	if len(c.entries) == 0 {
		return
	}
	d := n.depth()
	c.Node = n.AddRoot(n.link(c.entries, d.Pointers, d.Nesting), d, maxCopied)
	if len(c.entries) == 1 && c.entries[0].Kind == routine.Text {
		text := c.entries[0].Entry
		c.Text = &text
	}
	for i := range c.entries {
		at := c.entries[i].At
		if c.entries[i].Kind == routine.Text || c.entries[i].Kind == routine.Slice {
			at = c.entries[i].Count
		}
		if !slices.Contains(c.Tests, at) {
			c.Tests = append(c.Tests, at)
		}
	}
	if len(c.Tests) > maxTests {
		c.Tests = nil
	}
	c.entries = nil
}
