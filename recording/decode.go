package recording

import (
	"encoding/binary"
	"hash/crc32"
)

// blockState is what a decoded block keeps to decode its events from.
type blockState struct {
	sections  []section
	structure *structure // once needed
	data      *blockData // once needed
}

// Decode checks an encoded block and returns it. It keeps encoded. Errors are CodeDamaged or CodeNewer. Memory, of this
// call and of all that is decoded from the block later, is bounded by 8,192 times len(encoded) plus 32 MiB, whatever it
// holds; usual blocks take some 10 MB when data is decoded too.
func Decode(encoded []byte) (*Block, error) {
	h, err := ParseHeader(encoded)
	if err != nil {
		return nil, err
	}
	if len(encoded) < headerSize+checksumSize {
		return nil, damaged("block %d of a recording is cut short", h.Number)
	}
	body := encoded[:len(encoded)-checksumSize]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(encoded[len(body):]) {
		return nil, damaged("block %d of a recording fails its checksum", h.Number)
	}
	b := &Block{Header: h}
	if err := b.split(body); err != nil {
		return nil, err
	}
	if err := b.decodeTables(); err != nil {
		return nil, err
	}
	return b, nil
}

// split finds the sections.
func (b *Block) split(body []byte) error {
	count := binary.LittleEndian.Uint32(body[72:])
	if count > maxSections {
		return b.damaged("sections")
	}
	rest := body[headerSize:]
	seen := make(map[uint16]bool, count)
	for range count {
		if len(rest) < sectionSize {
			return b.damaged("sections")
		}
		s := section{kind: sectionKind(rest[0]), plane: rest[1], flags: binary.LittleEndian.Uint16(rest[2:])}
		length, stored := binary.LittleEndian.Uint32(rest[4:]), binary.LittleEndian.Uint32(rest[8:])
		rest = rest[sectionSize:]
		if uint64(stored) > uint64(len(rest)) {
			return b.damaged("sections")
		}
		s.stored, rest = rest[:stored:stored], rest[stored:]
		s.length = int(length)
		if !s.kind.known() || s.flags&^sectionFlags != 0 {
			if s.flags&sectionOptional != 0 {
				continue
			}
			return newer("section %d of block %d", s.kind, b.Number)
		}
		if id := uint16(s.kind)<<8 | uint16(s.plane); seen[id] || !s.plausible() {
			return b.damaged("sections")
		} else {
			seen[id] = true
		}
		b.sections = append(b.sections, s)
	}
	if len(rest) != 0 {
		return b.damaged("sections")
	}
	return nil
}

func (k sectionKind) known() bool {
	return k >= sectionRun && k <= sectionSettings || k >= sectionTables && k <= sectionUnwinds ||
		k >= sectionGroups && k <= sectionRepeats
}

// plausible reports whether a section's length is one that its stored bytes can have.
func (s *section) plausible() bool {
	stored := len(s.stored)
	switch {
	case s.plane > maxPlane || s.length > maxSection:
		return false
	case s.flags&sectionFill != 0:
		return s.flags&sectionZstd == 0 && stored == 1 && s.length <= BlockEvents
	case s.flags&sectionZstd != 0:
		return s.length <= maxExpansion*stored
	}
	return s.length == stored
}

// damaged makes the error for a part of the block that contradicts itself.
func (b *Block) damaged(part string) *Error {
	return damaged("the %s of block %d of a recording contradict themselves", part, b.Number)
}

// find returns a section's content, nil when the block has none.
func (b *Block) find(kind sectionKind, plane uint8) ([]byte, error) {
	for i := range b.sections {
		if s := &b.sections[i]; s.kind == kind && s.plane == plane {
			return s.bytes()
		}
	}
	return nil, nil
}

// decodeTables decodes the sections that every reader needs: run, definitions and summary.
func (b *Block) decodeTables() error {
	var more *Settings
	for i := range b.sections {
		if b.sections[i].kind > sectionSettings {
			continue
		}
		raw, err := b.sections[i].bytes()
		if err != nil {
			return err
		}
		s := scanner{rest: raw}
		switch b.sections[i].kind {
		case sectionRun:
			b.Start = s.run()
		case sectionEnd:
			b.End = s.runEnd()
		case sectionTypes:
			b.Definitions.Types = s.types()
		case sectionFunctions:
			b.Definitions.Functions = s.functions()
		case sectionFiles:
			b.Definitions.Files = s.files()
		case sectionGoroutines:
			b.Definitions.Goroutines = s.goroutines()
		case sectionSummary:
			quiet := b.Summary.Quiet
			b.Summary = s.summary()
			b.Summary.Quiet = quiet
		case sectionQuiet:
			b.Summary.Quiet = s.uint()
		case sectionSettings:
			more = s.settings()
		}
		if !s.done() {
			return b.damaged("tables")
		}
	}
	if (b.Start != nil) != (b.Number == 0) || (b.End != nil) != b.Final || more != nil && b.Start == nil {
		return b.damaged("tables")
	}
	if more != nil {
		s := &b.Start.Settings
		s.OnFull, s.Lines, s.MaxOverhead, s.RingBytes = more.OnFull, more.Lines, more.MaxOverhead, more.RingBytes
	}
	return nil
}
