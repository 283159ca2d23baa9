//go:build linux && amd64

package tracer

import (
	"smiley/recording"
	"smiley/tracer/probe/routine"
)

// source says where the words of a value are. There is one for every value that is looked at, so that it holds no memory of its own.
type source struct {
	kind    sourceKind
	by      uint32             // to be added to offsets
	words   []wordAt           // sourceWords
	item    int32              // sourceCopy: the copy; sourcePieces: the first of those that follow one another
	length  int                // sourceCopy: its bytes
	extents []recording.Extent // sourcePieces
}

type sourceKind uint8

const (
	sourceNowhere sourceKind = iota
	sourceWords              // among the words of the record
	sourceCopy               // in a copy
	sourcePieces             // in copies, of an extent each
)

// wordAt is where the word at an offset of a value lies among those of the record.
type wordAt struct {
	offset uint32
	index  int32
}

// at finds the word at an offset of the value.
func (s *source) at(offset uint32) (routine.Source, bool) {
	offset += s.by
	switch s.kind {
	case sourceWords:
		for i := range s.words {
			if s.words[i].offset == offset {
				return routine.Source{Index: s.words[i].index}, true
			}
		}
	case sourceCopy:
		return inCopy(s.item, offset), int(offset)+8 <= s.length
	case sourcePieces:
		for i, e := range s.extents {
			if e.Offset <= int(offset) && int(offset) < e.Offset+e.Length {
				offset -= uint32(e.Offset)
				return inCopy(s.item+int32(i), offset), int(offset)+8 <= e.Length
			}
		}
	}
	return routine.Source{}, false
}

func inCopy(item int32, offset uint32) routine.Source {
	return routine.Source{InCopy: true, Index: item, Offset: int32(offset)}
}

// shifted is the source of a part of the value.
func (s source) shifted(by uint32) source {
	s.by += by
	return s
}

// place adds the words of a value of type t.
func (c *probeCapture) place(l *location, t *recording.Type) source {
	if len(l.pieces) == 0 {
		return c.placeStack(l, t)
	}
	from := len(c.placed)
	for i := range l.pieces {
		p := &l.pieces[i]
		c.placed = append(c.placed, wordAt{uint32(p.offset), int32(c.positionOf(p))})
	}
	return source{kind: sourceWords, words: c.placed[from:]}
}

// placeStack adds the words of the stack that are shown of a value: all of these, or none when they are too many.
func (c *probeCapture) placeStack(l *location, t *recording.Type) source {
	if l.stack < 0 {
		return source{}
	}
	all := [1]recording.Extent{{Offset: 0, Length: l.size}}
	extents := all[:]
	if l.size > fewStackBytes {
		extents = c.extents.Of(t.ID)
	}
	need := 0
	for _, e := range extents {
		need += (l.stack+e.Offset+e.Length+7)/8 - (l.stack+e.Offset)/8
	}
	if c.stack += need; c.stack > maxStackWords {
		c.stack -= need
		return source{}
	}
	from := len(c.placed)
	for _, e := range extents {
		for at := (l.stack + e.Offset) &^ 7; at < l.stack+e.Offset+e.Length; at += 8 {
			c.placed = append(c.placed, wordAt{uint32(at), int32(c.word(routine.Word{Kind: routine.Stack, Offset: int32(at)}))})
		}
	}
	return source{kind: sourceWords, by: uint32(l.stack), words: c.placed[from:]}
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
