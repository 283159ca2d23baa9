//go:build linux && amd64

package tracer

import (
	"encoding/binary"

	"smiley/recording"
	"smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
)

// Most values lie in the words of a record as they lie in memory, one register behind the other. These are captured from
// there; for the others registers and stack are made of the record first.

// findRoots fills roots when all values lie in the record in one piece each.
func (all *captures) findRoots(c *probeCapture, params []recording.Param, locations []location) {
	roots, nils := all.roots[:0], all.nils[:0]
	defer func() { all.roots, all.nils = roots, nils }()
	scalar, plain := len(params) == len(locations), len(params) == len(locations)
	for i := range locations {
		l := &locations[i]
		if i >= len(params) || params[i].Unreadable != "" || l.reason != "" || len(l.pieces) == 0 || l.size > 8*len(l.pieces) {
			return
		}
		first := c.positionOf(&l.pieces[0])
		for k := range l.pieces {
			if p := &l.pieces[k]; p.offset != 8*k || c.positionOf(p) != first+k {
				return
			}
		}
		roots = append(roots, recording.Extent{Offset: 8 * first, Length: l.size})
		t, ok := all.shapes.types.Get(params[i].Type)
		if ok && t.Scalar(l.size) {
			continue
		}
		scalar = false
		plain = plain && ok && nilable(t)
		for at := 8 * first; at < 8*first+l.size; at += 8 {
			nils = append(nils, at)
		}
	}
	if c.roots, c.scalar = all.keptRoots.keep(roots), scalar; c.roots == nil {
		c.roots = []recording.Extent{} // there are no values
	}
	if plain && !scalar {
		c.nils = all.keptNils.keep(nils)
	}
}

// nilable reports whether a value of type t that is nil is captured as the zeros that it is, errors above all.
func nilable(t *recording.Type) bool {
	switch t.Kind {
	case recording.KindInterface, recording.KindPointer, recording.KindMap, recording.KindChan, recording.KindFunc:
		return true
	}
	return false
}

// plain reports whether the values of a record are captured as they are: all are scalar, or nil.
func (c *probeCapture) plain(rec *ring.Record) bool {
	if c.scalar {
		return true
	}
	for _, at := range c.nils {
		if binary.LittleEndian.Uint64(rec.Words[at:]) != 0 {
			return false
		}
	}
	return len(c.nils) > 0
}

// appendEvent adds a call or return of f with the values of a record, as c has them.
func (p *probes) appendEvent(
	g *goroutine, kind recording.Kind, rec *seen, f *traced, c *probeCapture,
) error {
	// Filled in its place, as records are in the builder.
	var raw recording.Raw
	raw.Kind, raw.Function, raw.Goroutine, raw.Time, raw.Frame = kind, f.id, g.id, rec.now, uint64(rec.Frame)
	if t := rec.Template; t != nil {
		counts := t.Counts()
		raw.Data, raw.Template, raw.Truncated, raw.Unreadable = rec.Data, t, counts.Truncated, counts.Unreadable
		return p.append(g, &raw)
	}
	if c.outline == nil && c.roots != nil && (!rec.plain || rec.model) {
		c.outline, _ = p.capturer.Outline(c.params, c.roots)
	}
	record := p.engine.record[:0]
	var counts recording.Counts
	switch {
	case rec.plain: // no more is needed than to copy them
		record = recording.AppendScalars(record)
		for _, r := range c.roots {
			record = append(record, rec.Words[r.Offset:r.Offset+r.Length]...)
		}
	case c.outline != nil:
		record, counts = p.capturer.AppendOutlined(record, c.outline, rec.Words)
	default:
		p.roots = c.appendRoots(p.roots[:0], rec.Record, &p.regs)
		return p.appendValues(g, &raw, &p.capturer, c.params)
	}
	p.engine.record = record
	raw.Data, raw.Truncated, raw.Unreadable = record, counts.Truncated, counts.Unreadable
	return p.append(g, &raw)
}

// positionOf returns where the word with a piece is among the words, added when it is new.
func (c *probeCapture) positionOf(p *piece) int {
	if p.float {
		return c.word(routine.Word{Kind: routine.Float, Reg: asm.Reg(p.register)})
	}
	return c.word(routine.Word{Kind: routine.Integer, Reg: intRegister[p.register]})
}

// appendRoots appends where the values of a record lie to dst; regs are those that load made of it. The roots are valid as
// long as the record.
func (c *probeCapture) appendRoots(dst []recording.Root, rec *ring.Record, regs *Registers) []recording.Root {
	if c.roots == nil {
		return appendRoots(dst, c.locations, regs)
	}
	for _, r := range c.roots {
		dst = append(dst, recording.Root{Bytes: rec.Words[r.Offset : r.Offset+r.Length]})
	}
	return dst
}

// load makes memory of a record, and registers where its values are looked for in these.
func (c *probeCapture) load(rec *ring.Record, regs *Registers, m *recordMemory) {
	m.record, m.pieces, m.next, m.faults = rec.Data, rec.Items, 0, rec.Faults
	for _, word := range rec.Unknown {
		m.held.meet(word)
	}
	if c.roots == nil {
		m.own = m.own[:0]
		c.loadWords(rec, regs, m)
		if len(m.own) > 0 {
			m.own = append(m.own, rec.Items...)
			m.pieces = m.own
		}
	}
}

func (c *probeCapture) loadWords(rec *ring.Record, regs *Registers, m *recordMemory) {
	regs.SP = recordedStack
	for i, w := range c.Words {
		word := rec.Words[8*i : 8*i+8]
		switch w.Kind {
		case routine.Float:
			copy(regs.X[w.Reg][:8], word)
		case routine.Stack:
			m.add(recordedStack+uint64(w.Offset), int32(8*i), 8)
		default:
			for n, r := range intRegister {
				if r == w.Reg {
					regs.Int[n] = binary.LittleEndian.Uint64(word)
				}
			}
		}
	}
}
