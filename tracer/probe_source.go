//go:build linux && amd64

package tracer

import (
	"smiley/recording"
	"smiley/tracer/probe/routine"
)

// source says where the words of a value are among those of the record.
type source struct {
	by    uint32 // to be added to offsets
	words []wordAt
}

// wordAt is where the word at an offset of a value lies among those of the record.
type wordAt struct {
	offset uint32
	index  int32
}

// word returns the offset in the words of that at an offset of the value.
func (s *source) word(offset uint32) (uint32, bool) {
	offset += s.by
	for i := range s.words {
		if s.words[i].offset == offset {
			return 8 * uint32(s.words[i].index), true
		}
	}
	return 0, false
}

// place adds the words of a value of type t.
func (all *captures) place(c *probeCapture, l *location, t *recording.Type) source {
	if len(l.pieces) == 0 {
		return all.placeStack(c, l, t)
	}
	from := len(all.placed)
	for i := range l.pieces {
		p := &l.pieces[i]
		all.placed = append(all.placed, wordAt{uint32(p.offset), int32(c.positionOf(p))})
	}
	return source{words: all.placed[from:]}
}

// placeStack adds the words of the stack that are shown of a value: all of these, or none when they are too many.
func (all *captures) placeStack(c *probeCapture, l *location, t *recording.Type) source {
	if l.stack < 0 {
		return source{}
	}
	whole := [1]recording.Extent{{Offset: 0, Length: l.size}}
	extents := whole[:]
	if l.size > fewStackBytes {
		extents = all.shapes.extents.Of(t.ID)
	}
	need := 0
	for _, e := range extents {
		need += (l.stack+e.Offset+e.Length+7)/8 - (l.stack+e.Offset)/8
	}
	if c.stack += need; c.stack > maxStackWords {
		c.stack -= need
		return source{}
	}
	from := len(all.placed)
	for _, e := range extents {
		for at := (l.stack + e.Offset) &^ 7; at < l.stack+e.Offset+e.Length; at += 8 {
			all.placed = append(all.placed, wordAt{uint32(at), int32(c.word(routine.Word{Kind: routine.Stack, Offset: int32(at)}))})
		}
	}
	return source{by: uint32(l.stack), words: all.placed[from:]}
}

// word returns the position of a word, added when it is new.
func (c *probeCapture) word(w routine.Word) int {
	for i := range c.Words {
		if c.Words[i] == w {
			return i
		}
	}
	c.Words = append(c.Words, w)
	return len(c.Words) - 1
}
