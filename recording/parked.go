package recording

import (
	"encoding/binary"
	"slices"
)

// parkedAtOnce is how many frames of a deep recursion are packed together.
const parkedAtOnce = 4096

// parkedFrames are the outer frames of a deep recursion, packed: a program that calls itself until its stack is full has tens of millions
// of open calls, most of which are not looked at again until the calls within them have ended.
type parkedFrames struct {
	chunks [][]byte // of equally many frames
	count  int
}

// park packs the outer frames when there are very many, and keeps the inner ones. Frames must be of blocks before this one: what a frame
// has in the block of its call is not kept.
func (g *goroutineState) park(atOnce int) {
	if len(g.frames) <= 4*atOnce {
		return
	}
	n := 0
	for ; len(g.frames)-n > 2*atOnce; n += atOnce {
		g.parked.chunks = append(g.parked.chunks, packFrames(g.frames[n:n+atOnce]))
	}
	g.parked.count += n
	g.frames = append(g.frames[:0], g.frames[n:]...)
}

// unpark brings back frames, at least as many as there are in place, so that whoever goes through all of them does not move them over and over.
// It returns how many these are, by which the indices of the others have grown.
func (g *goroutineState) unpark() int {
	p := &g.parked
	each := p.count / len(p.chunks)
	first := max(0, len(p.chunks)-1-len(g.frames)/each)
	n := each * (len(p.chunks) - first)
	frames := make([]frame, 0, n+len(g.frames)+each)
	for _, packed := range p.chunks[first:] {
		frames = unpackFrames(frames, packed)
	}
	clear(p.chunks[first:])
	p.chunks = p.chunks[:first]
	p.count -= n
	g.frames = append(frames, g.frames...)
	g.low += n
	return n
}

// unparkAll brings back all frames.
func (g *goroutineState) unparkAll() {
	for g.parked.count > 0 {
		g.unpark()
	}
}

// packFrames writes each frame as what it differs by from the one before. A function that calls itself makes about a dozen bytes of it.
func packFrames(frames []frame) []byte {
	var packed []byte
	var before frame
	for i := range frames {
		f := &frames[i]
		packed = binary.AppendUvarint(packed, f.seq-before.seq)
		packed = binary.AppendVarint(packed, int64(f.offset-before.offset))
		packed = binary.AppendVarint(packed, f.start-before.start)
		packed = binary.AppendVarint(packed, f.children)
		packed = binary.AppendVarint(packed, int64(f.function)-int64(before.function))
		packed = binary.AppendVarint(packed, int64(f.place))
		packed = binary.AppendUvarint(packed, f.position)
		packed = binary.AppendUvarint(packed, f.calls)
		before = *f
	}
	return slices.Clip(packed)
}

// unpackFrames appends the frames to those that are given.
func unpackFrames(frames []frame, packed []byte) []frame {
	unsigned := func() uint64 {
		v, n := binary.Uvarint(packed)
		packed = packed[n:]
		return v
	}
	signed := func() int64 {
		v, n := binary.Varint(packed)
		packed = packed[n:]
		return v
	}
	var f frame
	for len(packed) > 0 {
		f = frame{
			seq: f.seq + unsigned(), offset: f.offset + uint64(signed()), start: f.start + signed(), children: signed(),
			function: FunctionID(int64(f.function) + signed()), place: int32(signed()), position: unsigned(), calls: unsigned(),
		}
		frames = append(frames, f)
	}
	return frames
}
