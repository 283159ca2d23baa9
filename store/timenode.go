package store

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"smiley/recording"
)

// Bounds of a time node: how many cells a track has at most, at level 0 and above, and how many those of all goroutines
// have together before they become longer.
const (
	blockCells = 128
	groupCells = 1024
	nodeCells  = 16 << 10
)

// timeNode is what happened in some blocks: a track for all goroutines together, and one for each.
type timeNode struct {
	first, last int64 // times of the blocks' events
	all         nodeTrack
	shift       uint        // of the goroutines' tracks; that of all together may be less
	tracks      []nodeTrack // by goroutine
}

// shorten leaves cells of 1 << shift ns or more, in no more memory than they need.
func (n *timeNode) shorten(shift uint) {
	shorten := func(t *nodeTrack) {
		t.coarsen(shift)
		t.cells = slices.Clone(t.cells)
	}
	shorten(&n.all)
	for i := range n.tracks {
		shorten(&n.tracks[i])
	}
	n.shift = max(n.shift, shift)
}

// bytes is the memory that a node takes.
func (n *timeNode) bytes() int {
	size := int(unsafe.Sizeof(*n)) + cap(n.all.cells)*nodeCellBytes
	for i := range n.tracks {
		size += int(unsafe.Sizeof(nodeTrack{})) + cap(n.tracks[i].cells)*nodeCellBytes
	}
	return size
}

const nodeCellBytes = int(unsafe.Sizeof(nodeCell{}))

// nodeTrack is a part of a track.
type nodeTrack struct {
	goroutine int64
	shift     uint
	open      int64 // goroutines with an open call before the first of the blocks
	flags     presenceFlags
	cells     []nodeCell // by number
}

// nodeCell is a cell with its number: its time >> the shift of its track.
type nodeCell struct {
	number int64
	timeCell
}

// cellShift returns the least shift for which the time from first to last has at most n cells. A damaged run can begin and end so far
// apart that no int64 holds the distance.
func cellShift(first, last int64, n uint64) uint {
	shift := uint(0)
	for uint64(last>>shift)-uint64(first>>shift) >= n {
		shift++
	}
	return shift
}

// coarsen makes cells longer.
func (t *nodeTrack) coarsen(shift uint) {
	if shift <= t.shift {
		return
	}
	kept := 0
	for i := range t.cells {
		c := t.cells[i]
		end := (c.number + 1) << t.shift
		number := (end - 1) >> shift
		left := (number+1)<<shift - end
		if kept > 0 && t.cells[kept-1].number == number {
			t.cells[kept-1].merge(&c.timeCell, left)
			continue
		}
		moved := nodeCell{number: number}
		moved.merge(&c.timeCell, left)
		t.cells[kept] = moved
		kept++
	}
	t.cells = t.cells[:kept]
	t.shift = shift
}

// add adds the cells of a later part of the same track, as long as its own.
func (t *nodeTrack) add(later []nodeCell) {
	if n := len(t.cells); n == 0 || len(later) == 0 || t.cells[n-1].number < later[0].number {
		t.cells = append(t.cells, later...)
		return
	}
	all := make([]nodeCell, 0, len(t.cells)+len(later))
	i, j := 0, 0
	for i < len(t.cells) || j < len(later) {
		switch {
		case j == len(later) || i < len(t.cells) && t.cells[i].number < later[j].number:
			all = append(all, t.cells[i])
			i++
		case i == len(t.cells) || later[j].number < t.cells[i].number:
			all = append(all, later[j])
			j++
		default:
			c := t.cells[i]
			c.merge(&later[j].timeCell, 0)
			all = append(all, c)
			i++
			j++
		}
	}
	t.cells = all
}

// mergeNodes makes the node of a group of consecutive nodes. It takes over what they hold. Goroutines that lie within one
// of them are left out.
func mergeNodes(nodes []*timeNode) *timeNode {
	sum := &timeNode{first: nodes[0].first, last: nodes[0].last}
	for _, n := range nodes[1:] {
		sum.first, sum.last = min(sum.first, n.first), max(sum.last, n.last)
	}
	shift := cellShift(sum.first, sum.last, groupCells)
	for _, n := range nodes {
		shift, sum.shift = max(shift, n.all.shift), max(sum.shift, n.shift)
	}
	sum.all = nodeTrack{shift: shift, open: nodes[0].all.open}
	byID := map[int64]*nodeTrack{}
	for _, n := range nodes {
		n.all.coarsen(shift)
		sum.all.add(n.all.cells)
		for i := range n.tracks {
			t := &n.tracks[i]
			if t.flags.within() {
				continue
			}
			have := byID[t.goroutine]
			if have == nil {
				byID[t.goroutine] = t
				continue
			}
			common := max(have.shift, t.shift)
			have.coarsen(common)
			t.coarsen(common)
			have.add(t.cells)
			have.flags |= t.flags
		}
	}
	for _, t := range byID {
		sum.tracks = append(sum.tracks, *t)
	}
	slices.SortFunc(sum.tracks, func(a, b nodeTrack) int { return int(min(max(a.goroutine-b.goroutine, -1), 1)) })
	sum.bound()
	return sum
}

// bound gives all goroutines' tracks one shift, with which they keep to their bound.
func (n *timeNode) bound() {
	shift := max(n.shift, n.all.shift)
	for ; ; shift++ {
		cells := 0
		for i := range n.tracks {
			n.tracks[i].coarsen(shift)
			cells += len(n.tracks[i].cells)
		}
		if cells <= max(nodeCells, len(n.tracks)) || n.last>>shift-n.first>>shift <= 1 {
			break
		}
	}
	n.shift = shift
}

