package recording

import (
	"encoding/binary"
	"hash/crc32"
)

// The constants of the block format. docs/reference/format.md is their specification.
const (
	formatVersion = 1
	headerSize    = 80
	sectionSize   = 12 // of a section's head
	checksumSize  = 4

	// maxExpansion bounds what a section may grow to when it is decompressed: the encoder pads a section that
	// compresses better, so that a decoder can refuse a larger ratio before it allocates anything.
	maxExpansion = 256
	maxSections  = 256

	// MaxData is how long the data of one event may be.
	MaxData = 4 << 20
	// cutData is the data after which a block is cut: little enough that those few which are on their way stay in the processor's last cache
	// until they are encoded. maxBlockData is what a block can hold at most.
	cutData      = 2 << 20
	maxBlockData = 8 << 20
	// cutClosed is how many calls of earlier blocks may end in a block before it is cut: each is written down in full.
	cutClosed = 16 << 10
	// cutDefinitions is the size of definitions after which a block is cut.
	cutDefinitions = 8 << 20
)

var (
	magic      = [4]byte{'S', 'M', 'L', 'Y'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// sectionKind says what a section holds. The values are part of the format.
type sectionKind uint8

const (
	sectionRun        sectionKind = 1
	sectionEnd        sectionKind = 2
	sectionTypes      sectionKind = 3
	sectionFunctions  sectionKind = 4
	sectionFiles      sectionKind = 5
	sectionGoroutines sectionKind = 6
	sectionSummary    sectionKind = 7
	sectionQuiet      sectionKind = 8 // optional
	sectionSettings   sectionKind = 9 // optional; those that the run's section has no room for

	sectionTables  sectionKind = 16 // functions, goroutines and entry stacks of the block
	sectionCodes   sectionKind = 17
	sectionActors  sectionKind = 18 // index of the goroutine, where it changes
	sectionTimes   sectionKind = 19 // time deltas
	sectionCallees sectionKind = 20 // index of the function, of the events that have one
	sectionLines   sectionKind = 21
	sectionUnwinds sectionKind = 22

	sectionGroups  sectionKind = 32 // directory of the data
	sectionPlanes  sectionKind = 33
	sectionLengths sectionKind = 34
	sectionTails   sectionKind = 35
	sectionRepeats sectionKind = 36
)

const (
	sectionZstd     = 1 << 0 // stored as one zstd frame, perhaps padded by a skippable one
	sectionOptional = 1 << 1 // a reader that does not know the kind may skip it
	sectionFill     = 1 << 2 // stored as one byte that is repeated
	sectionFlags    = sectionZstd | sectionOptional | sectionFill
)

// Columns of numbers are taken apart into planes: plane p below 8 holds bits 8p to 8p+7 of each number as bytes, plane
// bitPlanes + b bit b of each, eight to a byte, lowest first. Planes of zeros are left out.
const (
	bitPlanes = 8
	maxPlane  = bitPlanes + 63
)

const headerFinal = 1 << 0

// An event's code is its kind less one in the low four bits, and these.
const (
	codeKind     = 0x0f
	codeFailed   = 0x10 // return: an error result is not nil
	codeUnwound  = 0x20 // it has an entry in the unwinds
	codeFunction = 0x40 // it has an entry in the callees; never set for calls, which always have. Returns: it has no call
	codeSwitch   = 0x80 // it has an entry in the actors, because its goroutine is not that of the event before
)

func codeOf(kind Kind) uint8 { return uint8(kind - 1) }

func kindOf(code uint8) Kind { return Kind(code&codeKind) + 1 }

// named reports whether an event has an entry in the callees.
func named(code uint8) bool { return code&codeKind == 0 || code&codeFunction != 0 }

func appendHeader(dst []byte, h *Header, sections int) []byte {
	le := binary.LittleEndian
	var flags uint16
	if h.Final {
		flags |= headerFinal
	}
	dst = append(dst, magic[:]...)
	dst = le.AppendUint16(dst, formatVersion)
	dst = le.AppendUint16(dst, flags)
	dst = append(dst, h.Run[:]...)
	dst = le.AppendUint32(dst, h.Number)
	dst = le.AppendUint32(dst, h.Events)
	dst = le.AppendUint64(dst, h.FirstSeq)
	dst = le.AppendUint64(dst, uint64(h.First))
	dst = le.AppendUint64(dst, uint64(h.Last))
	dst = le.AppendUint64(dst, h.Captured)
	dst = le.AppendUint64(dst, h.Dropped)
	dst = le.AppendUint32(dst, uint32(sections))
	return le.AppendUint32(dst, 0) // reserved
}

// ParseHeader reads the head of an encoded block without checking the rest. Errors are CodeDamaged or CodeNewer.
func ParseHeader(encoded []byte) (Header, error) {
	le := binary.LittleEndian
	if len(encoded) < headerSize || [4]byte(encoded[:4]) != magic {
		return Header{}, damaged("this is not a block of a recording")
	}
	h := Header{
		Version:  le.Uint16(encoded[4:]),
		Run:      RunID(encoded[8:24]),
		Number:   le.Uint32(encoded[24:]),
		Events:   le.Uint32(encoded[28:]),
		FirstSeq: le.Uint64(encoded[32:]),
		First:    int64(le.Uint64(encoded[40:])),
		Last:     int64(le.Uint64(encoded[48:])),
		Captured: le.Uint64(encoded[56:]),
		Dropped:  le.Uint64(encoded[64:]),
		Final:    le.Uint16(encoded[6:])&headerFinal != 0,
	}
	if h.Version > formatVersion {
		return h, newer("block format version %d", h.Version)
	}
	if h.Version == 0 || h.Events > BlockEvents || h.FirstSeq == 0 || h.FirstSeq > 1<<63 || h.First > h.Last {
		return h, damaged("the head of block %d of a recording contradicts itself", h.Number)
	}
	return h, nil
}

func damaged(format string, args ...any) *Error {
	return Errorf(CodeDamaged, format, args...).WithHint("the recording was damaged on disk or on its way; import it again if you have the original")
}

func newer(format string, args ...any) *Error {
	e := Errorf(CodeNewer, format, args...)
	e.Message += " is newer than this smiley understands"
	return e.WithHint("upgrade smiley")
}