// track returns a goroutine's track, nil when the node does not have it; 0 stands for all together.
func (n *timeNode) track(goroutine int64) *nodeTrack {
	if goroutine == 0 {
		return &n.all
	}
	i, ok := slices.BinarySearchFunc(n.tracks, goroutine, func(t nodeTrack, id int64) int {
		return int(min(max(t.goroutine-id, -1), 1))
	})
	if !ok {
		return nil
	}
	return &n.tracks[i]
}

// The fields of a stored cell, as bits that say which are not 0.
const (
	cellCalls = 1 << iota
	cellEvents
	cellErrors
	cellPanics
	cellOutput
	cellGaps
	cellSteps
	cellLate
)

// appendNode appends the stored form of a node: numbers as varints, each cell with a byte that says which of its numbers
// are not 0, and the cells' numbers and the goroutines as differences.
func appendNode(dst []byte, n *timeNode) []byte {
	dst = binary.AppendVarint(dst, n.first)
	dst = binary.AppendVarint(dst, n.last)
	dst = binary.AppendUvarint(dst, uint64(n.all.shift))
	dst = binary.AppendUvarint(dst, uint64(n.shift))
	dst = appendTrack(dst, &n.all, 0, n.first)
	dst = binary.AppendUvarint(dst, uint64(len(n.tracks)))
	previous := int64(0)
	for i := range n.tracks {
		dst = appendTrack(dst, &n.tracks[i], previous, n.first)
		previous = n.tracks[i].goroutine
	}
	return dst
}

func appendTrack(dst []byte, t *nodeTrack, previous, first int64) []byte {
	dst = binary.AppendVarint(dst, t.goroutine-previous)
	dst = binary.AppendVarint(dst, t.open)
	dst = append(dst, byte(t.flags))
	var cells []byte
	number := first >> t.shift
	for i := range t.cells {
		c := &t.cells[i]
		cells = binary.AppendVarint(cells, c.number-number)
		number = c.number
		cells = appendCell(cells, &c.timeCell)
	}
	dst = binary.AppendUvarint(dst, uint64(len(t.cells)))
	dst = binary.AppendUvarint(dst, uint64(len(cells)))
	return append(dst, cells...)
}

func appendCell(dst []byte, c *timeCell) []byte {
	fields := [...]uint64{c.calls, c.events, c.errors, c.panics, c.output, c.gaps, zigzag(c.steps), zigzag(c.late)}
	at := len(dst)
	dst = append(dst, 0)
	for bit, v := range fields {
		if v != 0 {
			dst[at] |= 1 << bit
			dst = binary.AppendUvarint(dst, v)
		}
	}
	return dst
}

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// varints reads numbers; failed is set when they end too early.
type varints struct {
	rest   []byte
	failed bool
}

func (r *varints) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.failed = true
		r.rest = nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *varints) int() int64 { return unzigzag(r.uint()) }

func (r *varints) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.failed = true
		r.rest = nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// count reads the length of a list whose entries take at least size bytes each.
func (r *varints) count(size int) int {
	n := r.uint()
	if n > uint64(len(r.rest)/size) {
		r.failed = true
		return 0
	}
	return int(n)
}

// decodeNode reads a stored node. wanted, when it is not nil, says of which goroutines the cells are wanted.
func decodeNode(stored []byte, wanted map[int64]bool) (*timeNode, error) {
	r := varints{rest: stored}
	n := &timeNode{first: r.int(), last: r.int()}
	n.all.shift = uint(r.uint())
	n.shift = uint(r.uint())
	if n.all.shift > 62 || n.shift > 62 || n.last < n.first {
		return nil, errDigest
	}
	n.all = r.track(0, n.first, n.all.shift, wanted)
	count := r.count(4)
	n.tracks = make([]nodeTrack, 0, min(count, 64))
	previous := int64(0)
	for range count {
		t := r.track(previous, n.first, n.shift, wanted)
		if !r.failed && t.goroutine <= previous && previous > 0 {
			return nil, errDigest
		}
		previous = t.goroutine
		if wanted == nil || wanted[t.goroutine] {
			n.tracks = append(n.tracks, t)
		}
	}
	if r.failed || len(r.rest) > 0 {
		return nil, errDigest
	}
	return n, nil
}

var errDigest = recording.Errorf(recording.CodeDamaged, "the digest of the run is damaged")

func (r *varints) track(previous, first int64, shift uint, wanted map[int64]bool) nodeTrack {
	t := nodeTrack{goroutine: previous + r.int(), shift: shift, open: r.int()}
	if flags := r.bytes(1); flags != nil {
		t.flags = presenceFlags(flags[0])
	}
	count := r.count(2)
	cells := varints{rest: r.bytes(r.uint())}
	if r.failed || wanted != nil && !wanted[t.goroutine] {
		return t
	}
	if count > len(cells.rest) {
		r.failed = true
		return t
	}
	t.cells = make([]nodeCell, count)
	number := first >> shift
	for i := range t.cells {
		c := &t.cells[i]
		number += cells.int()
		c.number = number
		cells.cell(&c.timeCell)
	}
	if cells.failed || len(cells.rest) > 0 {
		r.failed = true
	}
	return t
}

func (r *varints) cell(c *timeCell) {
	mask := r.bytes(1)
	if mask == nil {
		return
	}
	for bit := mask[0]; bit != 0; bit &= bit - 1 {
		v := r.uint()
		switch bit & -bit {
		case cellCalls:
			c.calls = v
		case cellEvents:
			c.events = v
		case cellErrors:
			c.errors = v
		case cellPanics:
			c.panics = v
		case cellOutput:
			c.output = v
		case cellGaps:
			c.gaps = v
		case cellSteps:
			c.steps = unzigzag(v)
		case cellLate:
			c.late = unzigzag(v)
		}
	}
}
